//! The project's server: the base with its adapters, and every model of tables.

use super::Engines;
use super::table::model_folder;
use crate::project::{LearnKind, Project, Workspace};
use lyceum_core::Result;
use lyceum_serve::Server;
use std::sync::Arc;

/// Adds what a project serves to a server. Everything served must have been learnt.
pub(crate) async fn serving(
    mut server: Server,
    project: &Project,
    workspace: &Workspace,
    engines: &mut Engines<'_>,
) -> Result<Server> {
    for name in &project.serve.adapters {
        engines.adapter(project, workspace, name).await?;
    }
    if let Some(base) = project.base() {
        server = server.engine(engines.base(&base)?);
    }
    for item in project.learn.iter().filter(|i| matches!(i.kind, LearnKind::Table(_))) {
        if let Some(artefact) = workspace.artefact(&format!("learn.{}", item.name)) {
            server =
                server.tabular(item.name.clone(), Arc::new(lyceum_learn::load(model_folder(&artefact))?));
        }
    }
    Ok(server)
}
