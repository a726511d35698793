//! A network of encoders, a combiner and decoders, with its forward and backward pass written out by hand.
//!
//! All parameters lie end to end in one vector, so that an optimiser, a limit on gradients or a file sees one slice.

mod batch;
mod dense;
mod network;
mod optimizer;
mod outputs;
mod parameters;
mod trainer;

pub use batch::Rows;
pub use network::Network;
pub use trainer::{History, Stage, train};
