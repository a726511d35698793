//! Rows with their labels and all else that is known of them.

use super::Source;
use crate::boosting::Matrix;
use crate::boosting::objective::Rows;
use lyceum_core::{Error, Result};
use std::borrow::Cow;

/// Rows to learn from or to measure on.
#[derive(Debug, Clone)]
pub struct Examples<'a> {
    /// The features.
    pub x: Source<'a>,
    /// One label a row.
    pub y: Cow<'a, [f64]>,
    /// Weight of each row, 0 or more; absent is 1.
    pub weight: Option<Cow<'a, [f64]>>,
    /// Rows of each query in order, for ranking.
    pub group: Option<Cow<'a, [usize]>>,
    /// Raw scores to start from, tree-major: row r of class k at `k * rows + r`.
    pub init_score: Option<Cow<'a, [f64]>>,
}

impl<'a> Examples<'a> {
    /// Features and labels, nothing else.
    pub fn new(x: Matrix<'a>, y: impl Into<Cow<'a, [f64]>>) -> Self {
        Self { x: x.into(), y: y.into(), weight: None, group: None, init_score: None }
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { y: &self.y, weight: self.weight.as_deref(), group: self.group.as_deref() }
    }

    /// Fails when the parts do not have the same number of rows; `what` names the set, `trees` is the number of trees
    /// an iteration.
    pub(super) fn check(&self, what: &str, width: usize, trees: usize) -> Result<()> {
        let rows = self.x.rows();
        let fault = |message: String| Err(Error::invalid(message));
        if self.y.is_empty() || rows == 0 {
            return fault(format!("{what} has no rows"));
        }
        if rows != self.y.len() {
            return fault(format!("{what} has {rows} rows of features and {} labels", self.y.len()));
        }
        if self.x.width() != width {
            return fault(format!("{what} has {} columns, expected {width}", self.x.width()));
        }
        if let Some(w) = self.weight.as_ref().filter(|w| w.len() != rows) {
            return fault(format!("{what} has {rows} rows and {} weights", w.len()));
        }
        if let Some(init) = &self.init_score {
            if init.len() != rows * trees {
                return fault(format!("{what} has {} initial scores, expected {}", init.len(), rows * trees));
            }
            if init.iter().any(|s| !s.is_finite()) {
                return fault(format!("an initial score of {what} is not finite"));
            }
        }
        Ok(())
    }

    /// The numbers of the features, which `key` needs.
    pub(super) fn numbers(&self, key: &str) -> Result<&Matrix<'a>> {
        self.x.numbers().ok_or_else(|| {
            Error::invalid("needs the rows' own numbers; a saved data set has their bins only").at_key(key)
        })
    }
}
