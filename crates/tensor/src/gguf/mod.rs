//! GGUF, versions 2 and 3: reading (mapped, every length checked) and writing. Split files are read as one.
//! What the keys mean is not known here.

mod cursor;
mod read;
mod value;
mod write;

pub use crate::OutTensor;
pub use read::Gguf;
pub use value::{Kind, Value};
pub use write::write;

/// First four bytes of a file.
const MAGIC: &[u8; 4] = b"GGUF";
/// Alignment of tensors where the file does not say.
const ALIGNMENT: u64 = 32;
