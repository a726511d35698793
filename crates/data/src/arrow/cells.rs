//! Columnar tables as text cells, as their CSV would have them.

use super::ipc::Reader;
use super::{Limits, broken, columns, ipc, parquet_file, values};
use crate::raw::cell_text;
use crate::{Cells, Raw};
use arrow_array::RecordBatch;
use arrow_schema::Schema;
use lyceum_core::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Reads a Parquet file whole.
pub(crate) fn read_parquet(path: &Path) -> Result<Raw> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut left = Limits::default();
    let read = parquet_file::open(file, &mut left).and_then(|r| {
        let schema = r.schema();
        table(&schema, r, left)
    });
    finish(read.map_err(|e| e.in_file(path))?, path)
}

/// Reads an Arrow file or stream whole.
pub(crate) fn read_ipc(path: &Path) -> Result<Raw> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let mut left = Limits::default();
    let read = Reader::new(&bytes, &mut left).and_then(|r| table(&r.schema(), r, left));
    finish(read.map_err(|e| e.in_file(path))?, path)
}

/// Either, told by the first bytes.
pub(super) fn of_bytes(bytes: &[u8], limits: Limits) -> Result<Raw> {
    let mut left = limits;
    let columns = if bytes.starts_with(b"PAR1") {
        let reader = parquet_file::open(bytes::Bytes::copy_from_slice(bytes), &mut left)?;
        table(&reader.schema(), reader, left)?
    } else {
        let reader = Reader::new(bytes, &mut left)?;
        table(&reader.schema(), reader, left)?
    };
    Raw::new(columns)
}

fn table(
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    mut left: Limits,
) -> Result<Vec<(Arc<str>, Cells)>> {
    let most = left.rows;
    let mut out: Vec<(usize, Arc<str>, Cells)> =
        columns::columns(schema)?.into_iter().map(|(at, name)| (at, name, Cells::default())).collect();
    for batch in batches {
        let batch = batch?;
        left.take_rows(batch.num_rows(), most)?;
        left.take_bytes((batch.num_rows() as u64).saturating_mul(super::limits::CELL * out.len() as u64))?;
        for (at, name, cells) in &mut out {
            let column = batch.columns().get(*at).ok_or_else(ipc::short)?;
            values::each(&**column, |_, value| {
                let text = cell_text(&value);
                left.take_bytes(text.as_ref().map_or(0, |t| t.len() as u64))?;
                cells.push(text.as_deref());
                Ok(())
            })
            .map_err(|e| e.at_key(format!("column \"{name}\"")))?;
        }
    }
    if out.first().is_none_or(|(_, _, cells)| cells.is_empty()) {
        return Err(Error::invalid("the file has columns but no rows"));
    }
    if let Some((_, name, _)) = out.iter().find(|(_, _, c)| c.len() != out.first().map_or(0, |f| f.2.len())) {
        return Err(broken(
            "a table",
            &format!("column \"{name}\" has another number of rows than the first"),
        ));
    }
    Ok(out.into_iter().map(|(_, name, cells)| (name, cells)).collect())
}

/// A row's "line" is its number from 1, as there are no lines.
fn finish(columns: Vec<(Arc<str>, Cells)>, path: &Path) -> Result<Raw> {
    let rows = columns.first().map_or(0, |(_, c)| c.len());
    let (names, cells) = columns.into_iter().unzip();
    Raw::of_file(path, names, cells, (1..=rows).map(|r| u32::try_from(r).unwrap_or(u32::MAX)).collect())
}
