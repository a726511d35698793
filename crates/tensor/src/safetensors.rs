//! Safetensors: one file, or a folder whose index names the shards; mapped, every offset checked; and a writer.
//! Header parsing is the `safetensors` crate's (which refuses headers over 100 MB).

use crate::{Format, Matrix, SharedBytes, refuse_pickle, write_atomically};
use indexmap::IndexMap;
use lyceum_core::{Error, Result};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Largest shard index that is read.
const MAX_INDEX: u64 = 64 << 20;

/// One tensor.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Its number type, as the format spells it: `F32`, `BF16`, `I64`, …
    pub dtype: String,
    data: SharedBytes,
}

impl TensorInfo {
    /// Its bytes, little-endian, row-major.
    pub fn bytes(&self) -> &SharedBytes {
        &self.data
    }
}

/// Open safetensors: a file or the shards of a folder.
#[derive(Debug)]
pub struct Safetensors {
    path: PathBuf,
    tensors: IndexMap<String, TensorInfo>,
    metadata: HashMap<String, String>,
}

impl Safetensors {
    /// Opens one file.
    pub fn open(path: &Path) -> Result<Self> {
        refuse_pickle(path)?;
        let mut all = Self { path: path.to_path_buf(), tensors: IndexMap::new(), metadata: HashMap::new() };
        all.add(path)?;
        Ok(all)
    }

    /// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` names.
    pub fn open_folder(folder: &Path) -> Result<Self> {
        let single = folder.join("model.safetensors");
        if single.is_file() {
            return Self::open(&single);
        }
        let index = folder.join("model.safetensors.index.json");
        if !index.is_file() {
            return Err(no_weights(folder));
        }
        let mut all = Self { path: index.clone(), tensors: IndexMap::new(), metadata: HashMap::new() };
        for shard in shards(&index)? {
            all.add(&folder.join(shard))?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let bytes = SharedBytes::map(path)?;
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| unreadable(&e).in_file(path))?;
        let start = 8 + header;
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let (from, to) = info.data_offsets;
            let data = bytes.slice(start + from..start + to).ok_or_else(|| {
                Error::corrupt(format!("tensor `{name}` lies beyond the end of the file")).in_file(path)
            })?;
            let dtype = format!("{:?}", info.dtype);
            self.tensors.insert(name, TensorInfo { shape: info.shape.clone(), dtype, data });
        }
        self.metadata.extend(metadata.metadata().clone().unwrap_or_default());
        Ok(())
    }

    /// The file or index that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors.
    pub fn tensors(&self) -> &IndexMap<String, TensorInfo> {
        &self.tensors
    }

    /// Free-form metadata of the header.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor; fails with the nearest name when it is not there.
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo> {
        self.tensors.get(name).ok_or_else(|| {
            Error::corrupt(format!("tensor `{name}` is missing"))
                .in_file(&self.path)
                .did_you_mean(name, self.tensors.keys().map(String::as_str))
        })
    }

    /// A tensor of two dimensions as a matrix that shares the file's bytes.
    pub fn matrix(&self, name: &str) -> Result<Matrix> {
        let t = self.tensor(name)?;
        let [rows, cols] = t.shape[..] else {
            return Err(Error::corrupt(format!(
                "tensor `{name}` has shape {:?}, 2 dimensions expected",
                t.shape
            ))
            .in_file(&self.path));
        };
        Matrix::new(rows, cols, self.format(name, t)?, t.data.clone())
            .map_err(|e| e.in_file(&self.path).at_key(name))
    }

    /// All numbers of a tensor of any shape as f32, row-major.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let t = self.tensor(name)?;
        let n = t.shape.iter().product();
        let flat = Matrix::new(1, n, self.format(name, t)?, t.data.clone());
        Ok(flat.map_err(|e| e.in_file(&self.path).at_key(name))?.to_f32())
    }

    /// A tensor of one dimension as f32.
    pub fn vector(&self, name: &str) -> Result<Vec<f32>> {
        let t = self.tensor(name)?;
        if t.shape.len() != 1 {
            return Err(Error::corrupt(format!(
                "tensor `{name}` has shape {:?}, 1 dimension expected",
                t.shape
            ))
            .in_file(&self.path));
        }
        self.f32(name)
    }

    fn format(&self, name: &str, t: &TensorInfo) -> Result<Format> {
        match t.dtype.as_str() {
            "F32" => Ok(Format::F32),
            "F16" => Ok(Format::F16),
            "BF16" => Ok(Format::BF16),
            other => {
                let m = format!("tensor `{name}` holds {other}; weights are read as F32, F16 or BF16");
                Err(Error::unsupported(m).in_file(&self.path))
            }
        }
    }
}

fn no_weights(folder: &Path) -> Error {
    let pickled =
        ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().any(|n| folder.join(n).exists());
    let e = Error::not_found("no model.safetensors and no model.safetensors.index.json").in_file(folder);
    if pickled {
        e.hint("pytorch_model.bin is a pickle, which could run any code when loaded; it is not read")
            .hint("use a .safetensors or .gguf file of the same model")
    } else {
        e
    }
}

/// Files that an index names, each once; none may leave the folder.
fn shards(index: &Path) -> Result<Vec<String>> {
    let size = std::fs::metadata(index).map_err(|e| Error::io(index, "read the size of", e))?.len();
    if size > MAX_INDEX {
        return Err(
            Error::corrupt(format!("an index of {size} bytes; at most {MAX_INDEX} are read")).in_file(index)
        );
    }
    let text = std::fs::read_to_string(index).map_err(|e| Error::io(index, "read", e))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| {
        Error::corrupt(format!("not JSON: {e}")).in_file(index).on_line_column(e.line(), e.column())
    })?;
    let map = json.get("weight_map").and_then(|m| m.as_object());
    let map = map.ok_or_else(|| Error::corrupt("no `weight_map`").in_file(index))?;
    let mut files: Vec<String> = Vec::new();
    for file in map.values().filter_map(|v| v.as_str()) {
        if file.contains(['/', '\\']) || file.starts_with('.') {
            return Err(Error::corrupt(format!("shard `{file}` is not a plain file name")).in_file(index));
        }
        if !files.iter().any(|f| f == file) {
            files.push(file.to_string());
        }
    }
    Ok(files)
}

fn unreadable(e: &SafeTensorError) -> Error {
    match e {
        SafeTensorError::HeaderTooLarge
        | SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeader(_) => Error::corrupt(format!("not a safetensors file ({e})")),
        SafeTensorError::InvalidHeaderLength | SafeTensorError::MetadataIncompleteBuffer => {
            Error::corrupt(format!("the file is truncated or not a safetensors file ({e})"))
        }
        e => Error::corrupt(format!("not a sound safetensors file: {e}")),
    }
}

/// A tensor to write.
pub struct OutTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Sizes, slowest first.
    pub shape: &'a [usize],
    /// F32, F16 or BF16.
    pub format: Format,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Writes a whole file, or nothing, with the metadata `{"format": "pt"}` that other readers want.
pub fn write(path: &Path, tensors: &[OutTensor<'_>]) -> Result<()> {
    let mut views = Vec::with_capacity(tensors.len());
    for t in tensors {
        let dtype = match t.format {
            Format::F32 => Dtype::F32,
            Format::F16 => Dtype::F16,
            Format::BF16 => Dtype::BF16,
            other => return Err(Error::unsupported(format!("safetensors cannot hold {other}"))),
        };
        let view = safetensors::tensor::TensorView::new(dtype, t.shape.to_vec(), t.bytes)
            .map_err(|e| Error::internal(format!("tensor `{}`: {e}", t.name)))?;
        views.push((t.name, view));
    }
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::internal(format!("cannot write safetensors: {e}")).in_file(path))?;
    write_atomically(path, |out| out.write_all(&bytes).map_err(|e| Error::io(path, "write", e)))
}
