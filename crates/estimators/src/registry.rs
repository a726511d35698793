//! Name to constructor: every estimator of the house with its parameters, so that it can be listed, made from a
//! configuration, and held to the laws by a test that walks this list.

mod parameters;

use crate::boosting::{Booster, GradientBoosting};
use crate::calibration::{CalibratedModel, Decision};
use crate::discriminant::{LinearDiscriminant, QuadraticDiscriminant, QuadraticModel};
use crate::linear::{
    ElasticNet, ElasticNetCv, Glm, Huber, Lars, Lasso, LassoCv, LassoLars, LeastSquares, LinearModel,
    Logistic, Quantile, Ridge, RidgeCv,
};
use lyceum_core::{Error, Estimator, Model, Params, Result};
pub use parameters::{Kind, Parameter, fill};
pub(crate) use parameters::{count, flag, number, numbers, word};
use std::path::Path;

/// What an estimator can learn to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Numbers.
    Regression,
    /// One of two classes.
    Binary,
    /// One of several classes.
    Multiclass,
}

/// An estimator by name.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// Other names that it answers to.
    pub aliases: &'static [&'static str],
    /// What it learns.
    pub tasks: &'static [Task],
    /// Its parameters; none: they are listed by the estimator's own module.
    pub parameters: &'static [Parameter],
    /// Whether it learns numbers from 0 up (or above 0) only.
    pub positive_target: bool,
    /// Whether a missing number is a value to learn from; else it is an error.
    pub takes_missing: bool,
    /// Laws that it does not keep, each with its reason.
    pub exceptions: &'static [(&'static str, &'static str)],
    /// Builds it from parameters by its own names, all of them there.
    make: fn(&Params) -> Result<Box<dyn Estimator>>,
    /// Loads what its models save.
    load: fn(&Path) -> Result<Box<dyn Model>>,
}

impl Entry {
    /// Builds it from parameters by its own names; those left out get their defaults.
    ///
    /// # Errors
    /// An unknown name (with the nearest one), a value of another kind or out of bounds.
    pub fn make(&self, params: &Params) -> Result<Box<dyn Estimator>> {
        if self.parameters.is_empty() && self.name == "gradient_boosting" {
            return (self.make)(params);
        }
        (self.make)(&fill(self.parameters, params)?)
    }

    /// Loads a model that this estimator fitted, from the folder that it was saved in, with its calibration and threshold
    /// where it has them.
    ///
    /// # Errors
    /// Files that are not there, or not those of such a model.
    pub fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        let model = (self.load)(folder)?;
        Ok(match Decision::load(folder)? {
            Some(decision) => Box::new(CalibratedModel::new(model, decision)),
            None => model,
        })
    }
}

const fn above_zero(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number { default, min: 0.0, max: f64::INFINITY, above: true }, doc }
}
const fn from_zero(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number { default, min: 0.0, max: f64::INFINITY, above: false }, doc }
}
const fn share(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number { default, min: 0.0, max: 1.0, above: false }, doc }
}
const fn part(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number { default, min: 0.0, max: 1.0, above: true }, doc }
}
const fn whole(name: &'static str, default: usize, min: usize, doc: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Count { default, min }, doc }
}

const ALPHA: Parameter = from_zero("alpha", 1.0, "strength of the penalty");
const POSITIVE: Parameter =
    Parameter { name: "positive", kind: Kind::Flag(false), doc: "keep coefficients at or above 0" };
const PASSES: Parameter = whole("max_iter", 10_000, 1, "passes over the coordinates at most");
const EPS: Parameter = part("eps", 1e-3, "smallest penalty of the path as a share of the largest");
const N_ALPHAS: Parameter = whole("n_alphas", 100, 1, "penalties of the path");
const CV: Parameter = whole("cv", 5, 2, "contiguous folds");
const RULE: Parameter = Parameter {
    name: "rule",
    kind: Kind::Choice(&["min", "one_standard_error"]),
    doc: "least error, or the largest penalty within one standard error of it",
};

const PRIORS: Parameter = Parameter {
    name: "priors",
    kind: Kind::Numbers(&[]),
    doc: "chances of the classes in their order; none: their shares of the rows",
};
const INTERCEPT: Parameter =
    Parameter { name: "fit_intercept", kind: Kind::Flag(true), doc: "whether there is an intercept" };
const STEPS: Parameter = whole("max_iter", 100, 1, "Newton steps at most");
const GLM_TOL: Parameter =
    above_zero("tol", 1e-9, "largest entry of the gradient, relative to the data's scale");

const ENTRY: Entry = Entry {
    name: "",
    doc: "",
    aliases: &[],
    tasks: &[Task::Regression],
    parameters: &[],
    positive_target: false,
    takes_missing: false,
    exceptions: &[],
    make: |_| Err(Error::internal("an entry without constructor")),
    load: |folder| Ok(Box::new(LinearModel::load(folder)?)),
};

/// Every estimator, by name.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "elastic_net",
        doc: "least squares with L1 and L2 penalties, certified by its duality gap",
        parameters: &[ALPHA, share("l1_ratio", 0.5, "share of the L1 penalty"), POSITIVE, PASSES],
        make: |p| Ok(Box::new(ElasticNet::of(p))),
        ..ENTRY
    },
    Entry {
        name: "elastic_net_cv",
        doc: "elastic net with the penalty chosen by cross-validation",
        parameters: &[part("l1_ratio", 0.5, "share of the L1 penalty"), EPS, N_ALPHAS, CV, POSITIVE, RULE],
        make: |p| Ok(Box::new(ElasticNetCv::of(p, number(p, "l1_ratio")))),
        ..ENTRY
    },
    Entry {
        name: "gamma",
        doc: "gamma regression with a logarithmic link, of targets above 0",
        aliases: &["gamma_regressor"],
        parameters: &[ALPHA, STEPS, GLM_TOL],
        positive_target: true,
        make: |p| Ok(Box::new(Glm::gamma(1.0).of(p))),
        ..ENTRY
    },
    Entry {
        name: "gradient_boosting",
        doc: "boosted trees, with LightGBM's parameters",
        tasks: &[Task::Regression, Task::Binary, Task::Multiclass],
        takes_missing: true,
        exceptions: &[
            ("a row of weight two is two rows", "bins and the least rows of a leaf count rows, not weights"),
            ("a row of weight zero is none", "bins and the least rows of a leaf count rows, not weights"),
        ],
        make: |p| Ok(Box::new(GradientBoosting::from_params(p)?)),
        load: |folder| Ok(Box::new(Booster::load(folder)?)),
        ..ENTRY
    },
    Entry {
        name: "huber",
        doc: "regression with Huber's loss and a scale of its own: outliers pull at a bounded force",
        aliases: &["huber_regressor"],
        parameters: &[
            Parameter {
                name: "epsilon",
                kind: Kind::Number { default: 1.35, min: 1.0, max: f64::INFINITY, above: false },
                doc: "scales beyond which a residual is an outlier",
            },
            from_zero("alpha", 1e-4, "strength of the L2 penalty"),
            STEPS,
            above_zero("tol", 1e-10, "largest entry of the gradient, columns and target at deviation 1"),
            INTERCEPT,
        ],
        make: |p| Ok(Box::new(Huber::of(p))),
        ..ENTRY
    },
    Entry {
        name: "lars",
        doc: "least angle regression: one column after the other joins the fit",
        parameters: &[whole("n_nonzero_coefs", 500, 1, "columns at most")],
        make: |p| Ok(Box::new(Lars::of(p))),
        ..ENTRY
    },
    Entry {
        name: "lasso",
        doc: "least squares with an L1 penalty, certified by its duality gap",
        parameters: &[ALPHA, POSITIVE, PASSES],
        make: |p| Ok(Box::new(Lasso::of(p))),
        ..ENTRY
    },
    Entry {
        name: "lasso_cv",
        doc: "lasso with the penalty chosen by cross-validation",
        parameters: &[EPS, N_ALPHAS, CV, POSITIVE, RULE],
        make: |p| Ok(Box::new(LassoCv(ElasticNetCv::of(p, 1.0)))),
        ..ENTRY
    },
    Entry {
        name: "lasso_lars",
        doc: "lasso, exactly, by the corners of its path",
        parameters: &[ALPHA, whole("max_iter", 500, 1, "corners at most")],
        make: |p| Ok(Box::new(LassoLars::of(p))),
        ..ENTRY
    },
    Entry {
        name: "least_squares",
        doc: "ordinary least squares",
        aliases: &["ols", "linear_regression"],
        make: |_| Ok(Box::new(LeastSquares)),
        ..ENTRY
    },
    Entry {
        name: "linear_discriminant",
        doc: "linear discriminant analysis: normal classes of one covariance",
        aliases: &["lda"],
        tasks: &[Task::Binary, Task::Multiclass],
        parameters: &[
            Parameter {
                name: "solver",
                kind: Kind::Choice(&["svd", "lsqr", "eigen"]),
                doc: "coefficients count from the centre (svd, without shrinkage) or from 0",
            },
            Parameter {
                name: "shrinkage",
                kind: Kind::WordOrShare(&["none", "auto"]),
                doc: "share of the identity in each class's covariance; auto is Ledoit and Wolf's",
            },
            PRIORS,
        ],
        make: |p| Ok(Box::new(LinearDiscriminant::of(p))),
        ..ENTRY
    },
    Entry {
        name: "logistic",
        doc: "logistic regression of two classes or more",
        aliases: &["logistic_regression"],
        tasks: &[Task::Binary, Task::Multiclass],
        parameters: &[
            Parameter {
                name: "penalty",
                kind: Kind::Choice(&["l2", "l1", "elasticnet", "none"]),
                doc: "penalty of the coefficients",
            },
            above_zero("C", 1.0, "inverse strength of the penalty"),
            share("l1_ratio", 0.5, "share of the L1 penalty of elasticnet"),
            Parameter {
                name: "class_weight",
                kind: Kind::Choice(&["none", "balanced"]),
                doc: "weights of the classes: equal, or inverse to their share of the rows",
            },
            STEPS,
            above_zero("tol", 1e-9, "largest entry of the gradient as a share of C times the rows"),
        ],
        make: |p| Ok(Box::new(Logistic::of(p))),
        ..ENTRY
    },
    Entry {
        name: "poisson",
        doc: "Poisson regression with a logarithmic link, of counts and rates from 0",
        aliases: &["poisson_regressor"],
        parameters: &[ALPHA, STEPS, GLM_TOL],
        positive_target: true,
        make: |p| Ok(Box::new(Glm::poisson(1.0).of(p))),
        ..ENTRY
    },
    Entry {
        name: "quadratic_discriminant",
        doc: "quadratic discriminant analysis: normal classes, each of its own covariance",
        aliases: &["qda"],
        tasks: &[Task::Binary, Task::Multiclass],
        parameters: &[PRIORS, share("reg_param", 0.0, "share of the identity in each class's covariance")],
        make: |p| Ok(Box::new(QuadraticDiscriminant::of(p))),
        load: |folder| Ok(Box::new(QuadraticModel::load(folder)?)),
        ..ENTRY
    },
    Entry {
        name: "quantile",
        doc: "regression of a quantile with an L1 penalty, certified by its duality gap",
        aliases: &["quantile_regressor"],
        parameters: &[
            Parameter {
                name: "quantile",
                kind: Kind::Number { default: 0.5, min: 0.0, max: 1.0, above: true },
                doc: "which quantile, below 1",
            },
            ALPHA,
            INTERCEPT,
        ],
        make: |p| Ok(Box::new(Quantile::of(p))),
        ..ENTRY
    },
    Entry {
        name: "ridge",
        doc: "least squares with an L2 penalty",
        parameters: &[ALPHA],
        make: |p| Ok(Box::new(Ridge { alpha: number(p, "alpha") })),
        ..ENTRY
    },
    Entry {
        name: "ridge_cv",
        doc: "ridge with the penalty chosen by its leave-one-out error in closed form",
        parameters: &[
            Parameter {
                name: "alphas",
                kind: Kind::Numbers(&[0.1, 1.0, 10.0]),
                doc: "penalties to choose among",
            },
            RULE,
        ],
        make: |p| Ok(Box::new(RidgeCv::of(p))),
        ..ENTRY
    },
    Entry {
        name: "tweedie",
        doc: "Tweedie regression with a logarithmic link, of targets from 0",
        aliases: &["tweedie_regressor"],
        parameters: &[
            ALPHA,
            Parameter {
                name: "power",
                kind: Kind::Number { default: 1.5, min: 1.0, max: 2.0, above: false },
                doc: "power of the mean that the variance follows: 1 is Poisson, 2 gamma",
            },
            STEPS,
            GLM_TOL,
        ],
        positive_target: true,
        make: |p| Ok(Box::new(Glm::tweedie(1.5, 1.0).of(p))),
        ..ENTRY
    },
];

/// The entry of a name or of another name that it answers to.
///
/// # Errors
/// An unknown name, with the nearest one.
pub fn entry(name: &str) -> Result<&'static Entry> {
    let known = |e: &&Entry| e.name == name || e.aliases.contains(&name);
    let names = || ENTRIES.iter().flat_map(|e| std::iter::once(e.name).chain(e.aliases.iter().copied()));
    ENTRIES
        .iter()
        .find(known)
        .ok_or_else(|| Error::not_found(format!("no estimator \"{name}\"")).did_you_mean(name, names()))
}

/// Builds an estimator by name.
///
/// # Errors
/// As [`entry`] and [`Entry::make`].
pub fn make(name: &str, params: &Params) -> Result<Box<dyn Estimator>> {
    entry(name)?.make(params)
}
