//! What a search may choose: ranges of numbers, on a plain or a logarithmic scale, bell curves, and lists of values.
#![allow(clippy::indexing_slicing, reason = "choices stay below the list's length")]

use crate::linear::normal_quantile;
use lyceum_core::{Error, Params, Result, Value};

/// One parameter of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// The parameter's name.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// Values that a parameter may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers from `low` to `high`.
    Range {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether equal ratios are equally likely, not equal differences.
        log: bool,
        /// Multiples of this only; 0: any.
        step: f64,
        /// Whether they are whole numbers.
        whole: bool,
    },
    /// Numbers around a mean.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        sd: f64,
        /// Multiples of this only; 0: any.
        step: f64,
    },
    /// One of these.
    Choice(Vec<Value>),
    /// Each of these in turn, with each value of other lists of the kind.
    Grid(Vec<Value>),
}

/// The parameters of a search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Space(pub Vec<Dimension>);

/// A parameter's value as it is written on a command line: JSON where it is JSON, else text.
pub fn value_of(text: &str) -> Value {
    serde_json::from_str::<serde_json::Value>(text).map_or(Value::from(text), Value::from_json)
}

impl Space {
    /// From words `name=low..high`, `name=low..high:log` or `name=a,b,c`. Both ends whole: whole numbers only.
    ///
    /// # Errors
    /// A word of another form, a range that does not rise or a logarithmic one that does not begin above 0, a name twice.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self> {
        let mut out = Self::default();
        for word in words {
            let fault = |message: String| Error::invalid(message).at_key("space");
            let form = "expected name=low..high, name=low..high:log or name=a,b,c";
            let (name, text) = word.split_once('=').ok_or_else(|| fault(format!("`{word}`: {form}")))?;
            if out.0.iter().any(|d| d.name == name) {
                return Err(fault(format!("`{name}` is there twice")));
            }
            let values = match text.split_once("..") {
                Some((low, rest)) => {
                    let (high, log) = rest.strip_suffix(":log").map_or((rest, false), |high| (high, true));
                    let number = |t: &str| t.trim().parse::<f64>().ok().filter(|x| x.is_finite());
                    let (Some(a), Some(b)) = (number(low), number(high)) else {
                        return Err(fault(format!("`{word}`: {form}")));
                    };
                    if a >= b || (log && a <= 0.0) {
                        let want = if log { "0 < low < high" } else { "low < high" };
                        return Err(fault(format!("`{word}`: expected {want}")));
                    }
                    let is_whole = |t: &str| t.trim().parse::<i64>().is_ok();
                    let whole = is_whole(low) && is_whole(high);
                    Values::Range { low: a, high: b, log, step: f64::from(u8::from(whole)), whole }
                }
                None if text.is_empty() => return Err(fault(format!("`{word}`: {form}"))),
                None => Values::Choice(text.split(',').map(|t| value_of(t.trim())).collect()),
            };
            out.0.push(Dimension { name: name.into(), values });
        }
        if out.0.is_empty() {
            return Err(Error::invalid("there is nothing to choose").at_key("space"));
        }
        Ok(out)
    }

    /// The parameters of a point: a number of [0, 1] a dimension.
    pub fn params(&self, point: &[f64]) -> Params {
        self.0.iter().zip(point).map(|(d, u)| (d.name.as_str().into(), d.values.at(*u))).collect()
    }

    /// How many combinations its grids have; 1 without any.
    pub fn combinations(&self) -> usize {
        self.0.iter().map(|d| d.values.grid()).fold(1, usize::saturating_mul)
    }

    /// Moves a point to a combination of the grids, counted from 0 and begun again after the last.
    pub(super) fn on_grid(&self, mut combination: usize, mut point: Vec<f64>) -> Vec<f64> {
        for (d, u) in self.0.iter().zip(&mut point) {
            if let Values::Grid(all) = &d.values {
                *u = ((combination % all.len()) as f64 + 0.5) / all.len() as f64;
                combination /= all.len();
            }
        }
        point
    }
}

impl Values {
    /// Number of choices; nothing for numbers.
    pub fn choices(&self) -> Option<usize> {
        match self {
            Self::Choice(all) | Self::Grid(all) => Some(all.len()),
            Self::Range { .. } | Self::Normal { .. } => None,
        }
    }

    fn grid(&self) -> usize {
        if let Self::Grid(all) = self { all.len() } else { 1 }
    }

    /// The value at a share of the way.
    pub fn at(&self, u: f64) -> Value {
        let u = u.clamp(0.0, 1.0);
        let stepped = |x: f64, step: f64| if step > 0.0 { (x / step).round() * step } else { x };
        match self {
            Self::Choice(all) | Self::Grid(all) => {
                all[((u * all.len() as f64) as usize).min(all.len() - 1)].clone()
            }
            Self::Range { low, high, log, step, whole } => {
                // Every multiple of a step has the step's width, the ends too.
                let (from, to) = (low - 0.5 * step, high + 0.5 * step);
                let from = if *log { from.max(low * 0.5) } else { from };
                let x = if *log { from * (to / from).powf(u) } else { from + u * (to - from) };
                let x = stepped(x, *step).clamp(*low, *high);
                if *whole { Value::Int(x.round() as i64) } else { Value::Float(x) }
            }
            Self::Normal { mean, sd, step } => {
                Value::Float(stepped(mean + sd * normal_quantile(u.clamp(1e-9, 1.0 - 1e-9)), *step))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middles() {
        let space = Space::parse(["a=1..9", "b=0.01..100:log", "c=x,2,true", "d=1..1000:log"]).unwrap();
        let at = |u: f64| space.params(&[u; 4]);
        assert_eq!(at(0.0)["a"], Value::Int(1));
        assert_eq!(at(1.0)["a"], Value::Int(9));
        assert_eq!(at(0.5)["a"], Value::Int(5));
        assert!(matches!(at(0.5)["b"], Value::Float(x) if (x - 1.0).abs() < 1e-12));
        assert_eq!(at(0.1)["c"], Value::from("x"));
        assert_eq!((&at(0.5)["c"], &at(1.0)["c"]), (&Value::Int(2), &Value::Bool(true)));
        assert_eq!((&at(0.0)["d"], &at(1.0)["d"]), (&Value::Int(1), &Value::Int(1000)));
    }

    #[test]
    fn steps_bells_and_grids() {
        let stepped = Values::Range { low: 0.5, high: 2.0, log: false, step: 0.5, whole: false };
        let all: Vec<f64> =
            (0..8).map(|i| stepped.at((f64::from(i) + 0.5) / 8.0).as_f64().unwrap()).collect();
        assert_eq!(all, [0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0]);
        let bell = Values::Normal { mean: 3.0, sd: 2.0, step: 0.0 };
        let at = |u: f64| bell.at(u).as_f64().unwrap();
        // Φ(1.959964) = 0.975.
        assert!((at(0.5) - 3.0).abs() < 1e-9 && (at(0.975) - 6.919928).abs() < 1e-5, "{}", at(0.975));
        assert!((at(0.025) + 0.919928).abs() < 1e-5 && at(0.0).is_finite() && at(1.0).is_finite());
        let grid = |name: &str, n: i64| Dimension {
            name: name.into(),
            values: Values::Grid((0..n).map(Value::Int).collect()),
        };
        let space = Space(vec![grid("a", 2), grid("b", 3)]);
        let all: std::collections::BTreeSet<String> = (0..space.combinations())
            .map(|i| format!("{:?}", space.params(&space.on_grid(i, vec![0.0; 2]))))
            .collect();
        assert_eq!((space.combinations(), all.len()), (6, 6));
    }

    #[test]
    fn faults_name_the_word() {
        let fault = |words: &[&str]| Space::parse(words.iter().copied()).unwrap_err().to_string();
        assert_eq!(fault(&["a"]), "space: `a`: expected name=low..high, name=low..high:log or name=a,b,c");
        assert_eq!(fault(&["a=3..1"]), "space: `a=3..1`: expected low < high");
        assert_eq!(fault(&["a=0..1:log"]), "space: `a=0..1:log`: expected 0 < low < high");
        assert_eq!(fault(&["a=1..2", "a=3"]), "space: `a` is there twice");
        assert_eq!(fault(&[]), "space: there is nothing to choose");
    }
}
