//! Shares of many rows: by feature (the summary), and against the feature's value (the dependence).

use super::look::{Look, brief};
use crate::explain::Shares;
use serde::{Deserialize, Serialize};

/// Classes of a category that get a summary, the commonest.
const CLASSES: usize = 3;
/// Features of a summary.
const FEATURES: usize = 12;
/// Rows whose shares are drawn; means are over all of the sample.
const DOTS: usize = 300;
/// Values of a category that a dependence plot has room for, the commonest.
const LEVELS: usize = 12;
/// Rows of a dependence plot.
const DEPENDENCE_DOTS: usize = 500;

/// The shares of the most important features in one score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Swarm {
    /// The class whose score it is, of a category.
    pub(crate) class: Option<String>,
    /// The score's expected value.
    pub(crate) expected: f64,
    /// Rows that the means are of.
    pub(crate) rows: usize,
    /// Features, the largest mean first.
    pub(crate) features: Vec<SwarmFeature>,
}

/// The shares of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SwarmFeature {
    /// Its name.
    pub(crate) name: String,
    /// Mean of the absolute share.
    pub(crate) mean: f64,
    /// Shares of some rows.
    pub(crate) shares: Vec<f64>,
    /// Where the value of each of these rows lies among the sample's: 0 the least, 1 the greatest; absent where it is
    /// missing and for categories and text.
    pub(crate) shade: Vec<Option<f64>>,
}

/// Shares of one feature against its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dependence {
    /// The feature.
    pub(crate) feature: String,
    /// The class whose score it is, of a category.
    pub(crate) class: Option<String>,
    /// Names of the values 0, 1, …; empty for numbers.
    pub(crate) names: Vec<String>,
    /// Values.
    pub(crate) x: Vec<f64>,
    /// Shares.
    pub(crate) y: Vec<f64>,
    /// Rows of the sample whose value is missing and the mean of their shares.
    pub(crate) missing: Option<(usize, f64)>,
}

/// Features by the mean of their absolute share in a score, the largest first.
pub(super) fn order(shares: &Shares, score: usize) -> Vec<usize> {
    let means = means(shares, score);
    let mut order: Vec<usize> = (0..means.len()).collect();
    let of = |f: &usize| means.get(*f).copied().unwrap_or(0.0);
    order.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
    order
}

fn means(shares: &Shares, score: usize) -> Vec<f64> {
    let mut sums = vec![0.0; shares.features.len()];
    for row in shares.score(score) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.abs());
    }
    let rows = shares.rows().len().max(1) as f64;
    sums.into_iter().map(|s| s / rows).collect()
}

/// A summary of each score, of at most three.
pub(super) fn swarms(look: &Look<'_>, shares: &Shares) -> Vec<Swarm> {
    let one = |(score, expected): (usize, &f64)| {
        let means = means(shares, score);
        let features = order(shares, score).into_iter().take(FEATURES).map(|f| SwarmFeature {
            name: look.name(f),
            mean: brief(means.get(f).copied().unwrap_or(0.0)),
            shares: column(shares, score, f).take(DOTS).map(brief).collect(),
            shade: shades(look, f).into_iter().take(DOTS).collect(),
        });
        Swarm {
            class: shares.classes.get(score).cloned(),
            expected: brief(*expected),
            rows: look.rows.len(),
            features: features.filter(|f| f.mean > 0.0).collect(),
        }
    };
    shares.expected.iter().enumerate().take(CLASSES).map(one).collect()
}

fn column(shares: &Shares, score: usize, feature: usize) -> impl Iterator<Item = f64> {
    shares.score(score).map(move |row| row.get(feature).copied().unwrap_or(0.0))
}

/// Places of the sample's values between its 5th and 95th percentile, so that one far value leaves the others apart.
fn shades(look: &Look<'_>, feature: usize) -> Vec<Option<f64>> {
    let axis = look.axis(feature).filter(|a| a.names.len() <= 2);
    let Some(axis) = axis else { return vec![None; look.rows.len()] };
    let mut sorted: Vec<f64> = axis.at.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| sorted.get((q * sorted.len().saturating_sub(1) as f64) as usize).copied();
    let (Some(mut low), Some(mut high)) = (at(0.05), at(0.95)) else { return vec![None; look.rows.len()] };
    if low == high {
        (low, high) = (at(0.0).unwrap_or(low), at(1.0).unwrap_or(high));
    }
    let place = |x: f64| if high > low { ((x - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    axis.at.into_iter().map(|x| x.map(|x| (place(x) * 100.0).round() / 100.0)).collect()
}

/// Share against value of some features, in the first score.
pub(super) fn dependence(look: &Look<'_>, shares: &Shares, features: &[usize]) -> Vec<Dependence> {
    let one = |f: &usize| {
        let axis = look.axis(*f)?;
        let all: Vec<f64> = column(shares, 0, *f).collect();
        let lacking: Vec<f64> =
            axis.at.iter().zip(&all).filter(|(x, _)| x.is_none()).map(|(_, y)| *y).collect();
        let mean = lacking.iter().sum::<f64>() / lacking.len().max(1) as f64;
        let pairs = axis.at.iter().zip(&all).filter_map(|(x, y)| Some((brief((*x)?), brief(*y))));
        let is_number = axis.names.is_empty();
        let pairs = pairs.filter(|(x, _)| is_number || *x < LEVELS as f64);
        let (x, y) = pairs.take(DEPENDENCE_DOTS).unzip();
        Some(Dependence {
            feature: look.name(*f),
            class: shares.classes.first().cloned(),
            names: axis.names.into_iter().take(LEVELS).collect(),
            x,
            y,
            missing: (!lacking.is_empty()).then(|| (lacking.len(), brief(mean))),
        })
    };
    features.iter().filter_map(one).collect()
}
