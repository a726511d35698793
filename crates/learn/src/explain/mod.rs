//! Why a model says what it says: shares of the features in its scores.

mod cells;
mod interactions;
mod linear;
pub(crate) mod report;
mod shares;

pub use interactions::Interactions;
pub use linear::note_means;
pub(crate) use shares::Sees;
pub use shares::Shares;
