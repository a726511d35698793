//! Language models: the trainer's execution of a decoder, adapters, examples, and the two ways to train one
//! (an adapter over a frozen base, or everything from scratch).

mod adapter;
mod examples;
mod finetune;
mod merge;
mod network;
mod pretrain;
mod training;
mod vocabulary;

pub use adapter::{AdapterSettings, Targets};
pub use examples::{Example, read_examples};
pub use finetune::{Finetune, FinetuneReport, finetune};
pub use merge::{MergeFormat, merge};
pub use network::{Batch, Network};
pub use pretrain::{Pretrain, PretrainReport, Shape, pretrain};
pub use training::Training;
