//! Numbers by row and column, borrowed from wherever they lie: columns of a table, row-major f32 or f64, sparse rows.
//! Missing is NaN; a cell that a sparse row leaves out is 0; categories are codes.

use lyceum_core::{Error, Result};
use std::borrow::Cow;

/// Sparse rows (compressed): row r has the cells `indptr[r]..indptr[r + 1]` of `indices` and `values`.
#[derive(Debug, Clone)]
pub struct Csr<'a> {
    /// Rows + 1 offsets, from 0, not falling.
    pub indptr: Cow<'a, [usize]>,
    /// Column of each cell, rising within a row.
    pub indices: Cow<'a, [u32]>,
    /// Value of each cell.
    pub values: Cow<'a, [f64]>,
    /// Number of columns.
    pub width: usize,
}

/// A table of numbers.
#[derive(Debug, Clone)]
pub enum Matrix<'a> {
    /// One slice a column, all of one length.
    Columns(Vec<Cow<'a, [f64]>>),
    /// Row after row, `width` numbers each.
    Rows64 {
        /// The numbers, a whole number of rows.
        values: &'a [f64],
        /// Numbers of a row.
        width: usize,
    },
    /// Row after row in single precision, `width` numbers each.
    Rows32 {
        /// The numbers, a whole number of rows.
        values: &'a [f32],
        /// Numbers of a row.
        width: usize,
    },
    /// Sparse rows.
    Sparse(Csr<'a>),
}

impl<'a> Csr<'a> {
    /// Checks the offsets and columns, so that nothing later has to.
    ///
    /// # Errors
    /// Offsets that fall or leave the cells, columns that do not rise within a row or are not below `width`.
    pub fn new(
        indptr: impl Into<Cow<'a, [usize]>>,
        indices: impl Into<Cow<'a, [u32]>>,
        values: impl Into<Cow<'a, [f64]>>,
        width: usize,
    ) -> Result<Self> {
        let own = Self { indptr: indptr.into(), indices: indices.into(), values: values.into(), width };
        let cells = own.indices.len();
        let ends = own.indptr.first() == Some(&0) && own.indptr.last() == Some(&cells);
        if !ends || own.values.len() != cells || own.indptr.windows(2).any(|w| w.first() > w.last()) {
            return Err(Error::invalid("the offsets of the sparse rows do not fit their cells"));
        }
        for row in 0..own.indptr.len().saturating_sub(1) {
            let (columns, _) = own.row(row);
            let falls = columns.windows(2).any(|w| w.first() >= w.last());
            if falls || columns.last().is_some_and(|c| *c as usize >= width) {
                let message =
                    format!("columns of sparse row {} do not rise or are not below {width}", row + 1);
                return Err(Error::invalid(message));
            }
        }
        Ok(own)
    }

    /// Columns and values of a row's cells; nothing past the last row.
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let range = self.indptr.get(row).zip(self.indptr.get(row + 1)).map_or(0..0, |(a, b)| *a..*b);
        (self.indices.get(range.clone()).unwrap_or_default(), self.values.get(range).unwrap_or_default())
    }
}

impl Matrix<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.first().map_or(0, |c| c.len()),
            Self::Rows64 { values, width } => values.len() / (*width).max(1),
            Self::Rows32 { values, width } => values.len() / (*width).max(1),
            Self::Sparse(csr) => csr.indptr.len().saturating_sub(1),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.len(),
            Self::Rows64 { width, .. } | Self::Rows32 { width, .. } => *width,
            Self::Sparse(csr) => csr.width,
        }
    }

    /// One cell; NaN past the end.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        let found = match self {
            Self::Columns(columns) => columns.get(column).and_then(|c| c.get(row)).copied(),
            Self::Rows64 { values, width } => values.get(row * width + column).copied(),
            Self::Rows32 { values, width } => values.get(row * width + column).map(|x| f64::from(*x)),
            Self::Sparse(csr) => {
                let (columns, values) = csr.row(row);
                let at = columns.binary_search(&(column as u32));
                Some(at.ok().and_then(|i| values.get(i)).copied().unwrap_or(0.0))
            }
        };
        found.unwrap_or(f64::NAN)
    }

    /// Some neighbouring columns, all rows or some of them.
    pub fn columns(&self, range: std::ops::Range<usize>, rows: Option<&[usize]>) -> Vec<Cow<'_, [f64]>> {
        self.some_columns(&range.collect::<Vec<_>>(), rows)
    }

    /// Some columns, all rows or some of them.
    pub fn some_columns(&self, wanted: &[usize], rows: Option<&[usize]>) -> Vec<Cow<'_, [f64]>> {
        if let (Self::Columns(columns), None) = (self, rows) {
            let one = |c: &usize| columns.get(*c).map_or(Cow::Owned(Vec::new()), |c| Cow::Borrowed(&**c));
            return wanted.iter().map(one).collect();
        }
        let count = rows.map_or(self.rows(), <[usize]>::len);
        let mut out: Vec<Vec<f64>> = wanted.iter().map(|_| Vec::with_capacity(count)).collect();
        let mut push = |row: usize| {
            for (column, out) in wanted.iter().zip(&mut out) {
                out.push(self.get(row, *column));
            }
        };
        match rows {
            None => (0..count).for_each(&mut push),
            Some(rows) => rows.iter().for_each(|r| push(*r)),
        }
        out.into_iter().map(Cow::Owned).collect()
    }

    /// One row into `out`, which has `width` places.
    pub fn row(&self, row: usize, out: &mut [f64]) {
        match self {
            Self::Rows64 { values, width } => {
                let from = values.get(row * width..(row + 1) * width).unwrap_or_default();
                out.iter_mut().zip(from).for_each(|(o, x)| *o = *x);
            }
            Self::Rows32 { values, width } => {
                let from = values.get(row * width..(row + 1) * width).unwrap_or_default();
                out.iter_mut().zip(from).for_each(|(o, x)| *o = f64::from(*x));
            }
            Self::Sparse(csr) => {
                out.fill(0.0);
                let (columns, values) = csr.row(row);
                for (column, x) in columns.iter().zip(values) {
                    if let Some(o) = out.get_mut(*column as usize) {
                        *o = *x;
                    }
                }
            }
            Self::Columns(_) => out.iter_mut().enumerate().for_each(|(c, o)| *o = self.get(row, c)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
    use super::*;

    #[test]
    fn every_kind_says_the_same() {
        let dense = [0.0, 2.0, 0.0, 3.0, 0.0, 4.0];
        let single: Vec<f32> = dense.iter().map(|x| *x as f32).collect();
        let kinds = [
            Matrix::Columns(vec![vec![0.0, 3.0].into(), vec![2.0, 0.0].into(), vec![0.0, 4.0].into()]),
            Matrix::Rows64 { values: &dense, width: 3 },
            Matrix::Rows32 { values: &single, width: 3 },
            Matrix::Sparse(Csr::new(vec![0, 1, 3], vec![1, 0, 2], vec![2.0, 3.0, 4.0], 3).unwrap()),
        ];
        for m in &kinds {
            assert_eq!((m.rows(), m.width()), (2, 3));
            let mut row = [9.0; 3];
            m.row(1, &mut row);
            assert_eq!(row, [3.0, 0.0, 4.0]);
            assert_eq!(m.get(0, 1), 2.0);
        }
    }

    #[test]
    fn sparse_rows_are_checked() {
        assert!(Csr::new(vec![0, 2], vec![1, 1], vec![1.0, 1.0], 3).is_err());
        assert!(Csr::new(vec![0, 1], vec![3], vec![1.0], 3).is_err());
        assert!(Csr::new(vec![0, 2, 1], vec![1, 2], vec![1.0, 1.0], 3).is_err());
    }
}
