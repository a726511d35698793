//! Linear discriminant analysis: the score of a class is linear in the features, wᵏ = Σ⁻¹μₖ, where Σ is the covariance
//! within classes: theirs (of divisor n), each drawn by `shrinkage` to a multiple of the identity, averaged by their
//! priors (solver `svd`: by their shares of the rows). Coefficients are scikit-learn's.
#![allow(clippy::indexing_slicing, reason = "classes and columns stay below their numbers")]

use super::covariance::{Shrinkage, covariance};
use super::groups::Groups;
use super::priors::priors;
use crate::linear::{LinearModel, Link, cholesky_solve, params};
use crate::registry::{numbers, word};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet, Value};

/// What coefficients count from. The scores' differences are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Solver {
    /// From the centre of all rows; takes no shrinkage.
    #[default]
    Svd,
    /// From 0.
    Lsqr,
    /// From 0, as [`Solver::Lsqr`]: both solve the same equations.
    Eigen,
}

/// Linear discriminant analysis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinearDiscriminant {
    /// What coefficients count from.
    pub solver: Solver,
    /// Share of the identity in each class's covariance; wants a solver that takes it.
    pub shrinkage: Shrinkage,
    /// Chances of the classes in the order of their codes; empty: their shares of the rows. Divided by their sum.
    pub priors: Vec<f64>,
}

impl LinearDiscriminant {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        let solver = match word(p, "solver") {
            "lsqr" => Solver::Lsqr,
            "eigen" => Solver::Eigen,
            _ => Solver::Svd,
        };
        Self { solver, shrinkage: Shrinkage::of(p.get("shrinkage")), priors: numbers(p, "priors") }
    }
}

impl Estimator for LinearDiscriminant {
    fn params(&self) -> Params {
        let solver = match self.solver {
            Solver::Svd => "svd",
            Solver::Lsqr => "lsqr",
            Solver::Eigen => "eigen",
        };
        let priors = self.priors.iter().map(|p| Value::Float(*p)).collect();
        params([("solver", Value::from(solver)), ("shrinkage", self.shrinkage.value()), ("priors", priors)])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if matches!(self.shrinkage, Shrinkage::Share(s) if !(0.0..=1.0).contains(&s)) {
            return Err(Error::invalid("expected a number from 0 to 1").at_key("shrinkage"));
        }
        if self.solver == Solver::Svd && self.shrinkage != Shrinkage::None {
            let e = Error::invalid("the solver svd takes no shrinkage").at_key("shrinkage");
            return Err(e.hint("set solver to lsqr or eigen"));
        }
        cx.cx.check()?;
        let groups = Groups::new(data)?;
        let (d, k, total) = (groups.design.width, groups.len(), groups.total());
        let priors = priors(&self.priors, &groups)?;
        // The solver svd takes the rows of all classes together, the others each class's by its chance.
        let share = |class: usize| match self.solver {
            Solver::Svd => groups.totals[class] / total,
            _ => priors[class],
        };
        let mut within = vec![0.0; d * d];
        for class in 0..k {
            cx.cx.check()?;
            let own = covariance(&groups, class, self.shrinkage, cx.threads);
            within.iter_mut().zip(&own).for_each(|(o, s)| *o += share(class) * s);
        }
        let centre: Vec<f64> =
            (0..d).map(|j| (0..k).map(|class| priors[class] * groups.mean(class)[j]).sum()).collect();
        let mut coef = Vec::with_capacity(k * d);
        let mut intercept = Vec::with_capacity(k);
        for class in 0..k {
            // What the centre adds to every class alike drops out of the probabilities.
            let from = |j: usize| if self.solver == Solver::Svd { centre[j] } else { 0.0 };
            let mean: Vec<f64> = groups.mean(class).iter().enumerate().map(|(j, m)| m - from(j)).collect();
            let w = solve_columns(&within, &mean, &centre)?;
            let along: f64 = w.iter().zip(&mean).map(|(w, m)| w * m).sum();
            let shift: f64 = w.iter().enumerate().map(|(j, w)| w * from(j)).sum();
            intercept.push(priors[class].ln() - 0.5 * along - shift);
            coef.extend(w);
        }
        let features = &groups.features;
        Ok(Box::new(match (&data.y, &intercept[..]) {
            (Target::Binary(_), [no, yes]) => {
                let difference = (0..d).map(|j| coef[d + j] - coef[j]).collect();
                LinearModel::new(Link::Logit, features, difference, vec![yes - no])
            }
            _ => LinearModel::new(Link::Softmax, features, coef, intercept),
        }))
    }
}

/// Σ⁻¹ m over the columns that vary within classes, each scaled to variance 1; a column that others explain gets 0.
fn solve_columns(covariance: &[f64], mean: &[f64], centre: &[f64]) -> Result<Vec<f64>> {
    let d = mean.len();
    let scale: Vec<f64> = (0..d).map(|j| covariance[j * d + j].max(0.0).sqrt()).collect();
    // A spread within the rounding of the column's numbers is none.
    let used: Vec<usize> = (0..d).filter(|j| scale[*j] > 1e-10 * centre[*j].abs()).collect();
    let m = used.len();
    let even: Vec<f64> = (0..m * m)
        .map(|at| (used[at / m], used[at % m]))
        .map(|(i, j)| covariance[i * d + j] / (scale[i] * scale[j]))
        .collect();
    let mut b: Vec<f64> = used.iter().map(|j| mean[*j] / scale[*j]).collect();
    cholesky_solve(&mut even.clone(), &mut b);
    let mut out = vec![0.0; d];
    used.iter().zip(&b).for_each(|(j, b)| out[*j] = b / scale[*j]);
    if out.iter().all(|w| w.is_finite()) {
        return Ok(out);
    }
    let e = Error::invalid("the covariance within classes has no inverse");
    Err(e.hint("set solver to lsqr and shrinkage to auto"))
}
