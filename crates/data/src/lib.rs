//! Where tables come from: readers (CSV, JSON Lines, Parquet, Arrow), splits, and preprocessing that is fitted on the training rows
//! and then changes any rows in the same way. Beside them the YAML reader of everything that a person writes.
//!
//! Nothing here trains a model, knows what a configuration may say, or writes an artefact. A cell stays text until somebody
//! says what it is, so that an error can name the file, the line and the column.

pub mod arrow;
mod cells;
mod csv_file;
mod csv_text;
mod hash;
mod infer;
mod jsonl_file;
pub mod numbers;
pub mod prepare;
mod random;
mod raw;
mod split;
pub mod yaml;

pub use cells::Cells;
pub use csv_text::csv_text;
pub use hash::{FileHashes, content_hash, file_hash};
pub use infer::{ColumnType, infer, infer_table};
pub use random::Random;
pub use raw::Raw;
pub use split::{Split, SplitRule, Splits};

use lyceum_core::{Error, Result};
use std::path::Path;

/// Largest file that is read into memory, in bytes.
pub const MAX_FILE_BYTES: u64 = 8 << 30;
/// Most columns of a table.
pub const MAX_COLUMNS: usize = 20_000;

/// Reads a table, by its extension: `.jsonl` and `.ndjson` are JSON Lines, `.parquet`, `.arrow` and
/// `.feather` are columnar, `.tsv` is tab-separated, anything else is CSV whose delimiter (comma, semicolon or tab) is taken from the header.
///
/// # Errors
/// A missing, empty, too large, ragged or badly encoded file, with the file and line.
pub fn read(path: impl AsRef<Path>) -> Result<Raw> {
    let path = path.as_ref();
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
    if meta.is_dir() {
        return Err(Error::invalid("is a folder, not a table").in_file(path));
    }
    if meta.len() == 0 && meta.is_file() {
        return Err(Error::invalid("the file is empty").in_file(path));
    }
    if meta.len() > MAX_FILE_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_FILE_BYTES} are read", meta.len());
        return Err(Error::new(lyceum_core::ErrorKind::TooLarge, message).in_file(path));
    }
    match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
        Some("jsonl" | "ndjson") => jsonl_file::read(path),
        Some("parquet") => arrow::read_parquet(path),
        Some("arrow" | "arrows" | "feather") => arrow::read_ipc(path),
        Some("xlsx" | "xls" | "pkl" | "pickle") => {
            let message = "only CSV, TSV, JSON Lines, Parquet and Arrow tables are read";
            Err(Error::unsupported(message).in_file(path))
        }
        Some("tsv") => csv_file::read(path, Some(b'\t')),
        _ => csv_file::read(path, None),
    }
}
