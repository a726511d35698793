//! The column that an estimator learns to predict: numbers, or classes with their names.

use super::columns::{binary, category, labels, number};
use crate::prepared::{FittedOutput, Named, Wanted};
use lyceum_core::{Column, Error, Result, Table, Target};
use lyceum_data::Raw;
use lyceum_data::prepare::{boolean, number as parsed};
use lyceum_estimators::registry::{Entry, Task};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most classes of a target.
const MOST_CLASSES: usize = 100;

/// A target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// Its name.
    pub column: String,
    /// How its cells are read.
    pub kind: TargetKind,
    /// What it means to the model.
    pub task: Goal,
    /// Names of the classes in the order of their codes; none for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// How the cells of a target are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// As numbers: `1` and `1.0` are one class.
    Number,
    /// As truth values, whatever they are called.
    Boolean,
    /// As they stand.
    Text,
}

/// What a target means to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// A number.
    Regression,
    /// One of two classes.
    Binary,
    /// One of several classes.
    Multiclass,
}

/// The target of some rows, with the names of its classes.
pub struct Labels {
    /// One value a row.
    pub target: Target,
    /// Names in the order of the codes; none for numbers.
    pub classes: Vec<String>,
}

impl Labels {
    /// Those of some rows.
    pub fn take(&self, rows: &[usize]) -> Target {
        fn of<T: Copy>(v: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|r| v.get(*r).copied()).collect()
        }
        match &self.target {
            Target::Regression(v) => Target::Regression(of(v, rows)),
            Target::Binary(v) => Target::Binary(of(v, rows)),
            Target::Multiclass { codes, classes } => {
                Target::Multiclass { codes: of(codes, rows), classes: *classes }
            }
        }
    }
}

impl TargetColumn {
    /// Numbers stay numbers where the estimator learns numbers; anything else is classes, named as they stand in the
    /// table, in the order of their names (numbers and truth values: rising).
    ///
    /// # Errors
    /// No such column, no value, one class only, more than 100 classes, a target that the estimator does not learn.
    pub fn learn(raw: &Raw, table: &Table, name: &str, entry: &Entry) -> Result<Self> {
        raw.column(name)?;
        let own = Self::of(raw, table.column(name)?, name, entry);
        own.map_err(|e| raw.place(e.at_key(name)))
    }

    fn of(raw: &Raw, column: &Column, name: &str, entry: &Entry) -> Result<Self> {
        let learns = |task: Task| entry.tasks.contains(&task);
        let target = |kind, task, classes| Self { column: name.into(), kind, task, classes };
        let (kind, classes) = match column {
            Column::Number(v) => {
                if v.iter().all(|x| x.is_nan()) {
                    return Err(Error::invalid("the target has no values"));
                }
                if learns(Task::Regression) {
                    return Ok(target(TargetKind::Number, Goal::Regression, Vec::new()));
                }
                let mut all: Vec<f64> = v.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
                all.sort_by(f64::total_cmp);
                all.dedup();
                (TargetKind::Number, all.iter().map(f64::to_string).collect())
            }
            Column::Bool(v) => {
                let there: BTreeSet<bool> = v.iter().flatten().copied().collect();
                let spelt = labels(raw, name)?.into_iter().zip([false, true]);
                let spelt = spelt.filter(|(_, b)| there.contains(b)).map(|(s, _)| s);
                (TargetKind::Boolean, spelt.collect())
            }
            _ => {
                let all: BTreeSet<&str> = raw.column(name)?.iter().flatten().collect();
                (TargetKind::Text, all.into_iter().map(String::from).collect::<Vec<_>>())
            }
        };
        match classes.len() {
            0 => Err(Error::invalid("the target has no values")),
            1 => Err(Error::invalid(format!("has one value only: {}", classes.join("")))),
            n if n > MOST_CLASSES => {
                Err(Error::invalid(format!("has {n} different values, too many for classes")))
            }
            2 if learns(Task::Binary) => Ok(target(kind, Goal::Binary, classes)),
            _ if learns(Task::Multiclass) => Ok(target(kind, Goal::Multiclass, classes)),
            _ if learns(Task::Regression) => {
                Err(Error::invalid(format!("`{}` learns numbers, the column has words", entry.name)))
            }
            n => Err(Error::invalid(format!("`{}` learns two classes, the column has {n}", entry.name))),
        }
    }

    /// The wanted value of every row. Of several classes an unknown one is no wanted value.
    ///
    /// # Errors
    /// A missing column; a cell that is not a number, or neither of two classes, with its place.
    pub fn wanted(&self, raw: &Raw) -> Result<Wanted> {
        let name = &self.column;
        if self.task == Goal::Regression {
            let numbers = number().raw(raw, name)?;
            return Ok(Wanted::Number(
                numbers.into_iter().map(|x| Some(x).filter(|x| !x.is_nan())).collect(),
            ));
        }
        let codes: HashMap<String, u32> = self.classes.iter().map(|c| self.key(c)).zip(0..).collect();
        let mut out = Vec::with_capacity(raw.rows());
        for (row, cell) in raw.column(name)?.iter().enumerate() {
            let code = cell.map(|text| codes.get(&self.key(text)).copied());
            if let (Some(None), [no, yes]) = (code, &*self.classes) {
                let shown: String = cell.unwrap_or_default().chars().take(60).collect();
                let e = Error::invalid(format!("\"{shown}\" is neither \"{no}\" nor \"{yes}\""));
                return Err(raw.place_cell(e, row, name));
            }
            out.push(code.flatten());
        }
        Ok(match self.task {
            Goal::Binary => Wanted::Binary(out.into_iter().map(|c| c.map(|c| c == 1)).collect()),
            _ => Wanted::Category(out),
        })
    }

    /// What two spellings of one value share.
    fn key(&self, text: &str) -> String {
        match self.kind {
            TargetKind::Number => parsed(text).map(|x| (x + 0.0).to_string()),
            TargetKind::Boolean => boolean(text).map(|b| b.to_string()),
            TargetKind::Text => None,
        }
        .unwrap_or_else(|| text.into())
    }

    /// The rows that have a value, and their values.
    ///
    /// # Errors
    /// As [`TargetColumn::wanted`].
    pub fn labels(&self, raw: &Raw) -> Result<(Vec<usize>, Labels)> {
        fn there<T: Copy, U>(cells: &[Option<T>], as_is: impl Fn(T) -> U) -> (Vec<usize>, Vec<U>) {
            cells.iter().enumerate().filter_map(|(row, c)| c.map(|c| (row, as_is(c)))).unzip()
        }
        let (rows, target) = match self.wanted(raw)? {
            Wanted::Number(v) => {
                let (rows, v) = there(&v, |x| x);
                (rows, Target::Regression(v))
            }
            Wanted::Binary(v) => {
                let (rows, v) = there(&v, u8::from);
                (rows, Target::Binary(v))
            }
            Wanted::Category(v) => {
                let (rows, codes) = there(&v, |c| c);
                (rows, Target::Multiclass { codes, classes: self.classes.len() })
            }
        };
        Ok((rows, Labels { target, classes: self.classes.clone() }))
    }

    /// The target as preprocessing knows it; `threshold` is of two classes.
    pub(super) fn output(&self, threshold: f64) -> Named<FittedOutput> {
        let fitted = match (self.task, &*self.classes) {
            (Goal::Binary, [no, yes]) => FittedOutput::Binary { fitted: binary(no, yes), threshold },
            (Goal::Regression, _) => FittedOutput::Number { fitted: number(), clip: None },
            (_, classes) => {
                let levels = classes.iter().map(|c| c.as_str().into()).collect();
                FittedOutput::Category { fitted: category(levels), top_k: 3 }
            }
        };
        Named { name: self.column.clone(), column: self.column.clone(), fitted }
    }

    /// Fails where the classes are not as many as the task says, or one comes twice.
    pub(super) fn check(&self) -> Result<()> {
        let n = self.classes.len();
        let fits = match self.task {
            Goal::Regression => n == 0 && self.kind == TargetKind::Number,
            Goal::Binary => n == 2,
            Goal::Multiclass => n >= 2,
        };
        if !fits {
            let task = format!("{:?}", self.task).to_lowercase();
            return Err(Error::corrupt(format!("the task is {task}, and there are {n} classes")));
        }
        let mut seen = HashSet::new();
        match self.classes.iter().find(|c| !seen.insert(self.key(c))) {
            Some(c) => Err(Error::corrupt(format!("the class \"{c}\" comes twice"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::{Cells, infer_table};
    use lyceum_estimators::registry::entry;

    fn raw(cells: &[&str]) -> Raw {
        let mut own = Cells::default();
        cells.iter().for_each(|c| own.push_text(c));
        Raw::new([("y", own)]).unwrap()
    }

    fn learn(cells: &[&str], estimator: &str) -> Result<TargetColumn> {
        let raw = raw(cells);
        TargetColumn::learn(&raw, &infer_table(&raw).unwrap(), "y", entry(estimator).unwrap())
    }

    #[test]
    fn classes_are_named_as_they_stand() {
        let numbers = learn(&["10", "2", "1.0", "", "2"], "lda").unwrap();
        assert_eq!(
            (numbers.task, &*numbers.classes),
            (Goal::Multiclass, &["1", "2", "10"].map(String::from)[..])
        );
        // However a number is spelt, and with a class that was not there.
        let (rows, labels) = numbers.labels(&raw(&["1", "", "1e1", "3", "2.00"])).unwrap();
        assert_eq!(
            (rows, labels.target),
            (vec![0, 2, 4], Target::Multiclass { codes: vec![0, 2, 1], classes: 3 })
        );
        let truth = learn(&["yes", "no", "yes"], "logistic").unwrap();
        assert_eq!((truth.task, &*truth.classes), (Goal::Binary, &["no", "yes"].map(String::from)[..]));
        assert_eq!(
            truth.wanted(&raw(&["TRUE", "0", ""])).unwrap(),
            Wanted::Binary(vec![Some(true), Some(false), None])
        );
        let words = learn(&["spam", "ham", "ham"], "gradient_boosting").unwrap();
        assert_eq!(words.labels(&raw(&["spam", "ham"])).unwrap().1.target, Target::Binary(vec![1, 0]));
        assert_eq!(learn(&["1", "2", "3"], "gradient_boosting").unwrap().task, Goal::Regression);
        let e = words.wanted(&raw(&["ham", "eggs"])).unwrap_err().to_string();
        assert_eq!(
            e,
            "column \"y\": \"eggs\" is neither \"ham\" nor \"spam\"\n  hint: in row 2 of the input"
        );
    }

    #[test]
    fn what_cannot_be_learnt_is_told() {
        let told = |cells: &[&str], estimator: &str| learn(cells, estimator).unwrap_err().to_string();
        assert_eq!(told(&["", ""], "ridge"), "y: the target has no values");
        assert_eq!(told(&["a", "a"], "lda"), "y: has one value only: a");
        assert_eq!(told(&["a", "b"], "ridge"), "y: `ridge` learns numbers, the column has words");
        let many: Vec<String> = (0..101).map(|i| format!("c{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(told(&many, "lda"), "y: has 101 different values, too many for classes");
    }
}
