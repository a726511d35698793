//! What an estimator's parameters are called and may be, so that they can be listed, checked and filled in.

use lyceum_core::{Error, Params, Result, Value};
use std::sync::Arc;

/// What a parameter may be, with its default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A finite number from `min` to `max`; `above` leaves `min` itself out.
    Number {
        /// The default.
        default: f64,
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
        /// Whether the least value is out of bounds itself.
        above: bool,
    },
    /// A whole number from `min`.
    Count {
        /// The default.
        default: usize,
        /// The least value.
        min: usize,
    },
    /// True or false.
    Flag(bool),
    /// One of several words; the first is the default.
    Choice(&'static [&'static str]),
    /// One of several words, the first of them the default, or a number from 0 to 1.
    WordOrShare(&'static [&'static str]),
    /// Positive numbers, at least one where any are given.
    Numbers(&'static [f64]),
}

/// A parameter of an estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it does, in one line.
    pub doc: &'static str,
}

impl Parameter {
    /// The default.
    pub fn default(&self) -> Value {
        match self.kind {
            Kind::Number { default, .. } => Value::Float(default),
            Kind::Count { default, .. } => Value::Int(default as i64),
            Kind::Flag(default) => Value::Bool(default),
            Kind::Choice(among) | Kind::WordOrShare(among) => {
                Value::from(among.first().copied().unwrap_or_default())
            }
            Kind::Numbers(default) => {
                Value::List(Arc::new(default.iter().map(|v| Value::Float(*v)).collect()))
            }
        }
    }

    /// What it may be, in words.
    pub fn range(&self) -> String {
        match self.kind {
            Kind::Number { min, max, above, .. } => {
                let from = if above { format!("above {min}") } else { format!("from {min}") };
                if max.is_finite() {
                    format!("a number {from} to {max}")
                } else {
                    format!("a finite number {from}")
                }
            }
            Kind::Count { min, .. } => format!("a whole number from {min}"),
            Kind::Flag(_) => "true or false".into(),
            Kind::Choice(among) => format!("one of {}", among.join(", ")),
            Kind::WordOrShare(among) => format!("one of {}, or a number from 0 to 1", among.join(", ")),
            Kind::Numbers(_) => "a list of finite numbers above 0".into(),
        }
    }

    /// The value as the estimator wants it.
    fn check(&self, given: &Value) -> Result<Value> {
        let wrong = || {
            Error::invalid(format!("expected {}, got {}", self.range(), given.to_json())).at_key(self.name)
        };
        match self.kind {
            Kind::Number { min, max, above, .. } => {
                let v = given.as_f64().ok_or_else(wrong)?;
                let fits = v.is_finite() && v <= max && (v > min || !above && v == min);
                if fits { Ok(Value::Float(v)) } else { Err(wrong()) }
            }
            Kind::Count { min, .. } => {
                let v = given.as_i64().ok_or_else(wrong)?;
                let fits = usize::try_from(v).is_ok_and(|v| v >= min);
                if fits { Ok(Value::Int(v)) } else { Err(wrong()) }
            }
            Kind::Flag(_) => given.as_bool().map(Value::Bool).ok_or_else(wrong),
            Kind::WordOrShare(_) if given.as_f64().is_some_and(|v| (0.0..=1.0).contains(&v)) => {
                Ok(Value::Float(given.as_f64().unwrap_or_default()))
            }
            Kind::Choice(among) | Kind::WordOrShare(among) => {
                let word = given.as_str().ok_or_else(wrong)?;
                if among.contains(&word) {
                    Ok(Value::from(word))
                } else {
                    Err(wrong().did_you_mean(word, among.iter().copied()))
                }
            }
            Kind::Numbers(_) => {
                let list = given.as_list().filter(|l| !l.is_empty()).ok_or_else(wrong)?;
                let good = list.iter().all(|v| v.as_f64().is_some_and(|v| v > 0.0 && v.is_finite()));
                if good {
                    Ok(list.iter().filter_map(Value::as_f64).map(Value::Float).collect())
                } else {
                    Err(wrong())
                }
            }
        }
    }
}

/// The parameters with defaults filled in, each checked.
///
/// # Errors
/// An unknown name (with the nearest one), a value of another kind or out of bounds.
pub fn fill(parameters: &[Parameter], given: &Params) -> Result<Params> {
    let names = || parameters.iter().map(|p| p.name);
    if let Some(key) = given.keys().find(|k| !names().any(|n| n == &***k)) {
        return Err(Error::invalid("unknown parameter").at_key(&**key).did_you_mean(key, names()));
    }
    let one = |p: &Parameter| {
        let value = given.get(p.name).map_or_else(|| Ok(p.default()), |v| p.check(v))?;
        Ok((Arc::from(p.name), value))
    };
    parameters.iter().map(one).collect()
}

/// A number of a filled set of parameters.
pub(crate) fn number(p: &Params, name: &str) -> f64 {
    p.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// A whole number of a filled set of parameters.
pub(crate) fn count(p: &Params, name: &str) -> usize {
    p.get(name).and_then(Value::as_i64).and_then(|v| usize::try_from(v).ok()).unwrap_or(0)
}

/// A truth value of a filled set of parameters.
pub(crate) fn flag(p: &Params, name: &str) -> bool {
    p.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A word of a filled set of parameters.
pub(crate) fn word<'a>(p: &'a Params, name: &str) -> &'a str {
    p.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Numbers of a filled set of parameters.
pub(crate) fn numbers(p: &Params, name: &str) -> Vec<f64> {
    p.get(name).and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_f64).collect()
}
