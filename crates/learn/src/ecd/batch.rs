//! Rows in the form that the network reads: numbers as f32, codes and token ids as they are.
#![allow(clippy::indexing_slicing, reason = "rows stay below the columns' length")]

use crate::prepared::{Encoded, EncodedInput};
use lyceum_core::Column;

/// One input of all rows.
pub(super) enum Feature {
    Number(Vec<f32>),
    /// Codes from 1; 0 is unknown.
    Category(Vec<u32>),
    Text(lyceum_data::prepare::Tokens),
}

/// All rows of a table.
pub struct Rows {
    pub(super) features: Vec<Feature>,
    pub(super) rows: usize,
}

impl Rows {
    /// From encoded inputs.
    pub fn new(encoded: &Encoded) -> Self {
        let feature = |input: &EncodedInput| match input {
            EncodedInput::Number { scaled, .. } => {
                Feature::Number(scaled.iter().map(|x| *x as f32).collect())
            }
            EncodedInput::Category(codes) => Feature::Category(
                codes.iter().map(|c| if *c == Column::MISSING { 0 } else { c + 1 }).collect(),
            ),
            EncodedInput::Text(tokens) => Feature::Text(tokens.clone()),
        };
        Self { features: encoded.inputs.iter().map(feature).collect(), rows: encoded.rows }
    }
}
