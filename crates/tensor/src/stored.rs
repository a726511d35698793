//! Tensors of mapped files, by name, and tensors to write, whatever the format of the file.
//! How a file lists its tensors is known to its own reader alone.

use crate::{Format, Matrix, SharedBytes};
use indexmap::IndexMap;
use lyceum_core::{Error, Result};
use std::path::{Path, PathBuf};

/// How the numbers of a tensor are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbers {
    /// In a format that weights have.
    Weights(Format),
    /// As something else (`I64`, `BOOL`, …), by the file's own name for it.
    Other(String),
}

/// One tensor of a file.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Sizes, slowest first (rows, then columns).
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub numbers: Numbers,
    pub(crate) data: SharedBytes,
}

impl TensorInfo {
    /// Its bytes, row-major, little-endian.
    pub fn bytes(&self) -> &SharedBytes {
        &self.data
    }

    /// The format of its weights; fails when it holds something else.
    pub fn format(&self) -> Result<Format> {
        match &self.numbers {
            Numbers::Weights(format) => Ok(*format),
            Numbers::Other(name) => {
                Err(Error::unsupported(format!("holds {name}; weights are read as F32, F16 or BF16")))
            }
        }
    }
}

/// The tensors of an open file, or of all its parts.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    pub(crate) all: IndexMap<String, TensorInfo>,
}

impl Tensors {
    pub(crate) fn new(path: &Path, all: IndexMap<String, TensorInfo>) -> Self {
        Self { path: path.to_path_buf(), all }
    }

    /// The file or index that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors in the file's order.
    pub fn tensors(&self) -> &IndexMap<String, TensorInfo> {
        &self.all
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// A tensor; fails with the nearest name when it is not there.
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo> {
        self.all.get(name).ok_or_else(|| {
            Error::corrupt(format!("tensor `{name}` is missing"))
                .in_file(&self.path)
                .did_you_mean(name, self.all.keys().map(String::as_str))
        })
    }

    /// A tensor of two dimensions as a matrix that shares the file's bytes.
    pub fn matrix(&self, name: &str) -> Result<Matrix> {
        let [rows, cols] = self.shape(name)?;
        self.as_matrix(name, rows, cols)
    }

    /// A tensor of one dimension as f32.
    pub fn vector(&self, name: &str) -> Result<Vec<f32>> {
        let [n] = self.shape(name)?;
        Ok(self.as_matrix(name, 1, n)?.to_f32())
    }

    /// All numbers of a tensor of any shape as f32, row-major.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let n = self.tensor(name)?.shape.iter().product();
        Ok(self.as_matrix(name, 1, n)?.to_f32())
    }

    /// The shape of a tensor of `N` dimensions.
    fn shape<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let shape = &self.tensor(name)?.shape;
        <[usize; N]>::try_from(shape.as_slice()).map_err(|_| {
            let s = if N == 1 { "" } else { "s" };
            Error::corrupt(format!("tensor `{name}` has shape {shape:?}, {N} dimension{s} expected"))
                .in_file(&self.path)
        })
    }

    fn as_matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let t = self.tensor(name)?;
        let matrix = t.format().and_then(|format| Matrix::new(rows, cols, format, t.data.clone()));
        matrix.map_err(|e| e.in_file(&self.path).at_key(name))
    }
}

/// A tensor to write.
pub struct OutTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Sizes, slowest first.
    pub shape: &'a [usize],
    /// Its format; safetensors hold F32, F16 and BF16 only.
    pub format: Format,
    /// Its bytes.
    pub bytes: &'a [u8],
}
