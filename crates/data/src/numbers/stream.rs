//! A file of numbers that is read as often as is needed and never held whole: a part of its rows at a time.

use super::{Cells, Format, Lines, delimited, detect, sparse};
use crate::arrow::{NumberBatches, is_columnar};
use lyceum_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of text that are read at once; a part ends with a line.
const PART: usize = 4 << 20;
/// Longest line.
const MAX_LINE: usize = 64 << 20;

/// A file whose rows are counted and whose columns are known. Text is read once for that: lines are counted, LibSVM's
/// columns looked at; Parquet's footer has both.
pub struct NumberStream {
    path: PathBuf,
    header: bool,
    /// Names of the columns, where the file has a header.
    pub names: Option<Vec<String>>,
    /// How its rows are written.
    pub format: Format,
    /// Number of rows.
    pub rows: usize,
    /// Numbers of a row; of LibSVM one more than the highest column.
    pub width: usize,
    batches: Option<NumberBatches>,
}

impl NumberStream {
    /// Counts a file's rows and columns.
    ///
    /// # Errors
    /// As [`super::read_numbers`]; of text with separators only its first row is looked at here.
    pub fn open(path: impl AsRef<Path>, header: bool) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(Error::invalid("is a folder, not a file of numbers").in_file(path));
        }
        Self::count(path, header).map_err(|e| e.in_file(path))
    }

    fn count(path: &Path, header: bool) -> Result<Self> {
        if is_columnar(path) {
            let batches = NumberBatches::open(path)?;
            let (rows, width) = (batches.rows, batches.names.len());
            if rows == 0 {
                return Err(Error::invalid("the file has no rows"));
            }
            let names = Some(batches.names.clone());
            let (path, format) = (path.to_path_buf(), Format::Columnar);
            return Ok(Self { path, header, names, format, rows, width, batches: Some(batches) });
        }
        let mut out = Self {
            path: path.to_path_buf(),
            header,
            names: None,
            format: Format::Csv,
            rows: 0,
            width: 0,
            batches: None,
        };
        let mut first_row = true;
        out.parts(|file, head, lines| {
            if let Some(line) = head {
                file.format = detect(lines.rest)?;
                file.names = Some(names(line, file.format));
            }
            if first_row && lines.clone().next().is_some() {
                first_row = false;
                file.format = detect(lines.rest)?;
                if file.format != Format::LibSvm {
                    let one = lines.clone().next().map_or("", |(_, line)| line);
                    let one = delimited::parse(Lines { rest: one, number: 0 }, file.format.separator(), 0);
                    // A fault of the first row is told by who reads it, with its line.
                    file.width = one.map_or(0, |cells| cells.width());
                }
            }
            if file.format == Format::LibSvm {
                let cells = sparse::parse(lines)?;
                file.width = file.width.max(cells.width());
                file.rows += cells.rows();
            } else {
                file.rows += lines.count();
            }
            Ok(())
        })?;
        if out.rows == 0 {
            return Err(Error::invalid("the file has no rows"));
        }
        match &out.names {
            Some(names) if out.format != Format::LibSvm && out.width != 0 && names.len() != out.width => {
                let message = format!("the header has {} names, the rows {} cells", names.len(), out.width);
                Err(Error::invalid(message).on_line(1))
            }
            _ => Ok(out),
        }
    }

    /// Hands over the rows, top to bottom, a part at a time. With `only`, rising, just these rows, and text of the
    /// others is not looked at.
    ///
    /// # Errors
    /// As [`super::read_numbers`]; a file that has changed since it was counted; what `put` returns.
    pub fn each(&self, only: Option<&[usize]>, mut put: impl FnMut(Cells) -> Result<()>) -> Result<()> {
        let mut seen = 0;
        let done = match &self.batches {
            Some(batches) => batches.each(|values| {
                let rows = values.len() / self.width.max(1);
                let values = match only {
                    None => values,
                    Some(only) => {
                        let own = within(only, seen, rows);
                        let row = |r: &usize| values.chunks(self.width).nth(r - seen).unwrap_or_default();
                        own.iter().flat_map(row).copied().collect()
                    }
                };
                seen += rows;
                if values.is_empty() { Ok(()) } else { put(Cells::Dense { values, width: self.width }) }
            }),
            None => self.text(only, &mut seen, &mut put),
        };
        done.and_then(|()| {
            if seen == self.rows {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Conflict,
                format!("the file had {} rows and has {seen} now: it changed while it was read", self.rows),
            ))
        })
        .map_err(|e| e.in_file(&self.path))
    }

    fn text(
        &self,
        only: Option<&[usize]>,
        seen: &mut usize,
        put: &mut impl FnMut(Cells) -> Result<()>,
    ) -> Result<()> {
        let mut labelled = None;
        let mut copy = self.shallow();
        copy.parts(|file, _, lines| {
            let rows = lines.clone().count();
            let start = *seen;
            *seen += rows;
            if rows == 0 {
                return Ok(());
            }
            let first = lines.clone().next().map_or(0, |(number, _)| number);
            let mut parse = |lines: Lines<'_>| match file.format {
                Format::LibSvm => {
                    let cells = sparse::parse(lines)?;
                    let has = matches!(&cells, Cells::Sparse { labels: Some(_), .. });
                    if *labelled.get_or_insert(has) != has {
                        let what =
                            if has { "a label, others have none" } else { "no label, others have one" };
                        return Err(Error::invalid(format!("the row has {what}")).on_line(first));
                    }
                    Ok(cells)
                }
                _ => delimited::parse(lines, file.format.separator(), file.width),
            };
            match only {
                None => put(parse(lines)?),
                Some(only) => {
                    let mut own = within(only, start, rows).iter().peekable();
                    for (i, (number, line)) in lines.enumerate() {
                        if own.next_if(|r| **r == start + i).is_some() {
                            // The counter of lines is the one before.
                            put(parse(Lines { rest: line, number: number - 1 })?)?;
                        }
                    }
                    Ok(())
                }
            }
        })
    }

    fn shallow(&self) -> Self {
        Self { path: self.path.clone(), names: None, batches: None, ..*self }
    }

    /// Walks over the text: the header's line where it comes, and whole lines behind it.
    fn parts(
        &mut self,
        mut each: impl FnMut(&mut Self, Option<&str>, Lines<'_>) -> Result<()>,
    ) -> Result<()> {
        let path = self.path.clone();
        let mut file = File::open(&path).map_err(|e| Error::io(&path, "open", e))?;
        let mut buffer: Vec<u8> = Vec::with_capacity(PART + PART / 4);
        let mut number = 0;
        let mut wants_header = self.header;
        let mut at_start = true;
        loop {
            let had = buffer.len();
            let read = (&mut file)
                .take(PART as u64)
                .read_to_end(&mut buffer)
                .map_err(|e| Error::io(&path, "read", e))?;
            if std::mem::take(&mut at_start) && buffer.starts_with(&[0xef, 0xbb, 0xbf]) {
                buffer.drain(..3);
            }
            let end = match buffer.iter().rposition(|b| *b == b'\n') {
                _ if read == 0 => buffer.len(),
                Some(at) => at + 1,
                None if buffer.len() > MAX_LINE => {
                    let message = format!("the line has over {MAX_LINE} bytes");
                    return Err(Error::new(ErrorKind::TooLarge, message).on_line(number + 1));
                }
                None => continue,
            };
            if read == 0 && had == 0 {
                return Ok(());
            }
            let whole = buffer.get(..end).unwrap_or_default();
            let text = std::str::from_utf8(whole).map_err(|e| {
                let line = whole.iter().take(e.valid_up_to()).filter(|b| **b == b'\n').count();
                Error::invalid("the file is not UTF-8 text").on_line(number + line + 1)
            })?;
            let mut lines = Lines { rest: text, number };
            let head = if wants_header { lines.next().map(|(_, line)| line) } else { None };
            wants_header = wants_header && head.is_none();
            each(self, head, lines)?;
            number += whole.iter().filter(|b| **b == b'\n').count();
            buffer.drain(..end);
        }
    }
}

/// The rows of `only` that lie in `rows` rows from `start`.
fn within(only: &[usize], start: usize, rows: usize) -> &[usize] {
    let from = only.partition_point(|r| *r < start);
    let to = only.partition_point(|r| *r < start + rows);
    only.get(from..to).unwrap_or_default()
}

/// The names on a header's line.
pub(super) fn names(line: &str, format: Format) -> Vec<String> {
    let separator = if format == Format::LibSvm { ' ' } else { format.separator() };
    line.split(separator).map(|n| n.trim().trim_matches('"').to_string()).collect()
}
