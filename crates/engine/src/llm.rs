//! A decoder behind `core::Engine`: the door where requests are checked, and the scheduler's thread behind it.

use crate::adapters::{AdapterConfig, Prepared, Registry};
use crate::decoder::{Decoder, Precision};
use crate::emit::Emitter;
use crate::kv::{BLOCK_TOKENS, Blocks};
use crate::request::{Generation, Kind, Sequence};
use crate::sample::Sampler;
use crate::scheduler::Scheduler;
use crate::stats::Stats;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use lyceum_core::{
    AdapterInfo, Adapters, Engine, EngineStats, Error, ErrorKind, GenerateRequest, ModelInfo, Prompt, Result,
    TextCodec, TokenStream,
};
use lyceum_models::peft::Adapter;
use lyceum_models::{DecoderSpec, Loaded, Text};
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::Cache;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// Most stop strings of a request, and the longest.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 1024;
/// Most alternatives of a token.
const MAX_ALTERNATIVES: usize = 100;

/// Limits of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Sequences in a batch.
    pub max_batch: usize,
    /// Requests that may wait; more are refused as overloaded.
    pub max_waiting: usize,
    /// Prompt tokens of one pass.
    pub prompt_budget: usize,
    /// Bytes of the key-value cache; at least one whole context always fits.
    pub kv_bytes: usize,
    /// How products are computed.
    pub precision: Precision,
    /// Limits of the adapters.
    pub adapters: AdapterConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_batch: 32,
            max_waiting: 1024,
            prompt_budget: 256,
            kv_bytes: 512 << 20,
            precision: Precision::Fast,
            adapters: AdapterConfig::default(),
        }
    }
}

/// A language model that generates and scores.
pub struct LanguageModel {
    info: ModelInfo,
    text: Arc<Text>,
    adapters: Registry,
    inbox: mpsc::Sender<Sequence>,
    stats: Arc<Stats>,
    max_waiting: usize,
}

impl LanguageModel {
    /// Opens a GGUF file or a folder; see [`lyceum_models::load`] for what can be wrong with it.
    pub fn open(path: &Path, config: EngineConfig) -> Result<Self> {
        Self::new(lyceum_models::load(path)?, config)
    }

    /// Runs a loaded model. Fails only when no thread can be started.
    pub fn new(model: Loaded, config: EngineConfig) -> Result<Self> {
        let Loaded { path, info, spec, weights, text } = model;
        let (inbox, outbox) = mpsc::channel();
        let (text, stats) = (Arc::new(text), Arc::new(Stats::default()));
        let (cache, blocks) = cache(&spec, &config);
        let scheduler = Scheduler {
            decoder: Decoder::new(spec.clone(), &weights, config.precision),
            cache,
            blocks: Blocks::new(blocks),
            pool: Pool::global(),
            text: Arc::clone(&text),
            inbox: outbox,
            stats: Arc::clone(&stats),
            waiting: VecDeque::new(),
            running: Vec::new(),
            config: config.clone(),
        };
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || scheduler.run())
            .map_err(|e| Error::internal(format!("cannot start the engine's thread: {e}")))?;
        let adapters =
            Registry::new(spec, (path, info.fingerprint.clone()), config.precision, config.adapters)?;
        Ok(Self { info, text, adapters, inbox, stats, max_waiting: config.max_waiting })
    }

    /// Puts an adapter that was made in memory under a name, in place of what the name meant before. It never leaves
    /// memory for want of room. Errors: a name that is empty, long or unprintable; an adapter over the budget.
    pub fn add_adapter(&self, name: &str, adapter: &Adapter) -> Result<AdapterInfo> {
        self.adapters.insert(name, adapter)
    }

    /// Sends a sequence to the scheduler: at once, or when its adapter has come into memory.
    fn submit(
        &self,
        adapter: Option<&str>,
        sequence: impl FnOnce(Option<Arc<Prepared>>) -> Sequence + Send + 'static,
    ) -> Result<()> {
        if self.stats.waiting.fetch_add(1, Relaxed) >= self.max_waiting {
            self.stats.waiting.fetch_sub(1, Relaxed);
            let m = format!("{} requests wait already; try again later", self.max_waiting);
            return Err(Error::new(ErrorKind::Overloaded, m));
        }
        let (inbox, stats) = (self.inbox.clone(), Arc::clone(&self.stats));
        let send = move |adapter: Result<Option<Arc<Prepared>>>| match adapter {
            Ok(adapter) => {
                if let Err(mpsc::SendError(mut lost)) = inbox.send(sequence(adapter)) {
                    lost.fail(Error::internal("the engine's thread has ended"));
                }
            }
            Err(e) => {
                stats.waiting.fetch_sub(1, Relaxed);
                stats.finished.fetch_add(1, Relaxed);
                sequence(None).fail(e);
            }
        };
        let Some(name) = adapter else {
            send(Ok(None));
            return Ok(());
        };
        let asked = self.adapters.get(name, Box::new(move |adapter| send(adapter.map(Some))));
        if asked.is_err() {
            self.stats.waiting.fetch_sub(1, Relaxed);
        }
        asked
    }

    fn prompt(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        let ids = match prompt {
            Prompt::Text(text) => self.text.encode(text, true)?,
            Prompt::Chat(messages, options) => self.text.encode_chat(messages, options)?,
            Prompt::Tokens(ids) => ids.clone(),
        };
        if ids.is_empty() {
            return Err(Error::invalid("the prompt is empty").at_key("prompt"));
        }
        let size = self.info.vocab_size;
        if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
            return Err(Error::invalid(format!("token {id} does not exist; the vocabulary has {size}"))
                .at_key("prompt"));
        }
        let context = self.info.context_length;
        if ids.len() >= context {
            let m = format!(
                "the prompt has {} tokens, the model's context {context}; at least one must be left",
                ids.len()
            );
            return Err(Error::invalid(m).with_code("context_length_exceeded").hint("shorten the prompt"));
        }
        Ok(ids)
    }

    /// The present generation of an adapter, when it is in memory.
    async fn adapter(&self, name: Option<&str>) -> Result<Option<Arc<Prepared>>> {
        let Some(name) = name else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        self.adapters.get(name, Box::new(move |adapter| drop(reply.send(adapter))))?;
        answer.await.map_err(|_| Error::internal("the thread that loads adapters has ended"))?.map(Some)
    }

    async fn score_window(&self, tokens: &[u32], adapter: Option<Arc<Prepared>>) -> Result<Vec<f32>> {
        let (reply, answer) = oneshot::channel();
        let tokens = tokens.to_vec();
        self.submit(None, move |_| Sequence::new(tokens, adapter, None, Kind::Score(Some(reply))))?;
        answer.await.map_err(|_| Error::internal("the engine's thread has ended"))?
    }
}

/// The cache and the number of its blocks.
fn cache(spec: &DecoderSpec, config: &EngineConfig) -> (Cache, usize) {
    let (heads, dim) = (spec.attention.kv_heads, spec.attention.head_dim);
    let exact = config.precision == Precision::Exact;
    let bytes = Cache::bytes_of_block(spec.layers, heads, dim, exact);
    let least = spec.context.div_ceil(BLOCK_TOKENS) + 1;
    let blocks = (config.kv_bytes / bytes.max(1)).clamp(least, least * config.max_batch.max(1));
    (Cache::new(spec.layers, heads, dim, blocks, exact), blocks)
}

fn check(request: &GenerateRequest) -> Result<()> {
    request.sampling.check()?;
    if request.stop.len() > MAX_STOPS || request.stop.iter().any(|s| s.len() > MAX_STOP_BYTES) {
        let m = format!("at most {MAX_STOPS} stop strings of {MAX_STOP_BYTES} bytes");
        return Err(Error::invalid(m).at_key("stop"));
    }
    if request.logprobs.is_some_and(|n| n > MAX_ALTERNATIVES) {
        return Err(Error::invalid(format!("at most {MAX_ALTERNATIVES} alternatives")).at_key("logprobs"));
    }
    Ok(())
}

#[async_trait]
impl Engine for LanguageModel {
    fn model(&self) -> &ModelInfo {
        &self.info
    }

    fn text(&self) -> &dyn TextCodec {
        &*self.text
    }

    fn generate(&self, request: GenerateRequest) -> Result<TokenStream> {
        check(&request)?;
        let tokens = self.prompt(&request.prompt)?;
        let room = self.info.context_length - tokens.len();
        let (events, receiver) = tokio::sync::mpsc::unbounded_channel();
        let generation = Generation {
            sampler: Sampler::new(request.sampling, &tokens),
            emitter: Emitter::new(request.stop),
            events,
            limit: request.max_tokens.unwrap_or(room).min(room),
            ignore_eos: request.ignore_eos,
            logprobs: request.logprobs,
            prompt_logprobs: request.prompt_logprobs,
        };
        let deadline = request.deadline;
        self.submit(request.adapter.as_deref(), move |adapter| {
            Sequence::new(tokens, adapter, deadline, Kind::Generate(Box::new(generation)))
        })?;
        let next =
            |mut r: tokio::sync::mpsc::UnboundedReceiver<_>| async move { r.recv().await.map(|e| (e, r)) };
        Ok(stream::unfold(receiver, next).boxed())
    }

    /// Texts longer than the context are scored in windows that overlap by half, each token once, with at least half
    /// a context before it.
    async fn score(&self, tokens: &[u32], adapter: Option<&str>) -> Result<Vec<f32>> {
        let adapter = self.adapter(adapter).await?;
        if let Some(id) = tokens.iter().find(|id| **id as usize >= self.info.vocab_size) {
            return Err(Error::invalid(format!("token {id} does not exist")));
        }
        let context = self.info.context_length;
        let mut scores: Vec<f32> = Vec::with_capacity(tokens.len());
        let mut start = 0;
        while scores.len() + 1 < tokens.len() {
            let end = (start + context).min(tokens.len());
            let window = tokens.get(start..end).unwrap_or_default();
            let got = self.score_window(window, adapter.clone()).await?;
            let known = scores.len() - start;
            scores.extend(got.get(known..).unwrap_or_default());
            start += (context / 2).max(1);
        }
        Ok(scores)
    }

    fn adapters(&self) -> Option<&dyn Adapters> {
        Some(&self.adapters)
    }

    fn stats(&self) -> EngineStats {
        self.stats.snapshot()
    }
}
