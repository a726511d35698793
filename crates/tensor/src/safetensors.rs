//! Safetensors: one file, or a folder whose index names the shards; mapped, every offset checked; and a writer.
//! Header parsing is the `safetensors` crate's (which refuses headers over 100 MB).

pub use crate::OutTensor;
use crate::{Format, Numbers, SharedBytes, TensorInfo, Tensors, refuse_pickle};
use indexmap::IndexMap;
use lyceum_core::{Error, Result, write_atomic};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;

/// Largest shard index that is read.
const MAX_INDEX: u64 = 64 << 20;

/// Open safetensors: a file or the shards of a folder.
#[derive(Debug)]
pub struct Safetensors {
    tensors: Tensors,
    metadata: HashMap<String, String>,
}

/// A file is its tensors, with metadata.
impl Deref for Safetensors {
    type Target = Tensors;

    fn deref(&self) -> &Tensors {
        &self.tensors
    }
}

impl Safetensors {
    /// Opens one file.
    pub fn open(path: &Path) -> Result<Self> {
        refuse_pickle(path)?;
        let mut all = Self::empty(path);
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
        let mut all = Self::empty(&index);
        for shard in shards(&index)? {
            all.add(&folder.join(shard))?;
        }
        Ok(all)
    }

    fn empty(path: &Path) -> Self {
        Self { tensors: Tensors::new(path, IndexMap::new()), metadata: HashMap::new() }
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
            let numbers = match info.dtype {
                Dtype::F32 => Numbers::Weights(Format::F32),
                Dtype::F16 => Numbers::Weights(Format::F16),
                Dtype::BF16 => Numbers::Weights(Format::BF16),
                other => Numbers::Other(format!("{other:?}")),
            };
            self.tensors.all.insert(name, TensorInfo { shape: info.shape.clone(), numbers, data });
        }
        self.metadata.extend(metadata.metadata().clone().unwrap_or_default());
        Ok(())
    }

    /// Free-form metadata of the header.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
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
    write_atomic(path, &bytes)
}
