//! A table as a dense matrix: numbers as they are, categories one column a value (unknown ones all 0).
#![allow(clippy::indexing_slicing, reason = "columns and rows stay below the matrix's shape")]

use crate::Features;
use lyceum_core::{Error, Result, Table};

/// Most cells of a matrix, so that a mistake does not eat the memory: 8 GiB.
const MAX_CELLS: usize = 1 << 30;

/// Rows that are written at a time, so that they stay in the cache while the columns are read.
const BLOCK: usize = 64;

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
        let columns = features.columns(table)?;
        let numbers =
            features.levels.iter().zip(&columns).zip(&features.names).filter(|((l, _), _)| l.is_none());
        for ((_, column), name) in numbers {
            if let Some(row) = column.iter().position(|v| !v.is_finite()) {
                let e = Error::invalid(format!("row {} is missing or infinite", row + 1));
                let hint = "linear models want complete numbers: fill them in preprocessing";
                return Err(e.at_key(format!("column \"{name}\"")).hint(hint));
            }
        }
        let mut x = vec![0.0; rows * width];
        for (block, x) in x.chunks_mut((BLOCK * width).max(1)).enumerate() {
            let mut at = 0;
            for (levels, column) in features.levels.iter().zip(&columns) {
                let cells = column.iter().skip(block * BLOCK).zip(x.chunks_exact_mut(width));
                match levels {
                    None => cells.for_each(|(value, row)| row[at] = *value),
                    Some(levels) => {
                        for (code, row) in cells {
                            if *code >= 0.0 && (*code as usize) < levels.len() {
                                row[at + *code as usize] = 1.0;
                            }
                        }
                    }
                }
                at += levels.as_ref().map_or(1, |l| l.len());
            }
        }
        Ok(Self { x, width })
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.width..(row + 1) * self.width]
    }
}
