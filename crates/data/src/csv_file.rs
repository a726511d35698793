//! CSV and TSV: quoted cells, a byte-order mark, a header that names each column once, rows as wide as the header.

use crate::{Cells, MAX_COLUMNS, Raw};
use csv::{ByteRecord, ReaderBuilder};
use lyceum_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// Reads a whole file. Without a delimiter, the commonest of comma, semicolon and tab in the header is it.
pub(crate) fn read(path: &Path, delimiter: Option<u8>) -> Result<Raw> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut buffer = BufReader::with_capacity(1 << 18, file);
    let start = buffer.fill_buf().map_err(|e| Error::io(path, "read", e))?;
    refuse_other_encodings(start, path)?;
    let delimiter = delimiter.unwrap_or_else(|| sniff(start));
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(buffer);
    let mut record = ByteRecord::new();
    if !next(&mut reader, &mut record, path)? {
        return Err(Error::invalid("the file is empty").in_file(path));
    }
    let names = header(&record, path)?;
    let mut columns = vec![Cells::default(); names.len()];
    let mut lines = Vec::new();
    while next(&mut reader, &mut record, path)? {
        let line = record.position().map_or(0, |p| p.line());
        if record.len() != names.len() {
            let (has, want) = (record.len(), names.len());
            return Err(Error::invalid(format!("the row has {has} fields, the header has {want}"))
                .in_file(path)
                .on_line(line as usize)
                .hint("quote a cell that holds the delimiter or a line break"));
        }
        for ((cell, cells), name) in record.iter().zip(&mut columns).zip(&names) {
            cells.push_text(utf8(cell, path, line, name)?);
        }
        lines.push(u32::try_from(line).unwrap_or(u32::MAX));
    }
    if lines.is_empty() {
        return Err(Error::invalid("the file has a header but no rows").in_file(path));
    }
    Raw::of_file(path, names, columns, lines)
}

fn next(reader: &mut csv::Reader<impl std::io::Read>, record: &mut ByteRecord, path: &Path) -> Result<bool> {
    reader.read_byte_record(record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => Error::io(path, "read", e),
        other => Error::corrupt(format!("not a CSV table: {other:?}")).in_file(path),
    })
}

fn utf8<'a>(cell: &'a [u8], path: &Path, line: u64, name: &str) -> Result<&'a str> {
    std::str::from_utf8(cell).map_err(|_| {
        Error::invalid("the cell is not valid UTF-8")
            .in_file(path)
            .on_line(line as usize)
            .at_key(format!("column \"{name}\""))
            .hint("save the file as UTF-8")
    })
}

fn refuse_other_encodings(start: &[u8], path: &Path) -> Result<()> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(Error::invalid("the file is UTF-16").in_file(path).hint("save the file as UTF-8"));
    }
    if start.contains(&0) {
        return Err(Error::invalid("the file is binary, not a CSV table").in_file(path));
    }
    Ok(())
}

/// The commonest candidate outside quotes in the first line; a comma when there is none.
fn sniff(start: &[u8]) -> u8 {
    let mut counts = [(b',', 0usize), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            byte if !quoted => counts.iter_mut().filter(|(c, _)| c == byte).for_each(|(_, n)| *n += 1),
            _ => {}
        }
    }
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(b',', |(c, _)| *c)
}

/// Names of the columns; an unnamed one is `Unnamed: N`, as pandas calls it.
fn header(record: &ByteRecord, path: &Path) -> Result<Vec<Arc<str>>> {
    if record.len() > MAX_COLUMNS {
        let message = format!("the header has {} columns, at most {MAX_COLUMNS} are read", record.len());
        return Err(Error::new(ErrorKind::TooLarge, message).in_file(path).on_line(1));
    }
    let mut names: Vec<Arc<str>> = Vec::with_capacity(record.len());
    let mut seen = std::collections::HashSet::new();
    for (i, cell) in record.iter().enumerate() {
        let name = utf8(cell, path, 1, &format!("{}", i + 1))?;
        let name: Arc<str> = if name.is_empty() { format!("Unnamed: {i}").into() } else { name.into() };
        if !seen.insert(name.clone()) {
            let message = format!("the header names column \"{name}\" twice");
            return Err(Error::invalid(message).in_file(path).on_line(1));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(bytes: &[u8]) -> Result<Raw> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.csv");
        std::fs::write(&path, bytes).unwrap();
        crate::read(&path)
    }

    fn message(bytes: &[u8]) -> String {
        let e = from(bytes).unwrap_err();
        let text = e.to_string();
        text.split_once("d.csv").map(|(_, rest)| format!("d.csv{rest}")).unwrap_or(text)
    }

    #[test]
    fn reads_quotes_marks_and_other_delimiters() {
        let raw = from(b"\xef\xbb\xbfa,\"b c\"\n1,\"x, \"\"y\"\"\nz\"\n,2\n").unwrap();
        assert_eq!(&*raw.names()[0], "a");
        assert_eq!(raw.column("b c").unwrap().get(0), Some("x, \"y\"\nz"));
        assert_eq!(raw.column("a").unwrap().get(1), None);
        let raw = from(b"a;b\n1,5;2\n").unwrap();
        assert_eq!(raw.column("a").unwrap().get(0), Some("1,5"));
        let raw = from(b"only\r\n1\r\n").unwrap();
        assert_eq!(raw.column("only").unwrap().get(0), Some("1"));
    }

    #[test]
    fn every_fault_has_its_place() {
        assert_eq!(message(b""), "d.csv: the file is empty");
        assert_eq!(message(b"a,b\n"), "d.csv: the file has a header but no rows");
        assert_eq!(
            message(b"a,b\n1,2\n\"x\ny\",2\n3\n"),
            "d.csv:5: the row has 1 fields, the header has 2\n  hint: quote a cell that holds the delimiter or a line break"
        );
        assert_eq!(message(b"a,a\n1,2\n"), "d.csv:1: the header names column \"a\" twice");
        assert_eq!(
            message(b"a,b\n1,\xff\n"),
            "d.csv:2: column \"b\": the cell is not valid UTF-8\n  hint: save the file as UTF-8"
        );
        assert_eq!(message(b"\xff\xfea\0"), "d.csv: the file is UTF-16\n  hint: save the file as UTF-8");
        assert_eq!(message(b"a\0b\n"), "d.csv: the file is binary, not a CSV table");
    }
}
