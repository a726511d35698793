//! `lyceum.yaml`: what to learn, serve, compose and evaluate, read and checked with line and column before anything runs.

use super::{estimator, trace};
use crate::cmd::fit::Fit;
use crate::compose::{self, ComposeItem};
use lyceum_core::{Error, Result};
use lyceum_data::yaml::{self, Entry, Node, Section, Yaml};
use lyceum_evaluate::{Gate, Metric};
use lyceum_learn::config::{Config, Issue, LlmConfig, ModelConfig};
use lyceum_store::db::TraceSettings;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the project file.
pub(crate) const FILE: &str = "lyceum.yaml";

/// A checked project.
pub(crate) struct Project {
    /// Its name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// What to learn, in the file's order.
    pub(crate) learn: Vec<LearnItem>,
    /// What to serve.
    pub(crate) serve: Serve,
    /// What to compose.
    pub(crate) compose: Vec<ComposeItem>,
    /// What to hold against data.
    pub(crate) evaluate: Vec<Evaluation>,
    /// What is kept of its runs.
    pub(crate) trace: TraceSettings,
}

/// Something to learn.
pub(crate) struct LearnItem {
    /// Its name.
    pub(crate) name: String,
    /// The data file, relative to the project.
    pub(crate) data: PathBuf,
    /// What kind of model.
    pub(crate) kind: LearnKind,
    /// The section as written, for the plan's hashes.
    pub(crate) config: Json,
}

/// What kind of model an item is.
pub(crate) enum LearnKind {
    /// A model of tables.
    Table(TableModel),
    /// An adapter over a base model.
    Adapter {
        /// The base.
        base: String,
        /// How it is taught.
        config: Box<LlmConfig>,
        /// Examples on which it is evaluated while training.
        valid: Option<PathBuf>,
        /// Fixes every random choice.
        seed: u64,
    },
}

/// A model of tables.
pub(crate) enum TableModel {
    /// By a Ludwig configuration.
    Ludwig(String),
    /// An estimator by name, as `lyceum fit` takes it.
    Estimator(Arc<Fit>),
}

/// What `up` serves.
pub(crate) struct Serve {
    /// Address and port.
    pub(crate) listen: String,
    /// The base model.
    pub(crate) base: Option<String>,
    /// Adapters by the names of what was learnt.
    pub(crate) adapters: Vec<String>,
}

/// A metric of something learnt on a data set, with its gate.
pub(crate) struct Evaluation {
    /// Its name.
    pub(crate) name: String,
    /// The data set.
    pub(crate) data: PathBuf,
    /// What is held against it: something learnt, or `base`.
    pub(crate) target: String,
    /// The metric.
    pub(crate) metric: Metric,
    /// What it is compared with: something learnt, or `base`.
    pub(crate) baseline: Option<String>,
    /// Column of the right answers.
    pub(crate) reference: Option<String>,
    /// Key of the target's output that counts.
    pub(crate) output_key: Option<String>,
    /// Tokens of an answer at most.
    pub(crate) max_tokens: usize,
    /// The bound.
    pub(crate) gate: Gate,
    /// The section as written, for the plan's hashes.
    pub(crate) config: Json,
}

impl Project {
    /// Reads `DIR/lyceum.yaml` (or the file itself) and checks all of it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(FILE) } else { path.to_path_buf() };
        let text = std::fs::read_to_string(&file).map_err(|e| {
            let e = Error::io(&file, "read the project file", e);
            if path.is_dir() { e.hint("`lyceum new DIR` makes a project") } else { e }
        })?;
        let dir = file.parent().unwrap_or(Path::new("")).to_path_buf();
        Self::parse(&text, dir).map_err(|e| e.in_file(&file))
    }

    fn parse(text: &str, dir: PathBuf) -> Result<Self> {
        let root = yaml::parse(text)?;
        let top = Section::new(&root, "", &["name", "learn", "serve", "compose", "evaluate", "trace"])?;
        let learn: Vec<LearnItem> = top.entries("learn")?.iter().map(learn_item).collect::<Result<_>>()?;
        let serve = serve(top.get("serve"), &learn)?;
        let evaluate =
            top.entries("evaluate")?.iter().map(|e| evaluation(e, &learn, &serve)).collect::<Result<_>>()?;
        let compose = compose::items(&top, NameChecked::name_checked)?;
        let folder = dir.file_name().and_then(|n| n.to_str()).unwrap_or("project").to_string();
        let trace = trace::settings(top.get("trace"))?;
        let name = top.text("name")?.unwrap_or(folder);
        let project = Self { name, dir, learn, serve, compose, evaluate, trace };
        project.files_exist()?;
        compose::check(&project)?;
        Ok(project)
    }

    /// A path of the file, from the project's folder.
    pub(crate) fn path(&self, relative: &Path) -> PathBuf {
        self.dir.join(relative)
    }

    /// An item by name.
    pub(crate) fn item(&self, name: &str) -> Option<&LearnItem> {
        self.learn.iter().find(|i| i.name == name)
    }

    /// The base models that adapters and the server need, each once.
    pub(crate) fn bases(&self) -> Vec<String> {
        let of = |i: &LearnItem| match &i.kind {
            LearnKind::Adapter { base, .. } => Some(base.clone()),
            LearnKind::Table(_) => None,
        };
        let mut bases: Vec<String> =
            self.learn.iter().filter_map(of).chain(self.serve.base.clone()).collect();
        bases.sort();
        bases.dedup();
        bases
    }

    /// The models that a project is built on: its bases, and those that embed its documents; each once.
    pub(crate) fn pulls(&self) -> Vec<String> {
        let mut all = self.bases();
        for model in compose::embeddings(&self.compose) {
            if !all.contains(&model) {
                all.push(model);
            }
        }
        all
    }

    /// The model that is served, and that `base` means.
    pub(crate) fn base(&self) -> Option<String> {
        self.serve.base.clone().or_else(|| self.bases().into_iter().next())
    }

    fn files_exist(&self) -> Result<()> {
        let evaluations = self.evaluate.iter().map(|e| (&e.name, &e.data));
        for (name, data) in self.learn.iter().map(|i| (&i.name, &i.data)).chain(evaluations) {
            if !self.path(data).is_file() {
                return Err(Error::not_found(format!("{name}: no data file {}", self.path(data).display())));
            }
        }
        Ok(())
    }
}

/// Keys of ours among an item's; the rest is Ludwig's.
const OURS: [&str; 3] = ["data", "valid", "seed"];

/// A mapping with the keys that are wanted.
fn only(node: &Node, wanted: impl Fn(&str) -> bool) -> Node {
    let entries = node.entries().iter().filter(|e| wanted(&e.key)).cloned().collect();
    Node { value: Yaml::Map(entries), ..*node }
}

fn learn_item(entry: &Entry) -> Result<LearnItem> {
    let (name, node) = (&entry.name_checked()?, &entry.node);
    let at = |key: &str| format!("learn.{name}.{key}");
    if !matches!(node.value, Yaml::Map(_)) {
        let message = format!("expected a mapping, found {}", node.type_name());
        let e = Error::invalid(message).on_line_column(node.line, node.column);
        return Err(e.at_key(format!("learn.{name}")));
    }
    if node.get(estimator::KEY).is_some() {
        return estimator::item(name, node);
    }
    let ours = only(node, |key| OURS.contains(&key));
    let ours = Section::new(&ours, &format!("learn.{name}"), &OURS)?;
    let data = ours.text("data")?.ok_or_else(|| {
        Error::invalid("a data file is missing").on_line_column(entry.line, entry.column).at_key(at("data"))
    })?;
    let valid = ours.text("valid")?.map(PathBuf::from);
    let seed = ours.count_from("seed", 0)?.unwrap_or(42);
    let is_llm = node.get("model_type").and_then(Node::as_str) == Some("llm");
    let mut ludwig = only(node, |key| !OURS.contains(&key));
    if is_llm {
        add_prompt_features(&mut ludwig);
    }
    let config = Config::from_node(&ludwig).map_err(|issues| {
        let first = issues.iter().find(|i| !i.unsupported).or(issues.first());
        let refused = |i: &Issue| i.to_error(None).at_key(at(&i.path).trim_end_matches('.'));
        first.map_or_else(|| Error::internal("a section was refused without a fault"), refused)
    })?;
    let kind = match config.model.clone() {
        ModelConfig::Llm(llm) => {
            LearnKind::Adapter { base: llm.base_model.clone(), config: llm, valid, seed }
        }
        _ => LearnKind::Table(TableModel::Ludwig(ludwig.to_json().to_string())),
    };
    Ok(LearnItem { name: name.clone(), data: data.into(), kind, config: node.to_json() })
}

/// A language model's data is prompts and completions unless the section says otherwise.
fn add_prompt_features(node: &mut Node) {
    let at = Node { value: Yaml::Null, line: node.line, column: node.column };
    let text = |s: &str| Node { value: Yaml::Str(s.into()), ..at };
    let entry = |key: &str, node: Node| Entry { key: key.into(), line: at.line, column: at.column, node };
    let feature = |name: &str| {
        let map = Yaml::Map(vec![entry("name", text(name)), entry("type", text("text"))]);
        Node { value: Yaml::List(vec![Node { value: map, ..at }]), ..at }
    };
    let missing = |node: &Node, key: &str| node.get(key).is_none();
    let mut added = Vec::new();
    if missing(node, "input_features") && missing(node, "output_features") {
        added.push(entry("input_features", feature("prompt")));
        added.push(entry("output_features", feature("completion")));
    }
    if missing(node, "trainer") && !missing(node, "adapter") {
        let kind = Yaml::Map(vec![entry("type", text("finetune"))]);
        added.push(entry("trainer", Node { value: kind, ..at }));
    }
    if let Yaml::Map(entries) = &mut node.value {
        entries.extend(added);
    }
}

fn serve(node: Option<&Node>, learn: &[LearnItem]) -> Result<Serve> {
    let empty = Node { value: Yaml::Null, line: 0, column: 0 };
    let s = Section::new(node.unwrap_or(&empty), "serve", &["listen", "base", "adapters"])?;
    let adapters = s.texts("adapters")?;
    let of = |i: &LearnItem| matches!(i.kind, LearnKind::Adapter { .. }).then(|| i.name.clone());
    let known: Vec<String> = learn.iter().filter_map(of).collect();
    for name in &adapters {
        if !known.contains(name) {
            let node = s.need("adapters")?;
            return Err(s
                .wrong(node, "adapters", &format!("no adapter `{name}` under learn"))
                .did_you_mean(name, known.iter().map(String::as_str)));
        }
    }
    let listen = s.text("listen")?.unwrap_or_else(|| "127.0.0.1:8080".into());
    Ok(Serve { listen, base: s.text("base")?, adapters })
}

fn evaluation(entry: &Entry, learn: &[LearnItem], serve: &Serve) -> Result<Evaluation> {
    let name = entry.name_checked()?;
    const KEYS: [&str; 9] =
        ["data", "target", "metric", "baseline", "reference", "output", "max_tokens", "gate", "description"];
    let s = Section::new(&entry.node, &format!("evaluate.{name}"), &KEYS)?;
    let mut known: Vec<&str> = learn.iter().map(|i| i.name.as_str()).collect();
    if serve.base.is_some() || learn.iter().any(|i| matches!(i.kind, LearnKind::Adapter { .. })) {
        known.push("base");
    }
    for key in ["target", "baseline"] {
        if let Some(name) = s.text(key)?.filter(|n| !known.contains(&n.as_str())) {
            let node = s.need(key)?;
            let message = format!("nothing called `{name}` is learnt; known are {}", known.join(", "));
            return Err(s.wrong(node, key, &message).did_you_mean(&name, known.iter().copied()));
        }
    }
    let metric_node = s.need("metric")?;
    let metric = Metric::parse(&s.need_text("metric")?)
        .map_err(|e| e.on_line_column(metric_node.line, metric_node.column).at_key(s.key("metric")))?;
    let gate = s.get("gate").map(|n| gate(n, &name)).transpose()?.unwrap_or_default();
    Ok(Evaluation {
        data: s.need_text("data")?.into(),
        target: s.need_text("target")?,
        metric,
        baseline: s.text("baseline")?,
        reference: s.text("reference")?,
        output_key: s.text("output")?,
        max_tokens: s.count_from("max_tokens", 1)?.unwrap_or(128) as usize,
        gate,
        config: entry.node.to_json(),
        name,
    })
}

fn gate(node: &Node, name: &str) -> Result<Gate> {
    const KEYS: [&str; 5] = ["at_least", "at_most", "better_by", "not_worse_than", "margin"];
    let s = Section::new(node, &format!("evaluate.{name}.gate"), &KEYS)?;
    let gate = Gate {
        at_least: s.number("at_least")?,
        at_most: s.number("at_most")?,
        better_by: s.number("better_by")?,
        not_worse_than: s.text("not_worse_than")?,
        margin: s.number("margin")?,
    };
    gate.check().map_err(|e| e.on_line_column(node.line, node.column))?;
    Ok(gate)
}

trait NameChecked {
    fn name_checked(&self) -> Result<String>;
}

impl NameChecked for Entry {
    /// The key as a name of something: it becomes part of paths and URLs.
    fn name_checked(&self) -> Result<String> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.key.is_empty() || self.key.len() > 64 || !self.key.chars().all(fine) || self.key == "base" {
            return Err(Error::invalid(format!(
                "`{}` cannot be a name: letters, digits, _ and - are taken (and `base` means the base model)",
                self.key
            ))
            .on_line_column(self.line, self.column));
        }
        Ok(self.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        Project::parse(text, PathBuf::new()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_have_a_place_and_a_nearest_spelling() {
        assert_eq!(fails("nam: x\n"), "line 1:1: nam: unknown key `nam`\n  hint: did you mean `name`?");
        let text = "evaluate:\n  a: {data: x, target: base, metrc: auc}\n";
        assert!(fails(text).starts_with("line 2:30: evaluate.a.metrc: unknown key"), "{}", fails(text));
    }

    #[test]
    fn targets_and_adapters_must_be_learnt() {
        assert!(fails("serve: {adapters: [triage]}\n").contains("no adapter `triage` under learn"));
        let text = "evaluate:\n  a: {data: x, target: urgenzy, metric: auc}\n";
        assert!(fails(text).contains("nothing called `urgenzy`"));
    }

    #[test]
    fn wrong_types_say_what_was_found() {
        assert!(fails("serve: {listen: 80}\n").contains("expected text, found a whole number"));
        assert!(fails("learn: {a: {model_type: gbm}}\n").contains("a data file is missing"));
        assert_eq!(fails("learn: [a]\n"), "line 1:8: learn: expected a mapping, found a list");
        assert_eq!(fails("learn: {a: 3}\n"), "line 1:12: learn.a: expected a mapping, found a whole number");
        let item = |more: &str| fails(&format!("learn: {{a: {{model_type: gbm, {more}}}}}\n"));
        assert_eq!(item("data: [d]"), "line 1:36: learn.a.data: expected text, found a list");
        assert_eq!(
            item("data: d, seed: -1"),
            "line 1:45: learn.a.seed: expected a whole number from 0, found -1"
        );
        assert_eq!(
            item("data: d, valid: 3"),
            "line 1:46: learn.a.valid: expected text, found a whole number"
        );
    }
}
