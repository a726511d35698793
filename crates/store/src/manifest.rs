//! What is known of a pulled model: its files with their hashes, and where they came from. One small JSON file each.

use crate::hash;
use lyceum_core::{Error, Result, write_atomic};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path within the model, with `/` between its parts.
    pub path: String,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When the file was last written, in seconds since 1970: a cheap sign that it may have changed.
    pub modified: i64,
}

/// A pulled model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name by which commands find it.
    pub name: String,
    /// Whether it is one `.gguf` file rather than a folder.
    pub single_file: bool,
    /// Its files, by path.
    pub files: Vec<FileEntry>,
    /// Where it came from.
    pub source: String,
    /// When it was pulled, in seconds since 1970.
    pub pulled_at: i64,
}

impl Manifest {
    /// Size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }

    /// The file's hash; of a folder the hash of its `hash  path` lines, sorted by path (as `sha256sum` prints them).
    pub fn sha256(&self) -> String {
        match self.files.as_slice() {
            [one] if self.single_file => one.sha256.clone(),
            files => {
                let lines: String = files.iter().map(|f| format!("{}  {}\n", f.sha256, f.path)).collect();
                hash::of_bytes(lines.as_bytes())
            }
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        serde_json::from_slice(&text).map_err(|e| {
            Error::corrupt(format!("not a model manifest: {e}")).in_file(path).hint("pull the model again")
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::internal(e.to_string()))?;
        write_atomic(path, &text)
    }
}
