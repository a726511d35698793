//! `lyceum tune`: an estimator's parameters chosen by cross-validation, trial after trial, with a journal that a later
//! run goes on from.

mod halving;
mod spaces;

use super::fit::{Examples, Fit, Rows};
use crate::ui::Ui;
use clap::{Args, ValueEnum};
use halving::{HalvingFlags, HalvingOf};
use lyceum_core::{Error, FitContext, NoProgress, Params, Result, Value};
use lyceum_estimators::registry;
use lyceum_estimators::selection::{Ended, Method, Search, Space};
use lyceum_learn::fitted::check_folder;
use serde::Serialize;
use spaces::default_space;
use std::path::PathBuf;
use std::sync::Arc;

/// Choose an estimator's parameters by cross-validation
#[derive(Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    of: Rows,
    /// What may be chosen: `key=low..high`, `key=low..high:log` or `key=a,b,c`; may be given several times
    ///
    /// Without it the estimator's usual parameters are chosen within usual bounds.
    #[arg(long, value_name = "KEY=VALUES")]
    space: Vec<String>,
    /// Trials; candidates where they are halved
    #[arg(long, default_value_t = 40)]
    trials: usize,
    /// How the next trial is chosen
    #[arg(long, value_enum, default_value = "tpe")]
    method: Chosen,
    #[command(flatten)]
    halving: HalvingFlags,
    /// What is to be best (root_mean_squared_error for numbers, log_loss for classes)
    #[arg(long)]
    metric: Option<String>,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 5, value_name = "FOLDS")]
    cv: usize,
    /// The file of finished trials; one of the same search is gone on from
    #[arg(long)]
    journal: Option<PathBuf>,
    /// A folder to save the best in, fitted to all rows, as `lyceum fit --output` does
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Chosen {
    /// Where good trials lie more densely than others (tree-structured Parzen estimators)
    Tpe,
    /// Anywhere in the space
    Random,
    /// Anywhere in the space with few rows (or trees, passes), the best of those with more (successive halving)
    Halving,
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
    /// Parameters of the best, those that were fixed included, as words of that command.
    #[serde(skip)]
    params: Vec<String>,
    journal: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Line {
    value: f64,
    standard_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<u64>,
    params: serde_json::Value,
}

impl Tune {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let entry = registry::entry(&self.of.estimator)?;
        let words: Vec<&str> = match self.space.as_slice() {
            [] => default_space(entry.name).ok_or_else(|| {
                Error::invalid(format!("what may be chosen of {} is not said", entry.name))
                    .at_key("--space")
                    .hint("--space KEY=LOW..HIGH; `lyceum estimators` lists the parameters")
            })?,
            given => given.iter().map(String::as_str).collect(),
        };
        let mut space = Space::parse(words.iter().copied())?;
        let fixed = self.of.params()?;
        if self.space.is_empty() {
            let taken = |name: &str| fixed.contains_key(name) || self.halving.is_of(name);
            space.0.retain(|d| !taken(&d.name));
        }
        if let Some(d) = space.0.iter().find(|d| fixed.contains_key(d.name.as_str())) {
            return Err(Error::invalid("is both fixed and to be chosen").at_key(d.name.clone()));
        }
        if self.trials == 0 {
            return Err(Error::invalid("expected at least one trial").at_key("--trials"));
        }
        // A name or value that cannot be is told before anything is fitted.
        entry.make(&with(&fixed, &space.params(&vec![0.5; space.0.len()])))?;
        if let Some(folder) = &self.output {
            check_folder(folder).map_err(|e| e.at_key("--output"))?;
        }
        let Examples { x, y, rule, .. } = self.of.read(entry)?;
        let metric = metric(self.metric.as_deref(), y.classes.len())?;
        let journal =
            self.journal.clone().unwrap_or_else(|| PathBuf::from(format!("tune-{}.jsonl", entry.name)));
        let halving = self.halving.of(&self.method, entry, &space, &fixed, x.rows())?;
        let settings = self.settings(&fixed, &words, metric, halving.as_ref())?;
        let search = Search {
            space: &space,
            method: match (self.method, &halving) {
                (_, Some(h)) => Method::Halving(h.sizes),
                (Chosen::Tpe, None) => Method::Tpe,
                (_, None) => Method::Random,
            },
            trials: self.trials,
            metric,
            rises: matches!(metric, "r2" | "roc_auc" | "accuracy"),
            journal: &journal,
            settings: &settings,
            until: None,
        };
        let ended = ui.cancellable(|cx| {
            let of_all = FitContext {
                cx: cx.clone(),
                seed: self.of.seed,
                progress: ui.progress(),
                ..FitContext::default()
            };
            // The bar shows the trials, not what goes on within one.
            let fit = FitContext { progress: Arc::new(NoProgress), ..of_all.clone() };
            search.run(&of_all, &mut |chosen, resource| {
                let mut params = with(&fixed, chosen);
                let mut share = 1.0;
                match (&halving, resource) {
                    (Some(h), Some(r)) if h.of_rows() => share = r as f64 / h.sizes.max_resources as f64,
                    (Some(h), Some(r)) => {
                        drop(params.insert(h.resource.as_str().into(), Value::Int(r as i64)))
                    }
                    _ => {}
                }
                let estimator = entry.make(&params)?;
                let crossed = rule.run(self.cv, share, &*estimator, (&x, &y), &fit, &NoProgress)?;
                let error = |name: &str| crossed.standard_error.get(name).copied().unwrap_or(f64::NAN);
                Ok(crossed
                    .mean
                    .iter()
                    .map(|(name, mean)| ((*name).to_string(), (*mean, error(name))))
                    .collect())
            })
        })?;
        let report = self.report(entry.name, &search, halving.as_ref(), ended)?;
        if let Some(folder) = &self.output {
            let of = Rows { params: report.params.clone(), ..self.of.clone() };
            let best = Fit::crossed(of, self.cv, folder.clone());
            ui.cancellable(|cx| best.work(cx, ui.progress()))?;
        }
        ui.result(&report, shown)
    }

    /// What trials must share to be of one search.
    fn settings(
        &self,
        fixed: &Params,
        space: &[&str],
        metric: &str,
        halving: Option<&HalvingOf>,
    ) -> Result<serde_json::Value> {
        let mut all = serde_json::json!({
            "estimator": self.of.estimator, "data": lyceum_data::file_hash(&self.of.data)?, "target": self.of.target,
            "params": Value::Map(Arc::new(fixed.clone())).to_json(), "space": space, "metric": metric,
            "method": match self.method { Chosen::Tpe => "tpe", Chosen::Random => "random", Chosen::Halving => "halving" },
            "cv": self.cv, "group": self.of.group, "time": self.of.time, "seed": self.of.seed,
        });
        if let (Some(h), Some(all)) = (halving, all.as_object_mut()) {
            let (factor, least, most) = (h.sizes.factor, h.sizes.min_resources, h.sizes.max_resources);
            let of = serde_json::json!({ "of": h.resource, "factor": factor, "min": least, "max": most, "trials": self.trials });
            all.insert("resource".into(), of);
        }
        Ok(all)
    }

    fn report(
        &self,
        estimator: &'static str,
        search: &Search<'_>,
        halving: Option<&HalvingOf>,
        ended: Vec<Ended>,
    ) -> Result<Report> {
        let (trials, failed) = (ended.len(), ended.iter().filter(|e| e.error.is_some()).count());
        let metric = search.metric;
        let ended = search.ranked(ended);
        let best = ended
            .first()
            .ok_or_else(|| Error::invalid(format!("none of the {trials} trials has a finite {metric}")))?;
        let chosen = best
            .params
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().map_or_else(|| v.to_string(), str::to_string)));
        let given = halving.filter(|h| !h.of_rows()).zip(best.resource);
        let chosen: Vec<String> = chosen.chain(given.map(|(h, n)| format!("{}={n}", h.resource))).collect();
        let mut words = self.of.words(estimator);
        words.extend(["--cv".into(), self.cv.to_string()]);
        words.extend(chosen.iter().flat_map(|word| ["--param".into(), word.clone()]));
        let words: Vec<String> = words.iter().map(|w| quoted(w)).collect();
        let command = format!("lyceum fit {}", words.join(" "));
        let line = |e: &Ended| {
            let (value, standard_error) = e.measures.get(metric).copied().unwrap_or((f64::NAN, f64::NAN));
            Line { value, standard_error, resource: e.resource, params: e.params.clone() }
        };
        Ok(Report {
            estimator,
            metric: metric.into(),
            trials,
            failed,
            best: best.params.clone(),
            leaderboard: ended.iter().take(10).map(line).collect(),
            command,
            params: self.of.params.iter().cloned().chain(chosen).collect(),
            output: self.output.clone(),
            journal: search.journal.to_path_buf(),
        })
    }
}

fn with(fixed: &Params, chosen: &Params) -> Params {
    fixed.iter().chain(chosen).map(|(k, v)| (k.clone(), v.clone())).collect()
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

/// A word of a command line as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn shown(r: &Report) -> String {
    let mut out = format!("{} trials of {}, the best by {}:\n", r.trials, r.estimator, r.metric);
    for line in &r.leaderboard {
        let params: Vec<String> =
            line.params.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        let resource = line.resource.map(|r| format!("[{r}] ")).unwrap_or_default();
        let params = params.join(" ");
        out += &format!("{:>12.5} ± {:<10.5} {resource}{params}\n", line.value, line.standard_error);
    }
    if r.failed > 0 {
        out += &format!("{} failed: see {}\n", r.failed, r.journal.display());
    }
    if let Some(folder) = &r.output {
        out += &format!("model: {}\n", folder.display());
    }
    out + &r.command + "\n"
}
