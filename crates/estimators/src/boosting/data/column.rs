//! The bins of one feature, row after row, in as few bytes as they need.

use super::BinMapper;
use crate::boosting::kernels::{LeftBins, PAD, divide};

/// Bins of a feature at most.
pub(in crate::boosting) const MOST_BINS: usize = 1 << 16;

/// The bins of one feature: one a row, and [`PAD`] places more.
pub(in crate::boosting) enum Column {
    /// Of a feature with at most 256 bins.
    Bytes(Vec<u8>),
    /// Of any other.
    Words(Vec<u16>),
}

impl Column {
    /// Divides rows as [`divide`] does.
    pub(in crate::boosting) fn divide(
        &self,
        rows: &[u32],
        bins: &LeftBins,
        left: &mut [u32],
        right: &mut [u32],
    ) -> usize {
        match self {
            Self::Bytes(column) => divide(rows, column, bins, left, right),
            Self::Words(column) => divide(rows, column, bins, left, right),
        }
    }

    /// Room for the bins of so many rows.
    pub(super) fn bytes_of(rows: usize) -> Self {
        Self::Bytes(vec![0; rows + PAD])
    }

    /// The same in words.
    pub(super) fn words_of(rows: usize) -> Self {
        Self::Words(vec![0; rows + PAD])
    }

    /// Copies the first `rows` bins of a part to a place where there is room for them.
    pub(super) fn fill(&mut self, at: usize, part: &Self, rows: usize) {
        fn copy<T: Copy>(own: &mut [T], at: usize, part: &[T], rows: usize) {
            own.iter_mut().skip(at).zip(part.iter().take(rows)).for_each(|(own, bin)| *own = *bin);
        }
        match (self, part) {
            (Self::Bytes(own), Self::Bytes(part)) => copy(own, at, part, rows),
            (Self::Words(own), Self::Words(part)) => copy(own, at, part, rows),
            // A layout says once and for all which of its features are narrow.
            _ => {}
        }
    }

    pub(in crate::boosting) fn bytes(mut bins: Vec<u8>) -> Self {
        bins.extend([0; PAD]);
        Self::Bytes(bins)
    }

    pub(in crate::boosting) fn words(mut bins: Vec<u16>) -> Self {
        bins.extend([0; PAD]);
        Self::Words(bins)
    }
}

impl BinMapper {
    /// Whether a bin fits a byte.
    pub(in crate::boosting) fn is_narrow(&self) -> bool {
        self.bins() <= 256
    }
}
