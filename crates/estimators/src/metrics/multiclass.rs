//! Several classes, as codes from 0.

use super::{ratio, roc_auc};

/// Rows by true class (row) and predicted class (column).
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// Row-major `[classes, classes]`.
    pub counts: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

impl Confusion {
    /// Counts pairs; codes from `classes` up are left out.
    pub fn new(y: &[u32], predicted: &[u32], classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        for (y, p) in y.iter().zip(predicted) {
            let (y, p) = (*y as usize, *p as usize);
            let place = (y < classes && p < classes).then(|| counts.get_mut(y * classes + p)).flatten();
            if let Some(n) = place {
                *n += 1;
            }
        }
        Self { counts, classes }
    }

    /// Rows of a true class that were given a class.
    pub fn at(&self, truth: usize, predicted: usize) -> usize {
        if predicted >= self.classes {
            return 0;
        }
        self.counts.get(truth * self.classes + predicted).copied().unwrap_or(0)
    }

    fn right(&self, class: usize) -> f64 {
        self.at(class, class) as f64
    }

    fn of_class(&self, class: usize) -> f64 {
        (0..self.classes).map(|p| self.at(class, p)).sum::<usize>() as f64
    }

    fn called(&self, class: usize) -> f64 {
        (0..self.classes).map(|t| self.at(t, class)).sum::<usize>() as f64
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        let right: f64 = (0..self.classes).map(|c| self.right(c)).sum();
        ratio(right, self.counts.iter().sum::<usize>() as f64)
    }

    /// Precision, recall and F1 of one class; 0 where a denominator is 0.
    pub fn class(&self, class: usize) -> [f64; 3] {
        let zero = |x: f64| if x.is_nan() { 0.0 } else { x };
        let (right, truth, called) = (self.right(class), self.of_class(class), self.called(class));
        [ratio(right, called), ratio(right, truth), ratio(2.0 * right, truth + called)].map(zero)
    }

    /// Plain means of precision, recall and F1 over the classes that occur or are called.
    pub fn macro_average(&self) -> [f64; 3] {
        let seen: Vec<usize> =
            (0..self.classes).filter(|c| self.of_class(*c) + self.called(*c) > 0.0).collect();
        let mut sums = [0.0; 3];
        for class in &seen {
            for (sum, x) in sums.iter_mut().zip(self.class(*class)) {
                *sum += x;
            }
        }
        sums.map(|s| ratio(s, seen.len() as f64))
    }
}

/// Mean of -ln p of the true class; `p` is row-major `[rows, classes]`, clipped by the f64 epsilon.
pub fn multi_log_loss(y: &[u32], p: &[f64], classes: usize) -> f64 {
    let rows = y.iter().zip(p.chunks_exact(classes.max(1)));
    let sum: f64 = rows
        .map(|(y, p)| {
            -p.get(*y as usize).copied().unwrap_or(0.0).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
        })
        .sum();
    ratio(sum, y.len() as f64)
}

/// Share of rows whose true class is among the `k` of highest probability; of equals the lower code comes first.
pub fn top_k_accuracy(y: &[u32], p: &[f64], classes: usize, k: usize) -> f64 {
    let rows = y.iter().zip(p.chunks_exact(classes.max(1)));
    let hits = rows.filter(|(y, p)| {
        let own = p.get(**y as usize).copied().unwrap_or(f64::NEG_INFINITY);
        let better =
            p.iter().enumerate().filter(|(i, q)| **q > own || (**q == own && *i < **y as usize)).count();
        better < k
    });
    ratio(hits.count() as f64, y.len() as f64)
}

/// Plain mean over the classes of the AUC of each class against the rest; classes that do not occur are left out.
pub fn roc_auc_one_vs_rest(y: &[u32], p: &[f64], classes: usize) -> f64 {
    let mut areas = Vec::new();
    for class in 0..classes {
        let is: Vec<u8> = y.iter().map(|c| u8::from(*c as usize == class)).collect();
        let score: Vec<f64> = p.iter().skip(class).step_by(classes.max(1)).copied().collect();
        let area = roc_auc(&is, &score);
        if !area.is_nan() {
            areas.push(area);
        }
    }
    ratio(areas.iter().sum(), areas.len() as f64)
}
