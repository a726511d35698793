//! What a search may choose: ranges of numbers, on a plain or a logarithmic scale, and lists of values.
#![allow(clippy::indexing_slicing, reason = "choices stay below the list's length")]

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
        /// Whether only whole numbers are.
        whole: bool,
    },
    /// One of these.
    Choice(Vec<Value>),
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
                    Values::Range { low: a, high: b, log, whole: is_whole(low) && is_whole(high) }
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
}

impl Values {
    /// Number of choices; nothing for a range.
    pub fn choices(&self) -> Option<usize> {
        match self {
            Self::Choice(all) => Some(all.len()),
            Self::Range { .. } => None,
        }
    }

    /// The value at a share of the way.
    fn at(&self, u: f64) -> Value {
        let u = u.clamp(0.0, 1.0);
        match self {
            Self::Choice(all) => all[((u * all.len() as f64) as usize).min(all.len() - 1)].clone(),
            Self::Range { low, high, log, whole } => {
                // Whole numbers have a width of one each, the ends too.
                let (from, to) = if *whole { (low - 0.5, high + 0.5) } else { (*low, *high) };
                let from = if *log { from.max(low * 0.5) } else { from };
                let x = if *log { from * (to / from).powf(u) } else { from + u * (to - from) };
                if *whole {
                    Value::Int(x.round().clamp(*low, *high) as i64)
                } else {
                    Value::Float(x.clamp(*low, *high))
                }
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
    fn faults_name_the_word() {
        let fault = |words: &[&str]| Space::parse(words.iter().copied()).unwrap_err().to_string();
        assert_eq!(fault(&["a"]), "space: `a`: expected name=low..high, name=low..high:log or name=a,b,c");
        assert_eq!(fault(&["a=3..1"]), "space: `a=3..1`: expected low < high");
        assert_eq!(fault(&["a=0..1:log"]), "space: `a=0..1:log`: expected 0 < low < high");
        assert_eq!(fault(&["a=1..2", "a=3"]), "space: `a` is there twice");
        assert_eq!(fault(&[]), "space: there is nothing to choose");
    }
}
