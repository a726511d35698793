//! What a binary model is worth at some thresholds.

use lyceum_estimators::metrics as m;
use serde::{Deserialize, Serialize};

/// A threshold: a probability from it up is called true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Threshold {
    /// The threshold.
    pub(crate) at: f64,
    /// Share of the rows that are called true.
    pub(crate) called: f64,
    /// Share of the called that are true.
    pub(crate) precision: f64,
    /// Share of the true that are called.
    pub(crate) recall: f64,
    /// Share of the false that are not called.
    pub(crate) specificity: f64,
    /// Harmonic mean of precision and recall.
    pub(crate) f1: f64,
    /// Share of right answers.
    pub(crate) accuracy: f64,
    /// `chosen` for the model's own, `best f1` where F1 is greatest on these rows.
    pub(crate) note: String,
}

/// Rows at every tenth, at the model's own threshold and where F1 is greatest, rising.
pub(crate) fn thresholds(y: &[u8], p: &[f64], chosen: f64) -> Vec<Threshold> {
    if y.is_empty() {
        return Vec::new();
    }
    let best = best_f1(y, p);
    let mut places: Vec<f64> = (1..10).map(|i| f64::from(i) / 10.0).chain([chosen]).chain(best).collect();
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    let one = |at: f64| {
        let c = m::BinaryCounts::at(y, p, at);
        let mut notes = Vec::new();
        if (at - chosen).abs() < 1e-9 {
            notes.push("chosen");
        }
        if best.is_some_and(|b| (at - b).abs() < 1e-9) {
            notes.push("best f1");
        }
        // Nothing called, or nothing there to find: 0, so that the numbers can be written.
        let number = |x: f64| if x.is_finite() { x } else { 0.0 };
        Threshold {
            at,
            called: (c.true_positive + c.false_positive) as f64 / y.len() as f64,
            precision: number(c.precision()),
            recall: number(c.recall()),
            specificity: number(c.specificity()),
            f1: number(c.f_beta(1.0)),
            accuracy: number(c.accuracy()),
            note: notes.join(", "),
        }
    };
    places.into_iter().map(one).collect()
}

/// The threshold with the greatest F1, the highest of equals; absent where no row is true.
fn best_f1(y: &[u8], p: &[f64]) -> Option<f64> {
    let curve = m::precision_recall_curve(y, p);
    let points = curve.x.iter().zip(&curve.y).zip(&curve.threshold);
    let f1 = |recall: f64, precision: f64| 2.0 * recall * precision / (recall + precision);
    let scored = points.map(|((r, p), t)| (f1(*r, *p), *t)).filter(|(f, t)| f.is_finite() && t.is_finite());
    scored
        .fold(None, |best: Option<(f64, f64)>, new| best.filter(|b| b.0 >= new.0).or(Some(new)))
        .map(|b| b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_threshold_and_the_chosen_one_are_marked() {
        let y = [0, 0, 1, 0, 1, 1];
        let p = [0.05, 0.15, 0.35, 0.42, 0.61, 0.93];
        let t = thresholds(&y, &p, 0.5);
        assert_eq!(t.len(), 10);
        let marked = |note: &str| t.iter().find(|t| t.note == note).unwrap();
        let chosen = marked("chosen");
        assert_eq!((chosen.at, chosen.precision, chosen.called), (0.5, 1.0, 2.0 / 6.0));
        // All three found with one wrong: F1 6/7.
        let best = marked("best f1");
        assert_eq!((best.at, best.recall), (0.35, 1.0));
        assert!((best.f1 - 6.0 / 7.0).abs() < 1e-12);
        assert!(t.windows(2).all(|w| w[0].at < w[1].at && w[0].called >= w[1].called));
        assert!(thresholds(&[0, 0], &[0.1, 0.2], 0.5).iter().all(|t| t.note != "best f1"));
        assert!(thresholds(&[], &[], 0.5).is_empty());
    }
}
