//! Columnar files as numbers, row after row, a batch at a time: what `numbers` reads from text, from Parquet and Arrow.

use super::ipc;
use super::{Limits, columns, parquet_file, values};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use lyceum_core::{Error, ErrorKind, Result, Value};
use std::path::Path;
use std::sync::Arc;

/// Whether a file's name is that of a columnar one.
pub(crate) fn is_columnar(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    matches!(extension.as_deref(), Some("parquet" | "arrow" | "arrows" | "feather"))
}

/// A file's columns, and its rows for who asks for them.
pub(crate) struct NumberBatches {
    pub(crate) names: Vec<String>,
    pub(crate) rows: usize,
    columns: Vec<(usize, Arc<str>)>,
    source: Source,
}

enum Source {
    Parquet(std::path::PathBuf),
    /// Arrow's own files are in memory: they are as large there as on disk.
    Ipc(Vec<u8>),
}

impl NumberBatches {
    /// Opens a file and counts its rows.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let parquet = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
        let (columns, rows, source) = if parquet {
            let file = std::fs::File::open(path).map_err(|e| Error::io(path, "open", e))?;
            let reader = parquet_file::open(file, &mut Limits::default())?;
            (columns::columns(&reader.schema())?, reader.rows(), Source::Parquet(path.to_path_buf()))
        } else {
            let length = std::fs::metadata(path).map_err(|e| Error::io(path, "read", e))?.len();
            if length > crate::MAX_FILE_BYTES {
                let message =
                    format!("the file has {length} bytes, at most {} are read", crate::MAX_FILE_BYTES);
                return Err(Error::new(ErrorKind::TooLarge, message).hint("write it as Parquet"));
            }
            let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
            let reader = ipc::Reader::new(&bytes, &mut Limits::default())?;
            let (columns, rows) = (columns::columns(&reader.schema())?, reader.rows);
            (columns, rows, Source::Ipc(bytes))
        };
        let names = columns.iter().map(|(_, name)| name.to_string()).collect();
        Ok(Self { names, rows, columns, source })
    }

    /// Hands over all rows, a batch at a time: numbers row after row, as many a row as there are columns.
    pub(crate) fn each(&self, mut put: impl FnMut(Vec<f64>) -> Result<()>) -> Result<()> {
        let mut one = |batch: Result<RecordBatch>| put(self.dense(&batch?)?);
        match &self.source {
            Source::Parquet(path) => {
                let file = std::fs::File::open(path).map_err(|e| Error::io(path, "open", e))?;
                parquet_file::open(file, &mut Limits::default())?.try_for_each(&mut one)
            }
            Source::Ipc(bytes) => ipc::Reader::new(bytes, &mut Limits::default())?.try_for_each(&mut one),
        }
    }

    fn dense(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        let width = self.columns.len();
        let mut out = vec![f64::NAN; batch.num_rows().saturating_mul(width)];
        for (place, (at, name)) in self.columns.iter().enumerate() {
            let column = batch.columns().get(*at).ok_or_else(ipc::short)?;
            let mut cells = out.iter_mut().skip(place).step_by(width);
            let mut put = |x: f64| {
                if let Some(cell) = cells.next() {
                    *cell = x;
                }
            };
            match column.data_type() {
                DataType::Float64 => {
                    column.as_primitive::<Float64Type>().iter().for_each(|x| put(x.unwrap_or(f64::NAN)));
                }
                DataType::Float32 => {
                    let cells = column.as_primitive::<Float32Type>().iter();
                    cells.for_each(|x| put(x.map_or(f64::NAN, f64::from)));
                }
                kind => values::each(&**column, |_, value| {
                    put(number(&value, kind)?);
                    Ok(())
                })
                .map_err(|e| e.at_key(format!("column \"{name}\"")))?,
            }
        }
        Ok(out)
    }
}

fn number(value: &Value, kind: &DataType) -> Result<f64> {
    let text = |s: &str| crate::numbers::number(s);
    let x = match value {
        Value::Null => Some(f64::NAN),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Int(i) => Some(*i as f64),
        Value::Float(x) => Some(*x),
        Value::Str(s) => text(s),
        _ => None,
    };
    x.ok_or_else(|| {
        let shown: String = value.as_str().unwrap_or_default().chars().take(40).collect();
        Error::invalid(format!("holds \"{shown}\" (type {kind}), expected numbers only"))
    })
}
