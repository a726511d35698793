//! What changes as the threshold falls: ROC and precision-recall, and the areas under them.

use super::ratio;

/// Points of a curve, thresholds falling: `x` and `y` as the function that made it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// False positive rate, or recall.
    pub x: Vec<f64>,
    /// True positive rate, or precision.
    pub y: Vec<f64>,
    /// A score from here up is called positive.
    pub threshold: Vec<f64>,
}

/// Counts of negatives and positives called, one entry for each distinct score from the highest down.
fn steps(y: &[u8], score: &[f64]) -> Vec<(f64, f64, f64)> {
    let mut order: Vec<(f64, u8)> = score.iter().copied().zip(y.iter().copied()).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut negative, mut positive) = (0.0, 0.0);
    let mut out = Vec::new();
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, y)| *y > 0).count();
        positive += hits as f64;
        negative += (tied.len() - hits) as f64;
        out.push((negative, positive, tied.first().map_or(f64::NAN, |t| t.0)));
    }
    out
}

/// Area under the ROC curve: the chance that a positive row scores above a negative one, ties counting half.
pub fn roc_auc(y: &[u8], score: &[f64]) -> f64 {
    let steps = steps(y, score);
    let (mut area, mut before) = (0.0, (0.0, 0.0));
    for (negative, positive, _) in &steps {
        area += (negative - before.0) * (positive + before.1) / 2.0;
        before = (*negative, *positive);
    }
    ratio(area, before.0 * before.1)
}

/// ROC: false and true positive rate, from (0, 0) at an infinite threshold to (1, 1).
pub fn roc_curve(y: &[u8], score: &[f64]) -> Curve {
    let steps = steps(y, score);
    let (negatives, positives) = steps.last().map_or((0.0, 0.0), |s| (s.0, s.1));
    let mut curve = Curve { x: vec![0.0], y: vec![0.0], threshold: vec![f64::INFINITY] };
    for (negative, positive, threshold) in steps {
        curve.x.push(ratio(negative, negatives));
        curve.y.push(ratio(positive, positives));
        curve.threshold.push(threshold);
    }
    curve
}

/// Recall and precision, thresholds falling.
pub fn precision_recall_curve(y: &[u8], score: &[f64]) -> Curve {
    let steps = steps(y, score);
    let positives = steps.last().map_or(0.0, |s| s.1);
    let mut curve = Curve::default();
    for (negative, positive, threshold) in steps {
        curve.x.push(ratio(positive, positives));
        curve.y.push(ratio(positive, negative + positive));
        curve.threshold.push(threshold);
    }
    curve
}

/// Sum of precision times the step of recall (no interpolation).
pub fn average_precision(y: &[u8], score: &[f64]) -> f64 {
    let curve = precision_recall_curve(y, score);
    let mut before = 0.0;
    let mut sum = 0.0;
    for (recall, precision) in curve.x.iter().zip(&curve.y) {
        sum += (recall - before) * precision;
        before = *recall;
    }
    sum
}
