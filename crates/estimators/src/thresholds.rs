//! From which score up a row is called positive: chosen on held-out scores, with the table of what each choice gives.

use crate::metrics::BinaryCounts;
use lyceum_core::{Error, Result};
use serde::Serialize;

/// What makes a threshold good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The greatest F1: harmonic mean of precision and recall.
    F1,
    /// The greatest J of Youden: recall + specificity − 1.
    Youden,
    /// The least cost a row.
    Cost {
        /// Of a negative row that is called positive, from 0.
        false_positive: f64,
        /// Of a positive row that is called negative, from 0.
        false_negative: f64,
    },
}

impl Rule {
    /// `f1`, `youden` or `cost=FP:FN`.
    ///
    /// # Errors
    /// Another word (with the nearest one), costs that are not two finite numbers from 0, or both 0.
    pub fn parse(text: &str) -> Result<Self> {
        let costs = |of: &str| -> Option<Self> {
            let (a, b) = of.split_once(':')?;
            let number = |t: &str| t.trim().parse::<f64>().ok().filter(|c| c.is_finite() && *c >= 0.0);
            let (false_positive, false_negative) = (number(a)?, number(b)?);
            (false_positive + false_negative > 0.0).then_some(Self::Cost { false_positive, false_negative })
        };
        match text.split_once('=') {
            Some(("cost", of)) => costs(of).ok_or_else(|| {
                let message = format!("expected cost=FP:FN, two numbers from 0, not both 0, got `{text}`");
                Error::invalid(message)
            }),
            None if text == "f1" => Ok(Self::F1),
            None if text == "youden" => Ok(Self::Youden),
            _ => {
                let message = format!("expected f1, youden or cost=FP:FN, got `{text}`");
                Err(Error::invalid(message).did_you_mean(text, ["f1", "youden", "cost=FP:FN"]))
            }
        }
    }

    /// How good counts are: the greater, the better; not a number where the rule says nothing of them.
    fn worth(&self, counts: &BinaryCounts) -> f64 {
        match self {
            Self::F1 => counts.f_beta(1.0),
            Self::Youden => counts.recall() + counts.specificity() - 1.0,
            Self::Cost { false_positive, false_negative } => {
                let wrong = false_positive * counts.false_positive as f64
                    + false_negative * counts.false_negative as f64;
                -wrong / rows(counts) as f64
            }
        }
    }

    /// The rule's own number of some counts: F1, J, or cost a row.
    pub fn value(&self, counts: &BinaryCounts) -> f64 {
        match self {
            Self::Cost { .. } => 0.0 - self.worth(counts),
            _ => self.worth(counts),
        }
    }
}

fn rows(counts: &BinaryCounts) -> usize {
    counts.true_negative + counts.false_positive + counts.false_negative + counts.true_positive
}

/// What a threshold gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// A score from here up is called positive.
    pub threshold: f64,
    /// Rows that are right and wrong.
    #[serde(skip)]
    pub counts: BinaryCounts,
    /// Share of the called that are positive; not a number where none is called.
    pub precision: f64,
    /// Share of the positive that are called.
    pub recall: f64,
    /// The rule's number: F1, J, or cost a row.
    pub value: f64,
}

impl Point {
    /// What a threshold gives on some rows.
    pub fn at(rule: Rule, threshold: f64, y: &[u8], score: &[f64]) -> Self {
        Self::of(rule, threshold, BinaryCounts::at(y, score, threshold))
    }

    fn of(rule: Rule, threshold: f64, counts: BinaryCounts) -> Self {
        let (precision, recall) = (counts.precision(), counts.recall());
        Self { threshold, counts, precision, recall, value: rule.value(&counts) }
    }
}

/// One point for calling nothing and one for each distinct score, thresholds falling. A threshold lies half-way to the
/// next lower score, so that rounding decides no row; the last is the lowest score.
///
/// # Errors
/// Lengths that differ, a score that is not finite, rows of one class only.
pub fn table(rule: Rule, y: &[u8], score: &[f64]) -> Result<Vec<Point>> {
    if y.len() != score.len() {
        return Err(Error::invalid(format!("{} classes for {} scores", y.len(), score.len())));
    }
    if score.iter().any(|s| !s.is_finite()) {
        return Err(Error::invalid("a score is not finite"));
    }
    let positives = y.iter().filter(|y| **y > 0).count();
    if positives == 0 || positives == y.len() {
        return Err(Error::invalid("rows of one class only choose no threshold").hint("hold out more rows"));
    }
    let mut order: Vec<(f64, u8)> = score.iter().copied().zip(y.iter().copied()).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut counts =
        BinaryCounts { true_negative: y.len() - positives, false_negative: positives, ..Default::default() };
    let tied: Vec<&[(f64, u8)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
    let own = |group: Option<&&[(f64, u8)]>| group.and_then(|g| g.first()).map(|g| g.0);
    let mut out = Vec::with_capacity(tied.len() + 1);
    out.push(Point::of(rule, own(tied.first()).map_or(f64::MAX, f64::next_up), counts));
    for (i, group) in tied.iter().enumerate() {
        let hits = group.iter().filter(|(_, y)| *y > 0).count();
        counts.true_positive += hits;
        counts.false_negative -= hits;
        counts.false_positive += group.len() - hits;
        counts.true_negative -= group.len() - hits;
        let here = own(Some(group)).unwrap_or(f64::NAN);
        let below = own(tied.get(i + 1)).unwrap_or(here);
        let between = 0.5 * here + 0.5 * below;
        let threshold = if between > below { between.min(here) } else { here };
        out.push(Point::of(rule, threshold, counts));
    }
    Ok(out)
}

/// The best point of a table; of several, the one that calls the fewest rows.
pub fn best(rule: Rule, table: &[Point]) -> Option<Point> {
    let mut found: Option<(f64, Point)> = None;
    for point in table {
        let worth = rule.worth(&point.counts);
        if worth.is_finite() && found.as_ref().is_none_or(|(most, _)| worth > *most) {
            found = Some((worth, *point));
        }
    }
    found.map(|f| f.1)
}
