//! Writing GGUF version 3.

use super::{ALIGNMENT, MAGIC, Value};
use crate::OutTensor;
use lyceum_core::{Error, Result, write_atomic_with};
use std::io::Write;
use std::path::Path;

/// Writes a whole file, or nothing. `general.alignment` among the metadata is honoured.
pub fn write(path: &Path, metadata: &[(&str, &Value)], tensors: &[OutTensor<'_>]) -> Result<()> {
    let alignment = metadata.iter().find(|(k, _)| *k == "general.alignment").and_then(|(_, v)| v.as_u64());
    let alignment = alignment.unwrap_or(ALIGNMENT) as usize;
    let mut head = Vec::new();
    head.extend(MAGIC);
    head.extend(3u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        put_text(&mut head, key);
        head.extend((value.kind() as u32).to_le_bytes());
        put_value(&mut head, value);
    }
    let mut offset = 0usize;
    for t in tensors {
        check(t)?;
        put_text(&mut head, t.name);
        head.extend((t.shape.len() as u32).to_le_bytes());
        t.shape.iter().rev().for_each(|n| head.extend((*n as u64).to_le_bytes()));
        let id = t.format.gguf_id();
        let id = id.ok_or_else(|| Error::unsupported(format!("a GGUF file cannot hold {}", t.format)))?;
        head.extend(id.to_le_bytes());
        head.extend((offset as u64).to_le_bytes());
        offset += t.bytes.len().next_multiple_of(alignment);
    }
    head.resize(head.len().next_multiple_of(alignment), 0);
    write_atomic_with(path, |out| {
        let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Error::io(path, "write", e));
        put(&head)?;
        for t in tensors {
            put(t.bytes)?;
            put(&vec![0; t.bytes.len().next_multiple_of(alignment) - t.bytes.len()])?;
        }
        Ok(())
    })
}

fn check(t: &OutTensor<'_>) -> Result<()> {
    let elements = t.shape.iter().product();
    if t.format.bytes_of(elements) == Some(t.bytes.len()) {
        return Ok(());
    }
    Err(Error::internal(format!(
        "tensor `{}`: {} bytes are not {:?} in {}",
        t.name,
        t.bytes.len(),
        t.shape,
        t.format
    )))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(x) => out.push(*x),
        Value::I8(x) => out.extend(x.to_le_bytes()),
        Value::U16(x) => out.extend(x.to_le_bytes()),
        Value::I16(x) => out.extend(x.to_le_bytes()),
        Value::U32(x) => out.extend(x.to_le_bytes()),
        Value::I32(x) => out.extend(x.to_le_bytes()),
        Value::F32(x) => out.extend(x.to_le_bytes()),
        Value::Bool(x) => out.push(u8::from(*x)),
        Value::Text(s) => put_text(out, s),
        Value::U64(x) => out.extend(x.to_le_bytes()),
        Value::I64(x) => out.extend(x.to_le_bytes()),
        Value::F64(x) => out.extend(x.to_le_bytes()),
        Value::Array(kind, items) => {
            out.extend((*kind as u32).to_le_bytes());
            out.extend((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| put_value(out, item));
        }
    }
}
