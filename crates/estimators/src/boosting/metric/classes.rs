//! Metrics of several classes.
#![allow(clippy::indexing_slicing, reason = "rows and classes stay below the lengths given")]

use crate::boosting::model::Transform;
use crate::boosting::objective::Rows;

/// `multi_logloss`, or `multi_error` with a cut-off: weighted means.
pub(super) fn average(
    kind: &str,
    transform: Transform,
    k: usize,
    at: usize,
    rows: &Rows<'_>,
    score: &[f64],
) -> f64 {
    let n = rows.y.len();
    let (mut raw, mut p) = (vec![0.0; k], vec![0.0; k]);
    let (mut sum, mut total) = (0.0, 0.0);
    for r in 0..n {
        (0..k).for_each(|c| raw[c] = score[c * n + r]);
        transform.apply(&raw, &mut p);
        let own = p[rows.y[r] as usize];
        let loss = if kind == "multi_error" {
            // Ties count against the row.
            f64::from(u8::from(p.iter().filter(|x| **x >= own).count() > at))
        } else {
            -own.max(1e-15).ln()
        };
        sum += rows.weight(r) * loss;
        total += rows.weight(r);
    }
    sum / total
}

/// The mean over pairs of classes of how well the scores separate them (Kleiman and Page 2019); with weights, the
/// separating direction of a pair is the difference of their weight rows.
pub(super) fn auc_mu(weights: &[f64], k: usize, rows: &Rows<'_>, score: &[f64]) -> f64 {
    let n = rows.y.len();
    let weight = |i: usize, j: usize| match weights.get(i * k + j) {
        Some(w) if weights.len() == k * k => *w,
        _ => f64::from(u8::from(i != j)),
    };
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); k];
    (0..n).for_each(|r| by_class[rows.y[r] as usize].push(r));
    let mut sum = 0.0;
    for i in 0..k {
        for j in i + 1..k {
            let direction: Vec<f64> = (0..k).map(|c| weight(i, c) - weight(j, c)).collect();
            let turn = direction[i] - direction[j];
            let place = |r: usize| turn * (0..k).map(|c| direction[c] * score[c * n + r]).sum::<f64>();
            sum += separation(rows, &by_class[i], &by_class[j], place);
        }
    }
    2.0 * sum / (k as f64 * (k as f64 - 1.0))
}

/// The chance that a row of `high` lies above one of `low`, ties half; 1 when one is empty.
fn separation(rows: &Rows<'_>, high: &[usize], low: &[usize], place: impl Fn(usize) -> f64) -> f64 {
    let tagged = |set: &[usize], is_high: bool| -> Vec<(f64, bool, f64)> {
        set.iter().map(|r| (place(*r), is_high, rows.weight(*r))).collect()
    };
    let mut all = tagged(high, true);
    all.extend(tagged(low, false));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut area, mut below, mut highs, mut at) = (0.0, 0.0, 0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|x| x.0 == all[at].0).count();
        let mass = |is_high: bool| all[at..end].iter().filter(|x| x.1 == is_high).map(|x| x.2).sum::<f64>();
        let (h, l) = (mass(true), mass(false));
        area += h * (below + 0.5 * l);
        below += l;
        highs += h;
        at = end;
    }
    if highs > 0.0 && below > 0.0 { area / (highs * below) } else { 1.0 }
}
