//! `hyperopt`: configurations tried one after another, the best one trained and kept.

use super::data::Loaded;
use super::files::{run_folders, write_json};
use super::train::{TrainOptions, Trained, about, fit};
use crate::config::{Config, Hyperopt, HyperoptSplit, ModelConfig};
use crate::fit::Material;
use crate::model::TabularModel;
use crate::report;
use lyceum_core::{Error, FitContext, NoProgress, Params, Result, Value, write_atomic};
use lyceum_estimators::selection::{Ended, Method, Scored, Search, is_journal_of};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came out of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Searched {
    /// The folder of the search: the best model's results, and `hyperopt_statistics.json`.
    pub results_path: PathBuf,
    /// The page with the leaderboard and pictures of what each parameter did.
    pub leaderboard_page: PathBuf,
    /// The output and its metric that decided, as `output.metric`.
    pub metric: String,
    /// Trials that ended, those of an earlier, stopped search included.
    pub trials: usize,
    /// Trials that failed.
    pub failed: usize,
    /// The best ten.
    pub leaderboard: Vec<Attempt>,
    /// The training of the best.
    pub best: Trained,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// What was chosen.
    pub parameters: Json,
    /// Passes or trees that it got, where a scheduler gives more to some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<u64>,
    /// The metric that decides; none where the trial failed.
    pub metric_score: Option<f64>,
    /// All metrics of the output.
    pub metrics: BTreeMap<String, f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

const JOURNAL: &str = "trials.jsonl";
const STATISTICS: &str = "hyperopt_statistics.json";

/// Tries what the configuration's `hyperopt` section describes, then trains the best. A search that was stopped goes on
/// when it is started again with the same configuration, data and seed.
///
/// # Errors
/// A configuration without that section, whatever is wrong with configuration and data, the failure of the first trial,
/// a metric that the output does not have.
pub fn hyperopt(options: &TrainOptions<'_>, cx: &FitContext) -> Result<Searched> {
    let start = Instant::now();
    let config = options.config.read()?;
    let Some(search) = config.hyperopt.clone() else {
        return Err(Error::invalid("the configuration has no such section").at_key("hyperopt"));
    };
    if matches!(config.model, ModelConfig::Llm(_)) {
        return Err(Error::unsupported("a language model's settings are not searched").at_key("hyperopt"));
    }
    let data = options.files(&config);
    let loaded = data.load(&config, cx.seed)?;
    let hashes: Vec<&String> = loaded.files.iter().map(|(_, hash)| hash).collect();
    let settings = json!({ "search": search.told(), "data": hashes, "seed": cx.seed });
    let folder = folder(options, &settings)?;
    let journal = folder.join(JOURNAL);
    let plan = Search {
        space: &search.space,
        method: search.method,
        trials: search.trials,
        metric: &search.metric,
        rises: search.maximize,
        journal: &journal,
        settings: &settings,
        until: search.time_budget_s.map(|s| start + Duration::from_secs_f64(s)),
    };
    // What only the trainer sees leaves the encoded rows as they are.
    let inner = |name: &str| name.starts_with("trainer.") || name.starts_with("combiner.");
    let shared = search.space.0.iter().all(|d| inner(&d.name));
    let material = shared.then(|| Material::new(&config, &loaded.raw, loaded.splits.clone())).transpose()?;
    // The bar shows the trials, not what goes on within one.
    let quiet = FitContext { progress: Arc::new(NoProgress), ..cx.clone() };
    let ended = plan.run(cx, &mut |chosen, resource| {
        let config = search.config(&whole(&config, &search, chosen, resource))?;
        let own;
        let material = match &material {
            Some(m) => m,
            None => {
                let Loaded { raw, splits, .. } = data.load(&config, cx.seed)?;
                own = Material::new(&config, &raw, splits)?;
                &own
            }
        };
        judge(&search, &config, material, &quiet)
    });
    // A search that ended no trial leaves nothing to go on from.
    if ended.is_err() && std::fs::read_to_string(&journal).is_ok_and(|t| t.lines().count() < 2) {
        let _ = std::fs::remove_file(&journal).and_then(|()| std::fs::remove_dir(&folder));
    }
    let ended = ended?;
    let (all, failed) = (ended.clone(), ended.iter().filter(|e| e.error.is_some()).count());
    let trials = ended.len();
    let ranked = plan.ranked(ended);
    let best = ranked.first().ok_or_else(|| {
        let message = format!("none of the {trials} trials has a finite {}", search.metric);
        Error::invalid(message).at_key("hyperopt")
    })?;
    let chosen: Params = best
        .params
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.as_str().into(), Value::from_json(v.clone())))
        .collect();
    let best_config = search.config(&whole(&config, &search, &chosen, best.resource))?;
    let loaded = if shared { loaded } else { data.load(&best_config, cx.seed)? };
    let trained = fit(options, &best_config, loaded, &folder, cx, false, start)?;
    let attempts: Vec<Attempt> = ranked.iter().map(|e| attempt(e, &search.metric)).collect();
    let leaderboard_page = folder.join("hyperopt.html");
    let page = report::search_page(&search, &all, &ranked);
    write_atomic(&leaderboard_page, page.as_bytes())?;
    let losers = all.iter().filter(|e| !e.measures.contains_key(&search.metric));
    let results: Vec<Attempt> =
        attempts.iter().cloned().chain(losers.map(|e| attempt(e, &search.metric))).collect();
    // Last: with it the search is over.
    write_json(
        &folder.join(STATISTICS),
        &json!({ "hyperopt_config": search.told(), "hyperopt_results": results }),
    )?;
    Ok(Searched {
        results_path: folder,
        leaderboard_page,
        metric: format!("{}.{}", search.output_feature, search.metric),
        trials,
        failed,
        leaderboard: attempts.into_iter().take(10).collect(),
        best: trained,
    })
}

/// The folder of a search of these settings that was stopped, or the next free one.
fn folder(options: &TrainOptions<'_>, settings: &Json) -> Result<PathBuf> {
    let ours = |f: &Path| is_journal_of(&f.join(JOURNAL), settings) && !f.join(STATISTICS).exists();
    let mut all = run_folders(&options.output_directory, &options.experiment_name, &options.model_name)?;
    let found = all.find(|f| !f.exists() || ours(f));
    let folder = found.ok_or_else(|| Error::invalid("no name is left").in_file(&options.output_directory))?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "create folder", e))?;
    Ok(folder)
}

/// What was chosen, and what a scheduler gives.
fn whole(config: &Config, search: &Hyperopt, chosen: &Params, resource: Option<u64>) -> Params {
    let mut all = chosen.clone();
    if let (Method::Halving(_), Some(r), Some(key)) =
        (search.method, resource, Hyperopt::resource(config.model.name()))
    {
        all.insert(key.into(), Value::Int(r as i64));
    }
    all
}

/// Trains and measures.
fn judge(search: &Hyperopt, config: &Config, material: &Material, cx: &FitContext) -> Result<Scored> {
    let (name, rows) = match search.split {
        HyperoptSplit::Training => ("training", &material.splits.training),
        HyperoptSplit::Validation => ("validation", &material.splits.validation),
        HyperoptSplit::Test => ("test", &material.splits.test),
    };
    if rows.is_empty() {
        return Err(Error::invalid(format!("there are no {name} rows")).at_key("hyperopt.split"));
    }
    let outcome = material.fit(config, cx)?;
    let about = about(config, material, &[], cx);
    let prepared = material.prepared.clone();
    let model = TabularModel { config: Some(config.clone()), prepared, learned: outcome.learned, about };
    let scores = model.scores_of(&material.encoded, rows)?;
    let measures = material.measure(&scores, rows);
    let own = measures.get(&search.output_feature).ok_or_else(|| {
        let e = Error::invalid(format!("there is no output `{}`", search.output_feature));
        e.at_key("hyperopt.output_feature")
            .did_you_mean(&search.output_feature, measures.keys().map(String::as_str))
    })?;
    if !own.contains_key(&search.metric) {
        let known: Vec<&str> = own.keys().map(String::as_str).collect();
        let message =
            format!("`{}` has {}, not `{}`", search.output_feature, known.join(", "), search.metric);
        let e = Error::invalid(message).at_key("hyperopt.metric");
        return Err(e.did_you_mean(&search.metric, known));
    }
    Ok(own.iter().map(|(k, v)| (k.clone(), (*v, 0.0))).collect())
}

fn attempt(ended: &Ended, metric: &str) -> Attempt {
    Attempt {
        parameters: ended.params.clone(),
        resource: ended.resource,
        metric_score: ended.measures.get(metric).map(|m| m.0),
        metrics: ended.measures.iter().map(|(k, m)| (k.clone(), m.0)).collect(),
        error: ended.error.clone(),
    }
}
