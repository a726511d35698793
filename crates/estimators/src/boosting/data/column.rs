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
