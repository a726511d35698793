//! `experiment.jsonl`: one line an answered example, only appended to. What is there is never asked again; a changed
//! evaluator scores the stored outputs anew.

use lyceum_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The example's hash.
    pub(crate) example: String,
    /// What answered: its hash or name.
    pub(crate) target: String,
    /// The answer, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    /// why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The open file and what it held.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the file, made if absent, and reads the answers of a target. A last line that a crash cut off is removed.
    pub(crate) fn open(path: &Path, target: &str) -> Result<(Self, HashMap<String, Line>)> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
        }
        let io = |e| Error::io(path, "open", e);
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
        let mut reader = BufReader::new(&file);
        let (mut known, mut whole, mut text) = (HashMap::new(), 0u64, Vec::new());
        for number in 1.. {
            text.clear();
            let n = reader.read_until(b'\n', &mut text).map_err(|e| Error::io(path, "read", e))?;
            if n == 0 || text.last() != Some(&b'\n') {
                break;
            }
            let line: Line = serde_json::from_slice(&text).map_err(|e| {
                Error::corrupt(format!("not a line of an experiment: {e}")).in_file(path).on_line(number)
            })?;
            whole += n as u64;
            if line.target == target {
                known.insert(line.example.clone(), line);
            }
        }
        file.set_len(whole).map_err(io)?;
        Ok((Self { file, path: path.into() }, known))
    }

    /// Appends lines and makes them durable.
    pub(crate) fn append(&mut self, lines: &[Line]) -> Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|e| Error::internal(e.to_string()))?;
            text.push(b'\n');
        }
        let wrote = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        wrote.map_err(|e| Error::io(&self.path, "write", e))
    }
}
