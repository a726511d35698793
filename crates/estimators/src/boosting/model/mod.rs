//! What training gives: trees, the file that they are kept in, what they predict.

mod booster;
mod dump;
mod model_text;
mod onnx;
mod source;
mod transform;
mod tree;
mod tree_text;

pub use booster::Booster;
pub(super) use booster::Cache;
pub use transform::Transform;
pub(super) use transform::softmax;
pub use tree::Tree;
pub(super) use tree::{CATEGORICAL, DEFAULT_LEFT, LeafModel, missing_of};
