//! The names that a project's graphs may use, before anything of it is opened.

use crate::compose::ComposeKind;
use crate::project::{LearnKind, Project};
use async_trait::async_trait;
use lyceum_compose::file::{ModelOptions, PartKind, Parts, missing};
use lyceum_core::{Context, Error, Result, Runnable, Sampling, Signature, Value};
use std::sync::Arc;

/// The base model's name in graphs.
pub(super) const BASE: &str = "base";

/// The names of a project. What is learnt may not be there yet.
pub(super) fn names(project: &Project, kind: PartKind) -> Vec<String> {
    let learnt = |wanted: fn(&LearnKind) -> bool| {
        project.learn.iter().filter(move |i| wanted(&i.kind)).map(|i| i.name.clone())
    };
    match kind {
        PartKind::Model => {
            let base = project.base().map(|_| BASE.to_string());
            let adapters = learnt(|k| matches!(k, LearnKind::Adapter { .. }));
            base.into_iter().chain(adapters).chain(project.bases()).collect()
        }
        PartKind::Predictor => learnt(|k| matches!(k, LearnKind::Table(_))).collect(),
        PartKind::Retriever => {
            let documents =
                project.compose.iter().filter(|i| matches!(i.kind, ComposeKind::Documents { .. }));
            documents.map(|i| i.name.clone()).collect()
        }
        // What a graph calls with arguments: the project's chains. Chains themselves call none, so that none calls itself.
        PartKind::Tool => {
            let chains = project.compose.iter().filter(|i| matches!(i.kind, ComposeKind::Chain(_)));
            chains.map(|i| i.name.clone()).collect()
        }
    }
}

/// How a model samples; fails for values that cannot be.
pub(super) fn sampling(options: &ModelOptions) -> Result<Sampling> {
    let greedy = Sampling::greedy();
    let sampling = Sampling {
        temperature: options.temperature.unwrap_or(greedy.temperature),
        top_p: options.top_p.unwrap_or(greedy.top_p),
        repetition_penalty: options.repetition_penalty.unwrap_or(greedy.repetition_penalty),
        seed: options.seed.unwrap_or(greedy.seed),
        ..greedy
    };
    sampling.check()?;
    Ok(sampling)
}

/// Names alone, for checks: nothing that it hands in can be run.
pub(super) struct Named<'p>(pub(super) &'p Project);

/// The parts of chains: all but tools.
pub(super) struct Toolless<'p>(pub(super) &'p dyn Parts);

impl Parts for Toolless<'_> {
    fn names(&self, kind: PartKind) -> Vec<String> {
        if kind == PartKind::Tool { Vec::new() } else { self.0.names(kind) }
    }

    fn model(&self, name: &str, options: &ModelOptions) -> Result<Arc<dyn Runnable>> {
        self.0.model(name, options)
    }

    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        self.0.predictor(name)
    }

    fn retriever(&self, name: &str, k: usize) -> Result<Arc<dyn Runnable>> {
        self.0.retriever(name, k)
    }

    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        Err(missing(PartKind::Tool, name))
    }
}

struct Name(String);

#[async_trait]
impl Runnable for Name {
    fn name(&self) -> &str {
        &self.0
    }

    fn signature(&self) -> Signature {
        Signature::any()
    }

    async fn invoke(&self, _: Value, _: &Context) -> Result<Value> {
        Err(Error::internal(format!("`{}` was named to be checked, not to be run", self.0)))
    }
}

fn named(name: &str) -> Result<Arc<dyn Runnable>> {
    Ok(Arc::new(Name(name.to_string())))
}

impl Parts for Named<'_> {
    fn names(&self, kind: PartKind) -> Vec<String> {
        names(self.0, kind)
    }

    fn model(&self, name: &str, options: &ModelOptions) -> Result<Arc<dyn Runnable>> {
        sampling(options)?;
        named(name)
    }

    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        named(name)
    }

    fn retriever(&self, name: &str, _: usize) -> Result<Arc<dyn Runnable>> {
        named(name)
    }

    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        named(name)
    }
}
