//! Values to parameters and back. A value may be of its own type or text, as configuration files have it.

use super::entries::{HARMLESS, NOT_HERE, entries};
use super::{BoostingParams, Entry};
use lyceum_core::{Error, Params, Result, Value};

fn entry(name: &str) -> Option<&'static Entry> {
    entries().iter().find(|e| e.name == name || e.aliases.contains(&name))
}

/// The entry of a name; nothing for names that change nothing.
fn known(name: &str) -> Result<Option<&'static Entry>> {
    match entry(name) {
        Some(entry) => Ok(Some(entry)),
        None if HARMLESS.contains(&name) => Ok(None),
        None => {
            if let Some((_, why)) = NOT_HERE.iter().find(|(n, _)| *n == name) {
                let message = format!("is a parameter of LightGBM that is not supported here: {why}");
                return Err(Error::unsupported(message).at_key(name));
            }
            let e = Error::invalid("unknown parameter").at_key(name);
            Err(e.did_you_mean(name, BoostingParams::names()))
        }
    }
}

impl BoostingParams {
    /// Every name that is understood, aliases included.
    pub fn names() -> impl Iterator<Item = &'static str> {
        entries().iter().flat_map(|e| std::iter::once(e.name).chain(e.aliases.iter().copied()))
    }

    /// The main name of a name or alias, if it is understood.
    pub fn main_name(name: &str) -> Option<&'static str> {
        entry(name).map(|e| e.name)
    }

    /// Defaults changed by parameters. The main name wins over its aliases, and of several aliases the shortest, then
    /// the alphabetically first.
    ///
    /// # Errors
    /// An unknown name (with the nearest one), one that is LightGBM's but not here, a wrong type, a value outside its
    /// range, values that contradict each other.
    pub fn from_params(params: &Params) -> Result<Self> {
        let mut given: Vec<(&str, &'static Entry, &Value)> = Vec::new();
        for (name, value) in params {
            if let Some(entry) = known(name)?.filter(|_| value != &Value::Null) {
                given.push((name, entry, value));
            }
        }
        // Weakest first, so that the last one set wins.
        given.sort_by(|a, b| {
            let main = |x: &(&str, &Entry, &Value)| x.0 == x.1.name;
            main(a).cmp(&main(b)).then(b.0.len().cmp(&a.0.len())).then(b.0.cmp(a.0))
        });
        let mut out = Self::default();
        for (name, entry, value) in given {
            (entry.set)(&mut out, value).map_err(|e| e.at_key(name))?;
        }
        out.check()?;
        Ok(out)
    }

    /// Checks one parameter alone: its name, type and range.
    ///
    /// # Errors
    /// As [`BoostingParams::from_params`], contradictions apart.
    pub fn check_one(name: &str, value: &Value) -> Result<()> {
        let mut out = Self::default();
        if let Some(entry) = known(name)?.filter(|_| value != &Value::Null) {
            (entry.set)(&mut out, value).and_then(|()| out.ranges()).map_err(|e| e.at_key(name))?;
        }
        Ok(())
    }

    /// Every parameter with its value; lists are text, as a configuration file has them.
    pub fn to_params(&self) -> Params {
        entries().iter().map(|e| (e.name.into(), (e.get)(self))).collect()
    }
}

fn expected(what: &str, got: &Value) -> Error {
    Error::invalid(format!("expected {what}, got {}", got.to_json()))
}

pub(super) fn text(v: &Value) -> Result<&str> {
    v.as_str().ok_or_else(|| expected("text", v))
}

pub(super) fn real(v: &Value) -> Result<f64> {
    let number = v.as_f64().or_else(|| v.as_str()?.trim().parse().ok());
    number.filter(|x: &f64| x.is_finite()).ok_or_else(|| expected("a number", v))
}

fn integer(v: &Value) -> Option<i64> {
    v.as_i64().or_else(|| v.as_str()?.trim().parse().ok())
}

pub(super) fn whole(v: &Value) -> Result<usize> {
    let number = integer(v).and_then(|i| usize::try_from(i).ok());
    number.ok_or_else(|| expected("a whole number from 0", v))
}

pub(super) fn truth(v: &Value) -> Result<bool> {
    let from_text = || match v.as_str()?.trim() {
        "true" | "+" | "1" | "True" => Some(true),
        "false" | "-" | "0" | "False" => Some(false),
        _ => None,
    };
    let from_number = || v.as_i64().filter(|i| matches!(i, 0 | 1)).map(|i| i == 1);
    v.as_bool().or_else(from_number).or_else(from_text).ok_or_else(|| expected("true or false", v))
}

/// One of some names.
pub(super) fn choice<T: Copy>(v: &Value, names: &[(&'static str, T)]) -> Result<T> {
    let name = text(v)?.trim();
    match names.iter().find(|(n, _)| *n == name) {
        Some((_, value)) => Ok(*value),
        None => {
            let known: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            Err(Error::invalid(format!("expected one of {}, got `{name}`", known.join(", "))))
        }
    }
}

/// Items of a list, or of text with commas.
fn items(v: &Value) -> Vec<Value> {
    match v {
        Value::List(items) => items.to_vec(),
        Value::Str(s) => s.split(',').map(|p| p.trim()).filter(|p| !p.is_empty()).map(Value::from).collect(),
        other => vec![other.clone()],
    }
}

pub(super) fn words(v: &Value) -> Result<Vec<String>> {
    items(v).iter().map(|w| text(w).map(str::to_string)).collect()
}

pub(super) fn list(v: &Value) -> Result<Vec<f64>> {
    items(v).iter().map(real).collect()
}

pub(super) fn signs(v: &Value) -> Result<Vec<i8>> {
    let one =
        |v: &Value| integer(v).and_then(|i| i8::try_from(i).ok()).ok_or_else(|| expected("-1, 0 or 1", v));
    items(v).iter().map(one).collect()
}

/// Lists of columns: `[0,1],[2,3]`, or a list of lists.
pub(super) fn groups(v: &Value) -> Result<Vec<Vec<usize>>> {
    let parsed;
    let lists = match v {
        Value::List(lists) => lists.to_vec(),
        Value::Str(s) if s.trim().is_empty() => Vec::new(),
        Value::Str(s) => {
            let json = serde_json::from_str::<serde_json::Value>(&format!("[{s}]"));
            parsed = Value::from_json(json.map_err(|_| expected("lists of columns like [0,1],[2,3]", v))?);
            match &parsed {
                Value::List(lists) => lists.to_vec(),
                _ => Vec::new(),
            }
        }
        _ => return Err(expected("lists of columns like [0,1],[2,3]", v)),
    };
    let one = |v: &Value| match v {
        Value::List(columns) => columns.iter().map(whole).collect(),
        other => Err(expected("a list of columns", other)),
    };
    lists.iter().map(one).collect()
}

pub(super) fn count(n: &usize) -> Value {
    Value::Int(*n as i64)
}

pub(super) fn number(x: &f64) -> Value {
    (*x).into()
}

fn joined<T: ToString>(items: &[T]) -> Value {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",").into()
}

pub(super) fn fractions(items: &[f64]) -> Value {
    joined(items)
}

/// The rarer conversions.
pub(super) mod map {
    use super::{expected, integer, joined, whole};
    use lyceum_core::{Result, Value};

    pub(in super::super) fn signed(v: &Value) -> Result<i64> {
        integer(v).ok_or_else(|| expected("a whole number", v))
    }

    /// Below 1 is off.
    pub(in super::super) fn rounds(v: &Value) -> Result<usize> {
        signed(v).map(|i| usize::try_from(i).unwrap_or(0))
    }

    pub(in super::super) fn fixed(v: &Value) -> Result<u64> {
        whole(v).map(|n| n as u64)
    }

    pub(in super::super) fn seed(v: &Value) -> Result<Option<u64>> {
        fixed(v).map(Some)
    }

    pub(in super::super) fn fixed_value(n: &u64) -> Value {
        Value::Int(*n as i64)
    }

    pub(in super::super) fn optional(n: &Option<u64>) -> Value {
        n.map_or(Value::Null, |n| Value::Int(n as i64))
    }

    pub(in super::super) fn flag(b: &bool) -> Value {
        (*b).into()
    }

    pub(in super::super) fn sign_list(items: &[i8]) -> Value {
        joined(items)
    }

    pub(in super::super) fn file(v: &Value) -> Result<String> {
        super::text(v).map(|name| name.trim().to_string())
    }

    pub(in super::super) fn file_name(name: &str) -> Value {
        name.into()
    }

    pub(in super::super) fn counts(v: &Value) -> Result<Vec<usize>> {
        super::items(v).iter().map(whole).collect()
    }

    pub(in super::super) fn count_list(items: &[usize]) -> Value {
        joined(items)
    }

    pub(in super::super) fn group_list(groups: &[Vec<usize>]) -> Value {
        let one = |g: &Vec<usize>| {
            let columns: Vec<String> = g.iter().map(usize::to_string).collect();
            format!("[{}]", columns.join(","))
        };
        groups.iter().map(one).collect::<Vec<_>>().join(",").into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BoostingParams> {
        let v: Value = serde_json::from_str(json).unwrap();
        BoostingParams::from_params(v.as_map().unwrap())
    }

    #[test]
    fn aliases_lose_against_the_main_name() {
        let p = read(r#"{"n_estimators": 5, "num_iterations": 7, "eta": 0.5, "nthread": 3}"#).unwrap();
        assert_eq!((p.stop.num_iterations, p.stop.learning_rate), (7, 0.5));
        let p = read(r#"{"num_boost_round": 1, "max_iter": 2, "num_trees": 3}"#).unwrap();
        assert_eq!(p.stop.num_iterations, 2);
    }

    #[test]
    fn written_and_read_again() {
        let p = read(
            r#"{"num_leaves": "7", "mc": "1,-1,0", "interaction_constraints": "[0,1],[2]", "metric": "auc,binary_logloss",
                "objective": "binary", "max_bin_by_feature": [9, 255, 2], "cegb_penalty_feature_lazy": [0, 1, 0.5],
                "fs": " first.json ", "mc_method": "advanced", "extra_trees": "true", "eval_at": [1, 3], "boosting": "dart", "fc": [1, 0.5]}"#,
        )
        .unwrap();
        assert_eq!(p.tree.monotone_constraints, [1, -1, 0]);
        assert_eq!(p.tree.interaction_constraints, [vec![0, 1], vec![2]]);
        assert_eq!(BoostingParams::from_params(&p.to_params()).unwrap(), p);
    }

    #[test]
    fn no_name_is_taken_twice() {
        let mut names: Vec<&str> = BoostingParams::names().chain(HARMLESS.iter().copied()).collect();
        names.extend(NOT_HERE.iter().map(|(n, _)| *n));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn faults_name_the_parameter() {
        let message = |json: &str| read(json).unwrap_err().to_string();
        assert_eq!(
            message(r#"{"num_leafs": 3}"#),
            "num_leafs: unknown parameter\n  hint: did you mean `num_leaf`?"
        );
        assert_eq!(message(r#"{"num_leaves": 1}"#), "num_leaves: expected 2 to 131072");
        assert_eq!(message(r#"{"eta": "x"}"#), "eta: expected a number, got \"x\"");
        assert_eq!(
            message(r#"{"lambdarank_position_bias_regularization": 1}"#),
            "lambdarank_position_bias_regularization: is a parameter of LightGBM that is not supported here: positions of \
             documents are not read, so their bias is not learned"
        );
        assert_eq!(
            message(r#"{"boosting": "drat"}"#),
            "boosting: expected one of gbdt, gbrt, goss, dart, rf, random_forest, got `drat`"
        );
        assert_eq!(
            message(r#"{"linear_tree": true, "objective": "l1"}"#),
            "linear_tree: regression_l1 has leaf outputs of its own: leaves are constants"
        );
        assert!(message(r#"{"linear_tree": true, "mc": "1"}"#).contains("monotone"));
        assert!(message(r#"{"linear_tree": true, "zero_as_missing": true}"#).contains("zero_as_missing"));
        assert_eq!(
            message(r#"{"max_bin_by_feature": "9,1"}"#),
            "max_bin_by_feature: expected 2 to 65535 each"
        );
        assert!(message(r#"{"fs": "f", "grow_policy": "symmetric"}"#).contains("no splits of single leaves"));
        assert!(message(r#"{"cegb_penalty_split": 1, "grow_policy": "symmetric"}"#).contains("(cegb)"));
        assert!(message(r#"{"boosting": "rf"}"#).starts_with("boosting: rf needs bagging"));
        assert!(
            message(r#"{"boosting": "goss", "bagging_freq": 1, "subsample": 0.5}"#).contains("goss draws")
        );
        assert!(
            message(r#"{"boosting": "dart", "early_stopping": 5}"#).contains("dart changes earlier trees")
        );
    }
}
