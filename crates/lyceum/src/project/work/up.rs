//! `up`: does what is stale in the plan, in order, and records each step as it ends.

use super::adapter::{Source, adapter_from_llm};
use super::evaluation::evaluate;
use super::{Engines, table};
use crate::project::{Board, LearnItem, LearnKind, Plan, Planned, Project, Workspace};
use crate::ui::Ui;
use lyceum_core::{Context, Error, Map, Result, RunKind, Value};
use lyceum_evaluate::{GateResult, Verdict};
use lyceum_store::Home;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::Instant;

/// What `up` did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Whether every gate passes.
    pub(crate) ok: bool,
    /// Seconds.
    pub(crate) seconds: f64,
    /// Steps that were done.
    pub(crate) done: Vec<String>,
    /// Steps that were fresh.
    pub(crate) fresh: Vec<String>,
    /// Results of the gates.
    pub(crate) gates: Vec<GateResult>,
    /// Where it is served, while it is.
    pub(crate) url: Option<String>,
}

/// Brings a project up to date.
pub(crate) async fn up(
    project: &Project,
    workspace: &mut Workspace,
    home: &Home,
    engines: &mut Engines,
    board: &Board,
    ui: &Ui,
    cx: &Context,
) -> Result<Outcome> {
    let started = Instant::now();
    let plan = Plan::new(project, workspace, home)?;
    board.plan(&plan);
    let mut outcome = Outcome::default();
    for planned in &plan.steps {
        cx.check()?;
        let result = match (&planned.stale, workspace.done(&planned.step)) {
            (None, Some(done)) => {
                outcome.fresh.push(planned.step.clone());
                board.ends(&planned.step, &done.result, None);
                done.result.clone()
            }
            (reason, _) => {
                let reason = reason.as_deref().unwrap_or("its artefact is gone");
                ui.note(&format!("{}: {reason}", planned.step));
                let began = Instant::now();
                board.begins(&planned.step);
                plan.check_files(project, planned)?;
                let span = cx.span(kind(&planned.step), &planned.step, || (reason.into(), Map::new()));
                let result = step(project, workspace, home, engines, planned, ui, span.cx()).await;
                let output = result.as_ref().ok().filter(|_| span.id().is_some());
                let output = output.map(|json| Value::from_json(json.clone())).unwrap_or_default();
                span.finish(result.as_ref().map(|_| &output), Map::new);
                let result = result?;
                plan.check_files(project, planned)?;
                workspace.finish(&planned.step, planned.inputs.clone(), result.clone(), began.elapsed())?;
                outcome.done.push(planned.step.clone());
                board.ends(&planned.step, &result, Some(began.elapsed().as_secs_f64()));
                result
            }
        };
        if planned.step.starts_with("evaluate.") {
            let gate: GateResult = serde_json::from_value(result)
                .map_err(|e| Error::corrupt(format!("{}: stored result: {e}", planned.step)))?;
            outcome.gates.push(gate);
        }
    }
    outcome.ok = outcome.gates.iter().all(|g| g.verdict == Verdict::Pass);
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

/// What sort of work a step is.
fn kind(step: &str) -> RunKind {
    match step.split_once('.') {
        Some(("learn", _)) => RunKind::Training,
        Some(("evaluate", _)) => RunKind::Evaluation,
        _ => RunKind::Chain,
    }
}

async fn step(
    project: &Project,
    workspace: &Workspace,
    home: &Home,
    engines: &mut Engines,
    planned: &Planned,
    ui: &Ui,
    cx: &Context,
) -> Result<Json> {
    let folder = workspace.work_folder(&planned.step, &planned.inputs);
    let (kind, name) = planned.step.split_once('.').unwrap_or(("", &planned.step));
    match kind {
        "pull" => {
            let path = home.ensure(name, &*ui.progress(), cx).await?;
            Ok(json!({ "path": path }))
        }
        "learn" => {
            let item = project.item(name).ok_or_else(|| Error::internal(format!("no item `{name}`")))?;
            learn(project, item, home, &folder, ui, cx)
        }
        _ => {
            let evaluation = project.evaluate.iter().find(|e| e.name == name);
            let evaluation = evaluation.ok_or_else(|| Error::internal(format!("no evaluation `{name}`")))?;
            let result =
                evaluate(project, workspace, engines, evaluation, &folder, &ui.progress(), cx).await?;
            serde_json::to_value(&result).map_err(|e| Error::internal(format!("gate result: {e}")))
        }
    }
}

fn learn(
    project: &Project,
    item: &LearnItem,
    home: &Home,
    folder: &Path,
    ui: &Ui,
    cx: &Context,
) -> Result<Json> {
    let (data, progress) = (project.path(&item.data), ui.progress());
    match &item.kind {
        LearnKind::Table(model) => table::learn(model, &data, folder, &progress, cx),
        LearnKind::Adapter { base, config, valid, seed } => {
            let base = lyceum_models::load(&home.resolve(base)?)?;
            let valid = valid.as_ref().map(|v| project.path(v));
            let source = Source { data: &data, valid: valid.as_deref(), seed: *seed };
            let report = adapter_from_llm(config, &base, &source, folder, &progress, cx)?;
            serde_json::to_value(&report).map_err(|e| Error::internal(format!("training report: {e}")))
        }
    }
}
