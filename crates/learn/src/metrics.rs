//! Metrics of predictions by Ludwig's names.

use crate::prepared::{FittedOutput, Prepared, Wanted};
use crate::scores::Scores;
use lyceum_estimators::metrics as m;
use std::collections::BTreeMap;

/// Metric to value, for each output and for `combined`.
pub type Measures = BTreeMap<String, BTreeMap<String, f64>>;

/// Whether more of a metric is better.
pub fn rises(metric: &str) -> bool {
    !matches!(
        metric,
        "loss"
            | "perplexity"
            | "mean_squared_error"
            | "mean_absolute_error"
            | "root_mean_squared_error"
            | "mean_absolute_percentage_error"
    )
}

/// Rows with a wanted value, their true values and what was said of them.
pub enum Pairs {
    /// True and predicted numbers.
    Number(Vec<f64>, Vec<f64>),
    /// Truth and its probability.
    Binary(Vec<u8>, Vec<f64>),
    /// Codes, and probabilities row-major.
    Category(Vec<u32>, Vec<f64>, usize),
}

/// Puts together what was said of `rows` (in their order) and what is true; rows without a true value are left out.
pub fn pairs(scores: &Scores, wanted: &Wanted, rows: &[usize]) -> Pairs {
    match (scores, wanted) {
        (Scores::Binary(p), Wanted::Binary(y)) => {
            let both = rows.iter().zip(p).filter_map(|(r, p)| Some((u8::from((*y.get(*r)?)?), *p)));
            let (y, p) = both.unzip();
            Pairs::Binary(y, p)
        }
        (Scores::Category { p, classes }, Wanted::Category(y)) => {
            let (mut codes, mut kept) = (Vec::new(), Vec::new());
            for (r, p) in rows.iter().zip(p.chunks_exact(*classes)) {
                if let Some(code) = y.get(*r).copied().flatten() {
                    codes.push(code);
                    kept.extend_from_slice(p);
                }
            }
            Pairs::Category(codes, kept, *classes)
        }
        (Scores::Number(p), Wanted::Number(y)) => {
            let both = rows.iter().zip(p).filter_map(|(r, p)| Some(((*y.get(*r)?)?, *p)));
            let (y, p) = both.unzip();
            Pairs::Number(y, p)
        }
        _ => Pairs::Number(Vec::new(), Vec::new()),
    }
}

/// All metrics of all outputs; `combined.loss` is the sum of the losses.
pub fn measure_all(prepared: &Prepared, scores: &[Scores], wanted: &[Wanted], rows: &[usize]) -> Measures {
    let mut out = Measures::new();
    let mut combined = 0.0;
    for ((output, scores), wanted) in prepared.outputs.iter().zip(scores).zip(wanted) {
        let measures = measure(&output.fitted, &pairs(scores, wanted, rows));
        combined += measures.get("loss").copied().unwrap_or(f64::NAN);
        out.insert(output.name.clone(), measures);
    }
    out.insert("combined".into(), [("loss".to_string(), combined)].into());
    out
}

/// The metrics of one output; those that are not defined on these rows (an AUC of one class) are left out.
pub fn measure(output: &FittedOutput, pairs: &Pairs) -> BTreeMap<String, f64> {
    let named: Vec<(&str, f64)> = match pairs {
        Pairs::Number(y, p) => vec![
            ("loss", m::mean_squared_error(y, p)),
            ("mean_squared_error", m::mean_squared_error(y, p)),
            ("mean_absolute_error", m::mean_absolute_error(y, p)),
            ("root_mean_squared_error", m::root_mean_squared_error(y, p)),
            ("mean_absolute_percentage_error", m::mean_absolute_percentage_error(y, p)),
            ("r2", m::r2(y, p)),
        ],
        Pairs::Binary(y, p) => {
            let threshold =
                if let FittedOutput::Binary { threshold, .. } = output { *threshold } else { 0.5 };
            let counts = m::BinaryCounts::at(y, p, threshold);
            vec![
                ("loss", m::log_loss(y, p)),
                ("accuracy", counts.accuracy()),
                ("roc_auc", m::roc_auc(y, p)),
                ("average_precision", m::average_precision(y, p)),
                ("precision", counts.precision()),
                ("recall", counts.recall()),
                ("specificity", counts.specificity()),
                ("f1", counts.f_beta(1.0)),
                ("brier", m::brier(y, p)),
                ("calibration_error", m::expected_calibration_error(y, p, 10)),
            ]
        }
        Pairs::Category(y, p, classes) => {
            let top_k = if let FittedOutput::Category { top_k, .. } = output { *top_k } else { 3 };
            let confusion = m::Confusion::new(y, &Scores::best(p, *classes), *classes);
            let [precision, recall, f1] = confusion.macro_average();
            vec![
                ("loss", m::multi_log_loss(y, p, *classes)),
                ("accuracy", confusion.accuracy()),
                ("hits_at_k", m::top_k_accuracy(y, p, *classes, top_k)),
                ("roc_auc", m::roc_auc_one_vs_rest(y, p, *classes)),
                ("precision_macro", precision),
                ("recall_macro", recall),
                ("f1_macro", f1),
            ]
        }
    };
    named.into_iter().filter(|(_, v)| v.is_finite()).map(|(k, v)| (k.to_string(), v)).collect()
}
