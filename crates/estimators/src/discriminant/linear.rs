//! Linear discriminant analysis: the score of a class is linear in the features, wᵏ = Σ⁻¹μₖ, where Σ is the covariance
//! within classes: theirs (of divisor n), each drawn by `shrinkage` to a multiple of the identity, averaged by their
//! priors. Coefficients are those of scikit-learn's `svd` without shrinkage and of its `lsqr` and `eigen` with it.
#![allow(clippy::indexing_slicing, reason = "classes and columns stay below their numbers")]

use crate::Features;
use crate::linear::{Design, LinearModel, Link, cholesky_solve, classes, gram, params, weights};
use crate::registry::number;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet, Value};

/// Linear discriminant analysis. Priors are the classes' shares of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LinearDiscriminant {
    /// Share of the identity in each class's covariance, 0 to 1.
    pub shrinkage: f64,
}

impl LinearDiscriminant {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { shrinkage: number(p, "shrinkage") }
    }
}

/// Rows of one class: their weight, mean and centred products.
struct Group {
    total: f64,
    mean: Vec<f64>,
    scatter: Vec<f64>,
}

impl Group {
    fn new(rows: &[(&[f64], f64)], d: usize, threads: usize) -> Self {
        let total: f64 = rows.iter().map(|r| r.1).sum();
        let mut mean = vec![0.0; d];
        for (x, w) in rows {
            mean.iter_mut().zip(*x).for_each(|(m, x)| *m += w / total * x);
        }
        let centred: Vec<f64> =
            rows.iter().flat_map(|(x, _)| x.iter().zip(&mean).map(|(x, m)| x - m)).collect();
        let scatter = gram(&centred, d, Some(&|row| rows[row].1), threads);
        Self { total, mean, scatter }
    }
}

impl Estimator for LinearDiscriminant {
    fn params(&self) -> Params {
        params([("shrinkage", Value::Float(self.shrinkage))])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(0.0..=1.0).contains(&self.shrinkage) {
            return Err(Error::invalid("expected a number from 0 to 1").at_key("shrinkage"));
        }
        cx.cx.check()?;
        let (codes, k) = classes(&data.y)?;
        if codes.len() <= k && data.x.rows() == codes.len() {
            let message = format!("{} rows are too few for the covariance within {k} classes", codes.len());
            return Err(Error::invalid(message));
        }
        if data.x.rows() != codes.len() {
            return Err(Error::invalid("features and target differ in rows"));
        }
        let weight = weights(data)?;
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let d = design.width;
        let mut groups = Vec::with_capacity(k);
        for class in 0..k {
            cx.cx.check()?;
            let own = codes.iter().enumerate().filter(|(_, c)| **c as usize == class);
            let rows: Vec<(&[f64], f64)> = own
                .map(|(row, _)| (design.row(row), weight.as_ref().map_or(1.0, |w| w[row])))
                .filter(|r| r.1 > 0.0)
                .collect();
            if rows.is_empty() {
                return Err(Error::invalid(format!("no row is of class {class}, so it has no mean")));
            }
            groups.push(Group::new(&rows, d, cx.threads));
        }
        let total: f64 = groups.iter().map(|g| g.total).sum();
        let covariance = self.covariance(&groups, d, total);
        let mut coef = Vec::with_capacity(k * d);
        let mut intercept = Vec::with_capacity(k);
        let centre: Vec<f64> =
            (0..d).map(|j| groups.iter().map(|g| g.total / total * g.mean[j]).sum()).collect();
        for group in &groups {
            // Scores count from the centre of all rows, as scikit-learn's do; what is common to classes drops out.
            let from = |j: usize| if self.shrinkage > 0.0 { 0.0 } else { centre[j] };
            let mean: Vec<f64> = (0..d).map(|j| group.mean[j] - from(j)).collect();
            let w = solve_columns(&covariance, &mean, &centre)?;
            let along: f64 = w.iter().zip(&mean).map(|(w, m)| w * m).sum();
            let shift: f64 = w.iter().enumerate().map(|(j, w)| w * from(j)).sum();
            intercept.push((group.total / total).ln() - 0.5 * along - shift);
            coef.extend(w);
        }
        Ok(Box::new(match (&data.y, &intercept[..]) {
            (Target::Binary(_), [no, yes]) => {
                let difference = (0..d).map(|j| coef[d + j] - coef[j]).collect();
                LinearModel::new(Link::Logit, &features, difference, vec![yes - no])
            }
            _ => LinearModel::new(Link::Softmax, &features, coef, intercept),
        }))
    }
}

impl LinearDiscriminant {
    fn covariance(&self, groups: &[Group], d: usize, total: f64) -> Vec<f64> {
        let mut out = vec![0.0; d * d];
        for g in groups {
            // The prior times the class's own covariance is its products over all rows.
            let trace: f64 = (0..d).map(|j| g.scatter[j * d + j]).sum();
            out.iter_mut().zip(&g.scatter).for_each(|(o, s)| *o += (1.0 - self.shrinkage) * s / total);
            (0..d).for_each(|j| out[j * d + j] += self.shrinkage * trace / (d as f64 * total));
        }
        out
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
    Err(Error::invalid("the covariance within classes has no inverse").hint("set shrinkage above 0"))
}
