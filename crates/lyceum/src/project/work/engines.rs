//! Engines by base model, each opened once, with the project's adapters loaded.

use crate::project::{LearnKind, Project, Workspace};
use lyceum_core::{AdapterSource, Adapters, Engine, Error, Result};
use lyceum_store::Home;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The engines that are open.
pub(crate) struct Engines {
    home: Home,
    open: BTreeMap<String, Arc<dyn Engine>>,
}

impl Engines {
    /// None yet.
    pub(crate) fn new(home: &Home) -> Self {
        Self { home: home.clone(), open: BTreeMap::new() }
    }

    /// With one that is open already.
    pub(crate) fn insert(&mut self, name: &str, engine: Arc<dyn Engine>) {
        self.open.insert(name.to_string(), engine);
    }

    /// The engine of a base model, or of one that embeds.
    pub(crate) fn base(&mut self, name: &str) -> Result<Arc<dyn Engine>> {
        if let Some(engine) = self.open.get(name) {
            return Ok(engine.clone());
        }
        let engine = crate::cmd::serve::open(&self.home.resolve(name)?, name)?;
        self.open.insert(name.to_string(), engine.clone());
        Ok(engine)
    }

    /// The engine of a learnt adapter, with the adapter loaded under its name.
    pub(crate) async fn adapter(
        &mut self,
        project: &Project,
        workspace: &Workspace,
        name: &str,
    ) -> Result<Arc<dyn Engine>> {
        let base = match project.item(name).map(|i| &i.kind) {
            Some(LearnKind::Adapter { base, .. }) => base.clone(),
            _ => return Err(Error::internal(format!("`{name}` is not an adapter"))),
        };
        let folder = workspace
            .artefact(&format!("learn.{name}"))
            .ok_or_else(|| Error::not_found(format!("`{name}` is not learnt yet")).hint("run `lyceum up`"))?;
        let engine = self.base(&base)?;
        let adapters: &dyn Adapters =
            engine.adapters().ok_or_else(|| Error::unsupported(format!("`{base}` takes no adapters")))?;
        if adapters.list().iter().any(|a| a.name == name) {
            return Ok(engine);
        }
        adapters.load(name, AdapterSource::Folder(folder)).await?;
        Ok(engine)
    }
}
