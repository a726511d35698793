//! Importance by permutation: how much worse the main metric gets when the cells of one feature change rows.
//!
//! Source: Breiman 2001, over several shufflings as in scikit-learn's `permutation_importance`.

use super::look::{Look, brief};
use crate::metrics::{measure, rises};
use crate::prepared::FittedOutput;
use lyceum_core::{Result, Table};
use lyceum_data::Random;
use lyceum_estimators::selection::mean_and_error;
use serde::{Deserialize, Serialize};

/// Shufflings of each feature.
const REPEATS: usize = 5;
/// Most features that are shuffled; the others are those that the model uses least.
const FEATURES: usize = 30;

/// What shuffling costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Permutation {
    /// The metric.
    pub(crate) metric: String,
    /// Its value on the rows as they are.
    pub(crate) value: f64,
    /// Rows shuffled.
    pub(crate) rows: usize,
    /// Shufflings of each feature.
    pub(crate) repeats: usize,
    /// Feature, mean loss of the metric (above 0 where shuffling hurts) and its standard error; the largest first.
    pub(crate) features: Vec<(String, f64, f64)>,
}

impl Permutation {
    /// The features, the most important first.
    pub(super) fn order(&self, look: &Look<'_>) -> Vec<usize> {
        let place = |name: &String| look.inputs().iter().position(|f| f.name == *name);
        self.features.iter().filter_map(|(name, _, _)| place(name)).collect()
    }
}

/// The losses; nothing where no metric is defined on the rows.
pub(super) fn permutation(look: &Look<'_>) -> Result<Option<Permutation>> {
    let metric_of = |table: &Table, name: &str| -> Result<Option<f64>> {
        let scores = look.scores(table)?;
        Ok(measure(look.fitted(), &look.pairs(&scores)).get(name).copied())
    };
    let main = match look.fitted() {
        FittedOutput::Binary { .. } => "roc_auc",
        FittedOutput::Category { .. } => "accuracy",
        FittedOutput::Number { .. } => "root_mean_squared_error",
    };
    let mut chosen = None;
    for name in [main, "loss"] {
        if let (None, Some(value)) = (&chosen, metric_of(&look.table, name)?) {
            chosen = Some((name, value));
        }
    }
    let Some((metric, value)) = chosen else { return Ok(None) };
    let sign = if rises(metric) { 1.0 } else { -1.0 };
    let mut features = Vec::new();
    for feature in used(look) {
        let mut random = Random::new(look.seed, 0x5_4000 + feature as u64);
        let mut losses = Vec::new();
        for _ in 0..REPEATS {
            let mut order: Vec<usize> = (0..look.rows.len()).collect();
            random.shuffle(&mut order);
            let shuffled = with_feature(look, feature, &order)?;
            losses.extend(metric_of(&shuffled, metric)?.map(|now| sign * (value - now)));
        }
        if losses.len() < REPEATS {
            continue;
        }
        let (mean, error) = mean_and_error(&losses);
        features.push((look.name(feature), brief(mean), brief(error)));
    }
    features.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (metric, rows) = (metric.to_string(), look.rows.len());
    Ok(Some(Permutation { metric, value: brief(value), rows, repeats: REPEATS, features }))
}

/// The features, at most [`FEATURES`]: those of most importance to the model.
fn used(look: &Look<'_>) -> Vec<usize> {
    let all = look.inputs().len();
    if all <= FEATURES {
        return (0..all).collect();
    }
    let names = look.importance();
    names.iter().filter_map(|(n, _)| look.inputs().iter().position(|f| f.name == *n)).take(FEATURES).collect()
}

/// The table with one feature's cells taken from other rows; the columns of a text move together.
fn with_feature(look: &Look<'_>, feature: usize, order: &[usize]) -> Result<Table> {
    let mut out = Table::default();
    for ((name, column), owner) in look.table.columns().zip(&look.owners) {
        let column = if *owner == feature { column.take(order) } else { column.clone() };
        out.push(name, column)?;
    }
    Ok(out)
}
