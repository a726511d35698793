//! What the training loop asks of an objective, and how the named ones are bound to rows.
#![allow(clippy::indexing_slicing, reason = "chunks are cut from slices of the same length")]

use super::{Kind, Objective, binary, multiclass, pointwise, ranking, regression};
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// An objective of the caller's own: the slope and curvature of its loss at the current scores.
pub trait Loss: Send + Sync {
    /// The scores to start from, one a tree of an iteration; 0 where nothing better is known.
    fn start(&self) -> Vec<f64>;
    /// Gradients and hessians of all rows at `score`; all three are tree-major, row r of tree k at `k * rows + r`.
    fn gradients(&self, iteration: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool);
    /// The output of a leaf that holds `rows` of tree `tree`, where it is not the Newton step.
    fn renew(&self, _tree: usize, _rows: &[u32], _score: &[f64]) -> Option<f64> {
        None
    }
}

/// Labels with their weights and queries.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Rows<'a> {
    /// One a row.
    pub(in crate::boosting) y: &'a [f64],
    /// One a row.
    pub(in crate::boosting) weight: Option<&'a [f64]>,
    /// Rows of each query.
    pub(in crate::boosting) group: Option<&'a [usize]>,
}

/// A loss bound to its rows.
pub(in crate::boosting) type Bound<'a> = Box<dyn Loss + 'a>;

impl Objective {
    /// Binds to labels, after checking that they are in its range.
    ///
    /// # Errors
    /// A label outside the objective's range (row named), queries that do not sum to the rows, one class only.
    pub(in crate::boosting) fn bind<'a>(&self, rows: Rows<'a>) -> Result<Bound<'a>> {
        rows.check(self)?;
        Ok(match self.kind {
            Kind::Regression
            | Kind::RegressionL1
            | Kind::Huber
            | Kind::Fair
            | Kind::Quantile
            | Kind::Mape => Box::new(regression::Regression::new(self, rows)),
            Kind::Poisson | Kind::Gamma | Kind::Tweedie | Kind::CrossEntropy | Kind::CrossEntropyLambda => {
                Box::new(pointwise::Pointwise::new(self, rows))
            }
            Kind::Binary => Box::new(binary::Binary::new(self, rows)?),
            Kind::Multiclass => Box::new(multiclass::Softmax::new(self, rows)),
            Kind::MulticlassOva => Box::new(multiclass::OneVsAll::new(self, rows)?),
            Kind::Lambdarank => Box::new(ranking::Lambdarank::new(self, rows)?),
            Kind::RankXendcg => Box::new(ranking::Xendcg::new(self, rows)?),
            Kind::Custom => {
                return Err(Error::invalid("a custom objective has no gradients here: it is given in code")
                    .at_key("objective"));
            }
        })
    }
}

impl Rows<'_> {
    /// Weight of a row.
    pub(in crate::boosting) fn weight(&self, row: usize) -> f64 {
        self.weight.map_or(1.0, |w| w[row])
    }

    fn check(&self, objective: &Objective) -> Result<()> {
        let classes = objective.num_class as f64;
        let (fits, want): (fn(f64, f64) -> bool, String) = match objective.kind {
            Kind::Poisson | Kind::Tweedie => (|y, _| y >= 0.0, "0 or more".into()),
            Kind::Gamma => (|y, _| y > 0.0, "above 0".into()),
            Kind::CrossEntropy | Kind::CrossEntropyLambda => {
                (|y, _| (0.0..=1.0).contains(&y), "between 0 and 1".into())
            }
            Kind::Multiclass | Kind::MulticlassOva => (
                |y, k| y >= 0.0 && y < k && y.fract() == 0.0,
                format!("a whole number from 0, below num_class ({})", objective.num_class),
            ),
            Kind::Lambdarank | Kind::RankXendcg => {
                (|y, k| y >= 0.0 && y < k && y.fract() == 0.0, "a whole number from 0 to 30".into())
            }
            _ => (|_, _| true, String::new()),
        };
        let limit = match (objective.ranks(), objective.label_gain.len()) {
            (true, 0) => 31.0,
            (true, n) => n as f64,
            _ => classes,
        };
        for (row, y) in self.y.iter().enumerate() {
            if !y.is_finite() {
                return Err(Error::invalid(format!(
                    "the label of row {} is {y}, expected a number",
                    row + 1
                )));
            }
            if !fits(*y, limit) {
                let name = objective.name();
                let message =
                    format!("the label of row {} is {y}; objective `{name}` expects {want}", row + 1);
                return Err(Error::invalid(message));
            }
        }
        if objective.has_classes() {
            let missing = (0..objective.num_class).find(|c| self.y.iter().all(|y| *y != *c as f64));
            if let Some(class) = missing {
                let message =
                    format!("no row has label {class} of the classes 0 to {}", objective.num_class - 1);
                return Err(
                    Error::invalid(message).hint("number the classes without gaps, or lower num_class")
                );
            }
        }
        if let Some(weight) = self.weight {
            let bad = weight.iter().position(|w| !(w.is_finite() && *w >= 0.0));
            if let Some(row) = bad {
                let message = format!("the weight of row {} is {}, expected 0 or more", row + 1, weight[row]);
                return Err(Error::invalid(message));
            }
            if weight.iter().all(|w| *w == 0.0) {
                return Err(Error::invalid("all weights are 0"));
            }
        }
        match self.group {
            Some(group) if group.iter().sum::<usize>() != self.y.len() => {
                let (sum, rows) = (group.iter().sum::<usize>(), self.y.len());
                Err(Error::invalid(format!("the queries hold {sum} rows, the data {rows}")))
            }
            None if objective.ranks() => {
                let message = format!("objective `{}` needs the rows of each query", objective.name());
                Err(Error::invalid(message).hint("give a .query file or group_column"))
            }
            _ => Ok(()),
        }
    }
}

/// Rows of a task.
const CHUNK: usize = 4096;

/// Runs `task(rows, gradients, hessians)` over chunks of all rows on the pool's threads.
pub(in crate::boosting) fn in_chunks(
    pool: &Pool,
    g: &mut [f32],
    h: &mut [f32],
    task: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync,
) {
    let parts: Vec<Mutex<(&mut [f32], &mut [f32])>> =
        g.chunks_mut(CHUNK).zip(h.chunks_mut(CHUNK)).map(Mutex::new).collect();
    pool.run_near(parts.len(), |i| {
        let mut part = parts[i].lock().unwrap_or_else(PoisonError::into_inner);
        let (g, h) = &mut *part;
        let from = i * CHUNK;
        task(from..from + g.len(), g, h);
    });
}
