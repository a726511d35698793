//! Arrays and what computes on them: the thread pool, matrix products, and (in rooms of their own) file formats,
//! quantised matrices, kernels and the differentiation tape.
//!
//! The only crate with `unsafe`, each use behind a safe function with a stated contract. No architecture, no
//! training loop, no tokenizer comes in here.

mod gemm;
mod pool;

pub use gemm::{Layout, gemm};
pub use pool::Pool;
