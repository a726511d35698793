//! Small files from a model's folder: bounded, with errors that name the file.

use lyceum_core::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Largest JSON or template file that is read.
const LIMIT: u64 = 256 << 20;

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, "read", e))?.len();
    if size > LIMIT {
        return Err(Error::corrupt(format!("{size} bytes; at most {LIMIT} are read")).in_file(path));
    }
    std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&text(path)?).map_err(|e| {
        Error::corrupt(format!("not JSON: {e}")).in_file(path).on_line_column(e.line(), e.column())
    })
}

/// A JSON file if it is there.
pub(crate) fn json_if_any(path: &Path) -> Result<Option<Value>> {
    if path.is_file() { json(path).map(Some) } else { Ok(None) }
}
