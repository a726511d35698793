//! What a project serves once it is up: the base with its adapters, and every model of tables with its report.

use super::Engines;
use super::table::model_folder;
use crate::project::{LearnKind, Project, Workspace};
use lyceum_core::Result;
use lyceum_serve::Live;
use std::sync::Arc;

/// Adds what a project serves to its server. Everything served must have been learnt.
pub(crate) async fn serving(
    live: &Live,
    project: &Project,
    workspace: &Workspace,
    engines: &mut Engines,
) -> Result<()> {
    for name in &project.serve.adapters {
        engines.adapter(project, workspace, name).await?;
    }
    if let Some(base) = project.base() {
        live.engine(engines.base(&base)?);
    }
    for item in project.learn.iter().filter(|i| matches!(i.kind, LearnKind::Table(_))) {
        if let Some(artefact) = workspace.artefact(&format!("learn.{}", item.name)) {
            let model = model_folder(&artefact);
            live.tabular(item.name.clone(), Arc::new(lyceum_learn::load(&model)?));
            live.report(item.name.clone(), model.parent().unwrap_or(&model));
        }
    }
    Ok(())
}
