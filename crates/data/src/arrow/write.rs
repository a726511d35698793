//! Tables as Arrow: numbers as doubles (whole columns of whole numbers too), truth values, text.

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use lyceum_core::{Column, Error, Result, Table};
use std::sync::Arc;

/// A table as an Arrow stream. NaN is null, as it is missing in a table; categories are text.
///
/// # Errors
/// More than 2 GiB of text in a column.
pub fn stream_bytes(table: &Table) -> Result<Vec<u8>> {
    let batch = batch(table)?;
    let write = || -> std::result::Result<Vec<u8>, ArrowError> {
        let mut out = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        out.write(&batch)?;
        out.into_inner()
    };
    write().map_err(|e| fault(&e))
}

/// A table as an Arrow file (Feather 2).
///
/// # Errors
/// As [`stream_bytes`].
pub fn file_bytes(table: &Table) -> Result<Vec<u8>> {
    let batch = batch(table)?;
    let write = || -> std::result::Result<Vec<u8>, ArrowError> {
        let mut out = FileWriter::try_new(Vec::new(), &batch.schema())?;
        out.write(&batch)?;
        out.into_inner()
    };
    write().map_err(|e| fault(&e))
}

fn fault(e: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("cannot write Arrow: {e}"))
}

fn batch(table: &Table) -> Result<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, column) in table.columns() {
        let (kind, array) = array(column)?;
        fields.push(Field::new(name, kind, true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|e| fault(&e))
}

fn array(column: &Column) -> Result<(DataType, ArrayRef)> {
    Ok(match column {
        Column::Number(all) => {
            let cells = all.iter().map(|x| (!x.is_nan()).then_some(*x));
            (DataType::Float64, Arc::new(cells.collect::<Float64Array>()))
        }
        Column::Bool(all) => (DataType::Boolean, Arc::new(all.iter().copied().collect::<BooleanArray>())),
        Column::Text(all) => {
            fits(all.iter().flatten().map(|t| t.len()))?;
            (DataType::Utf8, Arc::new(all.iter().map(|t| t.as_deref()).collect::<StringArray>()))
        }
        Column::Category { codes, levels } => {
            let cells = || codes.iter().map(|c| levels.get(*c as usize).map(|l| &**l));
            fits(cells().flatten().map(str::len))?;
            (DataType::Utf8, Arc::new(cells().collect::<StringArray>()))
        }
    })
}

/// Offsets of text are 32 bits wide.
fn fits(lengths: impl Iterator<Item = usize>) -> Result<()> {
    match lengths.sum::<usize>() {
        n if n > i32::MAX as usize => {
            Err(Error::unsupported(format!("a column of {n} bytes of text; ask for CSV")))
        }
        _ => Ok(()),
    }
}
