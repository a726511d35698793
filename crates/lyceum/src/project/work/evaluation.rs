//! Holding something learnt against data and its baseline, and judging the gate.

use super::Engines;
use super::table::model_folder;
use crate::project::{Evaluation, LearnKind, Project, Workspace};
use lyceum_core::{ChatModel, Context, Error, Progress, Result, Runnable};
use lyceum_evaluate::{Dataset, GateResult, Keys, Metric, Options, Scores, gate, run};
use lyceum_learn::prepared::FittedOutput;
use std::path::Path;
use std::sync::Arc;

/// Answers at once.
const CONCURRENCY: usize = 16;

/// A target with the keys under which its answers and the right ones are found.
struct Target {
    runnable: Box<dyn Runnable>,
    reference: Option<String>,
    output_key: Option<String>,
}

/// Runs an evaluation; answers are kept in `folder` as they come, so that a killed run goes on.
pub(crate) async fn evaluate(
    project: &Project,
    workspace: &Workspace,
    engines: &mut Engines,
    evaluation: &Evaluation,
    folder: &Path,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<GateResult> {
    let cx = cx.clone().with_concurrency(CONCURRENCY);
    let target = target(project, workspace, engines, evaluation, &evaluation.target).await?;
    let keys = Keys { input: None, reference: evaluation.reference.clone().or(target.reference.clone()) };
    let data = Dataset::read(project.path(&evaluation.data), &keys)?;
    let scores = score(&target, &evaluation.target, evaluation, &data, folder, progress, &cx).await?;
    let baseline = match &evaluation.baseline {
        None => None,
        Some(name) => {
            let base = self::target(project, workspace, engines, evaluation, name).await?;
            Some(score(&base, name, evaluation, &data, folder, progress, &cx).await?)
        }
    };
    let how = Options::default().resampling;
    gate(&evaluation.name, &evaluation.gate, &scores, baseline.as_ref(), how)
}

async fn score(
    target: &Target,
    name: &str,
    evaluation: &Evaluation,
    data: &Dataset,
    folder: &Path,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<Scores> {
    let options = Options {
        output_key: evaluation.output_key.clone().or(target.output_key.clone()),
        target_id: Some(name.to_string()),
        folder: Some(folder.join(name)),
        progress: progress.clone(),
        ..Options::default()
    };
    run(&*target.runnable, data, evaluation.metric, &options, cx).await
}

async fn target(
    project: &Project,
    workspace: &Workspace,
    engines: &mut Engines,
    evaluation: &Evaluation,
    name: &str,
) -> Result<Target> {
    let chat = |model: ChatModel| Target {
        runnable: Box::new(model.with_max_tokens(evaluation.max_tokens)),
        reference: None,
        output_key: None,
    };
    match project.item(name).map(|i| &i.kind) {
        Some(LearnKind::Table(_)) => table(workspace, name, evaluation.metric),
        Some(LearnKind::Adapter { .. }) => {
            let engine = engines.adapter(project, workspace, name).await?;
            Ok(chat(ChatModel::new(engine).with_adapter(name)))
        }
        None => {
            let base = base_of(project, &evaluation.target)?;
            Ok(chat(ChatModel::new(engines.base(&base)?)))
        }
    }
}

/// What `base` means for an evaluation: the base of its adapter, else the served one.
fn base_of(project: &Project, target: &str) -> Result<String> {
    match project.item(target).map(|i| &i.kind) {
        Some(LearnKind::Adapter { base, .. }) => Some(base.clone()),
        _ => project.base(),
    }
    .ok_or_else(|| Error::invalid("the project names no base model").at_key("serve.base"))
}

/// A model of tables: its first output's column is the right answer, and the metric says which prediction counts.
fn table(workspace: &Workspace, name: &str, metric: Metric) -> Result<Target> {
    let artefact = workspace
        .artefact(&format!("learn.{name}"))
        .ok_or_else(|| Error::not_found(format!("`{name}` is not learnt yet")))?;
    let predictor = lyceum_learn::load(model_folder(&artefact))?;
    let output = predictor.model().prepared.outputs.first();
    let reference = output.map(|o| o.column.clone());
    let output_key = output.map(|o| match (&o.fitted, metric) {
        (FittedOutput::Binary { fitted, .. }, Metric::Auc) => {
            let yes = if fitted.is_boolean() { "True" } else { &*fitted.true_label };
            format!("{}_probabilities_{yes}", o.name)
        }
        _ => format!("{}_predictions", o.name),
    });
    Ok(Target { runnable: Box::new(predictor), reference, output_key })
}
