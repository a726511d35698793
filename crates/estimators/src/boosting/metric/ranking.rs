//! Metrics of ranked queries: the mean over queries of NDCG and of average precision up to a cut-off. A query without
//! a relevant row counts as 1.
#![allow(clippy::indexing_slicing, reason = "rows of a query stay below its length")]

use crate::boosting::objective::{Objective, Rows};

/// The mean of `task(labels in the order of scores)` over queries, weighted by the mean weight of their rows.
fn over_queries(rows: &Rows<'_>, score: &[f64], task: impl Fn(&[f64]) -> f64) -> f64 {
    let (mut at, mut sum, mut total) = (0, 0.0, 0.0);
    for size in rows.group.unwrap_or_default() {
        let mut order: Vec<usize> = (at..at + size).collect();
        order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
        let labels: Vec<f64> = order.iter().map(|r| rows.y[*r]).collect();
        let weight = order.iter().map(|r| rows.weight(*r)).sum::<f64>() / (*size).max(1) as f64;
        sum += weight * task(&labels);
        total += weight;
        at += size;
    }
    if total > 0.0 { sum / total } else { 1.0 }
}

fn dcg(o: &Objective, labels: &[f64], at: usize) -> f64 {
    let one = |(i, y): (usize, &f64)| o.gain(*y as usize) / (i as f64 + 2.0).log2();
    labels.iter().take(at).enumerate().map(one).sum()
}

/// Normalised discounted gain of the first `at` places.
pub(super) fn ndcg(o: &Objective, rows: &Rows<'_>, score: &[f64], at: usize) -> f64 {
    over_queries(rows, score, |labels| {
        let mut best = labels.to_vec();
        best.sort_by(|a, b| b.total_cmp(a));
        let most = dcg(o, &best, at);
        if most > 0.0 { dcg(o, labels, at) / most } else { 1.0 }
    })
}

/// Mean over the relevant rows of the precision at their place, the first `at` places only.
pub(super) fn mean_average_precision(rows: &Rows<'_>, score: &[f64], at: usize) -> f64 {
    over_queries(rows, score, |labels| {
        let relevant = labels.iter().filter(|y| **y > 0.5).count();
        if relevant == 0 {
            return 1.0;
        }
        let (mut hits, mut sum) = (0.0, 0.0);
        for (i, y) in labels.iter().take(at).enumerate() {
            if *y > 0.5 {
                hits += 1.0;
                sum += hits / (i as f64 + 1.0);
            }
        }
        sum / relevant.min(at) as f64
    })
}
