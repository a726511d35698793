//! What the house knows of neural models: one description of a decoder ([`DecoderSpec`]), its weights, its tokenizer
//! and chat template, the sentence encoder, and the adapter folder format.
//!
//! Nothing here runs a decoder or trains one: `engine` and `train` do, from these same structures. No scheduler, no
//! gradient, no protocol comes in here.

pub mod bert;
pub mod chat;
pub mod decoder;
mod files;
pub mod peft;
pub mod quantize;
pub mod rope;
pub mod text;
pub mod tokenizer;

pub use decoder::{
    AttentionSpec, DecoderSpec, DecoderWeights, Dialect, LayerBiases, LayerWeights, Loaded, Module,
    Projection, load,
};
pub use text::Text;
