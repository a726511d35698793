//! The rows of `lyceum fit` and `lyceum tune`: a table, its target, and what keeps rows together.

use super::cross::{Rule, keys, times};
use clap::Args;
use lyceum_core::{Column, Error, Params, Result, Table, Target, Value};
use lyceum_estimators::registry::{Entry, Task};
use lyceum_estimators::selection::value_of;
use std::path::PathBuf;
use std::sync::Arc;

/// What is fitted to which rows.
#[derive(Args)]
pub(in crate::cmd) struct Rows {
    /// The estimator's name
    pub(in crate::cmd) estimator: String,
    /// A table: CSV, TSV or JSON Lines
    #[arg(long)]
    pub(in crate::cmd) data: PathBuf,
    /// The column to predict
    #[arg(long)]
    pub(in crate::cmd) target: String,
    /// A parameter of the estimator; may be given several times
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub(in crate::cmd) params: Vec<String>,
    /// A column whose values stay on one side of every fold; no feature
    #[arg(long, value_name = "COLUMN", conflicts_with = "time")]
    pub(in crate::cmd) group: Option<String>,
    /// A column of times: every fold is judged on what comes after; no feature
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cmd) time: Option<String>,
    /// Fixes every random choice
    #[arg(long, default_value_t = 42)]
    pub(in crate::cmd) seed: u64,
}

impl Rows {
    /// Columns to learn from, the target, and what folds are made by.
    pub(in crate::cmd) fn read(&self, entry: &Entry) -> Result<(Table, Labels, Rule)> {
        let raw = lyceum_data::read(&self.data)?;
        let table = lyceum_data::infer_table(&raw)?;
        self.features(&table, entry).map_err(|e| e.in_file(&self.data))
    }

    /// Fails where something of folds is said and there are none.
    pub(super) fn check_alone(&self) -> Result<()> {
        let said = [("--group", &self.group), ("--time", &self.time)];
        match said.iter().find(|(_, column)| column.is_some()) {
            Some((name, _)) => {
                Err(Error::invalid("is for cross-validation").at_key(*name).hint("add --cv 5"))
            }
            None => Ok(()),
        }
    }

    /// The same as words of a command line, all but how many folds.
    pub(in crate::cmd) fn words(&self, estimator: &str) -> Vec<String> {
        let mut out = vec![estimator.to_string()];
        let data = self.data.display().to_string();
        let seed = self.seed.to_string();
        let named =
            [("--data", Some(&data)), ("--target", Some(&self.target)), ("--group", self.group.as_ref())];
        let named = named.into_iter().chain([("--time", self.time.as_ref()), ("--seed", Some(&seed))]);
        for (name, value) in named {
            out.extend(value.into_iter().flat_map(|v| [name.to_string(), v.clone()]));
        }
        out.extend(self.params.iter().flat_map(|word| ["--param".to_string(), word.clone()]));
        out
    }

    /// The parameters that are given.
    pub(in crate::cmd) fn params(&self) -> Result<Params> {
        let one = |word: &String| {
            let message = || format!("`{word}` is not KEY=VALUE");
            let (key, text) =
                word.split_once('=').ok_or_else(|| Error::invalid(message()).at_key("--param"))?;
            Ok((key.into(), value_of(text)))
        };
        self.params.iter().map(one).collect()
    }

    /// Columns to learn from, text as categories, the target as the estimator takes it, and what folds are made by.
    fn features(&self, table: &Table, entry: &Entry) -> Result<(Table, Labels, Rule)> {
        let target = table.column(&self.target)?;
        let there: Vec<usize> = (0..table.rows()).filter(|r| target.value(*r) != Value::Null).collect();
        if there.is_empty() {
            return Err(Error::invalid("the target has no values").at_key(&self.target));
        }
        let mut x = Table::default();
        let aside = [Some(&self.target), self.group.as_ref(), self.time.as_ref()];
        for (name, column) in table.columns().filter(|(name, _)| !aside.iter().flatten().any(|a| a == name)) {
            let column = match column {
                Column::Text(cells) => category(cells),
                other => other.clone(),
            };
            x.push(name, column)?;
        }
        let labels = labels(target, &there, entry).map_err(|e| e.at_key(&self.target))?;
        let rule = Rule {
            groups: self.group.as_ref().map(|c| keys(table, c, &there)).transpose()?,
            times: self.time.as_ref().map(|c| times(table, c, &there)).transpose()?,
        };
        Ok((x.take(&there), labels, rule))
    }
}

/// A target with the names of its classes.
pub(in crate::cmd) struct Labels {
    pub(in crate::cmd) target: Target,
    pub(in crate::cmd) classes: Vec<String>,
}

impl Labels {
    /// Those of some rows.
    pub(in crate::cmd) fn take(&self, rows: &[usize]) -> Target {
        let of = |i: &usize| *i;
        match &self.target {
            Target::Regression(v) => {
                Target::Regression(rows.iter().filter_map(|r| v.get(of(r)).copied()).collect())
            }
            Target::Binary(v) => Target::Binary(rows.iter().filter_map(|r| v.get(of(r)).copied()).collect()),
            Target::Multiclass { codes, classes } => Target::Multiclass {
                codes: rows.iter().filter_map(|r| codes.get(of(r)).copied()).collect(),
                classes: *classes,
            },
        }
    }
}

fn category(cells: &[Option<Arc<str>>]) -> Column {
    let mut levels: Vec<Arc<str>> = cells.iter().flatten().cloned().collect();
    levels.sort();
    levels.dedup();
    let code = |c: &Option<Arc<str>>| {
        c.as_ref().and_then(|c| levels.binary_search(c).ok()).map_or(Column::MISSING, |i| i as u32)
    };
    let codes = cells.iter().map(code).collect();
    Column::Category { codes, levels: levels.into() }
}

/// Numbers stay numbers where the estimator learns numbers; anything else is classes.
fn labels(column: &Column, rows: &[usize], entry: &Entry) -> Result<Labels> {
    let learns = |task: Task| entry.tasks.contains(&task);
    if let (Column::Number(v), true) = (column, learns(Task::Regression)) {
        let target = Target::Regression(rows.iter().filter_map(|r| v.get(*r).copied()).collect());
        return Ok(Labels { target, classes: Vec::new() });
    }
    let text: Vec<String> = rows
        .iter()
        .map(|r| match column.value(*r) {
            Value::Str(s) => s.to_string(),
            other => other.to_json().to_string(),
        })
        .collect();
    let mut classes = text.clone();
    classes.sort();
    classes.dedup();
    let place = |t: &String| classes.binary_search(t).unwrap_or_default();
    match classes.len() {
        1 => Err(Error::invalid(format!("has one value only: {}", classes.join("")))),
        n if n > 100 => Err(Error::invalid(format!("has {n} different values, too many for classes"))),
        2 if learns(Task::Binary) => {
            Ok(Labels { target: Target::Binary(text.iter().map(|t| place(t) as u8).collect()), classes })
        }
        n if learns(Task::Multiclass) => {
            let codes = text.iter().map(|t| place(t) as u32).collect();
            Ok(Labels { target: Target::Multiclass { codes, classes: n }, classes })
        }
        _ if learns(Task::Regression) => {
            Err(Error::invalid(format!("`{}` learns numbers, the column has words", entry.name)))
        }
        n => Err(Error::invalid(format!("`{}` learns two classes, the column has {n}", entry.name))),
    }
}
