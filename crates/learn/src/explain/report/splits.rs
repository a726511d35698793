//! How often trees split on each feature.

use super::look::Look;

/// Splits on each feature that was split on, the most first; empty for models without trees.
pub(super) fn splits(look: &Look<'_>) -> Vec<(String, f64)> {
    let Some(booster) = look.booster() else { return Vec::new() };
    let mut counts = vec![0; look.inputs().len()];
    for ((n, _), owner) in booster.split_counts().into_iter().zip(&look.owners) {
        if let Some(sum) = counts.get_mut(*owner) {
            *sum += n;
        }
    }
    let used = counts.into_iter().enumerate().filter(|(_, n)| *n > 0);
    let mut out: Vec<(String, f64)> = used.map(|(f, n)| (look.name(f), n as f64)).collect();
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}
