//! The plan: every step with its inputs, and whether it is fresh or why it is not.
//!
//! A step is stale when its configuration, the content of its data, what it builds on, or the step's own version
//! changed; an upgrade of the program alone makes nothing stale.

use super::file::{Evaluation, LearnItem, LearnKind, Project};
use super::state::{Inputs, Workspace};
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_data::{FileHashes, content_hash};
use lyceum_store::Home;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Raised when a step of the kind makes something else of the same inputs.
const PULL_VERSION: &str = "1";
const TABLE_VERSION: &str = "1";
const ADAPTER_VERSION: &str = "1";
const EVALUATE_VERSION: &str = "1";

/// A step of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// `pull.NAME`, `learn.NAME` or `evaluate.NAME`.
    pub(crate) step: String,
    /// What it is made of now.
    pub(crate) inputs: Inputs,
    /// The data files among the inputs, relative to the project.
    files: Vec<PathBuf>,
    /// Why it is to be done; `None` when it is fresh.
    pub(crate) stale: Option<String>,
}

/// All steps, in an order in which each comes after what it builds on.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The steps.
    pub(crate) steps: Vec<Planned>,
    hashes: FileHashes,
}

impl Plan {
    /// Compares a project with its workspace.
    pub(crate) fn new(project: &Project, workspace: &Workspace, home: &Home) -> Result<Self> {
        let mut plan = Self::default();
        let mut keys = BTreeMap::new();
        for base in project.pulls() {
            let inputs = Inputs::from([part("version", PULL_VERSION), part("model", &base)]);
            let gone = home.resolve(&base).is_err().then(|| "it is not here".to_string());
            let step = Planned { step: format!("pull.{base}"), inputs, files: Vec::new(), stale: gone };
            plan.push(step, workspace, &mut keys);
        }
        for item in &project.learn {
            let files = learn_files(item);
            let inputs = plan.with_files(project, &files, learn_inputs(item, &keys))?;
            let step = Planned { step: format!("learn.{}", item.name), inputs, files, stale: None };
            plan.push(step, workspace, &mut keys);
        }
        for evaluation in &project.evaluate {
            let files = vec![evaluation.data.clone()];
            let inputs = plan.with_files(project, &files, evaluate_inputs(project, evaluation, &keys))?;
            let step = Planned { step: format!("evaluate.{}", evaluation.name), inputs, files, stale: None };
            plan.push(step, workspace, &mut keys);
        }
        Ok(plan)
    }

    fn push(&mut self, mut planned: Planned, workspace: &Workspace, keys: &mut BTreeMap<String, String>) {
        keys.insert(planned.step.clone(), key(&planned.inputs));
        planned.stale =
            planned.stale.take().or_else(|| self.reason(&planned.step, &planned.inputs, workspace));
        self.steps.push(planned);
    }

    /// Adds the content of data files to the inputs of a step.
    fn with_files(&self, project: &Project, files: &[PathBuf], mut inputs: Inputs) -> Result<Inputs> {
        for file in files {
            inputs.extend([part(&file.display().to_string(), self.hashes.of(project.path(file))?)]);
        }
        Ok(inputs)
    }

    /// Fails when a data file of a step is no longer what the plan saw: a result must belong to its inputs.
    pub(crate) fn check_files(&self, project: &Project, planned: &Planned) -> Result<()> {
        for file in &planned.files {
            let path = project.path(file);
            if planned.inputs.get(&file.display().to_string()) != Some(&self.hashes.of(&path)?) {
                return Err(Error::new(ErrorKind::Conflict, "the file changed while `up` was at work")
                    .in_file(path)
                    .hint("run it again: the plan will see the new content"));
            }
        }
        Ok(())
    }

    fn reason(&self, step: &str, inputs: &Inputs, workspace: &Workspace) -> Option<String> {
        let Some(done) = workspace.done(step) else { return Some("never done".into()) };
        let changed: Vec<&str> = inputs
            .iter()
            .filter(|(name, value)| done.inputs.get(*name) != Some(value))
            .map(|(name, _)| name.as_str())
            .chain(done.inputs.keys().filter(|name| !inputs.contains_key(*name)).map(String::as_str))
            .collect();
        (!changed.is_empty()).then(|| format!("changed: {}", changed.join(", ")))
    }

    /// Names of the steps.
    pub(crate) fn names(&self) -> Vec<String> {
        self.steps.iter().map(|s| s.step.clone()).collect()
    }
}

fn part(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_string(), value.into())
}

fn key(inputs: &Inputs) -> String {
    content_hash(serde_json::to_string(inputs).unwrap_or_default().as_bytes())
}

fn learn_files(item: &LearnItem) -> Vec<PathBuf> {
    let valid = match &item.kind {
        LearnKind::Adapter { valid, .. } => valid.clone(),
        LearnKind::Table(_) => None,
    };
    [item.data.clone()].into_iter().chain(valid).collect()
}

fn learn_inputs(item: &LearnItem, keys: &BTreeMap<String, String>) -> Inputs {
    let mut inputs = Inputs::from([part("config", content_hash(item.config.to_string().as_bytes()))]);
    match &item.kind {
        LearnKind::Table(_) => inputs.extend([part("version", TABLE_VERSION)]),
        LearnKind::Adapter { base, .. } => {
            inputs.extend([part("version", ADAPTER_VERSION), built_on(&format!("pull.{base}"), keys)]);
        }
    }
    inputs
}

fn evaluate_inputs(project: &Project, e: &Evaluation, keys: &BTreeMap<String, String>) -> Inputs {
    let mut inputs = Inputs::from([
        part("config", content_hash(e.config.to_string().as_bytes())),
        part("version", EVALUATE_VERSION),
    ]);
    for name in [Some(&e.target), e.baseline.as_ref()].into_iter().flatten() {
        let step = match (name.as_str(), project.bases().first()) {
            ("base", Some(base)) => format!("pull.{base}"),
            (name, _) => format!("learn.{name}"),
        };
        inputs.extend([built_on(&step, keys)]);
    }
    inputs
}

fn built_on(step: &str, keys: &BTreeMap<String, String>) -> (String, String) {
    part(step, keys.get(step).cloned().unwrap_or_default())
}
