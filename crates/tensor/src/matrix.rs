//! A weight matrix in the format it is stored in. It is never widened as a whole; rows are, when somebody reads them.

use crate::{Format, SharedBytes, dequantize, quantize};
use lyceum_core::{Error, Result};
use std::ops::Range;

/// A matrix `[rows = outputs, cols = inputs]`, row-major, each row a run of blocks of `format`. The product of the
/// house is y = x Wᵀ. A clone copies a pointer.
#[derive(Debug, Clone)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    format: Format,
    stride: usize,
    data: SharedBytes,
}

impl Matrix {
    /// A matrix over stored bytes. Fails when a row does not fill whole blocks or the bytes are not of the right
    /// number.
    pub fn new(rows: usize, cols: usize, format: Format, data: SharedBytes) -> Result<Self> {
        let stride = format.bytes_of(cols).ok_or_else(|| {
            Error::corrupt(format!(
                "a row of {cols} does not fill {format} blocks of {}",
                format.block_elements()
            ))
        })?;
        if stride.checked_mul(rows) != Some(data.len()) {
            return Err(Error::corrupt(format!(
                "{} bytes cannot be {rows} x {cols} numbers in {format} ({} expected)",
                data.len(),
                stride.saturating_mul(rows)
            )));
        }
        Ok(Self { rows, cols, format, stride, data })
    }

    /// A matrix of f32, row-major. Fails unless there are `rows · cols` numbers.
    pub fn from_f32(rows: usize, cols: usize, values: Vec<f32>) -> Result<Self> {
        Self::new(rows, cols, Format::F32, values.into())
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How its numbers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// All stored bytes, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Stored bytes of one row; empty when there is no such row.
    pub fn row_bytes(&self, row: usize) -> &[u8] {
        let start = row.saturating_mul(self.stride);
        self.data.get(start..start.saturating_add(self.stride)).unwrap_or_default()
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Widens rows to f32, `out` being `rows.len() · cols`.
    ///
    /// # Panics
    /// When the rows are not there or `out` has another length: a defect of the caller.
    pub fn dequantize_rows(&self, rows: Range<usize>, out: &mut [f32]) {
        let bytes = self.data.get(rows.start * self.stride..rows.end * self.stride);
        assert!(
            bytes.is_some() && out.len() == rows.len() * self.cols,
            "rows {rows:?} of {} x {}",
            self.rows,
            self.cols
        );
        let bytes = bytes.unwrap_or_default();
        if !crate::kernels::widen(self.format, bytes, out) {
            dequantize(self.format, bytes, out);
        }
    }

    /// All numbers as f32, for small matrices and tests.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        self.dequantize_rows(0..self.rows, &mut out);
        out
    }

    /// The matrix in another format (see [`quantize`] for those that can be written).
    pub fn quantize(&self, format: Format) -> Result<Self> {
        let mut row = vec![0.0; self.cols];
        let mut bytes = Vec::new();
        for r in 0..self.rows {
            self.dequantize_rows(r..r + 1, &mut row);
            bytes.extend(quantize(format, &row)?);
        }
        Self::new(self.rows, self.cols, format, bytes.into())
    }

    /// The rows in another order (or some of them), copied whole: nothing is rounded. Fails when a row is not there.
    pub fn select_rows(&self, order: impl IntoIterator<Item = usize>) -> Result<Self> {
        let mut bytes = Vec::with_capacity(self.data.len());
        let mut rows = 0;
        for r in order {
            if r >= self.rows {
                return Err(Error::internal(format!("row {r} of a matrix of {}", self.rows)));
            }
            bytes.extend_from_slice(self.row_bytes(r));
            rows += 1;
        }
        Self::new(rows, self.cols, self.format, bytes.into())
    }

    /// Consecutive rows, sharing the bytes. Fails when they are not there.
    pub fn slice_rows(&self, rows: Range<usize>) -> Result<Self> {
        let part = (rows.end <= self.rows)
            .then(|| self.data.slice(rows.start * self.stride..rows.end * self.stride))
            .flatten()
            .ok_or_else(|| Error::internal(format!("rows {rows:?} of a matrix of {}", self.rows)))?;
        Self::new(rows.len(), self.cols, self.format, part)
    }

    /// Bytes of the numbers.
    pub fn byte_len(&self) -> usize {
        self.data.len()
    }

    /// Gives the memory of a mapped file's bytes back until they are read again.
    pub fn forget(&self) {
        self.data.forget();
    }

    /// Whether the bytes lie in a mapped file.
    pub fn is_mapped(&self) -> bool {
        self.data.is_mapped()
    }
}
