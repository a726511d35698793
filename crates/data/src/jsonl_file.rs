//! JSON Lines: one object a line. Columns are the keys of all rows, in the order in which they first come.

use crate::{Cells, MAX_COLUMNS, Raw};
use lyceum_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// Longest line, in bytes.
const MAX_LINE: usize = 64 << 20;

/// Reads a whole file; empty lines are skipped.
pub(crate) fn read(path: &Path) -> Result<Raw> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut reader = BufReader::new(file);
    let mut columns: indexmap::IndexMap<Arc<str>, Cells> = indexmap::IndexMap::new();
    let mut lines: Vec<u32> = Vec::new();
    let mut line = Vec::new();
    for number in 1usize.. {
        line.clear();
        let n = std::io::Read::take(&mut reader, MAX_LINE as u64)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(path, "read", e))?;
        if n == 0 {
            break;
        }
        if n >= MAX_LINE {
            return Err(Error::new(ErrorKind::TooLarge, format!("the line has over {MAX_LINE} bytes"))
                .in_file(path)
                .on_line(number));
        }
        let bytes = line.strip_prefix(&[0xef, 0xbb, 0xbf]).filter(|_| number == 1).unwrap_or(&line);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        push_row(bytes, &mut columns, lines.len()).map_err(|e| e.in_file(path).on_line(number))?;
        lines.push(u32::try_from(number).unwrap_or(u32::MAX));
    }
    if lines.is_empty() {
        return Err(Error::invalid("the file is empty").in_file(path));
    }
    let (names, columns) = columns.into_iter().unzip();
    Raw::of_file(path, names, columns, lines)
}

fn push_row(bytes: &[u8], columns: &mut indexmap::IndexMap<Arc<str>, Cells>, rows: usize) -> Result<()> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::invalid("the line is not valid UTF-8").hint("save the file as UTF-8"))?;
    let row: Json = serde_json::from_str(text).map_err(|e| Error::invalid(format!("not JSON: {e}")))?;
    let Json::Object(row) = row else {
        return Err(Error::invalid("expected a JSON object on each line"));
    };
    for (name, value) in row {
        if columns.len() >= MAX_COLUMNS && !columns.contains_key(name.as_str()) {
            return Err(Error::new(ErrorKind::TooLarge, format!("more than {MAX_COLUMNS} different keys")));
        }
        let cells = columns.entry(name.into()).or_default();
        while cells.len() < rows {
            cells.push(None);
        }
        match value {
            Json::Null => cells.push(None),
            Json::String(s) => cells.push(Some(&s)),
            other => cells.push(Some(&other.to_string())),
        }
    }
    for cells in columns.values_mut().filter(|c| c.len() <= rows) {
        cells.push(None);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<Raw> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.jsonl");
        std::fs::write(&path, text).unwrap();
        crate::read(&path)
    }

    #[test]
    fn rows_may_lack_keys() {
        let raw = from("{\"a\": 1, \"b\": \"x\"}\n\n{\"b\": null, \"c\": [1, 2]}\n").unwrap();
        assert_eq!(raw.column("a").unwrap().iter().collect::<Vec<_>>(), [Some("1"), None]);
        assert_eq!(raw.column("c").unwrap().iter().collect::<Vec<_>>(), [None, Some("[1,2]")]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let e = from("{\"a\": 1}\n{\"a\": \n").unwrap_err().to_string();
        assert!(e.contains("d.jsonl:2: not JSON: EOF while parsing"), "{e}");
        let e = from("[1]\n").unwrap_err().to_string();
        assert!(e.ends_with("d.jsonl:1: expected a JSON object on each line"), "{e}");
    }
}
