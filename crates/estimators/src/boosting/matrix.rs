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

impl Csr<'_> {
    /// Some columns, all rows or some of them; each row is walked once.
    fn some_columns(&self, wanted: &[usize], rows: Option<&[usize]>) -> Vec<Vec<f64>> {
        let count = rows.map_or(self.indptr.len().saturating_sub(1), <[usize]>::len);
        let mut out = vec![vec![0.0; count]; wanted.len()];
        let (low, high) =
            wanted.iter().fold((usize::MAX, 0), |(low, high), c| (low.min(*c), high.max(c + 1)));
        // Where each column of the range goes to.
        let mut place = vec![usize::MAX; high.saturating_sub(low)];
        for (i, column) in wanted.iter().enumerate() {
            if let Some(p) = place.get_mut(column - low) {
                *p = i;
            }
        }
        for at in 0..count {
            let row = rows.map_or(Some(at), |rows| rows.get(at).copied()).unwrap_or_default();
            let (columns, values) = self.row(row);
            let from = columns.partition_point(|c| (*c as usize) < low);
            let cells = columns.iter().zip(values).skip(from).take_while(|(c, _)| (**c as usize) < high);
            for (column, x) in cells {
                let to = place.get(*column as usize - low).and_then(|p| out.get_mut(*p));
                if let Some(cell) = to.and_then(|column| column.get_mut(at)) {
                    *cell = *x;
                }
            }
        }
        out
    }
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
        let out = match self {
            Self::Rows64 { values, width } => strided(values, *width, wanted, rows, |x| x),
            Self::Rows32 { values, width } => strided(values, *width, wanted, rows, f64::from),
            Self::Sparse(csr) => csr.some_columns(wanted, rows),
            Self::Columns(_) => {
                let rows = rows.unwrap_or_default();
                wanted.iter().map(|c| rows.iter().map(|r| self.get(*r, *c)).collect()).collect()
            }
        };
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

/// Bytes of rows that are turned into columns at once: they stay in the second cache.
const TILE: usize = 128 << 10;

/// Columns of numbers that lie row after row.
fn strided<T: Copy>(
    values: &[T],
    width: usize,
    wanted: &[usize],
    rows: Option<&[usize]>,
    number: impl Fn(T) -> f64 + Copy,
) -> Vec<Vec<f64>> {
    let all = values.len() / width.max(1);
    let count = rows.map_or(all, <[usize]>::len);
    let tile = (TILE / (width * size_of::<T>()).max(1)).max(16);
    let mut out: Vec<Vec<f64>> = wanted.iter().map(|_| Vec::with_capacity(count)).collect();
    for from in (0..count).step_by(tile) {
        let to = (from + tile).min(count);
        for (column, out) in wanted.iter().zip(&mut out) {
            match rows {
                None => {
                    let part = values.get(from * width + column..to * width).unwrap_or_default();
                    out.extend(part.iter().step_by(width).map(|x| number(*x)));
                }
                Some(rows) => {
                    let part = rows.get(from..to).unwrap_or_default();
                    out.extend(
                        part.iter().filter_map(|r| values.get(r * width + column)).map(|x| number(*x)),
                    );
                }
            }
        }
    }
    out
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
    fn columns_are_those_of_the_cells() {
        let (rows, width) = (5000, 9);
        let cell = |i: usize| if i.is_multiple_of(3) { (i % 17) as f64 } else { 0.0 };
        let dense: Vec<f64> = (0..rows * width).map(cell).collect();
        let single: Vec<f32> = dense.iter().map(|x| *x as f32).collect();
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in dense.chunks(width) {
            for (c, x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                indices.push(c as u32);
                values.push(*x);
            }
            indptr.push(indices.len());
        }
        let kinds = [
            Matrix::Columns(
                (0..width).map(|c| dense.iter().skip(c).step_by(width).copied().collect()).collect(),
            ),
            Matrix::Rows64 { values: &dense, width },
            Matrix::Rows32 { values: &single, width },
            Matrix::Sparse(Csr::new(indptr, indices, values, width).unwrap()),
        ];
        let some: Vec<usize> = (0..rows).filter(|r| r % 7 < 3).collect();
        for m in &kinds {
            for wanted in [vec![0, 1, 2], vec![2, 5, 8], vec![8]] {
                for rows_of in [None, Some(some.as_slice())] {
                    let got = m.some_columns(&wanted, rows_of);
                    for (c, column) in wanted.iter().zip(got) {
                        let at: Vec<usize> = rows_of.map_or((0..rows).collect(), <[usize]>::to_vec);
                        assert!(at.iter().map(|r| dense[r * width + c]).eq(column.iter().copied()));
                    }
                }
            }
        }
    }

    #[test]
    fn sparse_rows_are_checked() {
        assert!(Csr::new(vec![0, 2], vec![1, 1], vec![1.0, 1.0], 3).is_err());
        assert!(Csr::new(vec![0, 1], vec![3], vec![1.0], 3).is_err());
        assert!(Csr::new(vec![0, 2, 1], vec![1, 2], vec![1.0, 1.0], 3).is_err());
    }
}
