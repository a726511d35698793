//! A table as a dense matrix: numbers as they are, categories one column a value (unknown ones all 0).
#![allow(clippy::indexing_slicing, reason = "columns and rows stay below the matrix's shape")]

use crate::Features;
use lyceum_core::{Error, Result, Table};

/// Most cells of a matrix, so that a mistake does not eat the memory: 8 GiB.
const MAX_CELLS: usize = 1 << 30;

/// Row-major `[rows, width]`.
pub(crate) struct Design {
    pub(crate) x: Vec<f64>,
    pub(crate) width: usize,
}

/// Columns of the matrix of some features.
pub(super) fn width(features: &Features) -> usize {
    features.levels.iter().map(|l| l.as_ref().map_or(1, |l| l.len())).sum()
}

/// Names of the matrix's columns: the feature's, or `feature=value`.
pub(super) fn column_names(features: &Features) -> Vec<String> {
    let mut out = Vec::with_capacity(width(features));
    for (name, levels) in features.names.iter().zip(&features.levels) {
        match levels {
            None => out.push(name.to_string()),
            Some(levels) => out.extend(levels.iter().map(|l| format!("{name}={l}"))),
        }
    }
    out
}

impl Design {
    /// The matrix of a table.
    ///
    /// # Errors
    /// A missing column, a number that is missing or infinite (with column and row), too many cells.
    pub(crate) fn new(features: &Features, table: &Table) -> Result<Self> {
        let (rows, width) = (table.rows(), width(features));
        if rows.saturating_mul(width) > MAX_CELLS {
            let message = format!("a dense matrix of {rows} rows and {width} columns is too large");
            return Err(Error::new(lyceum_core::ErrorKind::TooLarge, message));
        }
        let mut x = vec![0.0; rows * width];
        let mut at = 0;
        for ((name, levels), column) in
            features.names.iter().zip(&features.levels).zip(features.columns(table)?)
        {
            match levels {
                None => {
                    for (row, value) in column.iter().enumerate() {
                        if !value.is_finite() {
                            let e = Error::invalid(format!("row {} is missing or infinite", row + 1));
                            let hint = "linear models want complete numbers: fill them in preprocessing";
                            return Err(e.at_key(format!("column \"{name}\"")).hint(hint));
                        }
                        x[row * width + at] = *value;
                    }
                    at += 1;
                }
                Some(levels) => {
                    for (row, code) in column.iter().enumerate() {
                        if *code >= 0.0 && (*code as usize) < levels.len() {
                            x[row * width + at + *code as usize] = 1.0;
                        }
                    }
                    at += levels.len();
                }
            }
        }
        Ok(Self { x, width })
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.width..(row + 1) * self.width]
    }
}
