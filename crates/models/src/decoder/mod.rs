//! The decoder-only transformer: its description, its weights in one layout, and where both are read from.

mod from_gguf;
mod from_hf;
mod load;
mod module;
mod rope_config;
mod spec;
mod weights;

pub use from_gguf::stored_order;
pub use load::{Loaded, load, load_without_text};
pub use module::{Module, Projection};
pub use spec::{AttentionSpec, DecoderSpec, Dialect};
pub use weights::{DecoderWeights, LayerBiases, LayerWeights};
