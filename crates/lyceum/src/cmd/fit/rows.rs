//! The rows of `lyceum fit` and `lyceum tune`: a table, its target, and what keeps rows together.

use super::cross::{Rule, keys, times};
use clap::Args;
use lyceum_core::{Error, Params, Result, Table};
use lyceum_estimators::registry::Entry;
use lyceum_estimators::selection::value_of;
use lyceum_learn::fitted::{Columns, Labels};
use std::path::PathBuf;

/// What is fitted to which rows.
#[derive(Args, Clone)]
pub(crate) struct Rows {
    /// The estimator's name
    pub(crate) estimator: String,
    /// A table: CSV, TSV or JSON Lines
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The column to predict
    #[arg(long)]
    pub(crate) target: String,
    /// A parameter of the estimator; may be given several times
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub(crate) params: Vec<String>,
    /// A column whose values stay on one side of every fold; no feature
    #[arg(long, value_name = "COLUMN", conflicts_with = "time")]
    pub(crate) group: Option<String>,
    /// A column of times: every fold is judged on what comes after; no feature
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Fixes every random choice
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

/// Rows to learn from.
pub(in crate::cmd) struct Examples {
    pub(in crate::cmd) columns: Columns,
    pub(in crate::cmd) x: Table,
    pub(in crate::cmd) y: Labels,
    pub(in crate::cmd) rule: Rule,
}

impl Rows {
    /// The rows that have a target, and what folds are made by.
    pub(in crate::cmd) fn read(&self, entry: &Entry) -> Result<Examples> {
        let raw = lyceum_data::read(&self.data)?;
        let table = lyceum_data::infer_table(&raw)?;
        let aside: Vec<&str> = self.group.iter().chain(&self.time).map(String::as_str).collect();
        let columns = Columns::learn(&raw, &table, &self.target, &aside, entry)?;
        if columns.features.is_empty() {
            let e = Error::invalid(format!("no column is left to learn `{}` from", self.target));
            return Err(e.in_file(&self.data));
        }
        let (there, y) = columns.target.labels(&raw)?;
        let rule = self.rule(&table, &there).map_err(|e| e.in_file(&self.data))?;
        let x = columns.table(&raw, Some(&table))?;
        drop((raw, table));
        let x = if there.len() == x.rows() { x } else { x.take(&there) };
        Ok(Examples { columns, x, y, rule })
    }

    fn rule(&self, table: &Table, there: &[usize]) -> Result<Rule> {
        Ok(Rule {
            groups: self.group.as_ref().map(|c| keys(table, c, there)).transpose()?,
            times: self.time.as_ref().map(|c| times(table, c, there)).transpose()?,
        })
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
}
