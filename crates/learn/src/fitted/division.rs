//! Which rows an estimator learns from, which calibration and threshold are learnt on, which only measure.

use lyceum_core::{Error, Result, Target};
use lyceum_data::{Random, Splits};
use lyceum_estimators::selection::{Keep, folds};
use serde::{Deserialize, Serialize};

/// Parts of the rows that are learnt from of which one is kept for calibration and threshold.
const PARTS: usize = 4;

/// How rows are divided; the same rows and seed are divided alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Division {
    /// Share of the rows that only measure, 0 to below 1.
    pub test_fraction: f64,
    /// Whether a quarter of the others is kept from the model, for calibration and threshold.
    pub keeps_a_part: bool,
}

impl Division {
    /// Divides rows with these targets by chance; what is kept (the validation rows) is alike in its classes.
    ///
    /// # Errors
    /// A class with fewer than four rows to learn from, where a part is kept.
    pub fn divide(&self, y: &Target, seed: u64) -> Result<Splits> {
        let mut order: Vec<usize> = (0..y.len()).collect();
        Random::new(seed, 0xf17).shuffle(&mut order);
        let held_out = (y.len() as f64 * self.test_fraction) as usize;
        let (test, rest) = order.split_at(held_out.min(order.len()));
        let test = test.to_vec();
        if !self.keeps_a_part {
            return Ok(Splits { training: rest.to_vec(), validation: Vec::new(), test });
        }
        let codes: Vec<u32> = match y {
            Target::Regression(_) => vec![0; rest.len()],
            Target::Binary(y) => rest.iter().filter_map(|r| y.get(*r).map(|y| u32::from(*y))).collect(),
            Target::Multiclass { codes, .. } => rest.iter().filter_map(|r| codes.get(*r).copied()).collect(),
        };
        let made = folds(rest.len(), PARTS, Keep::Classes(&codes), seed).map_err(|_| {
            let message = format!("calibration and threshold want {PARTS} rows of each class to learn from");
            Error::invalid(message).hint("use more rows, or cross-validation on fewer folds with --cv")
        })?;
        let take = |own: &[usize]| own.iter().filter_map(|i| rest.get(*i).copied()).collect::<Vec<_>>();
        let first = made.first().ok_or_else(|| Error::internal("no folds"))?;
        Ok(Splits { training: take(&first.train), validation: take(&first.test), test })
    }
}
