//! What a regression says of its coefficients: standard errors, tests, intervals, and how well the model fits.
//! Least squares after the normal theory; logistic regression, unpenalised, after the observed information.
#![allow(clippy::indexing_slicing, reason = "coefficients stay below their number")]

use super::centred::{Centred, weights};
use super::design::{Design, column_names};
use super::distributions::{critical, f_tail, normal_two_sided, t_two_sided};
use super::newton::{Limits, Problem};
use super::numerics::{dot, solve_definite};
use crate::Features;
use lyceum_core::{Error, FitContext, Result, Target, TrainingSet};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coefficient {
    /// `const` for the intercept, else the feature, or `feature=value`.
    pub name: String,
    /// Its estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Estimate over standard error: t for least squares, z for logistic regression.
    pub statistic: f64,
    /// Probability of a statistic that far from 0 if the coefficient were 0.
    pub p: f64,
    /// The confidence interval of 95 %.
    pub interval: [f64; 2],
    /// Variance inflation: 1 / (1 − R² of this feature on the others). None for the intercept and logistic regression.
    pub vif: Option<f64>,
}

/// How a model fits, and its coefficients: the intercept first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The coefficients.
    pub coefficients: Vec<Coefficient>,
    /// Rows.
    pub rows: usize,
    /// Log-likelihood.
    pub log_likelihood: f64,
    /// Akaike's criterion.
    pub aic: f64,
    /// Bayes' criterion.
    pub bic: f64,
    /// Share of the variance that is explained; McFadden's 1 − ln L / ln L₀ for logistic regression.
    pub r2: f64,
    /// R² less what as many random features would explain; least squares only.
    pub adjusted_r2: Option<f64>,
    /// F of all coefficients together and its tail probability; least squares only.
    pub f: Option<[f64; 2]>,
    /// Durbin and Watson's measure of correlation of one row's error with the next; least squares only.
    pub durbin_watson: Option<f64>,
    /// Leverage of each row; least squares only.
    #[serde(default)]
    pub leverage: Vec<f64>,
    /// Cook's distance of each row; least squares only.
    #[serde(default)]
    pub cooks_distance: Vec<f64>,
}

/// The inverse of a positive definite matrix, by columns.
fn inverse(a: &[f64], n: usize) -> Result<Vec<f64>> {
    let mut out = Vec::with_capacity(n * n);
    let scale: Vec<f64> = (0..n).map(|i| a[i * n + i].sqrt()).collect();
    let even: Vec<f64> = (0..n * n).map(|at| a[at] / (scale[at / n] * scale[at % n])).collect();
    for i in 0..n {
        let unit: Vec<f64> = (0..n).map(|j| f64::from(i == j)).collect();
        // A column that the others explain to twelve digits has no standard error.
        let column = solve_definite(&even, &unit).filter(|c| c[i] < 1e12).ok_or_else(|| {
            let e =
                Error::invalid("the features explain one another, so coefficients have no standard errors");
            e.hint("leave out a constant or repeated column, or one value of each category")
        })?;
        out.extend(column.iter().enumerate().map(|(j, v)| v / (scale[i] * scale[j])));
    }
    Ok(out)
}

fn unweighted(data: &TrainingSet) -> Result<()> {
    match weights(data)? {
        Some(_) => Err(Error::unsupported("standard errors of weighted rows are not told").at_key("weight")),
        None => Ok(()),
    }
}

fn coefficient(
    name: String,
    estimate: f64,
    variance: f64,
    tail: &dyn Fn(f64) -> f64,
    wide: f64,
) -> Coefficient {
    let standard_error = variance.max(0.0).sqrt();
    let statistic = estimate / standard_error;
    let interval = [estimate - wide * standard_error, estimate + wide * standard_error];
    Coefficient { name, estimate, standard_error, statistic, p: tail(statistic), interval, vif: None }
}

impl Summary {
    /// Least squares of a target of numbers.
    ///
    /// # Errors
    /// As a fit; weights; not more rows than coefficients; features that explain one another.
    pub fn of_least_squares(data: &TrainingSet, cx: &FitContext) -> Result<Self> {
        unweighted(data)?;
        let set = Centred::new(data, cx)?;
        let (n, d) = (set.rows() as f64, set.width);
        let free = n - d as f64 - 1.0;
        if free < 1.0 {
            return Err(Error::invalid(format!(
                "{n} rows are too few for standard errors of {} coefficients",
                d + 1
            )));
        }
        let gram = set.gram();
        let inverse = inverse(&gram, d)?;
        let coef = super::least_squares::solve(&set, 0.0);
        let errors: Vec<f64> = (0..set.rows()).map(|r| set.y[r] - dot(set.row(r), &coef)).collect();
        let (rss, tss) = (dot(&errors, &errors), dot(&set.y, &set.y));
        let s2 = rss / free;
        let along =
            |v: &[f64]| -> f64 { inverse.chunks_exact(d.max(1)).zip(v).map(|(c, x)| x * dot(c, v)).sum() };
        let tail = |t: f64| t_two_sided(t, free);
        let wide = critical(0.05, tail);
        let constant = s2 * (1.0 / n + along(&set.mean));
        let mut coefficients = vec![coefficient("const".into(), set.intercept(&coef), constant, &tail, wide)];
        for (j, name) in column_names(&set.features).into_iter().enumerate() {
            let own = inverse[j * d + j];
            let vif = Some(own * gram[j * d + j]);
            coefficients.push(Coefficient { vif, ..coefficient(name, coef[j], s2 * own, &tail, wide) });
        }
        let leverage: Vec<f64> = (0..set.rows()).map(|r| 1.0 / n + along(set.row(r))).collect();
        let k = d as f64 + 1.0;
        let cook = |(e, h): (&f64, &f64)| e * e * h / (k * s2 * (1.0 - h).powi(2));
        let cooks_distance = errors.iter().zip(&leverage).map(cook).collect();
        let log_likelihood = -0.5 * n * ((2.0 * std::f64::consts::PI * rss / n).ln() + 1.0);
        let r2 = 1.0 - rss / tss;
        let f = (tss - rss) / d as f64 / s2;
        let steps: f64 = errors.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum();
        Ok(Self {
            coefficients,
            rows: set.rows(),
            log_likelihood,
            aic: 2.0 * k - 2.0 * log_likelihood,
            bic: k * n.ln() - 2.0 * log_likelihood,
            r2,
            adjusted_r2: Some(1.0 - (1.0 - r2) * (n - 1.0) / free),
            f: (d > 0).then(|| [f, f_tail(f, d as f64, free)]),
            durbin_watson: Some(steps / rss),
            leverage,
            cooks_distance,
        })
    }

    /// Logistic regression of two classes without penalty.
    ///
    /// # Errors
    /// Another target than two classes, as a fit, weights, features that explain one another or tell the classes apart
    /// without error (the estimates are infinite then).
    pub fn of_logistic(data: &TrainingSet, cx: &FitContext) -> Result<Self> {
        unweighted(data)?;
        let Target::Binary(y) = &data.y else {
            return Err(Error::invalid("standard errors of logistic regression want two classes"));
        };
        if y.is_empty() || y.len() != data.x.rows() {
            return Err(Error::invalid(
                "there are no rows to learn from, or features and target differ in rows",
            ));
        }
        let codes: Vec<u32> = y.iter().map(|y| u32::from(*y > 0)).collect();
        let n = codes.len() as f64;
        let share = codes.iter().sum::<u32>() as f64 / n;
        if share == 0.0 || share == 1.0 {
            return Err(Error::invalid("all rows are of one class, so there is nothing to tell apart"));
        }
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let m = design.width + 1;
        let problem = Problem::new(design, &codes, vec![1.0; codes.len()], 1, (0.0, 0.0), cx.threads);
        let solved = problem.solve(&Limits { violation: 1e-9 * n, steps: 100 }, cx)?;
        if !solved.converged || solved.objective < 1e-6 * n {
            let e = Error::invalid(
                "the features tell the classes apart without error: the estimates are infinite",
            );
            return Err(e.hint("use logistic regression with a penalty"));
        }
        let inverse = inverse(&problem.information(&solved.w), m)?;
        let wide = critical(0.05, normal_two_sided);
        let one = |name: String, j: usize| {
            coefficient(name, solved.w[j], inverse[j * m + j], &normal_two_sided, wide)
        };
        let mut coefficients = vec![one("const".into(), m - 1)];
        coefficients.extend(column_names(&features).into_iter().enumerate().map(|(j, name)| one(name, j)));
        let log_likelihood = -solved.objective;
        let null = n * (share * share.ln() + (1.0 - share) * (1.0 - share).ln());
        let k = m as f64;
        Ok(Self {
            coefficients,
            rows: codes.len(),
            log_likelihood,
            aic: 2.0 * k - 2.0 * log_likelihood,
            bic: k * n.ln() - 2.0 * log_likelihood,
            r2: 1.0 - log_likelihood / null,
            adjusted_r2: None,
            f: None,
            durbin_watson: None,
            leverage: Vec::new(),
            cooks_distance: Vec::new(),
        })
    }
}

/// As a table for a terminal.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.coefficients.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(4);
        writeln!(
            f,
            "{:wide$} {:>12} {:>12} {:>9} {:>9} {:>12} {:>12}",
            "name", "estimate", "std. error", "statistic", "p", "from", "to"
        )?;
        for c in &self.coefficients {
            writeln!(
                f,
                "{:wide$} {:>12.6} {:>12.6} {:>9.3} {:>9.2e} {:>12.6} {:>12.6}",
                c.name, c.estimate, c.standard_error, c.statistic, c.p, c.interval[0], c.interval[1]
            )?;
        }
        write!(f, "rows {}, log-likelihood {:.3}, ", self.rows, self.log_likelihood)?;
        write!(f, "AIC {:.3}, BIC {:.3}, R² {:.4}", self.aic, self.bic, self.r2)?;
        if let Some(r2) = self.adjusted_r2 {
            write!(f, ", adjusted R² {r2:.4}")?;
        }
        if let Some([value, p]) = self.f {
            write!(f, ", F {value:.3} (p {p:.2e})")?;
        }
        Ok(())
    }
}
