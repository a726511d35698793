//! Numbers to bins: which bins a feature has, and the rows of a data set as bins.

mod bins;
mod column;
mod dataset;
mod forced;
mod layout;
mod lookup;
pub(super) mod radix;
mod stream;

pub(super) use bins::ZERO;
pub use bins::{BinMapper, BinRule, MissingKind};
pub(super) use column::Column;
pub use dataset::Dataset;
pub(super) use layout::Layout;
pub use stream::DatasetBuilder;
