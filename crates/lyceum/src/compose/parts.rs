//! What graphs name, opened when it is first run: engines with their adapters, models of tables, documents.

use super::names::{BASE, Toolless, names, sampling};
use crate::compose::ComposeKind;
use crate::project::{Engines, LearnKind, Project, Workspace, table_model};
use async_trait::async_trait;
use lyceum_compose::file::{self, ModelOptions, PartKind, Parts, missing};
use lyceum_compose::retrieve::{Finder, Retriever};
use lyceum_core::{
    ChatModel, Context, Error, Result, RunKind, Runnable, Sampling, Schema, Signature, Traced, Value,
    ValueStream,
};
use lyceum_store::Home;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use tokio::sync::{Mutex, OnceCell};

/// The parts of a project; of no project, the models that were pulled.
#[derive(Clone)]
pub(crate) struct ProjectParts(Arc<Inner>);

struct Inner {
    project: Option<Arc<Project>>,
    home: Home,
    engines: Arc<Mutex<Engines>>,
    documents: Lock<BTreeMap<String, Arc<OnceCell<Arc<Retriever>>>>>,
}

impl ProjectParts {
    /// Over engines that may be open already.
    pub(crate) fn new(project: Option<Arc<Project>>, home: Home, engines: Arc<Mutex<Engines>>) -> Self {
        Self(Arc::new(Inner { project, home, engines, documents: Lock::default() }))
    }

    fn project(&self, kind: PartKind, name: &str) -> Result<&Arc<Project>> {
        self.0.project.as_ref().ok_or_else(|| missing(kind, name))
    }
}

impl Parts for ProjectParts {
    fn names(&self, kind: PartKind) -> Vec<String> {
        match (&self.0.project, kind) {
            (Some(project), kind) => names(project, kind),
            (None, PartKind::Model) => {
                let pulled = self.0.home.list().unwrap_or_default();
                pulled.into_iter().map(|m| m.name).collect()
            }
            (None, _) => Vec::new(),
        }
    }

    fn model(&self, name: &str, options: &ModelOptions) -> Result<Arc<dyn Runnable>> {
        let made = Opening::new(name, self.clone(), Kind::Model(sampling(options)?, options.max_tokens));
        Ok(Arc::new(made))
    }

    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        self.project(PartKind::Predictor, name)?;
        Ok(Arc::new(Opening::new(name, self.clone(), Kind::Predictor)))
    }

    fn retriever(&self, name: &str, k: usize) -> Result<Arc<dyn Runnable>> {
        self.project(PartKind::Retriever, name)?;
        Ok(Arc::new(Opening::new(name, self.clone(), Kind::Documents(k))))
    }

    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        let item = self.project(PartKind::Tool, name)?.compose.iter().find(|i| i.name == name);
        let Some(ComposeKind::Chain(node)) = item.map(|i| &i.kind) else {
            return Err(missing(PartKind::Tool, name));
        };
        let steps = file::chain(node, &format!("compose.{name}.chain"), &Toolless(self))?;
        Ok(Arc::new(Traced::new(RunKind::Tool, Arc::new(Titled::new(name, steps)))))
    }
}

/// A runnable under the name that it has in the project.
struct Titled {
    name: String,
    inner: Arc<dyn Runnable>,
}

impl Titled {
    fn new(name: &str, inner: Arc<dyn Runnable>) -> Self {
        Self { name: name.to_string(), inner }
    }
}

#[async_trait]
impl Runnable for Titled {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        self.inner.signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        self.inner.invoke(input, cx).await
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        self.inner.transform(input, cx)
    }

    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        self.inner.batch(inputs, cx).await
    }
}

/// What is opened.
enum Kind {
    /// A model, with its sampling and its tokens at most.
    Model(Sampling, Option<usize>),
    Predictor,
    /// Documents, and how many passages are found.
    Documents(usize),
}

/// Something that is opened when it is first run.
struct Opening {
    name: String,
    parts: ProjectParts,
    kind: Kind,
    open: OnceCell<Arc<dyn Runnable>>,
}

impl Opening {
    fn new(name: &str, parts: ProjectParts, kind: Kind) -> Self {
        Self { name: name.to_string(), parts, kind, open: OnceCell::new() }
    }

    async fn opened(&self, cx: &Context) -> Result<&Arc<dyn Runnable>> {
        self.open
            .get_or_try_init(|| async {
                match &self.kind {
                    Kind::Model(sampling, most) => self.model(sampling, *most).await,
                    Kind::Predictor => self.predictor(),
                    Kind::Documents(k) => {
                        let found = self.documents(cx).await?;
                        let finder = Arc::new(Finder::new(found, *k)?);
                        Ok(Arc::new(Traced::new(RunKind::Retriever, finder)) as Arc<dyn Runnable>)
                    }
                }
            })
            .await
    }

    async fn model(&self, sampling: &Sampling, most: Option<usize>) -> Result<Arc<dyn Runnable>> {
        let mut engines = self.parts.0.engines.lock().await;
        let project = self.parts.0.project.as_ref();
        let adapter = project
            .filter(|p| p.item(&self.name).is_some_and(|i| matches!(i.kind, LearnKind::Adapter { .. })));
        let chat = match (adapter, project) {
            (Some(project), _) => {
                let workspace = Workspace::look(&project.dir)?;
                let engine = engines.adapter(project, &workspace, &self.name).await?;
                ChatModel::new(engine).with_adapter(&self.name)
            }
            (None, Some(project)) if self.name == BASE => {
                let base = project.base().ok_or_else(|| missing(PartKind::Model, BASE))?;
                ChatModel::new(engines.base(&base)?)
            }
            (None, _) => ChatModel::new(engines.base(&self.name)?),
        };
        let chat = chat.with_sampling(sampling.clone());
        Ok(match most {
            Some(n) => Arc::new(chat.with_max_tokens(n)),
            None => Arc::new(chat),
        })
    }

    fn predictor(&self) -> Result<Arc<dyn Runnable>> {
        let project = self.parts.project(PartKind::Predictor, &self.name)?;
        let artefact = Workspace::look(&project.dir)?.artefact(&format!("learn.{}", self.name));
        let artefact = artefact.ok_or_else(|| {
            Error::not_found(format!("`{}` is not learnt yet", self.name)).hint("run `lyceum up`")
        })?;
        let predictor = Arc::new(lyceum_learn::load(table_model(&artefact))?);
        Ok(Arc::new(Traced::new(RunKind::Chain, predictor)))
    }

    async fn documents(&self, cx: &Context) -> Result<Arc<Retriever>> {
        let project = self.parts.project(PartKind::Retriever, &self.name)?;
        let cell = {
            let mut all = self.parts.0.documents.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(self.name.clone()).or_default().clone()
        };
        let found = cell.get_or_try_init(|| async {
            let item = project.compose.iter().find(|i| i.name == self.name);
            let Some(ComposeKind::Documents { folder, options, embeddings }) = item.map(|i| &i.kind) else {
                return Err(missing(PartKind::Retriever, &self.name));
            };
            let words = Retriever::open(&self.name, &project.path(folder), options)?;
            Ok::<_, Error>(Arc::new(match embeddings {
                None => words,
                Some(model) => {
                    let engine = self.parts.0.engines.lock().await.base(model)?;
                    words.with_vectors(engine, cx).await?
                }
            }))
        });
        found.await.cloned()
    }
}

#[async_trait]
impl Runnable for Opening {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        match &self.kind {
            Kind::Model(..) => Signature::new(Schema::any(), Schema::of("string")),
            Kind::Predictor => Signature::new(Schema::of("object"), Schema::of("object")),
            Kind::Documents(_) => Signature::new(Schema::of("string"), Schema::of("array")),
        }
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        self.opened(cx).await?.invoke(input, cx).await
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        use futures_util::stream::{self, StreamExt, TryStreamExt};
        let begin = async move { Ok::<_, Error>(self.opened(cx).await?.transform(input, cx)) };
        stream::once(begin).try_flatten().boxed()
    }

    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        match self.opened(cx).await {
            Ok(opened) => opened.batch(inputs, cx).await,
            Err(e) => {
                let said = e.to_string();
                inputs.iter().map(|_| Err(Error::new(e.kind(), said.clone()))).collect()
            }
        }
    }
}
