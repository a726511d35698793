//! `lyceum fit --cv K`: the estimator judged fold after fold.

use super::decide::Scores;
use super::{Measures, measures};
use lyceum_core::{Error, Estimator, FitContext, Progress, Result, Table, Target, TrainingSet, Value};
use lyceum_data::Random;
use lyceum_estimators::selection::{Keep, folds, mean_and_error};
use lyceum_learn::fitted::Labels;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the folds are made by.
pub(in crate::cmd) struct Rule {
    /// The column whose values stay together, one key a row.
    pub(super) groups: Option<Vec<u64>>,
    /// The column of time.
    pub(super) times: Option<Vec<f64>>,
}

#[derive(Serialize)]
pub(in crate::cmd) struct Crossed {
    folds: Vec<FoldReport>,
    pub(in crate::cmd) mean: Measures,
    pub(in crate::cmd) standard_error: Measures,
    /// Of each row by the model that did not learn from it.
    #[serde(skip)]
    pub(super) scores: Scores,
}

#[derive(Serialize)]
struct FoldReport {
    rows: usize,
    held_out: usize,
    measures: Measures,
    fit_s: f64,
}

impl Rule {
    /// Fits and judges fold after fold, `count` of them, learning from a share of each fold's rows.
    pub(in crate::cmd) fn run(
        &self,
        count: usize,
        share: f64,
        estimator: &dyn Estimator,
        (x, y): (&Table, &Labels),
        fit: &FitContext,
        progress: &dyn Progress,
    ) -> Result<Crossed> {
        let codes: Option<Vec<u32>> = match &y.target {
            Target::Regression(_) => None,
            Target::Binary(y) => Some(y.iter().map(|y| u32::from(*y)).collect()),
            Target::Multiclass { codes, .. } => Some(codes.clone()),
        };
        let keep = match (&self.groups, &self.times, &codes) {
            (Some(groups), _, _) => Keep::Groups(groups),
            (_, Some(times), _) => Keep::Time(times),
            (_, _, Some(codes)) => Keep::Classes(codes),
            _ => Keep::Nothing,
        };
        let made = folds(x.rows(), count, keep, fit.seed)?;
        progress.begin("folds", Some(made.len() as u64));
        let mut all = Vec::with_capacity(made.len());
        let mut scores = Scores::default();
        for (i, fold) in made.iter().enumerate() {
            fit.cx.check()?;
            let start = std::time::Instant::now();
            let train = part(&fold.train, share, codes.as_deref(), fit.seed);
            let data = TrainingSet::new(x.take(&train).into(), y.take(&train))?;
            // The bar shows the folds, not what goes on within one.
            let quiet = FitContext { progress: FitContext::default().progress, ..fit.clone() };
            let model = estimator.fit(&data, &quiet).map_err(|e| e.at_key(format!("fold {}", i + 1)))?;
            let fit_s = start.elapsed().as_secs_f64();
            let (prediction, own) = (model.predict(&x.take(&fold.test))?, y.take(&fold.test));
            scores.push(&prediction, &own, Some(i));
            let measures = measures(&prediction, &own)?;
            all.push(FoldReport { rows: train.len(), held_out: fold.test.len(), measures, fit_s });
            progress.at(i as u64 + 1);
        }
        progress.end();
        let (mut mean, mut standard_error) = (Measures::new(), Measures::new());
        for name in all.first().map(|f| f.measures.keys().copied().collect::<Vec<_>>()).unwrap_or_default() {
            let values: Vec<f64> = all.iter().filter_map(|f| f.measures.get(name).copied()).collect();
            let (m, e) = mean_and_error(&values);
            mean.insert(name, m);
            standard_error.insert(name, e);
        }
        Ok(Crossed { folds: all, mean, standard_error, scores })
    }
}

/// A share of the rows, ascending, drawn by seed; of each class its share, at least one row.
fn part(rows: &[usize], share: f64, codes: Option<&[u32]>, seed: u64) -> Vec<usize> {
    if share >= 1.0 {
        return rows.to_vec();
    }
    let mut of_class = BTreeMap::<u32, Vec<usize>>::new();
    for row in rows {
        let class = codes.and_then(|c| c.get(*row)).copied().unwrap_or(0);
        of_class.entry(class).or_default().push(*row);
    }
    let mut random = Random::new(seed, 0x5ba7e);
    let mut kept = Vec::new();
    for mut own in of_class.into_values() {
        random.shuffle(&mut own);
        let n = ((own.len() as f64 * share).round() as usize).clamp(1, own.len());
        kept.extend_from_slice(own.get(..n).unwrap_or_default());
    }
    kept.sort_unstable();
    kept
}

/// A column's values as keys: equal where the cells are.
pub(super) fn keys(table: &Table, column: &str, rows: &[usize]) -> Result<Vec<u64>> {
    let own = table.column(column)?;
    let mut known = BTreeMap::<String, u64>::new();
    rows.iter()
        .map(|r| match own.value(*r) {
            Value::Null => {
                let message = format!("has no value in row {}", r + 1);
                Err(Error::invalid(message).at_key(format!("column \"{column}\"")))
            }
            value => {
                let next = known.len() as u64;
                Ok(*known.entry(value.to_json().to_string()).or_insert(next))
            }
        })
        .collect()
}

/// A column of numbers.
pub(super) fn times(table: &Table, column: &str, rows: &[usize]) -> Result<Vec<f64>> {
    let own = table.column(column)?;
    let numbers = own.as_numbers().ok_or_else(|| {
        Error::invalid("expected a column of numbers").at_key(format!("column \"{column}\""))
    })?;
    Ok(rows.iter().map(|r| numbers.get(*r).copied().unwrap_or(f64::NAN)).collect())
}

/// The table of folds, with means and their standard errors below.
pub(super) fn shown(crossed: &Crossed) -> String {
    let names: Vec<&str> = crossed.mean.keys().copied().collect();
    let line = |head: &str, values: &dyn Fn(&str) -> f64| {
        let cells = names.iter().map(|n| format!("  {:>width$.5}", values(n), width = n.len()));
        format!("{head:24}{}\n", cells.collect::<String>())
    };
    let heads: String = names.iter().map(|n| format!("  {n}")).collect();
    let mut out = format!("{:24}{heads}\n", "");
    for (i, fold) in crossed.folds.iter().enumerate() {
        let head = format!("fold {} ({} to {})", i + 1, fold.rows, fold.held_out);
        out += &line(&head, &|n| fold.measures.get(n).copied().unwrap_or(f64::NAN));
    }
    out += &line("mean", &|n| crossed.mean.get(n).copied().unwrap_or(f64::NAN));
    out + &line("standard error", &|n| crossed.standard_error.get(n).copied().unwrap_or(f64::NAN))
}
