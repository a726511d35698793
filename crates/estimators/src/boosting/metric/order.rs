//! Metrics of the order that scores give: areas under the ROC and the precision-recall curve, weighted.
#![allow(clippy::indexing_slicing, reason = "rows stay below the labels' length")]

use crate::boosting::data::radix;
use crate::boosting::objective::Rows;

/// Positive and negative weight at each distinct score, highest first.
fn steps(rows: &Rows<'_>, score: &[f64]) -> Vec<(f64, f64)> {
    let mut order: Vec<(i64, u32)> =
        score.iter().zip(0..rows.y.len() as u32).map(|(s, row)| (radix::key(*s), row)).collect();
    radix::sort_by(&mut order, |o| o.0);
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for (key, row) in order.into_iter().rev() {
        let row = row as usize;
        if last != Some(key) {
            out.push((0.0, 0.0));
            last = Some(key);
        }
        if let Some(step) = out.last_mut() {
            let w = rows.weight(row);
            if rows.y[row] > 0.0 { step.0 += w } else { step.1 += w }
        }
    }
    out
}

/// The chance that a positive row scores above a negative one, ties half; 1 with one class only.
pub(super) fn auc(rows: &Rows<'_>, score: &[f64]) -> f64 {
    let (mut area, mut above, mut negatives) = (0.0, 0.0, 0.0);
    for (p, n) in steps(rows, score) {
        area += n * (above + 0.5 * p);
        above += p;
        negatives += n;
    }
    if above > 0.0 && negatives > 0.0 { area / (above * negatives) } else { 1.0 }
}

/// Precision averaged over the positive rows, highest score first; 1 with one class only.
pub(super) fn average_precision(rows: &Rows<'_>, score: &[f64]) -> f64 {
    let (mut sum, mut hits, mut seen) = (0.0, 0.0, 0.0);
    for (p, n) in steps(rows, score) {
        hits += p;
        seen += p + n;
        sum += if seen > 0.0 { p * hits / seen } else { 0.0 };
    }
    if hits > 0.0 && hits < seen { sum / hits } else { 1.0 }
}
