//! A sentence encoder behind `core::Engine`: it embeds and does not generate. One thread computes, texts wait in line.

use crate::stats::Stats;
use async_trait::async_trait;
use lyceum_core::{
    Engine, EngineStats, Error, ErrorKind, GenerateRequest, ModelInfo, Result, TextCodec, TokenStream,
};
use lyceum_models::bert::Bert;
use lyceum_tensor::Pool;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// Most texts of one call.
const MAX_TEXTS: usize = 2048;
/// Calls that may wait.
const MAX_WAITING: usize = 256;

struct Job {
    texts: Vec<String>,
    reply: oneshot::Sender<Result<Vec<Vec<f32>>>>,
}

/// A model that embeds sentences.
pub struct Encoder {
    model: Arc<Bert>,
    inbox: mpsc::Sender<Job>,
    stats: Arc<Stats>,
}

impl Encoder {
    /// Opens a folder; see [`Bert::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        Self::new(Bert::open(folder)?)
    }

    /// Runs a loaded encoder. Fails only when no thread can be started.
    pub fn new(model: Bert) -> Result<Self> {
        let (model, stats) = (Arc::new(model), Arc::new(Stats::default()));
        let (inbox, outbox) = mpsc::channel::<Job>();
        let (runs, counts) = (Arc::clone(&model), Arc::clone(&stats));
        std::thread::Builder::new()
            .name("encoder".into())
            .spawn(move || {
                while let Ok(job) = outbox.recv() {
                    counts.waiting.fetch_sub(1, Relaxed);
                    counts.running.store(1, Relaxed);
                    let vectors = embed_all(&runs, &job, &counts);
                    let _ = job.reply.send(vectors);
                    counts.running.store(0, Relaxed);
                    counts.finished.fetch_add(1, Relaxed);
                }
            })
            .map_err(|e| Error::internal(format!("cannot start the encoder's thread: {e}")))?;
        Ok(Self { model, inbox, stats })
    }
}

fn embed_all(model: &Bert, job: &Job, stats: &Stats) -> Result<Vec<Vec<f32>>> {
    let mut vectors = Vec::with_capacity(job.texts.len());
    for text in &job.texts {
        if job.reply.is_closed() {
            return Err(Error::cancelled());
        }
        vectors.push(model.embed(Pool::global(), text)?);
        stats.prompt_tokens.fetch_add(model.tokens(text).map_or(0, |t| t.len() as u64), Relaxed);
    }
    Ok(vectors)
}

#[async_trait]
impl Engine for Encoder {
    fn model(&self) -> &ModelInfo {
        &self.model.info
    }

    fn text(&self) -> &dyn TextCodec {
        &self.model.text
    }

    fn generate(&self, _: GenerateRequest) -> Result<TokenStream> {
        Err(Error::unsupported(format!(
            "model `{}` makes embeddings, it does not generate",
            self.model.info.name
        )))
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        if texts.is_empty() || texts.len() > MAX_TEXTS {
            let m = format!("{} texts; 1 to {MAX_TEXTS} expected", texts.len());
            return Err(Error::invalid(m).at_key("input"));
        }
        if self.stats.waiting.fetch_add(1, Relaxed) >= MAX_WAITING {
            self.stats.waiting.fetch_sub(1, Relaxed);
            return Err(Error::new(ErrorKind::Overloaded, format!("{MAX_WAITING} calls wait already")));
        }
        let (reply, answer) = oneshot::channel();
        let gone = |_| Error::internal("the encoder's thread has ended");
        self.inbox.send(Job { texts: texts.to_vec(), reply }).map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }

    fn stats(&self) -> EngineStats {
        self.stats.snapshot()
    }
}
