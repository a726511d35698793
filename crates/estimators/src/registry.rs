//! Name to constructor: every estimator of the house, so that a test can hold each to the laws.

use crate::boosting::GradientBoosting;
use crate::linear::{LeastSquares, Logistic, Ridge};
use lyceum_core::{Error, Estimator, Params, Result, Value};

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
    /// What it learns.
    pub tasks: &'static [Task],
    /// Builds it from parameters by its own names.
    pub make: fn(&Params) -> Result<Box<dyn Estimator>>,
}

/// Every estimator, by name.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "gradient_boosting",
        tasks: &[Task::Regression, Task::Binary, Task::Multiclass],
        make: |p| Ok(Box::new(GradientBoosting::from_params(p)?)),
    },
    Entry {
        name: "least_squares",
        tasks: &[Task::Regression],
        make: |p| only(p, &[]).map(|()| LeastSquares.boxed()),
    },
    Entry { name: "logistic", tasks: &[Task::Binary, Task::Multiclass], make: logistic },
    Entry { name: "ridge", tasks: &[Task::Regression], make: ridge },
];

/// Builds an estimator; an unknown name is answered with the nearest one.
pub fn make(name: &str, params: &Params) -> Result<Box<dyn Estimator>> {
    match ENTRIES.iter().find(|e| e.name == name) {
        Some(entry) => (entry.make)(params),
        None => Err(Error::not_found(format!("no estimator \"{name}\""))
            .did_you_mean(name, ENTRIES.iter().map(|e| e.name))),
    }
}

trait Boxed: Estimator + Sized + 'static {
    fn boxed(self) -> Box<dyn Estimator> {
        Box::new(self)
    }
}
impl<E: Estimator + 'static> Boxed for E {}

fn only(params: &Params, names: &[&str]) -> Result<()> {
    match params.keys().find(|k| !names.contains(&&***k)) {
        Some(key) => {
            Err(Error::invalid("unknown parameter").at_key(&**key).did_you_mean(key, names.iter().copied()))
        }
        None => Ok(()),
    }
}

fn number(params: &Params, name: &str, default: f64) -> Result<f64> {
    match params.get(name) {
        None => Ok(default),
        Some(v) => v
            .as_f64()
            .ok_or_else(|| Error::invalid(format!("expected a number, got {}", v.to_json())).at_key(name)),
    }
}

fn ridge(params: &Params) -> Result<Box<dyn Estimator>> {
    only(params, &["alpha"])?;
    Ok(Ridge { alpha: number(params, "alpha", 1.0)? }.boxed())
}

fn logistic(params: &Params) -> Result<Box<dyn Estimator>> {
    only(params, &["C", "max_iter", "tol"])?;
    let d = Logistic::default();
    let max_iter = params.get("max_iter").and_then(Value::as_i64).and_then(|i| usize::try_from(i).ok());
    let logistic = Logistic {
        c: number(params, "C", d.c)?,
        tol: number(params, "tol", d.tol)?,
        max_iter: max_iter.unwrap_or(d.max_iter),
    };
    Ok(logistic.boxed())
}
