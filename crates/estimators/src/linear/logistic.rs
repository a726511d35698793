//! Logistic regression, two classes or more, with L2, L1, both or no penalty on scikit-learn's scale: minimises
//! penalty(w) + C·Σ loss, where the penalty is ½(1 − r)‖w‖² + r‖w‖₁ and r is 0 for L2, 1 for L1.

use super::centred::weights;
use super::design::Design;
use super::elastic_net::params;
use super::model::{LinearModel, Link};
use super::newton::{Limits, Problem};
use crate::Features;
use crate::registry::{count, number, word};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet, Value};

/// What keeps coefficients small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Penalty {
    /// Their squares.
    #[default]
    L2,
    /// Their sizes, which leaves many at 0.
    L1,
    /// Both, shared by `l1_ratio`.
    ElasticNet,
    /// Nothing.
    None,
}

/// How much each class counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClassWeight {
    /// By its rows.
    #[default]
    None,
    /// All alike: rows of a class of n rows weigh rows / (classes · n).
    Balanced,
}

/// Logistic regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic {
    /// The penalty.
    pub penalty: Penalty,
    /// Inverse strength of the penalty, above 0.
    pub c: f64,
    /// Share of the L1 penalty of [`Penalty::ElasticNet`], 0 to 1.
    pub l1_ratio: f64,
    /// Weights of the classes.
    pub class_weight: ClassWeight,
    /// Newton steps at most.
    pub max_iter: usize,
    /// Stops when no optimality condition is broken by more than this times the number of rows times `c`.
    pub tol: f64,
}

impl Default for Logistic {
    fn default() -> Self {
        Self {
            penalty: Penalty::L2,
            c: 1.0,
            l1_ratio: 0.5,
            class_weight: ClassWeight::None,
            max_iter: 100,
            tol: 1e-9,
        }
    }
}

impl Logistic {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        let penalty = match word(p, "penalty") {
            "l1" => Penalty::L1,
            "elasticnet" => Penalty::ElasticNet,
            "none" => Penalty::None,
            _ => Penalty::L2,
        };
        let balanced = word(p, "class_weight") == "balanced";
        Self {
            penalty,
            c: number(p, "C"),
            l1_ratio: number(p, "l1_ratio"),
            class_weight: if balanced { ClassWeight::Balanced } else { ClassWeight::None },
            max_iter: count(p, "max_iter"),
            tol: number(p, "tol"),
        }
    }

    /// Strength of the L1 and of the L2 penalty.
    fn strengths(&self) -> (f64, f64) {
        match self.penalty {
            Penalty::L2 => (0.0, 1.0),
            Penalty::L1 => (1.0, 0.0),
            Penalty::ElasticNet => (self.l1_ratio, 1.0 - self.l1_ratio),
            Penalty::None => (0.0, 0.0),
        }
    }

    fn check(&self) -> Result<()> {
        if !(self.c > 0.0 && self.c.is_finite()) {
            return Err(Error::invalid("expected a finite number above 0").at_key("C"));
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            return Err(Error::invalid("expected a finite number above 0").at_key("tol"));
        }
        if !(0.0..=1.0).contains(&self.l1_ratio) {
            return Err(Error::invalid("expected a number from 0 to 1").at_key("l1_ratio"));
        }
        Ok(())
    }
}

/// The classes of a target: the code of each row, and their number.
pub(crate) fn classes(y: &Target) -> Result<(Vec<u32>, usize)> {
    match y {
        Target::Binary(y) => Ok((y.iter().map(|y| u32::from(*y > 0)).collect(), 2)),
        Target::Multiclass { codes, classes } => {
            if *classes < 2 {
                return Err(Error::invalid(format!("expected at least two classes, got {classes}")));
            }
            match codes.iter().position(|c| *c as usize >= *classes) {
                Some(row) => {
                    Err(Error::invalid(format!("the class of row {} is not below {classes}", row + 1)))
                }
                None => Ok((codes.clone(), *classes)),
            }
        }
        Target::Regression(_) => {
            let e = Error::invalid("logistic regression wants classes, not numbers");
            Err(e.hint("use least squares or ridge"))
        }
    }
}

/// Weights of the rows: their own, times their class's, times C.
fn row_weights(own: Option<Vec<f64>>, codes: &[u32], classes: usize, how: &Logistic) -> Result<Vec<f64>> {
    let mut out = own.unwrap_or_else(|| vec![1.0; codes.len()]);
    let mut sums = vec![0.0; classes];
    for (w, code) in out.iter().zip(codes) {
        if let Some(sum) = sums.get_mut(*code as usize) {
            *sum += w;
        }
    }
    if sums.iter().filter(|s| **s > 0.0).count() < 2 {
        return Err(Error::invalid("all rows are of one class, so there is nothing to tell apart"));
    }
    let total: f64 = sums.iter().sum();
    for (w, code) in out.iter_mut().zip(codes) {
        let of_class = sums.get(*code as usize).copied().unwrap_or(1.0);
        if how.class_weight == ClassWeight::Balanced && of_class > 0.0 {
            *w *= total / (classes as f64 * of_class);
        }
        *w *= how.c;
    }
    Ok(out)
}

impl Estimator for Logistic {
    fn params(&self) -> Params {
        let penalty = match self.penalty {
            Penalty::L2 => "l2",
            Penalty::L1 => "l1",
            Penalty::ElasticNet => "elasticnet",
            Penalty::None => "none",
        };
        let balanced = self.class_weight == ClassWeight::Balanced;
        params([
            ("penalty", Value::from(penalty)),
            ("C", Value::Float(self.c)),
            ("l1_ratio", Value::Float(self.l1_ratio)),
            ("class_weight", Value::from(if balanced { "balanced" } else { "none" })),
            ("max_iter", Value::Int(self.max_iter as i64)),
            ("tol", Value::Float(self.tol)),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        self.check()?;
        cx.cx.check()?;
        let (codes, classes) = classes(&data.y)?;
        if codes.is_empty() || data.x.rows() != codes.len() {
            return Err(Error::invalid(
                "there are no rows to learn from, or features and target differ in rows",
            ));
        }
        let weight = row_weights(weights(data)?, &codes, classes, self)?;
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let binary = matches!(data.y, Target::Binary(_));
        let (l1, l2) = self.strengths();
        let d = design.width;
        let limit = self.tol * weight.iter().sum::<f64>();
        let problem =
            Problem::new(design, &codes, weight, if binary { 1 } else { classes }, (l1, l2), cx.threads);
        let solved = problem.solve(&Limits { violation: limit, steps: self.max_iter }, cx)?;
        let coef =
            solved.w.chunks_exact(d + 1).flat_map(|o| o.get(..d).unwrap_or_default()).copied().collect();
        let intercept = solved.w.chunks_exact(d + 1).filter_map(|o| o.last()).copied().collect();
        let link = if binary { Link::Logit } else { Link::Softmax };
        let mut model = LinearModel::new(link, &features, coef, intercept);
        (model.iterations, model.converged) = (solved.steps, solved.converged);
        model.fitted.insert("objective".into(), solved.objective.into());
        model.fitted.insert("violation".into(), solved.violation.into());
        Ok(Box::new(model))
    }
}
