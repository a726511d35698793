//! What is served, and which of it a request means.

use crate::agents::Agent;
use crate::line::Line;
use lyceum_core::{AdapterInfo, Engine, Error, Result, Runnable};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Names that a message lists.
const LISTED: usize = 20;

/// Everything that a server serves, at one moment.
#[derive(Default, Clone)]
pub(crate) struct Models {
    engines: Vec<Arc<dyn Engine>>,
    tabular: BTreeMap<String, Arc<Line>>,
    chains: BTreeMap<String, Arc<dyn Runnable>>,
    agents: BTreeMap<String, Agent>,
    reports: BTreeMap<String, PathBuf>,
    /// How the project stands.
    pub(crate) project: Option<Arc<dyn Fn() -> serde_json::Value + Send + Sync>>,
}

/// The model and adapter that a request means.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) adapter: Option<String>,
    /// The name as the request gave it, for the answer.
    pub(crate) name: String,
}

impl Models {
    /// One of the same name is replaced.
    pub(crate) fn add_engine(&mut self, engine: Arc<dyn Engine>) {
        match self.engines.iter_mut().find(|e| e.model().name == engine.model().name) {
            Some(same) => *same = engine,
            None => self.engines.push(engine),
        }
    }

    pub(crate) fn add_chain(&mut self, name: String, chain: Arc<dyn Runnable>) {
        self.chains.insert(name, chain);
    }

    pub(crate) fn add_agent(&mut self, name: String, agent: Agent) {
        self.agents.insert(name, agent);
    }

    pub(crate) fn add_report(&mut self, name: String, folder: PathBuf) {
        self.reports.insert(name, folder);
    }

    /// Folders of pages by what they are about.
    pub(crate) fn reports(&self) -> &BTreeMap<String, PathBuf> {
        &self.reports
    }

    /// A chain by name.
    pub(crate) fn chain(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        let missing = || missing("chain", name, self.chains.keys());
        self.chains.get(name).cloned().ok_or_else(missing)
    }

    /// Names of all chains.
    pub(crate) fn chain_names(&self) -> Vec<&str> {
        self.chains.keys().map(String::as_str).collect()
    }

    /// All agents with their names.
    pub(crate) fn agents(&self) -> &BTreeMap<String, Agent> {
        &self.agents
    }

    pub(crate) fn add_tabular(&mut self, name: String, model: Arc<dyn Runnable>) {
        self.tabular.insert(name, Arc::new(Line::new(model)));
    }

    pub(crate) fn engines(&self) -> &[Arc<dyn Engine>] {
        &self.engines
    }

    /// The engine that LoRAX's routes speak of: the first that generates.
    pub(crate) fn base(&self) -> Result<&Arc<dyn Engine>> {
        self.engines.iter().find(|e| e.model().generates).ok_or_else(|| {
            Error::not_found("no language model is served").with_code("model_not_found").at_key("model")
        })
    }

    /// The engine and adapter of a request: `adapter` wins over `model`; a model is a base, an adapter, or
    /// `base:adapter`; empty means the first base.
    pub(crate) fn find(&self, model: &str, adapter: Option<&str>) -> Result<Target> {
        let adapter = adapter.filter(|a| !a.is_empty());
        let named = self.engines.iter().find(|e| e.model().name == model);
        if let Some(adapter) = adapter {
            let engine = match named {
                Some(engine) => has(engine, adapter).then_some(engine),
                None => self.engines.iter().find(|e| has(e, adapter)),
            };
            return match engine {
                Some(engine) => Ok(target(engine, Some(adapter), adapter)),
                None => Err(self.unknown(adapter, "adapter_id")),
            };
        }
        if let Some(engine) = named {
            return Ok(target(engine, None, model));
        }
        if model.is_empty() {
            return self.base().map(|engine| target(engine, None, &engine.model().name));
        }
        if let Some(engine) = self.engines.iter().find(|e| has(e, model)) {
            return Ok(target(engine, Some(model), model));
        }
        if let Some((base, adapter)) = model.split_once(':')
            && let Some(engine) = self.engines.iter().find(|e| e.model().name == base && has(e, adapter))
        {
            return Ok(target(engine, Some(adapter), model));
        }
        Err(self.unknown(model, "model"))
    }

    /// Every base with its adapters.
    pub(crate) fn adapters(engine: &Arc<dyn Engine>) -> Vec<AdapterInfo> {
        engine.adapters().map(|a| a.list()).unwrap_or_default()
    }

    /// A tabular model by name.
    pub(crate) fn tabular(&self, name: &str) -> Result<&Arc<Line>> {
        self.tabular.get(name).ok_or_else(|| missing("tabular model", name, self.tabular.keys()))
    }

    /// The only tabular model, where there is just one.
    pub(crate) fn only_tabular(&self) -> Result<&Arc<Line>> {
        let mut all = self.tabular.iter();
        match (all.next(), all.next()) {
            (Some((_, line)), None) => Ok(line),
            (None, _) => Err(Error::not_found("no tabular model is served")),
            _ => {
                let list: Vec<String> = self.tabular.keys().map(|n| format!("/predict/{n}")).collect();
                Err(Error::not_found(format!("several tabular models are served: use {}", list.join(", "))))
            }
        }
    }

    /// Names of all tabular models.
    pub(crate) fn tabular_names(&self) -> Vec<&str> {
        self.tabular.keys().map(String::as_str).collect()
    }

    fn unknown(&self, name: &str, key: &str) -> Error {
        let mut known: Vec<String> = Vec::new();
        for engine in &self.engines {
            known.push(engine.model().name.clone());
            known.extend(Self::adapters(engine).into_iter().map(|a| a.name));
        }
        let have = if known.is_empty() {
            "none is served".into()
        } else {
            let shown = known.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = known.len().saturating_sub(LISTED);
            format!(
                "served are {shown}{}",
                if more > 0 { format!(" and {more} more") } else { String::new() }
            )
        };
        let what = if key == "model" { "model" } else { "adapter" };
        Error::not_found(format!("The {what} `{name}` does not exist; {have}"))
            .with_code(if key == "model" { "model_not_found" } else { "adapter_not_found" })
            .at_key(key)
            .did_you_mean(name, known.iter().map(String::as_str))
    }
}

fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let have =
        if known.is_empty() { "none is served".into() } else { format!("served are {}", known.join(", ")) };
    Error::not_found(format!("no {what} `{name}`; {have}")).did_you_mean(name, known.iter().copied())
}

fn has(engine: &Arc<dyn Engine>, adapter: &str) -> bool {
    engine.adapters().is_some_and(|a| a.knows(adapter))
}

fn target(engine: &Arc<dyn Engine>, adapter: Option<&str>, name: &str) -> Target {
    Target { engine: engine.clone(), adapter: adapter.map(str::to_string), name: name.to_string() }
}
