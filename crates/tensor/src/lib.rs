//! Arrays and what computes on them: the thread pool, matrix products, file formats, quantised matrices, kernels and
//! the differentiation tape.
//!
//! The only crate with `unsafe`, each use behind a safe function with a stated contract. No architecture, no
//! training loop, no tokenizer comes in here.

mod bytes;
mod dequant;
mod format;
mod gemm;
pub mod gguf;
pub mod kernels;
mod matrix;
mod pages;
mod pickle;
mod pool;
mod quant;
mod quant_k;
pub mod safetensors;
mod stored;
pub mod tape;

pub use bytes::SharedBytes;
pub use dequant::dequantize;
pub use format::Format;
pub use gemm::{View, gemm};
pub use kernels::{Level, gathers_pay, level};
pub use matrix::Matrix;
pub use pages::roomy;
pub use pickle::refuse_pickle;
pub use pool::Pool;
pub use quant::quantize;
pub use stored::{Numbers, OutTensor, TensorInfo, Tensors};
