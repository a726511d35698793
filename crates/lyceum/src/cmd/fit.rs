//! `lyceum fit`: any estimator of the house on a table, with a part of the rows held out to judge it, or judged fold
//! after fold.

mod cross;

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{
    Column, Error, FitContext, Model, Params, Prediction, Result, Table, Target, TrainingSet, Value,
};
use lyceum_data::Random;
use lyceum_estimators::metrics as m;
use lyceum_estimators::registry::{self, Entry, Task};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Fit an estimator to a table (`lyceum estimators` lists them)
#[derive(Args)]
pub(crate) struct Fit {
    /// The estimator's name
    estimator: String,
    /// A table: CSV, TSV or JSON Lines
    #[arg(long)]
    data: PathBuf,
    /// The column to predict
    #[arg(long)]
    target: String,
    /// A parameter of the estimator; may be given several times
    #[arg(long = "param", value_name = "KEY=VALUE")]
    params: Vec<String>,
    /// Share of the rows that are held out to measure on
    #[arg(long, default_value_t = 0.2, conflicts_with = "cv")]
    test_fraction: f64,
    /// Judge it by cross-validation on so many folds, then fit it to all rows
    #[arg(long, value_name = "FOLDS")]
    cv: Option<usize>,
    /// A column whose values stay on one side of every fold; no feature
    #[arg(long, value_name = "COLUMN", requires = "cv", conflicts_with = "time")]
    group: Option<String>,
    /// A column of times: every fold is judged on what comes after; no feature
    #[arg(long, value_name = "COLUMN", requires = "cv")]
    time: Option<String>,
    /// Fixes every random choice
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// A folder to save the model in
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Metric to value.
type Measures = BTreeMap<&'static str, f64>;

#[derive(Serialize)]
struct Report {
    estimator: &'static str,
    params: serde_json::Value,
    rows: usize,
    features: usize,
    /// Values of the target in the order of their codes, where it has classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<String>,
    training: Measures,
    #[serde(skip_serializing_if = "Measures::is_empty")]
    test: Measures,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_validation: Option<cross::Crossed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    importance: Option<BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    fit_s: f64,
}

impl Fit {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let entry = registry::entry(&self.estimator)?;
        let estimator = entry.make(&self.params()?)?;
        if !(0.0..1.0).contains(&self.test_fraction) {
            return Err(Error::invalid("expected 0 to below 1").at_key("--test-fraction"));
        }
        let raw = lyceum_data::read(&self.data)?;
        let table = lyceum_data::infer_table(&raw)?;
        let (x, y, rule) = self.features(&table, entry).map_err(|e| e.in_file(&self.data))?;
        let mut order: Vec<usize> = (0..x.rows()).collect();
        Random::new(self.seed, 0xf17).shuffle(&mut order);
        let fraction = if rule.is_some() { 0.0 } else { self.test_fraction };
        let held_out = (x.rows() as f64 * fraction) as usize;
        let (test, train) = order.split_at(held_out);
        let data = TrainingSet::new(x.take(train).into(), y.take(train))?;
        let report = ui.cancellable(|cx| {
            let fit = FitContext {
                cx: cx.clone(),
                seed: self.seed,
                progress: ui.progress(),
                ..FitContext::default()
            };
            let crossed = rule.as_ref().map(|r| r.run(&*estimator, (&x, &y), &fit, ui)).transpose()?;
            let start = Instant::now();
            let model = estimator.fit(&data, &fit)?;
            let fit_s = start.elapsed().as_secs_f64();
            if let Some(folder) = &self.output {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", e))?;
                model.save(folder)?;
            }
            let on = |rows: &[usize]| measures(&*model, &x.take(rows), &y.take(rows));
            Ok(Report {
                estimator: entry.name,
                params: Value::Map(Arc::new(estimator.params())).to_json(),
                rows: train.len(),
                features: x.width(),
                classes: y.classes.clone(),
                training: on(train)?,
                test: if test.is_empty() { Measures::new() } else { on(test)? },
                cross_validation: crossed,
                importance: model.importance(),
                output: self.output.clone(),
                fit_s,
            })
        })?;
        ui.result(&report, shown)
    }

    fn params(&self) -> Result<Params> {
        let one = |word: &String| {
            let message = || format!("`{word}` is not KEY=VALUE");
            let (key, text) =
                word.split_once('=').ok_or_else(|| Error::invalid(message()).at_key("--param"))?;
            // JSON where it is JSON, else text.
            let value =
                serde_json::from_str::<serde_json::Value>(text).map_or(Value::from(text), Value::from_json);
            Ok((key.into(), value))
        };
        self.params.iter().map(one).collect()
    }

    /// Columns to learn from, text as categories, the target as the estimator takes it, and what folds are made by.
    fn features(&self, table: &Table, entry: &Entry) -> Result<(Table, Labels, Option<cross::Rule>)> {
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
        let rule = match self.cv {
            None => None,
            Some(folds) => Some(cross::Rule {
                folds,
                groups: self.group.as_ref().map(|c| cross::keys(table, c, &there)).transpose()?,
                times: self.time.as_ref().map(|c| cross::times(table, c, &there)).transpose()?,
            }),
        };
        Ok((x.take(&there), labels, rule))
    }
}

/// A target with the names of its classes.
struct Labels {
    target: Target,
    classes: Vec<String>,
}

impl Labels {
    fn take(&self, rows: &[usize]) -> Target {
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

fn measures(model: &dyn Model, x: &Table, y: &Target) -> Result<Measures> {
    Ok(match (model.predict(x)?, y) {
        (Prediction::Numbers(p), Target::Regression(y)) => [
            ("r2", m::r2(y, &p)),
            ("mean_absolute_error", m::mean_absolute_error(y, &p)),
            ("root_mean_squared_error", m::root_mean_squared_error(y, &p)),
        ]
        .into(),
        (Prediction::Probabilities { p, .. }, Target::Binary(y)) => {
            let positive: Vec<f64> = p.iter().skip(1).step_by(2).copied().collect();
            [
                ("roc_auc", m::roc_auc(y, &positive)),
                ("log_loss", m::log_loss(y, &positive)),
                ("accuracy", m::BinaryCounts::at(y, &positive, 0.5).accuracy()),
            ]
            .into()
        }
        (Prediction::Probabilities { p, classes }, Target::Multiclass { codes, .. }) => [
            ("accuracy", m::top_k_accuracy(codes, &p, classes, 1)),
            ("log_loss", m::multi_log_loss(codes, &p, classes)),
        ]
        .into(),
        _ => return Err(Error::internal("the model predicts another kind of target")),
    })
}

fn shown(r: &Report) -> String {
    let mut out =
        format!("{} on {} rows and {} columns in {:.2} s\n", r.estimator, r.rows, r.features, r.fit_s);
    for (part, measures) in [("training", &r.training), ("held out", &r.test)] {
        measures.iter().for_each(|(name, value)| out += &format!("{part:9} {name:24} {value:.5}\n"));
    }
    r.cross_validation.iter().for_each(|c| out += &cross::shown(c));
    let mut features: Vec<(&String, &f64)> = r.importance.iter().flatten().collect();
    features.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    for (name, value) in features.iter().take(10) {
        out += &format!("{name:34} {value:.5}\n");
    }
    if let Some(folder) = &r.output {
        out += &format!("model: {}\n", folder.display());
    }
    out
}
