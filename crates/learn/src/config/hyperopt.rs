//! The `hyperopt` section: which keys of the configuration are chosen, how, and by which metric.
#![allow(clippy::indexing_slicing, reason = "an entry is found or made before it is taken")]

use super::Config;
use super::issue::Issues;
use super::section::Section;
use crate::metrics::rises;
use lyceum_core::{Error, Params, Result, Value};
use lyceum_data::yaml::{Entry, Node, Yaml};
use lyceum_estimators::selection::{Dimension, Halving, Method, Space, Values};

/// A search over a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperopt {
    /// What may be chosen, by dotted path.
    pub space: Space,
    /// How.
    pub method: Method,
    /// Trials; with grids, times their combinations; with halving, candidates.
    pub trials: usize,
    /// The output that is measured, or `combined`.
    pub output_feature: String,
    /// Its metric that decides.
    pub metric: String,
    /// Whether more of it is better.
    pub maximize: bool,
    /// The rows that it is measured on.
    pub split: HyperoptSplit,
    /// No trial begins after so many seconds.
    pub time_budget_s: Option<f64>,
    /// The configuration without this section; chosen values go into it.
    base: Node,
    /// The section with its defaults.
    rendered: serde_json::Value,
}

/// Rows that trials are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HyperoptSplit {
    /// Those learnt from.
    Training,
    /// Those that decide when to stop.
    Validation,
    /// Those kept back.
    Test,
}

impl Hyperopt {
    /// The configuration with these values in their places.
    pub fn config(&self, chosen: &Params) -> Result<Config> {
        let root = chosen.iter().try_fold(self.base.clone(), |mut root, (path, value)| {
            set(&mut root, path, value).map(|()| root)
        })?;
        Config::from_node(&root).map_err(|issues| {
            let first = issues.iter().find(|i| !i.unsupported).or(issues.first());
            first.map_or_else(|| Error::internal("refused without a fault"), |i| i.to_error(None))
        })
    }

    /// All of it as JSON, with the configuration that it is over: searches that differ here are not one.
    pub fn told(&self) -> serde_json::Value {
        serde_json::json!({ "config": self.base.to_json(), "hyperopt": self.rendered })
    }

    /// The key that halving gives more of.
    pub fn resource(model_type: &str) -> Option<&'static str> {
        match model_type {
            "gbm" => Some("trainer.num_iterations"),
            "ecd" => Some("trainer.epochs"),
            _ => None,
        }
    }
}

/// Reads the section.
pub(super) fn read(root: &Node, node: &Node, issues: &Issues, model_type: &str) -> Option<Hyperopt> {
    let mut s = Section::new(Some(node), "hyperopt", issues);
    s.node()?;
    let output_feature = s.text("output_feature").unwrap_or_else(|| "combined".into());
    let metric = s.text("metric").unwrap_or_else(|| "loss".into());
    let goal =
        s.choice("goal", if rises(&metric) { "maximize" } else { "minimize" }, &["minimize", "maximize"], "");
    let split = match s.choice("split", "validation", &["training", "validation", "test"], "") {
        "training" => HyperoptSplit::Training,
        "test" => HyperoptSplit::Test,
        _ => HyperoptSplit::Validation,
    };
    let space = space(&mut s);
    let tpe = s.section("search_alg", |s| {
        let kind =
            s.choice("type", "variant_generator", &["variant_generator", "random", "hyperopt", "optuna"], "");
        s.finish(&[], &["random_state_seed", "n_initial_points"]);
        matches!(kind, "hyperopt" | "optuna")
    });
    let executor = s.section("executor", |s| executor(s, model_type));
    s.finish(&[], &[]);
    let method = match executor.halving {
        Some(halving) => Method::Halving(halving),
        None if tpe => Method::Tpe,
        None => Method::Random,
    };
    if tpe && executor.halving.is_some() {
        issues.wrong(node, "hyperopt.executor.scheduler", "candidates of a scheduler are drawn at random");
        issues.hint("leave out search_alg or the scheduler");
    }
    if method != Method::Random && space.combinations() > 1 {
        issues.wrong(
            node,
            "hyperopt.parameters",
            "grid_search goes with the search_alg variant_generator only",
        );
        issues.hint("use `space: choice`");
    }
    let trials = executor.num_samples.saturating_mul(space.combinations());
    if trials > MOST {
        issues.wrong(node, "hyperopt", format!("{trials} trials, at most {MOST} are made"));
    }
    // As it is written: chosen `defaults` go into the features as written ones do.
    let mut base = root.clone();
    if let Yaml::Map(entries) = &mut base.value {
        entries.retain(|e| e.key != "hyperopt");
    }
    let maximize = goal == "maximize";
    let time_budget_s = executor.time_budget_s;
    let rendered = serde_json::Value::Object(s.rendered());
    let out = Hyperopt {
        space,
        method,
        trials,
        output_feature,
        metric,
        maximize,
        split,
        time_budget_s,
        base,
        rendered,
    };
    out.check(node, issues);
    Some(out)
}

/// Most trials of one search.
const MOST: usize = 100_000;

impl Hyperopt {
    /// Whether each end of each range and each choice, put into the configuration alone, gives a valid one.
    fn check(&self, node: &Node, issues: &Issues) {
        if self.config(&Params::new()).is_err() {
            // The configuration's own faults are told where they are.
            return;
        }
        let parameters = node.get("parameters");
        for d in &self.space.0 {
            let ends = match &d.values {
                Values::Range { .. } | Values::Normal { .. } => vec![d.values.at(0.0), d.values.at(1.0)],
                Values::Choice(all) | Values::Grid(all) => all.clone(),
            };
            let fault = ends.into_iter().find_map(|value| {
                let one = [(d.name.as_str().into(), value)].into_iter().collect();
                self.config(&one).err()
            });
            if let (Some(e), Some(at)) = (fault, parameters.and_then(|p| p.get(&d.name))) {
                let message = match e.at().key.as_deref() {
                    Some(key) if key != d.name => format!("{key}: {}", e.message()),
                    _ => e.message().to_string(),
                };
                issues.wrong(at, &format!("hyperopt.parameters.{}", d.name), message);
                e.hints().iter().for_each(|h| issues.hint(h.clone()));
            }
        }
    }
}

struct Executor {
    num_samples: usize,
    time_budget_s: Option<f64>,
    halving: Option<Halving>,
}

fn executor(s: &mut Section<'_>, model_type: &str) -> Executor {
    s.choice("type", "ray", &["ray", "serial", "parallel"], "");
    let num_samples = s.count("num_samples", 10, 1);
    let budget = s.take("time_budget_s").is_some();
    let time_budget_s = budget.then(|| s.number("time_budget_s", 3600.0, 0.001..=1e9));
    let halving = s.section("scheduler", |s| scheduler(s, model_type));
    let harmless = [
        "trial_driver_resources",
        "cpu_resources_per_trial",
        "gpu_resources_per_trial",
        "kubernetes_namespace",
        "max_concurrent_trials",
    ];
    s.finish(&[], &harmless);
    Executor { num_samples, time_budget_s, halving }
}

fn scheduler(s: &mut Section<'_>, model_type: &str) -> Option<Halving> {
    let names = ["fifo", "async_hyperband", "asynchyperband", "hyperband", "successive_halving"];
    let kind = s.choice("type", "fifo", &names, "");
    if kind == "fifo" {
        s.finish(&[], &[]);
        return None;
    }
    // Ray's defaults.
    let (max_t, reduction) = if kind == "hyperband" { (81, 3.0) } else { (100, 4.0) };
    if Hyperopt::resource(model_type).is_none()
        && let Some(node) = s.node()
    {
        let message = format!("model_type `{model_type}` has no passes to give more of");
        s.issues().wrong(node, &s.path("type"), message);
    }
    s.choice("time_attr", "training_iteration", &["training_iteration"], "");
    let max_resources = s.count("max_t", max_t, 1) as u64;
    let min_resources = (s.count("grace_period", 1, 1) as u64).min(max_resources);
    let factor = s.number("reduction_factor", reduction, 1.1..=1e6);
    s.whole("brackets", 1, 1..=1);
    s.finish(&[], &["metric", "mode"]);
    Some(Halving { factor, min_resources, max_resources })
}

fn space(s: &mut Section<'_>) -> Space {
    let Some(node) = s.take("parameters") else {
        s.issues().missing(s.node(), &s.path("parameters"), "there is nothing to choose");
        return Space::default();
    };
    let Yaml::Map(entries) = &node.value else {
        s.issues().wrong(
            node,
            &s.path("parameters"),
            format!("expected a mapping, got {}", node.type_name()),
        );
        return Space::default();
    };
    s.render("parameters", node.to_json());
    let one = |e: &Entry| {
        let mut inner = Section::new(Some(&e.node), format!("hyperopt.parameters.{}", e.key), s.issues());
        inner.node()?;
        let values = values(&mut inner)?;
        Some(Dimension { name: e.key.clone(), values })
    };
    Space(entries.iter().filter_map(one).collect())
}

const SPACES: [&str; 12] = [
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "randint",
    "qrandint",
    "lograndint",
    "qlograndint",
    "randn",
    "qrandn",
    "choice",
    "grid_search",
];

fn values(s: &mut Section<'_>) -> Option<Values> {
    let kind = s.choice("space", "choice", &SPACES, "");
    let given = s.node().and_then(|n| n.get("space")).and_then(Node::as_str);
    given.is_none_or(|g| g == kind).then_some(())?;
    let out = match kind {
        "choice" | "grid_search" => {
            let key = if kind == "choice" { "categories" } else { "values" };
            let found = s.take(key);
            let items: Vec<Value> = match found.map(|n| &n.value) {
                Some(Yaml::List(items)) => items.iter().map(|n| Value::from_json(n.to_json())).collect(),
                _ => Vec::new(),
            };
            if items.is_empty() {
                s.issues().missing(found.or(s.node()), &s.path(key), "expected a list of values");
                return None;
            }
            if kind == "choice" { Values::Choice(items) } else { Values::Grid(items) }
        }
        "randn" | "qrandn" => {
            let (mean, sd) = (s.number("mean", 0.0, -1e300..=1e300), s.number("sd", 1.0, 0.0..=1e300));
            let step = if kind == "qrandn" { s.number("q", 1.0, 1e-300..=1e300) } else { 0.0 };
            Values::Normal { mean, sd, step }
        }
        _ => range(s, kind)?,
    };
    s.finish(&[], &[]);
    Some(out)
}

fn range(s: &mut Section<'_>, kind: &str) -> Option<Values> {
    for key in ["lower", "upper"] {
        if s.take(key).is_none() {
            s.issues().missing(s.node(), &s.path(key), format!("`{kind}` needs a number here"));
            return None;
        }
    }
    let (low, high) = (s.number("lower", 0.0, -1e300..=1e300), s.number("upper", 1.0, -1e300..=1e300));
    let (log, whole) = (kind.contains("log"), kind.contains("int"));
    let step =
        if kind.starts_with('q') { s.number("q", 1.0, 1e-300..=1e300) } else { f64::from(u8::from(whole)) };
    // As in Ray, whole numbers end below `upper`, unless they go in steps.
    let high = if whole && !kind.starts_with('q') { high - 1.0 } else { high };
    if low > high || (log && low <= 0.0) || (low == high && !whole) {
        let want = if log { "0 < lower < upper" } else { "lower < upper" };
        s.issues().missing(s.node(), &s.path("lower"), format!("expected {want}"));
        return None;
    }
    Some(Values::Range { low, high, log, step, whole })
}

/// Puts a value at a dotted path. The first part is a section, or the name of a feature; `.` alone is a whole
/// configuration laid over this one.
fn set(root: &mut Node, path: &str, value: &Value) -> Result<()> {
    let value = node_of(&value.to_json());
    if path == "." {
        merge(root, value);
        return Ok(());
    }
    let fault = |message: String| Error::invalid(message).at_key(path.to_string());
    let (first, rest) = path.split_once('.').ok_or_else(|| {
        fault("expected a path such as trainer.learning_rate or FEATURE.encoder.type".into())
    })?;
    let sections = ["trainer", "combiner", "preprocessing", "defaults"];
    let place = if sections.contains(&first) {
        inner(root, first)
    } else {
        feature(root, first).ok_or_else(|| {
            let e = fault(format!("`{first}` is neither a section nor a feature"));
            e.did_you_mean(first, sections)
        })?
    };
    let mut keys: Vec<&str> = rest.split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let place = keys.into_iter().fold(place, inner);
    *inner(place, last) = value;
    Ok(())
}

/// The value of a key, made where it is not there.
fn inner<'n>(node: &'n mut Node, key: &str) -> &'n mut Node {
    let (line, column) = (node.line, node.column);
    let fresh =
        |key: &str, value| Entry { key: key.into(), line, column, node: Node { line, column, value } };
    match &node.value {
        Yaml::Map(_) => {}
        // `encoder: dense` is `encoder: {type: dense}`.
        Yaml::Str(name) => node.value = Yaml::Map(vec![fresh("type", Yaml::Str(name.clone()))]),
        _ => node.value = Yaml::Map(Vec::new()),
    }
    let Yaml::Map(entries) = &mut node.value else { unreachable!("it was made a mapping") };
    let at = entries.iter().position(|e| e.key == key).unwrap_or_else(|| {
        entries.push(fresh(key, Yaml::Null));
        entries.len() - 1
    });
    &mut entries[at].node
}

/// The feature of a name.
fn feature<'n>(root: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    let Yaml::Map(entries) = &mut root.value else { return None };
    entries
        .iter_mut()
        .filter(|e| matches!(e.key.as_str(), "input_features" | "output_features"))
        .filter_map(|e| if let Yaml::List(items) = &mut e.node.value { Some(items) } else { None })
        .flatten()
        .find(|f| f.get("name").and_then(Node::as_str) == Some(name))
}

/// Lays one tree over another, mapping by mapping.
fn merge(under: &mut Node, over: Node) {
    match over.value {
        Yaml::Map(entries) => entries.into_iter().for_each(|e| merge(inner(under, &e.key), e.node)),
        value => under.value = value,
    }
}

fn node_of(json: &serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let value = match json {
        Json::Null => Yaml::Null,
        Json::Bool(b) => Yaml::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Yaml::Float(n.as_f64().unwrap_or(f64::NAN)), Yaml::Int),
        Json::String(s) => Yaml::Str(s.clone()),
        Json::Array(all) => Yaml::List(all.iter().map(node_of).collect()),
        Json::Object(all) => Yaml::Map(
            all.iter().map(|(k, v)| Entry { key: k.clone(), line: 0, column: 0, node: node_of(v) }).collect(),
        ),
    };
    Node { line: 0, column: 0, value }
}
