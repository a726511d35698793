//! A language model that is asked: many prompts at once through the engine, answers in their order.

use super::lesson::example;
use futures_util::{StreamExt, TryStreamExt, stream};
use lyceum_core::{
    AdapterSource, Context, Engine, Error, FitContext, GenerateEvent, GenerateRequest, Prompt, Result,
};
use lyceum_engine::{EngineConfig, LanguageModel};
use lyceum_learn::llm::{Likelihood, Said, Sample, Speaker, Speech, With};
use lyceum_models::{Loaded, Text};
use std::path::Path;

/// Requests at once.
const AT_ONCE: usize = 32;
/// Name under which the adapter is loaded.
const ADAPTER: &str = "adapter";

/// An engine with perhaps an adapter.
pub(super) struct Opened {
    engine: LanguageModel,
    text: Text,
    adapter: Option<&'static str>,
    runtime: tokio::runtime::Runtime,
}

impl Opened {
    /// Opens a loaded base, and an adapter's folder over it.
    pub(super) fn new(loaded: Loaded, adapter: Option<&Path>, cx: &FitContext) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::internal(format!("cannot start the runtime: {e}")))?;
        let text = loaded.text.clone();
        let engine = LanguageModel::new(loaded, EngineConfig::default())?;
        if let (Some(folder), Some(adapters)) = (adapter, engine.adapters()) {
            let source = AdapterSource::Folder(folder.to_path_buf());
            runtime.block_on(cx.cx.run(adapters.load(ADAPTER, source)))?;
        }
        Ok(Self { engine, text, adapter: adapter.map(|_| ADAPTER), runtime })
    }

    async fn one(&self, prompt: &Prompt, how: &Speech, place: usize, cx: &Context) -> Result<Said> {
        let mut request = GenerateRequest::new(prompt.clone());
        request.max_tokens = Some(how.max_new_tokens);
        request.sampling = how.sampling.clone();
        request.sampling.seed = how.sampling.seed.wrapping_add(place as u64);
        request.adapter = self.adapter.map(str::to_string);
        request.logprobs = Some(0);
        let mut events = lyceum_core::generate(&self.engine, request, cx)?;
        let mut said = Said::default();
        while let Some(event) = cx.run(events.try_next()).await? {
            match event {
                GenerateEvent::Started { .. } => {}
                GenerateEvent::Token(token) => {
                    said.text.push_str(&token.text);
                    said.logprob += f64::from(token.logprob.unwrap_or(0.0));
                }
                GenerateEvent::Done { text, usage, .. } => {
                    said.text.push_str(&text);
                    said.tokens = usage.completion_tokens;
                }
            }
        }
        Ok(said)
    }

    async fn score(&self, sample: &Sample, with: With, cx: &Context) -> Result<Likelihood> {
        let example = example(&self.text, sample)?;
        let adapter = self.adapter.filter(|_| with == With::Adapter);
        let scores = cx.run(self.engine.score(&example.ids, adapter)).await?;
        let counted = scores.iter().zip(example.weights.iter().skip(1)).filter(|(_, w)| **w > 0.0);
        let sum = |l: Likelihood, s: &f32| Likelihood { nll: l.nll - f64::from(*s), tokens: l.tokens + 1.0 };
        Ok(counted.fold(Likelihood::default(), |l, (s, _)| sum(l, s)))
    }

    /// Runs many at once and tells how many have ended.
    fn all<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        work: impl ExactSizeIterator<Item = F>,
        cx: &FitContext,
    ) -> Result<Vec<T>> {
        cx.progress.begin(what, Some(work.len() as u64));
        let mut ended = 0;
        let each = stream::iter(work).buffered(AT_ONCE).inspect_ok(|_| {
            ended += 1;
            cx.progress.at(ended);
        });
        let done = self.runtime.block_on(each.try_collect());
        cx.progress.end();
        done
    }
}

impl Speaker for Opened {
    fn fits(&self, prompt: &Prompt) -> Result<()> {
        let ids = match prompt {
            Prompt::Text(text) => lyceum_core::TextCodec::encode(&self.text, text, true)?,
            Prompt::Chat(messages, options) => self.text.encode_chat(messages, options)?,
            Prompt::Tokens(ids) => ids.clone(),
        };
        let (n, context) = (ids.len(), self.engine.model().context_length);
        if n >= context {
            let message = format!("the prompt of this row has {n} tokens, the model's context {context}");
            return Err(Error::invalid(message).hint("shorten it, or leave the row out"));
        }
        Ok(())
    }

    fn answer(&self, prompts: &[Prompt], how: &Speech, cx: &FitContext) -> Result<Vec<Said>> {
        how.sampling.check()?;
        let work = prompts.iter().enumerate().map(|(i, p)| self.one(p, how, i, &cx.cx));
        self.all("answering", work, cx)
    }

    fn likelihood(&self, samples: &[Sample], with: With, cx: &FitContext) -> Result<Vec<Likelihood>> {
        let what = if with == With::Base && self.adapter.is_some() { "baseline's loss" } else { "loss" };
        self.all(what, samples.iter().map(|s| self.score(s, with, &cx.cx)), cx)
    }
}
