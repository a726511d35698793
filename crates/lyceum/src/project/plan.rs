//! The plan: every step with its inputs, and whether it is fresh or why it is not.
//!
//! A step is stale when its configuration, the content of its data, what it builds on, or the step's own version
//! changed; an upgrade of the program alone makes nothing stale.

use super::file::{Evaluation, LearnItem, LearnKind, Project};
use super::state::{Inputs, Workspace};
use lyceum_core::Result;
use lyceum_data::{content_hash, file_hash};
use lyceum_store::Home;
use std::collections::BTreeMap;
use std::path::Path;

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
    /// Why it is to be done; `None` when it is fresh.
    pub(crate) stale: Option<String>,
}

/// All steps, in an order in which each comes after what it builds on.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The steps.
    pub(crate) steps: Vec<Planned>,
}

impl Plan {
    /// Compares a project with its workspace.
    pub(crate) fn new(project: &Project, workspace: &Workspace, home: &Home) -> Result<Self> {
        let mut plan = Self::default();
        let mut keys = BTreeMap::new();
        for base in project.bases() {
            let inputs = Inputs::from([part("version", PULL_VERSION), part("model", &base)]);
            let gone = home.resolve(&base).is_err().then(|| "it is not here".to_string());
            plan.push(format!("pull.{base}"), inputs, workspace, gone, &mut keys);
        }
        for item in &project.learn {
            let inputs = learn_inputs(project, item, &keys)?;
            plan.push(format!("learn.{}", item.name), inputs, workspace, None, &mut keys);
        }
        for evaluation in &project.evaluate {
            let inputs = evaluate_inputs(project, evaluation, &keys)?;
            plan.push(format!("evaluate.{}", evaluation.name), inputs, workspace, None, &mut keys);
        }
        Ok(plan)
    }

    fn push(
        &mut self,
        step: String,
        inputs: Inputs,
        workspace: &Workspace,
        because: Option<String>,
        keys: &mut BTreeMap<String, String>,
    ) {
        keys.insert(step.clone(), key(&inputs));
        let stale = because.or_else(|| self.reason(&step, &inputs, workspace));
        self.steps.push(Planned { step, inputs, stale });
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

fn file_part(project: &Project, data: &Path) -> Result<(String, String)> {
    Ok(part(&data.display().to_string(), file_hash(project.path(data))?))
}

fn learn_inputs(project: &Project, item: &LearnItem, keys: &BTreeMap<String, String>) -> Result<Inputs> {
    let mut inputs = Inputs::from([
        part("config", content_hash(item.config.to_string().as_bytes())),
        file_part(project, &item.data)?,
    ]);
    match &item.kind {
        LearnKind::Table(_) => inputs.extend([part("version", TABLE_VERSION)]),
        LearnKind::Adapter { base, valid, .. } => {
            inputs.extend([part("version", ADAPTER_VERSION)]);
            let step = format!("pull.{base}");
            inputs.extend([part(&step, keys.get(&step).cloned().unwrap_or_default())]);
            if let Some(valid) = valid {
                inputs.extend([file_part(project, valid)?]);
            }
        }
    }
    Ok(inputs)
}

fn evaluate_inputs(project: &Project, e: &Evaluation, keys: &BTreeMap<String, String>) -> Result<Inputs> {
    let mut inputs = Inputs::from([
        part("config", content_hash(e.config.to_string().as_bytes())),
        part("version", EVALUATE_VERSION),
        file_part(project, &e.data)?,
    ]);
    for name in [Some(&e.target), e.baseline.as_ref()].into_iter().flatten() {
        let step = match (name.as_str(), project.bases().first()) {
            ("base", Some(base)) => format!("pull.{base}"),
            (name, _) => format!("learn.{name}"),
        };
        inputs.extend([part(&step, keys.get(&step).cloned().unwrap_or_default())]);
    }
    Ok(inputs)
}
