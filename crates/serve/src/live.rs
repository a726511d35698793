//! What is served, changed while it is served: a project learns one model after the other.

use crate::agents::Agent;
use crate::models::Models;
use lyceum_core::{Engine, Runnable};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Adds to what a server serves, before and while it serves. Cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<RwLock<Arc<Models>>>);

impl Live {
    /// Everything as it is now.
    pub(crate) fn now(&self) -> Arc<Models> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Models)) {
        let mut models = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut models));
    }

    /// A language or embedding model; one of the same name is replaced.
    pub fn engine(&self, engine: Arc<dyn Engine>) {
        self.change(|m| m.add_engine(engine));
    }

    /// A tabular model at `/predict/NAME`. It takes a row as a map and gives a map of predictions.
    pub fn tabular(&self, name: impl Into<String>, model: Arc<dyn Runnable>) {
        self.change(|m| m.add_tabular(name.into(), model));
    }

    /// A runnable at `/chains/NAME`, as LangServe serves one.
    pub fn chain(&self, name: impl Into<String>, chain: Arc<dyn Runnable>) {
        self.change(|m| m.add_chain(name.into(), chain));
    }

    /// A folder of pages about something learnt, shown by the Studio.
    pub fn report(&self, name: impl Into<String>, folder: impl Into<PathBuf>) {
        self.change(|m| m.add_report(name.into(), folder.into()));
    }

    /// Tells how the project stands that is served: `{name, steps: [{step, state, reason}], gates: […]}`.
    pub fn project(&self, told: impl Fn() -> serde_json::Value + Send + Sync + 'static) {
        self.change(|m| m.project = Some(Arc::new(told)));
    }

    /// A graph with threads at `/agents`.
    pub fn agent(&self, name: impl Into<String>, agent: Agent) {
        self.change(|m| m.add_agent(name.into(), agent));
    }
}
