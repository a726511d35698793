//! The numbers behind a report: what is drawn, thinned to what an eye can see.

use super::thresholds::{Threshold, thresholds};
use crate::explain::report::Explained;
use crate::fit::{Curves, Material};
use crate::metrics::{Pairs, measure, pairs};
use crate::model::TabularModel;
use crate::prepared::{FittedOutput, Named};
use crate::scores::Scores;
use lyceum_estimators::metrics as m;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Points of a curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Points {
    /// Horizontal.
    pub(crate) x: Vec<f64>,
    /// Vertical.
    pub(crate) y: Vec<f64>,
}

/// What one model says of one output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct View {
    /// Metrics of the test rows.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// ROC (binary).
    pub(crate) roc: Option<Points>,
    /// Recall and precision (binary).
    pub(crate) precision_recall: Option<Points>,
    /// Mean predicted and observed share by bin (binary), with the rows of each bin.
    pub(crate) calibration: Option<(Points, Vec<usize>)>,
    /// Rows by true and predicted class (binary and category).
    pub(crate) confusion: Option<Vec<Vec<usize>>>,
    /// Predicted and true numbers.
    pub(crate) scatter: Option<Points>,
    /// What it is worth at some thresholds (binary).
    #[serde(default)]
    pub(crate) thresholds: Option<Vec<Threshold>>,
}

/// One output of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutputSummary {
    /// Its name.
    pub(crate) name: String,
    /// `number`, `binary` or `category`.
    pub(crate) kind: String,
    /// Names of the classes.
    pub(crate) classes: Vec<String>,
    /// The model.
    pub(crate) model: View,
    /// The baseline, where it could be fitted.
    pub(crate) baseline: Option<View>,
    /// How much each feature matters, by the model's own measure (or the baseline's for a network).
    pub(crate) importance: Vec<(String, f64)>,
    /// Whose importance it is.
    pub(crate) importance_of: String,
    /// Why the model says what it says, where it can tell.
    #[serde(default)]
    pub(crate) explained: Option<Explained>,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Title.
    pub(crate) title: String,
    /// `ecd`, `gbm` or `linear`.
    pub(crate) model_type: String,
    /// What was done, in lines.
    pub(crate) facts: Vec<(String, String)>,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
    /// Metrics of the training rows over the run.
    pub(crate) training: Curves,
    /// Metrics of the validation rows over the run.
    pub(crate) validation: Curves,
    /// The pass that was kept.
    pub(crate) best: usize,
    /// Which rows were measured: `test`, `validation` or `training`.
    pub(crate) measured_on: String,
    /// The outputs.
    pub(crate) outputs: Vec<OutputSummary>,
}

/// Points kept of a curve.
const POINTS: usize = 400;

/// Keeps the first, the last and evenly spaced points between.
fn thin(x: Vec<f64>, y: Vec<f64>) -> Points {
    let n = x.len();
    let step = n.div_ceil(POINTS).max(1);
    let keep = |i: &usize| i.is_multiple_of(step) || i + 1 == n;
    let pick = |v: Vec<f64>| v.into_iter().enumerate().filter(|(i, _)| keep(i)).map(|(_, x)| x).collect();
    Points { x: pick(x), y: pick(y) }
}

fn view(output: &Named<FittedOutput>, pairs: &Pairs) -> View {
    let metrics = measure(&output.fitted, pairs);
    let base = View { metrics, ..View::default() };
    match pairs {
        Pairs::Number(y, p) => View { scatter: Some(thin(p.clone(), y.clone())), ..base },
        Pairs::Category(y, p, classes) => {
            let c = m::Confusion::new(y, &Scores::best(p, *classes), *classes);
            let counts = (0..*classes).map(|t| (0..*classes).map(|q| c.at(t, q)).collect()).collect();
            View { confusion: (*classes <= 30).then_some(counts), ..base }
        }
        Pairs::Binary(y, p) => {
            let (roc, pr) = (m::roc_curve(y, p), m::precision_recall_curve(y, p));
            let bins: Vec<m::Bin> =
                m::calibration_bins(y, p, 10).into_iter().filter(|b| b.count > 0).collect();
            let reliability = Points {
                x: bins.iter().map(|b| b.predicted).collect(),
                y: bins.iter().map(|b| b.observed).collect(),
            };
            let threshold =
                if let FittedOutput::Binary { threshold, .. } = &output.fitted { *threshold } else { 0.5 };
            let c = m::BinaryCounts::at(y, p, threshold);
            View {
                roc: Some(thin(roc.x, roc.y)),
                precision_recall: Some(thin(pr.x, pr.y)),
                calibration: Some((reliability, bins.iter().map(|b| b.count).collect())),
                confusion: Some(vec![
                    vec![c.true_negative, c.false_positive],
                    vec![c.false_negative, c.true_positive],
                ]),
                thresholds: Some(thresholds(y, p, threshold)),
                ..base
            }
        }
    }
}

/// What the model and the baseline say of some rows, output by output.
pub(super) fn outputs(
    material: &Material,
    model: &TabularModel,
    scores: &[Scores],
    baseline: Option<(&[Scores], &TabularModel)>,
    rows: &[usize],
) -> Vec<OutputSummary> {
    let one = |(i, output): (usize, &Named<FittedOutput>)| {
        let of = |scores: &[Scores]| {
            let both = scores.get(i).zip(material.wanted.get(i));
            both.map(|(s, w)| view(output, &pairs(s, w, rows))).unwrap_or_default()
        };
        let (kind, classes) = match &output.fitted {
            FittedOutput::Number { .. } => ("number", Vec::new()),
            FittedOutput::Binary { fitted, .. } => {
                ("binary", vec![fitted.false_label.clone(), fitted.true_label.clone()])
            }
            FittedOutput::Category { fitted, .. } => {
                ("category", fitted.levels.iter().map(|l| l.to_string()).collect())
            }
        };
        let own = model.importance(i);
        let (importance, importance_of) = match (own.is_empty(), baseline) {
            (true, Some((_, linear))) => (linear.importance(i), "the baseline's coefficients"),
            _ if model.booster(i).is_some() => (own, "total gain of its splits"),
            _ => (own, "size of its coefficients"),
        };
        OutputSummary {
            name: output.name.clone(),
            kind: kind.into(),
            classes,
            model: of(scores),
            baseline: baseline.map(|(s, _)| of(s)),
            importance,
            importance_of: importance_of.into(),
            explained: None,
        }
    };
    material.prepared.outputs.iter().enumerate().map(one).collect()
}
