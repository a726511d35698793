//! Two classes: counts at a threshold and what follows from them; losses of probabilities.

use super::ratio;

/// How many rows are right and wrong, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BinaryCounts {
    /// Negative and called negative.
    pub true_negative: usize,
    /// Negative and called positive.
    pub false_positive: usize,
    /// Positive and called negative.
    pub false_negative: usize,
    /// Positive and called positive.
    pub true_positive: usize,
}

impl BinaryCounts {
    /// Counts at a threshold: a score from it up is called positive.
    pub fn at(y: &[u8], score: &[f64], threshold: f64) -> Self {
        let mut c = Self::default();
        for (y, s) in y.iter().zip(score) {
            match (*y > 0, *s >= threshold) {
                (false, false) => c.true_negative += 1,
                (false, true) => c.false_positive += 1,
                (true, false) => c.false_negative += 1,
                (true, true) => c.true_positive += 1,
            }
        }
        c
    }

    fn cells(&self) -> [f64; 4] {
        [self.true_negative, self.false_positive, self.false_negative, self.true_positive].map(|n| n as f64)
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        let [tn, fp, fneg, tp] = self.cells();
        ratio(tp + tn, tn + fp + fneg + tp)
    }

    /// Share of the called that are positive.
    pub fn precision(&self) -> f64 {
        let [_, fp, _, tp] = self.cells();
        ratio(tp, tp + fp)
    }

    /// Share of the positive that are called.
    pub fn recall(&self) -> f64 {
        let [_, _, fneg, tp] = self.cells();
        ratio(tp, tp + fneg)
    }

    /// Share of the negative that are not called.
    pub fn specificity(&self) -> f64 {
        let [tn, fp, _, _] = self.cells();
        ratio(tn, tn + fp)
    }

    /// Weighted harmonic mean of precision and recall; `beta` over 1 favours recall. 0 when nothing is right.
    pub fn f_beta(&self, beta: f64) -> f64 {
        let [_, fp, fneg, tp] = self.cells();
        let b = beta * beta;
        ratio((1.0 + b) * tp, (1.0 + b) * tp + b * fneg + fp)
    }

    /// Mean of recall and specificity.
    pub fn balanced_accuracy(&self) -> f64 {
        (self.recall() + self.specificity()) / 2.0
    }

    /// Matthews' correlation; 0 where a row or column of the table is empty.
    pub fn matthews(&self) -> f64 {
        let [tn, fp, fneg, tp] = self.cells();
        let all = ((tp + fp) * (tp + fneg) * (tn + fp) * (tn + fneg)).sqrt();
        if all == 0.0 { 0.0 } else { (tp * tn - fp * fneg) / all }
    }

    /// Cohen's kappa.
    pub fn kappa(&self) -> f64 {
        let [tn, fp, fneg, tp] = self.cells();
        let n = tn + fp + fneg + tp;
        let expected = ((tn + fp) * (tn + fneg) + (fneg + tp) * (fp + tp)) / (n * n);
        ratio(self.accuracy() - expected, 1.0 - expected)
    }
}

/// Mean of -ln p of the true class; probabilities of the positive class, clipped by the f64 epsilon.
pub fn log_loss(y: &[u8], p: &[f64]) -> f64 {
    let sum: f64 = y
        .iter()
        .zip(p)
        .map(|(y, p)| {
            let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            if *y > 0 { -p.ln() } else { -(-p).ln_1p() }
        })
        .sum();
    ratio(sum, y.len() as f64)
}

/// Mean squared distance of the probability from 0 or 1.
pub fn brier(y: &[u8], p: &[f64]) -> f64 {
    ratio(y.iter().zip(p).map(|(y, p)| (p - f64::from((*y).min(1))).powi(2)).sum(), y.len() as f64)
}
