//! Why a model says what it says: shares of the features in its scores.

mod cells;
mod linear;
pub(crate) mod report;
mod shares;

pub(crate) use linear::note_means;
pub use shares::Shares;
