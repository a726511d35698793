//! What training gives: trees, the file that they are kept in, what they predict.

mod booster;
mod model_text;
mod transform;
mod tree;
mod tree_text;

pub use booster::Booster;
pub use transform::Transform;
pub(super) use transform::softmax;
pub use tree::Tree;
pub(super) use tree::{CATEGORICAL, DEFAULT_LEFT};
