//! A weight matrix ready for products, in the layout that suits its format.

use super::pairs::Pairs;
use super::strips::Strips;
use crate::{Format, Matrix};

/// A weight matrix ready for products.
#[derive(Debug, Clone)]
pub struct Packed {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) store: Store,
}

#[derive(Debug, Clone)]
pub(super) enum Store {
    /// Codes and scales, against whole-number inputs or tiles.
    Strips(Strips),
    /// Plain bf16, against f32 inputs or tiles.
    Pairs(Pairs),
    /// As stored; rows are widened when they are used, against f32 inputs.
    Plain(Matrix),
}

impl Packed {
    /// Repacks quantised formats and bf16; keeps what has no faster layout (f32, f16, rows that do not fill blocks of
    /// 32) as it is stored. Nothing is rounded but the products of two-level scales (K formats, IQ4_XS), to half
    /// precision.
    pub fn new(m: &Matrix) -> Self {
        let pairs = m.format() == Format::BF16 && m.cols().is_multiple_of(32);
        let store = if pairs { Some(Store::Pairs(Pairs::new(m))) } else { Strips::new(m).map(Store::Strips) };
        let packed =
            Self { rows: m.rows(), cols: m.cols(), store: store.unwrap_or_else(|| Store::Plain(m.clone())) };
        if packed.extra_bytes() > 0 {
            m.forget();
        }
        packed
    }

    /// Keeps the stored form, so that products are exact in f32.
    pub fn exact(m: &Matrix) -> Self {
        Self { rows: m.rows(), cols: m.cols(), store: Store::Plain(m.clone()) }
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether its products read what [`super::Activations::quantise`] makes.
    pub fn wants_quantised(&self) -> bool {
        !matches!(self.store, Store::Plain(_))
    }

    /// Bytes that it holds beyond those of the matrix it was made from.
    pub fn extra_bytes(&self) -> usize {
        match &self.store {
            Store::Strips(s) => s.byte_len(),
            Store::Pairs(p) => p.byte_len(),
            Store::Plain(_) => 0,
        }
    }
}
