//! Where the features of rows come from: numbers that are still to be binned, or bins.

use crate::boosting::Matrix;
use crate::boosting::data::Dataset;
use std::fmt;

/// Features of some rows.
#[derive(Clone)]
pub enum Source<'a> {
    /// Numbers.
    Numbers(Matrix<'a>),
    /// Bins made before, [`crate::boosting::Saved`] ones for instance. What looks at the numbers themselves (linear
    /// leaves, a model to go on from, refitting) cannot use them.
    Bins(&'a Dataset),
}

impl<'a> Source<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(x) => x.rows(),
            Self::Bins(data) => data.rows(),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Numbers(x) => x.width(),
            Self::Bins(data) => data.width(),
        }
    }

    /// The numbers, if they are there.
    pub fn numbers(&self) -> Option<&Matrix<'a>> {
        match self {
            Self::Numbers(x) => Some(x),
            Self::Bins(_) => None,
        }
    }
}

impl<'a> From<Matrix<'a>> for Source<'a> {
    fn from(x: Matrix<'a>) -> Self {
        Self::Numbers(x)
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.numbers().is_some() { "numbers" } else { "bins" };
        write!(f, "{} × {} {kind}", self.rows(), self.width())
    }
}
