//! `lyceum tune`: an estimator's parameters chosen by cross-validation, trial after trial, with a journal that a later
//! run goes on from.

use super::fit::{Rows, Rule};
use crate::ui::Ui;
use clap::{Args, ValueEnum};
use lyceum_core::{Error, FitContext, NoProgress, Params, Result, Value};
use lyceum_data::Random;
use lyceum_estimators::registry;
use lyceum_estimators::selection::{Space, Trial, draw, suggest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Choose an estimator's parameters by cross-validation
#[derive(Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    of: Rows,
    /// What may be chosen: `key=low..high`, `key=low..high:log` or `key=a,b,c`; may be given several times
    #[arg(long, required = true, value_name = "KEY=VALUES")]
    space: Vec<String>,
    /// Trials
    #[arg(long, default_value_t = 40)]
    trials: usize,
    /// How the next trial is chosen
    #[arg(long, value_enum, default_value = "tpe")]
    method: Method,
    /// What is to be best (root_mean_squared_error for numbers, log_loss for classes)
    #[arg(long)]
    metric: Option<String>,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 5, value_name = "FOLDS")]
    cv: usize,
    /// The file of finished trials; one of the same search is gone on from
    #[arg(long)]
    journal: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// Where good trials lie more densely than others (tree-structured Parzen estimators)
    Tpe,
    /// Anywhere in the space
    Random,
}

/// A trial that ended, a line of the journal.
#[derive(Clone, Serialize, Deserialize)]
struct Ended {
    point: Vec<f64>,
    params: serde_json::Value,
    /// Metric to mean and standard error over the folds; without those that are no numbers, empty for a trial that failed.
    measures: BTreeMap<String, (f64, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Report {
    estimator: &'static str,
    metric: String,
    /// Trials that ended, those of earlier runs included.
    trials: usize,
    failed: usize,
    best: serde_json::Value,
    /// The best ten.
    leaderboard: Vec<Line>,
    /// Judges the best on the same folds and fits it to all rows.
    command: String,
    journal: PathBuf,
}

#[derive(Serialize)]
struct Line {
    value: f64,
    standard_error: f64,
    params: serde_json::Value,
}

impl Tune {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let entry = registry::entry(&self.of.estimator)?;
        let space = Space::parse(self.space.iter().map(String::as_str))?;
        let fixed = self.of.params()?;
        if let Some(d) = space.0.iter().find(|d| fixed.contains_key(d.name.as_str())) {
            return Err(Error::invalid("is both fixed and to be chosen").at_key(d.name.clone()));
        }
        // A name or value that cannot be is told before anything is fitted.
        entry.make(&with(&fixed, space.params(&vec![0.5; space.0.len()])))?;
        let (x, y, rule) = self.of.read(entry)?;
        let metric = metric(self.metric.as_deref(), y.classes.len())?;
        let journal =
            self.journal.clone().unwrap_or_else(|| PathBuf::from(format!("tune-{}.jsonl", entry.name)));
        let ended = ui.cancellable(|cx| {
            let fit = FitContext { cx: cx.clone(), seed: self.of.seed, ..FitContext::default() };
            self.search(&space, &fixed, metric, &journal, &fit, ui, &|params| {
                let estimator = entry.make(&params)?;
                crossed(&rule, self.cv, &*estimator, (&x, &y), &fit)
            })
        })?;
        let report = self.report(entry.name, metric, ended, journal)?;
        ui.result(&report, shown)
    }

    /// Tries until there are enough trials; those of the journal count.
    #[allow(clippy::too_many_arguments, reason = "all of one search, which has no state of its own")]
    fn search(
        &self,
        space: &Space,
        fixed: &Params,
        metric: &str,
        path: &Path,
        fit: &FitContext,
        ui: &Ui,
        judge: &dyn Fn(Params) -> Result<BTreeMap<String, (f64, f64)>>,
    ) -> Result<Vec<Ended>> {
        let (mut journal, mut ended) = open(path, &self.settings(fixed, metric)?)?;
        let progress = ui.progress();
        progress.begin("trials", Some(self.trials as u64));
        progress.at(ended.len() as u64);
        while ended.len() < self.trials {
            fit.cx.check()?;
            let trials: Vec<Trial> = ended.iter().map(|e| (e.point.clone(), loss(e, metric))).collect();
            let point = match self.method {
                Method::Tpe => suggest(space, &trials, self.of.seed),
                Method::Random => {
                    draw(space, &mut Random::new(self.of.seed, 0x7e57 ^ (trials.len() as u64) << 16))
                }
            };
            let params = with(fixed, space.params(&point));
            let told = Value::Map(Arc::new(space.params(&point))).to_json();
            let (measures, error) = match judge(params) {
                Ok(measures) => (measures, None),
                Err(e) if e.kind() == lyceum_core::ErrorKind::Cancelled => return Err(e),
                // The first failure of all is told at once: it is seldom the parameters'.
                Err(e) if ended.is_empty() => return Err(e),
                Err(e) => (BTreeMap::new(), Some(e.to_string())),
            };
            let one = Ended { point, params: told, measures, error };
            let line = serde_json::to_string(&one).map_err(|e| Error::internal(e.to_string()))?;
            writeln!(journal, "{line}").map_err(|e| Error::io(path, "write", e))?;
            ended.push(one);
            progress.at(ended.len() as u64);
        }
        progress.end();
        Ok(ended)
    }

    /// What trials must share to be of one search.
    fn settings(&self, fixed: &Params, metric: &str) -> Result<serde_json::Value> {
        Ok(serde_json::json!({
            "estimator": self.of.estimator, "data": lyceum_data::file_hash(&self.of.data)?, "target": self.of.target,
            "params": Value::Map(Arc::new(fixed.clone())).to_json(), "space": self.space, "metric": metric,
            "method": match self.method { Method::Tpe => "tpe", Method::Random => "random" },
            "cv": self.cv, "group": self.of.group, "time": self.of.time, "seed": self.of.seed,
        }))
    }

    fn report(
        &self,
        estimator: &'static str,
        metric: &str,
        mut ended: Vec<Ended>,
        journal: PathBuf,
    ) -> Result<Report> {
        let (trials, failed) = (ended.len(), ended.iter().filter(|e| e.error.is_some()).count());
        ended.retain(|e| e.measures.contains_key(metric));
        ended.sort_by(|a, b| loss(a, metric).total_cmp(&loss(b, metric)));
        let best = ended.first().ok_or_else(|| match trials {
            0 => Error::invalid("expected at least one trial").at_key("--trials"),
            _ => Error::invalid(format!("none of the {trials} trials has a finite {metric}")),
        })?;
        let chosen = best
            .params
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().map_or_else(|| v.to_string(), str::to_string)));
        let mut words = self.of.words(estimator);
        words.extend(["--cv".into(), self.cv.to_string()]);
        words.extend(chosen.flat_map(|word| ["--param".into(), word]));
        let words: Vec<String> = words.iter().map(|w| quoted(w)).collect();
        let command = format!("lyceum fit {}", words.join(" "));
        let line = |e: &Ended| {
            let (value, standard_error) = e.measures.get(metric).copied().unwrap_or((f64::NAN, f64::NAN));
            Line { value, standard_error, params: e.params.clone() }
        };
        Ok(Report {
            estimator,
            metric: metric.into(),
            trials,
            failed,
            best: best.params.clone(),
            leaderboard: ended.iter().take(10).map(line).collect(),
            command,
            journal,
        })
    }
}

fn crossed(
    rule: &Rule,
    folds: usize,
    estimator: &dyn lyceum_core::Estimator,
    rows: (&lyceum_core::Table, &super::fit::Labels),
    fit: &FitContext,
) -> Result<BTreeMap<String, (f64, f64)>> {
    // The bar shows the trials, not what goes on within one.
    let crossed = rule.run(folds, estimator, rows, fit, &NoProgress)?;
    let error = |name: &str| crossed.standard_error.get(name).copied().unwrap_or(f64::NAN);
    let told = crossed.mean.iter().map(|(name, mean)| ((*name).to_string(), (*mean, error(name))));
    Ok(told.filter(|(_, (mean, error))| mean.is_finite() && error.is_finite()).collect())
}

fn with(fixed: &Params, chosen: Params) -> Params {
    fixed.iter().map(|(k, v)| (k.clone(), v.clone())).chain(chosen).collect()
}

/// The metric by name, or the target's own. `classes` is 0 for numbers.
fn metric(asked: Option<&str>, classes: usize) -> Result<&'static str> {
    let known: &[&'static str] = match classes {
        0 => &["root_mean_squared_error", "mean_absolute_error", "r2"],
        2 => &["log_loss", "roc_auc", "accuracy"],
        _ => &["log_loss", "accuracy"],
    };
    let own = known.first().copied().unwrap_or_default();
    let Some(asked) = asked else { return Ok(own) };
    known.iter().copied().find(|k| *k == asked).ok_or_else(|| {
        let message = format!("expected one of {}, got `{asked}`", known.join(", "));
        Error::invalid(message).at_key("--metric").did_you_mean(asked, known.iter().copied())
    })
}

/// Less is better; without a value, worst.
fn loss(ended: &Ended, metric: &str) -> f64 {
    let rises = matches!(metric, "r2" | "roc_auc" | "accuracy");
    ended.measures.get(metric).map_or(f64::INFINITY, |m| if rises { -m.0 } else { m.0 })
}

/// A word of a command line as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The journal, begun or gone on with: a line of settings, then one a trial. A last line that was cut off is dropped.
fn open(path: &Path, settings: &serde_json::Value) -> Result<(std::fs::File, Vec<Ended>)> {
    let io = |e| Error::io(path, "open", e);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(io(e)),
    };
    let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
    let mut lines = whole.lines();
    let mut ended = Vec::new();
    let head = lines.next();
    // A first line that was cut off is the beginning of ours, or the file is somebody else's.
    let same = match head {
        Some(head) => serde_json::from_str::<serde_json::Value>(head).is_ok_and(|h| h == *settings),
        None => settings.to_string().starts_with(&text),
    };
    if !same {
        let e = Error::invalid("holds the trials of another search, or something else").in_file(path);
        return Err(e.hint("name another with --journal, or remove it"));
    }
    if head.is_some() {
        for (i, line) in lines.enumerate() {
            let fault = |e: serde_json::Error| Error::corrupt(e.to_string()).in_file(path).on_line(i + 2);
            ended.push(serde_json::from_str(line).map_err(fault)?);
        }
    }
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
    file.set_len(whole.len() as u64).map_err(io)?;
    if head.is_none() {
        writeln!(file, "{settings}").map_err(|e| Error::io(path, "write", e))?;
    }
    Ok((file, ended))
}

fn shown(r: &Report) -> String {
    let mut out = format!("{} trials of {}, the best by {}:\n", r.trials, r.estimator, r.metric);
    for line in &r.leaderboard {
        let params: Vec<String> =
            line.params.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        out += &format!("{:>12.5} ± {:<10.5} {}\n", line.value, line.standard_error, params.join(" "));
    }
    if r.failed > 0 {
        out += &format!("{} failed: see {}\n", r.failed, r.journal.display());
    }
    out + &r.command + "\n"
}
