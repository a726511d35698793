//! Reads numbers and strings from bytes that may end anywhere or lie about their lengths.

use super::value::{Kind, Value};
use lyceum_core::{Error, Result};

/// Longest string: chat templates are some ten thousand bytes.
const MAX_TEXT: u64 = 16 << 20;
/// Most elements of an array: vocabularies have a few hundred thousand.
const MAX_ARRAY: u64 = 16 << 20;
/// Deepest nesting of arrays.
const MAX_DEPTH: usize = 3;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n);
        let part = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| {
            Error::corrupt(format!(
                "the file is truncated: {n} more bytes expected at {}, it has {}",
                self.at,
                self.bytes.len()
            ))
        })?;
        self.at += n;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn magic(&mut self) -> Result<[u8; 4]> {
        self.array()
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let n = self.u64()?;
        if n > MAX_TEXT {
            return Err(Error::corrupt(format!(
                "a string of {n} bytes at {}; at most {MAX_TEXT} are read",
                self.at
            )));
        }
        let bytes = self.take(n as usize)?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Error::corrupt(format!("a string at {} is not UTF-8", self.at)))
    }

    fn kind(&mut self) -> Result<Kind> {
        let id = self.u32()?;
        Kind::from_id(id)
            .ok_or_else(|| Error::corrupt(format!("value type {id} at {} does not exist", self.at - 4)))
    }

    pub(super) fn value(&mut self) -> Result<Value> {
        let kind = self.kind()?;
        self.value_of(kind, 0)
    }

    fn value_of(&mut self, kind: Kind, depth: usize) -> Result<Value> {
        Ok(match kind {
            Kind::U8 => Value::U8(u8::from_le_bytes(self.array()?)),
            Kind::I8 => Value::I8(i8::from_le_bytes(self.array()?)),
            Kind::U16 => Value::U16(u16::from_le_bytes(self.array()?)),
            Kind::I16 => Value::I16(i16::from_le_bytes(self.array()?)),
            Kind::U32 => Value::U32(self.u32()?),
            Kind::I32 => Value::I32(i32::from_le_bytes(self.array()?)),
            Kind::F32 => Value::F32(f32::from_le_bytes(self.array()?)),
            Kind::Bool => Value::Bool(self.array::<1>()? != [0]),
            Kind::Text => Value::Text(self.text()?),
            Kind::U64 => Value::U64(self.u64()?),
            Kind::I64 => Value::I64(i64::from_le_bytes(self.array()?)),
            Kind::F64 => Value::F64(f64::from_le_bytes(self.array()?)),
            Kind::Array => self.list(depth)?,
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let kind = self.kind()?;
        let n = self.u64()?;
        // Every element has at least one byte, so a count over what is left cannot be true.
        if n > MAX_ARRAY || n > self.remaining() as u64 || depth >= MAX_DEPTH {
            return Err(Error::corrupt(format!(
                "an array of {n} elements at {} is beyond the file or the limits",
                self.at
            )));
        }
        let mut items = Vec::with_capacity(n as usize);
        for _ in 0..n {
            items.push(self.value_of(kind, depth + 1)?);
        }
        Ok(Value::Array(kind, items))
    }
}
