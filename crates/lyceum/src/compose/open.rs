//! A graph by its name in a project, or by its file.

use super::{ComposeKind, ProjectParts};
use crate::project::{Engines, Project};
use lyceum_compose::file::GraphFile;
use lyceum_core::{Error, Result};
use lyceum_store::Home;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Where a graph is looked for.
pub(crate) struct Source<'s> {
    /// A name under `compose`, or a file.
    pub(crate) graph: &'s str,
    /// The project's folder.
    pub(crate) dir: &'s Path,
    /// Where pulled models lie.
    pub(crate) home: Home,
}

/// A graph that was found.
pub(crate) struct Opened {
    /// The graph.
    pub(crate) graph: GraphFile,
    /// Its name: that of the project's item, or the graph's own.
    pub(crate) name: String,
    /// The project that it belongs to, if there is one.
    pub(crate) project: Option<Arc<Project>>,
}

impl Source<'_> {
    /// Reads and checks it. What it names is opened when it is first run.
    pub(crate) fn open(self) -> Result<Opened> {
        let there = self.dir.is_file() || self.dir.join("lyceum.yaml").is_file();
        let project = there.then(|| Project::read(self.dir)).transpose()?.map(Arc::new);
        let (path, name) = self.path(project.as_deref())?;
        let engines = Arc::new(Mutex::new(Engines::new(&self.home)));
        let parts = ProjectParts::new(project.clone(), self.home, engines);
        let graph = GraphFile::read(&path, &parts)?;
        let graph = match &name {
            Some(name) => graph.renamed(name),
            None => graph,
        };
        let name = name.unwrap_or_else(|| lyceum_core::Runnable::name(&graph).to_string());
        Ok(Opened { graph, name, project })
    }

    fn path(&self, project: Option<&Project>) -> Result<(PathBuf, Option<String>)> {
        let items = || project.into_iter().flat_map(|p| &p.compose);
        if let Some(item) = items().find(|i| i.name == self.graph) {
            return match (&item.kind, project) {
                (ComposeKind::Graph(path), Some(project)) => {
                    Ok((project.path(path), Some(item.name.clone())))
                }
                _ => Err(Error::invalid(format!("`{}` is no graph", self.graph))),
            };
        }
        let path = Path::new(self.graph);
        let is_file = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_file || path.is_file() {
            return Ok((path.to_path_buf(), None));
        }
        let graphs: Vec<&str> =
            items().filter(|i| matches!(i.kind, ComposeKind::Graph(_))).map(|i| i.name.as_str()).collect();
        let e = Error::not_found(format!("no graph is called `{}`", self.graph));
        let e = e.did_you_mean(self.graph, graphs.iter().copied());
        Err(match (project, graphs.is_empty()) {
            (None, _) => {
                e.hint(format!("{} has no lyceum.yaml; --project DIR names a project", self.dir.display()))
            }
            (Some(_), true) => e.hint("the project composes no graph: `compose: {answer: {graph: FILE}}`"),
            (Some(_), false) => e.hint(format!("graphs are {}", graphs.join(", "))),
        })
    }
}
