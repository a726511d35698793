//! Quadratic discriminant analysis: each class a normal distribution of its own mean and covariance. The score of a
//! class is ln prior − ½ ln|Σₖ| − ½ (x − μₖ)ᵀ Σₖ⁻¹ (x − μₖ) with Σₖ = (1 − reg_param) Sₖ + reg_param · I, Sₖ of divisor n
//! (scikit-learn's `QuadraticDiscriminantAnalysis`, solver `svd`). Singular values of the class's centred rows give Σₖ⁻¹,
//! so that nothing is squared.
#![allow(clippy::indexing_slicing, reason = "classes and columns stay below their numbers")]

use super::groups::Groups;
use super::priors::priors;
use super::quadratic_model::QuadraticModel;
use crate::linear::{explained, gram, params, right_singular};
use crate::registry::{number, numbers};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// A class whose narrowest direction is below this share of its widest has no covariance to speak of.
const NARROW: f64 = 1e-9;

/// Quadratic discriminant analysis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuadraticDiscriminant {
    /// Chances of the classes in the order of their codes; empty: their shares of the rows.
    pub priors: Vec<f64>,
    /// Share of the identity in each class's covariance, 0 to 1.
    pub reg_param: f64,
}

impl QuadraticDiscriminant {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { priors: numbers(p, "priors"), reg_param: number(p, "reg_param") }
    }
}

impl Estimator for QuadraticDiscriminant {
    fn params(&self) -> Params {
        let priors = self.priors.iter().map(|p| Value::Float(*p)).collect();
        params([("priors", priors), ("reg_param", Value::Float(self.reg_param))])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(0.0..=1.0).contains(&self.reg_param) {
            return Err(Error::invalid("expected a number from 0 to 1").at_key("reg_param"));
        }
        cx.cx.check()?;
        let groups = Groups::new(data)?;
        let priors = priors(&self.priors, &groups)?;
        let d = groups.design.width;
        let centred: Vec<Vec<f64>> = (0..groups.len()).map(|class| groups.centred(class)).collect();
        let total = self.spread(&groups, &centred, cx);
        // The penalty is in the columns' units; without one, columns of standard deviation 1 say the same and round less.
        let (used, scale): (Vec<usize>, Vec<f64>) = if self.reg_param > 0.0 {
            ((0..d).collect(), vec![1.0; d])
        } else {
            let used = independent(&groups, &total);
            let scale = used.iter().map(|j| total[j * d + j].sqrt()).collect();
            (used, scale)
        };
        let m = used.len();
        let mut model = QuadraticModel::new(&groups.features, used.clone());
        for (class, (rows, prior)) in centred.iter().zip(priors).enumerate() {
            cx.cx.check()?;
            let n = groups.totals[class];
            let mut x: Vec<f64> = Vec::with_capacity(rows.len());
            for (row, cells) in rows.chunks_exact(d.max(1)).enumerate() {
                let root = (groups.weight(class, row) / n).sqrt();
                x.extend(used.iter().zip(&scale).map(|(j, s)| root * cells[*j] / s));
            }
            let (values, directions) = right_singular(x, m)?;
            let variance = |s: f64| (1.0 - self.reg_param) * s * s + self.reg_param;
            let (most, least) = (values.first().copied(), values.last().copied());
            if self.reg_param == 0.0 && least.unwrap_or(1.0) <= NARROW * most.unwrap_or(1.0) {
                let message = format!("the covariance of class {class} has no inverse");
                return Err(Error::invalid(message).hint("set reg_param above 0, or take fewer columns"));
            }
            let mut whiten = Vec::with_capacity(m * m);
            for (value, direction) in values.iter().zip(directions.chunks_exact(m.max(1))) {
                let root = variance(*value).sqrt();
                whiten.extend(direction.iter().zip(&scale).map(|(v, s)| v / (root * s)));
            }
            let log_size: f64 = values.iter().map(|s| variance(*s).ln()).sum();
            let mean = used.iter().map(|j| groups.mean(class)[*j]).collect();
            model.push(prior.ln() - 0.5 * log_size, mean, whiten);
        }
        Ok(Box::new(model))
    }
}

impl QuadraticDiscriminant {
    /// The covariance of all rows about their centre.
    fn spread(&self, groups: &Groups, centred: &[Vec<f64>], cx: &FitContext) -> Vec<f64> {
        let (d, total) = (groups.design.width, groups.total());
        let mut out = vec![0.0; d * d];
        for (class, rows) in centred.iter().enumerate() {
            let own = gram(rows, d, Some(&|row| groups.weight(class, row)), cx.threads);
            out.iter_mut().zip(&own).for_each(|(o, s)| *o += s / total);
        }
        let share = |class: usize| groups.totals[class] / total;
        let centre: Vec<f64> =
            (0..d).map(|j| (0..groups.len()).map(|c| share(c) * groups.mean(c)[j]).sum()).collect();
        for class in 0..groups.len() {
            let off: Vec<f64> = groups.mean(class).iter().zip(&centre).map(|(m, c)| m - c).collect();
            (0..d * d).for_each(|at| out[at] += share(class) * off[at / d] * off[at % d]);
        }
        out
    }
}

/// Columns that vary and that the ones before them do not explain: the others say nothing of any class.
fn independent(groups: &Groups, total: &[f64]) -> Vec<usize> {
    let d = groups.design.width;
    let size = |j: usize| (0..groups.len()).map(|c| groups.mean(c)[j].abs()).fold(0.0, f64::max);
    let varies: Vec<usize> = (0..d).filter(|j| total[j * d + j].sqrt() > 1e-10 * size(*j)).collect();
    let m = varies.len();
    let mut even: Vec<f64> = (0..m * m)
        .map(|at| (varies[at / m], varies[at % m]))
        .map(|(i, j)| total[i * d + j] / (total[i * d + i] * total[j * d + j]).sqrt())
        .collect();
    let explained = explained(&mut even, m);
    varies.into_iter().zip(explained).filter(|(_, e)| !e).map(|(j, _)| j).collect()
}
