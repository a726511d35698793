//! Files of numbers, one row a line, as LightGBM's command line reads them: CSV, TSV, blanks, or LibSVM pairs, told
//! from the first lines; or Parquet and Arrow, told by their names. Everything is a number here; `na`, `nan`, `null` (any case) and empty cells are NaN.

mod delimited;
mod format;
mod side;
mod sparse;
mod stream;

pub use format::{Format, detect};
pub use side::{groups_of, read_counts, read_scores};
pub use stream::NumberStream;

use crate::arrow::{NumberBatches, is_columnar};
use lyceum_core::{Error, ErrorKind, Result};
use std::path::Path;

/// The cells of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Row after row, `width` numbers each.
    Dense {
        /// The numbers.
        values: Vec<f64>,
        /// Numbers of a row.
        width: usize,
    },
    /// LibSVM rows: the label stands apart, a column that a row leaves out is 0.
    Sparse {
        /// First number of each row, where rows have one.
        labels: Option<Vec<f64>>,
        /// Rows + 1 offsets into the cells.
        indptr: Vec<usize>,
        /// Column of each cell, rising within a row.
        indices: Vec<u32>,
        /// Value of each cell.
        values: Vec<f64>,
        /// One more than the highest column.
        width: usize,
    },
}

/// A file of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NumbersFile {
    /// Names of the columns, where the file has a header.
    pub names: Option<Vec<String>>,
    /// How its rows are written.
    pub format: Format,
    /// Its rows.
    pub cells: Cells,
}

impl Cells {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { values, width } => values.len() / (*width).max(1),
            Self::Sparse { indptr, .. } => indptr.len().saturating_sub(1),
        }
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense { width, .. } | Self::Sparse { width, .. } => *width,
        }
    }
}

impl NumbersFile {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.cells.rows()
    }
}

/// Reads a whole file.
///
/// # Errors
/// A missing, empty or too large file; a cell that is no number, a row with too few or too many cells, pairs whose
/// columns do not rise: with file and line.
pub fn read_numbers(path: impl AsRef<Path>, header: bool) -> Result<NumbersFile> {
    let path = path.as_ref();
    if is_columnar(path) {
        return columnar(path).map_err(|e| e.in_file(path));
    }
    let text = read_text(path)?;
    parse(&text, header).map_err(|e| e.in_file(path))
}

/// A columnar file; its schema names the columns.
fn columnar(path: &Path) -> Result<NumbersFile> {
    let batches = NumberBatches::open(path)?;
    let width = batches.names.len();
    let cells = batches.rows.saturating_mul(width);
    if cells as u64 > crate::MAX_FILE_BYTES / 8 {
        let message = format!("the file has {cells} cells, at most {} are read", crate::MAX_FILE_BYTES / 8);
        return Err(Error::new(ErrorKind::TooLarge, message).hint("set two_round=true"));
    }
    let mut values = Vec::new();
    batches.each(&mut |part: Vec<f64>| {
        values.extend(part);
        Ok(())
    })?;
    if values.is_empty() {
        return Err(Error::invalid("the file has no rows"));
    }
    Ok(NumbersFile {
        names: Some(batches.names),
        format: Format::Columnar,
        cells: Cells::Dense { values, width },
    })
}

/// As [`read_numbers`], from text.
///
/// # Errors
/// As [`read_numbers`], without the file.
pub fn parse(text: &str, header: bool) -> Result<NumbersFile> {
    let mut lines = Lines { rest: text.trim_start_matches('\u{feff}'), number: 0 };
    let first = if header { lines.next() } else { None };
    let body = lines.rest;
    let format = detect(body)?;
    let names = first.map(|(_, line)| stream::names(line, format));
    let cells = match format {
        Format::LibSvm => sparse::parse(lines)?,
        _ => delimited::parse(lines, format.separator(), 0)?,
    };
    if let (Some(names), Cells::Dense { width, .. }) = (&names, &cells)
        && names.len() != *width
    {
        let message = format!("the header has {} names, the rows {width} cells", names.len());
        return Err(Error::invalid(message).on_line(1));
    }
    Ok(NumbersFile { names, format, cells })
}

/// The text of a file that must not be empty or too large.
fn read_text(path: &Path) -> Result<String> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
    if meta.is_dir() {
        return Err(Error::invalid("is a folder, not a file of numbers").in_file(path));
    }
    if meta.len() > crate::MAX_FILE_BYTES {
        let message =
            format!("the file has {} bytes, at most {} are read", meta.len(), crate::MAX_FILE_BYTES);
        return Err(Error::new(ErrorKind::TooLarge, message).in_file(path));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    String::from_utf8(bytes).map_err(|e| {
        let line =
            e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        Error::invalid("the file is not UTF-8 text").on_line(line).in_file(path)
    })
}

/// Lines that are not empty, with their numbers from 1.
#[derive(Clone)]
pub(crate) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (line, after) = match self.rest.split_once('\n') {
                Some((line, after)) => (line, after),
                None => (self.rest, ""),
            };
            self.rest = after;
            self.number += 1;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.trim().is_empty() {
                return Some((self.number, line));
            }
        }
        None
    }
}

/// One cell.
pub(crate) fn number(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    if let Ok(x) = cell.parse::<f64>() {
        return Some(x);
    }
    let missing = ["", "na", "nan", "null", "n/a"];
    missing.iter().any(|m| cell.eq_ignore_ascii_case(m)).then_some(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_kind() {
        let f = parse("y,a,b\n1,2,\r\n0,NA,-3e2\n", true).unwrap();
        assert_eq!(f.names.as_deref(), Some(["y", "a", "b"].map(String::from).as_slice()));
        let Cells::Dense { values, width } = &f.cells else { panic!("{f:?}") };
        assert_eq!(*width, 3);
        assert_eq!(values[..2], [1.0, 2.0]);
        assert!(values[2].is_nan() && values[4].is_nan());
        assert_eq!(values[5], -300.0);
        let f = parse("1 1:0.5 3:2\n0\n", false).unwrap();
        let want = Cells::Sparse {
            labels: Some(vec![1.0, 0.0]),
            indptr: vec![0, 2, 2],
            indices: vec![1, 3],
            values: vec![0.5, 2.0],
            width: 4,
        };
        assert_eq!((f.rows(), f.cells), (2, want));
    }

    #[test]
    fn faults_name_the_line() {
        let message = |text: &str| parse(text, false).unwrap_err().to_string();
        assert_eq!(message("1,2\n3\n"), "line 2: the row has 1 cells, the first one has 2");
        assert_eq!(message("1,2\n3,x\n"), "line 2: cell 2 is \"x\", expected a number");
        assert_eq!(message("1 2:1 1:1\n"), "line 1: column 1 does not come after the one before it");
        assert_eq!(message("1 2:1\n0 2:z\n"), "line 2: \"2:z\" is not a pair column:value");
        assert_eq!(message(""), "the file has no rows");
        let e = parse("a,b\n1,2,3\n", true).unwrap_err().to_string();
        assert!(e.contains("the header has 2 names, the rows 3 cells"), "{e}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[0-9a:,;\\t .\\-\\n\\re]{0,80}", header: bool) {
            let _ = parse(&text, header);
        }

        #[test]
        fn numbers_come_back(rows in proptest::collection::vec([-1e9f64..1e9, -1.0..1.0, 0.0..1e-9], 1..20)) {
            let line = |r: &[f64; 3]| format!("{:?}\t{:?}\t{:?}\n", r[0], r[1], r[2]);
            let text: String = rows.iter().map(line).collect();
            let Cells::Dense { values, width } = parse(&text, false).unwrap().cells else { panic!() };
            proptest::prop_assert_eq!(width, 3);
            proptest::prop_assert_eq!(values, rows.concat());
        }
    }
}
