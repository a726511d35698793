//! Opening GGUF files: header, metadata, tensor table; tensors are slices of the mapped file.

use super::cursor::Cursor;
use super::{ALIGNMENT, MAGIC, Value};
use crate::{Format, Numbers, SharedBytes, TensorInfo, Tensors, refuse_pickle};
use indexmap::IndexMap;
use lyceum_core::{Error, Result};
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Most tensors and most keys of one file.
const MAX_ENTRIES: u64 = 1 << 20;
/// Most parts of a split model.
const MAX_PARTS: u64 = 10_000;

/// An open GGUF model: one file, or all parts of a split one.
#[derive(Debug)]
pub struct Gguf {
    tensors: Tensors,
    metadata: IndexMap<String, Value>,
}

/// A file is its tensors, with metadata.
impl Deref for Gguf {
    type Target = Tensors;

    fn deref(&self) -> &Tensors {
        &self.tensors
    }
}

impl Gguf {
    /// Opens a file, and the other parts when it is the first of a split.
    pub fn open(path: &Path) -> Result<Self> {
        let mut first = Self::open_one(path).map_err(|e| e.in_file(path))?;
        let parts = first.get("split.count").and_then(Value::as_u64).unwrap_or(1);
        if parts > MAX_PARTS {
            let m = format!("the model is said to have {parts} parts, at most {MAX_PARTS} are read");
            return Err(Error::corrupt(m).in_file(path).at_key("split.count"));
        }
        if parts > 1 {
            for part in part_names(path, parts)?.into_iter().filter(|p| p != path) {
                let more = Self::open_one(&part).map_err(|e| e.in_file(&part))?;
                first.tensors.all.extend(more.tensors.all);
            }
        }
        Ok(first)
    }

    fn open_one(path: &Path) -> Result<Self> {
        refuse_pickle(path)?;
        let bytes = SharedBytes::map(path)?;
        let mut cursor = Cursor::new(&bytes);
        if cursor.magic()? != *MAGIC {
            return Err(Error::corrupt("not a GGUF file: it does not begin with `GGUF`"));
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Error::unsupported(format!("GGUF version {version}; versions 2 and 3 are read")));
        }
        let (tensors, keys) = (cursor.u64()?, cursor.u64()?);
        if tensors > MAX_ENTRIES || keys > MAX_ENTRIES {
            return Err(Error::corrupt(format!(
                "{tensors} tensors and {keys} keys are more than any model has"
            )));
        }
        let mut metadata = IndexMap::new();
        for _ in 0..keys {
            let key = cursor.text()?;
            let value = cursor.value().map_err(|e| e.at_key(&key))?;
            metadata.insert(key, value);
        }
        let tensors = tensor_table(&mut cursor, tensors, &metadata, &bytes)?;
        Ok(Self { tensors: Tensors::new(path, tensors), metadata })
    }

    /// All metadata in the file's order.
    pub fn metadata(&self) -> &IndexMap<String, Value> {
        &self.metadata
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A metadata value read by `read`; fails when it is there and of another type.
    pub fn read<'a, T>(
        &'a self,
        key: &str,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || Error::corrupt(format!("the value is not {what}")).in_file(self.path()).at_key(key);
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A whole number from 0.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.read(key, "a whole number", Value::as_u64)
    }

    /// A number.
    pub fn f64(&self, key: &str) -> Result<Option<f64>> {
        self.read(key, "a number", Value::as_f64)
    }

    /// A text.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.read(key, "a text", Value::as_str)
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// An array whose elements `read` takes.
    pub fn list<'a, T>(&'a self, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<Vec<T>>> {
        self.read(key, "an array of the right type", |v| v.as_array()?.iter().map(&read).collect())
    }
}

fn tensor_table(
    cursor: &mut Cursor<'_>,
    count: u64,
    metadata: &IndexMap<String, Value>,
    bytes: &SharedBytes,
) -> Result<IndexMap<String, TensorInfo>> {
    let mut table = Vec::new();
    for _ in 0..count {
        let name = cursor.text()?;
        let dimensions = cursor.u32()?;
        if !(1..=4).contains(&dimensions) {
            return Err(Error::corrupt(format!("tensor `{name}` has {dimensions} dimensions; 1 to 4 exist")));
        }
        let mut shape =
            (0..dimensions).map(|_| cursor.u64().map(|n| n as usize)).collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        table.push((name, shape, kind, offset));
    }
    let alignment = metadata.get("general.alignment").and_then(Value::as_u64).unwrap_or(ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(Error::corrupt(format!("general.alignment is {alignment}, a power of two expected")));
    }
    let start = (cursor.position() as u64).next_multiple_of(alignment);
    let mut tensors = IndexMap::with_capacity(table.len());
    for (name, shape, kind, offset) in table {
        let info = place(&name, shape, kind, start.checked_add(offset), bytes)?;
        if tensors.insert(name.clone(), info).is_some() {
            return Err(Error::corrupt(format!("tensor `{name}` is there twice")));
        }
    }
    Ok(tensors)
}

fn place(
    name: &str,
    shape: Vec<usize>,
    kind: u32,
    start: Option<u64>,
    bytes: &SharedBytes,
) -> Result<TensorInfo> {
    let format = Format::from_gguf_id(kind).map_err(|kind| {
        let known = Format::all().map(Format::name).collect::<Vec<_>>().join(", ");
        Error::unsupported(format!("tensor `{name}` is quantised as {kind}, which is not read"))
            .hint(format!("get the model in one of {known}"))
    })?;
    let size = || {
        let elements = shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n))?;
        let fastest = *shape.last()?;
        format.bytes_of(fastest)?;
        format.bytes_of(elements)
    };
    let size = size().ok_or_else(|| {
        Error::corrupt(format!("tensor `{name}` of shape {shape:?} does not fill whole {format} blocks"))
    })?;
    let range = start.and_then(|s| usize::try_from(s).ok()).and_then(|s| Some(s..s.checked_add(size)?));
    let data = range.and_then(|r| bytes.slice(r)).ok_or_else(|| {
        Error::corrupt(format!(
            "the file is truncated: tensor `{name}` needs {size} bytes at {}, the file has {}",
            start.unwrap_or_default(),
            bytes.len()
        ))
    })?;
    Ok(TensorInfo { shape, numbers: Numbers::Weights(format), data })
}

/// Names of all parts, from the name of any.
fn part_names(path: &Path, count: u64) -> Result<Vec<PathBuf>> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let stem =
        name.strip_suffix(&format!("-of-{count:05}.gguf")).and_then(|s| s.get(..s.len().checked_sub(6)?));
    let stem = stem.ok_or_else(|| {
        let expected = format!("NAME-00001-of-{count:05}.gguf");
        Error::invalid(format!("this is a part of {count} and should be called {expected}")).in_file(path)
    })?;
    Ok((1..=count).map(|i| path.with_file_name(format!("{stem}-{i:05}-of-{count:05}.gguf"))).collect())
}
