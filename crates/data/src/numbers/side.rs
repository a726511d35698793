//! What lies beside a file of rows: weights, initial scores, sizes of queries.

use super::{Lines, number, read_text};
use lyceum_core::{Error, Result};
use std::path::Path;

/// Numbers of a file, all rows of equal length: `(numbers row after row, numbers a row)`.
///
/// # Errors
/// A missing or empty file, a cell that is no finite number, rows of unequal length.
pub fn read_scores(path: impl AsRef<Path>) -> Result<(Vec<f64>, usize)> {
    let path = path.as_ref();
    let text = read_text(path)?;
    let (mut out, mut width) = (Vec::new(), 0);
    for (line, content) in (Lines { rest: &text, number: 0 }) {
        let before = out.len();
        for cell in content.split([' ', '\t', ',']).filter(|c| !c.is_empty()) {
            let x = number(cell).filter(|x| x.is_finite());
            let message = || format!("\"{cell}\" is not a finite number");
            out.push(x.ok_or_else(|| Error::invalid(message()).on_line(line).in_file(path))?);
        }
        if width != 0 && out.len() - before != width {
            let message = format!("the row has {} numbers, the first one {width}", out.len() - before);
            return Err(Error::invalid(message).on_line(line).in_file(path));
        }
        width = out.len() - before;
    }
    if out.is_empty() {
        return Err(Error::invalid("the file is empty").in_file(path));
    }
    Ok((out, width))
}

/// Whole numbers from 1, one a line: rows of each query.
///
/// # Errors
/// As [`read_scores`]; a number that is not whole or below 1.
pub fn read_counts(path: impl AsRef<Path>) -> Result<Vec<usize>> {
    let path = path.as_ref();
    let (numbers, _) = read_scores(path)?;
    let one = |(i, x): (usize, &f64)| match *x {
        x if x >= 1.0 && x.fract() == 0.0 && x < 1e15 => Ok(x as usize),
        x => Err(Error::invalid(format!("number {} is {x}, expected rows of a query, from 1", i + 1))
            .in_file(path)),
    };
    numbers.iter().enumerate().map(one).collect()
}

/// Sizes of runs of equal ids.
pub fn groups_of(ids: &[f64]) -> Vec<usize> {
    ids.chunk_by(|a, b| a == b).map(<[f64]>::len).collect()
}
