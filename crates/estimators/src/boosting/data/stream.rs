//! Rows that come a part at a time: bins are learnt from a sample, then every part goes straight into bins. The numbers
//! themselves are never held, a cell is a byte (two where a feature has more than 256 bins).
//!
//! The sample is the one that [`Dataset::fit`] draws, so the data set is the same, bit for bit.

use super::layout::sample_rows;
use super::{BinRule, Column, Dataset, Layout};
use crate::boosting::Matrix;
use crate::features::Features;
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_tensor::Pool;
use std::sync::Arc;

/// A data set that is being filled.
pub struct DatasetBuilder {
    layout: Arc<Layout>,
    columns: Vec<Column>,
    filled: usize,
    rows: usize,
}

impl DatasetBuilder {
    /// Which of so many rows the bins are learnt from, rising; nothing where all are.
    pub fn sample(rows: usize, rule: &BinRule) -> Option<Vec<usize>> {
        sample_rows(rows, rule.sample)
    }

    /// Learns the bins from the sample's rows; `rows` is the number of all.
    ///
    /// # Errors
    /// As [`Dataset::fit`].
    pub fn fit(
        sample: &Matrix<'_>,
        rows: usize,
        features: &Features,
        rule: &BinRule,
        min_data_in_leaf: usize,
        pool: &Pool,
    ) -> Result<Self> {
        let layout = Layout::fit_sample(sample, None, rows, features, rule, min_data_in_leaf, pool)?;
        Self::of(Arc::new(layout), rows)
    }

    /// Room for other rows, binned as these were.
    ///
    /// # Errors
    /// More rows than 2³² - 1.
    pub fn like(data: &Dataset, rows: usize) -> Result<Self> {
        Self::of(data.layout.clone(), rows)
    }

    fn of(layout: Arc<Layout>, rows: usize) -> Result<Self> {
        if u32::try_from(rows).is_err() {
            let message = format!("{rows} rows are too many, at most {} are taken", u32::MAX);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let room = |f: &super::layout::BinnedFeature| match f.mapper.is_narrow() {
            true => Column::bytes_of(rows),
            false => Column::words_of(rows),
        };
        let columns = layout.features.iter().map(room).collect();
        Ok(Self { layout, columns, filled: 0, rows })
    }

    /// Bins the next rows.
    ///
    /// # Errors
    /// More rows than there is room for, or rows of another width.
    pub fn push(&mut self, x: &Matrix<'_>, pool: &Pool) -> Result<()> {
        let (rows, width) = (x.rows(), self.layout.infos.len());
        if x.width() != width {
            return Err(Error::invalid(format!("a part has {} columns, expected {width}", x.width())));
        }
        if rows > self.rows - self.filled {
            return Err(Error::invalid(format!("more than the {} rows that were announced", self.rows)));
        }
        for (column, part) in self.columns.iter_mut().zip(self.layout.bin(x, pool)) {
            column.fill(self.filled, &part, rows);
        }
        self.filled += rows;
        Ok(())
    }

    /// The data set, when all rows are in.
    ///
    /// # Errors
    /// Fewer rows than were announced.
    pub fn finish(self) -> Result<Dataset> {
        if self.filled != self.rows {
            let message = format!("{} rows came, {} were announced", self.filled, self.rows);
            return Err(Error::invalid(message));
        }
        Ok(Dataset { layout: self.layout, columns: self.columns, rows: self.rows })
    }
}
