//! `lyceum bench`: how fast a model reads prompts and generates, by size of the batch, with and without adapters.

use super::bench_adapters;
use super::model_args::ModelArgs;
use crate::ui::Ui;
use clap::Args;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use lyceum_core::{Context, Engine, Error, GenerateEvent, GenerateRequest, Prompt, Result, Sampling};
use lyceum_engine::{BLOCK_TOKENS, EngineConfig, LanguageModel, Precision};
use lyceum_models::DecoderSpec;
use lyceum_tensor::kernels::{self, Cache};
use serde::Serialize;
use std::time::Instant;

/// Largest batch and most repetitions.
const MOST: u64 = 1024;

/// Measure how fast a model reads and generates
#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    model: ModelArgs,
    /// Tokens of each prompt
    #[arg(long, value_name = "N", default_value_t = 512)]
    prompt_tokens: usize,
    /// Tokens that each sequence generates while all of them run
    #[arg(long, value_name = "N", default_value_t = 64)]
    gen_tokens: usize,
    /// Sequences at once, a measurement for each size
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,8,16",
          value_parser = clap::value_parser!(u64).range(1..=MOST))]
    batch: Vec<u64>,
    /// Random adapters that the sequences take turns with
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "adapter",
          value_parser = clap::value_parser!(u64).range(0..=MOST))]
    adapters: u64,
    /// Rank of the random adapters
    #[arg(long, value_name = "R", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=512))]
    rank: u64,
    /// Layers that the random adapters change
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "q_proj,v_proj")]
    target_modules: Vec<String>,
    /// Repetitions, of which the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    reps: u64,
}

/// Speeds at one size of the batch, in tokens of all its sequences per second.
#[derive(Serialize)]
struct Speed {
    batch: usize,
    prompt_tps: f64,
    decode_tps: f64,
    adapters: usize,
}

#[derive(Serialize)]
struct Report {
    model: String,
    results: Vec<Speed>,
    isa: &'static str,
    threads: usize,
}

/// Most runs of a batch until all its sequences were seen to run at once.
const TRIES: u64 = 50;

impl Bench {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        if self.prompt_tokens == 0 {
            return Err(Error::invalid("--prompt-tokens is 0, at least 1 expected").at_key("prompt-tokens"));
        }
        if self.gen_tokens == 0 {
            return Err(Error::invalid("--gen-tokens is 0, at least 1 expected").at_key("gen-tokens"));
        }
        let targets = bench_adapters::targets(&self.target_modules)?;
        let loaded = self.model.load()?;
        let spec = loaded.spec.clone();
        let largest = self.batch.iter().map(|b| *b as usize).max().unwrap_or(1);
        let longest = self.prompt_tokens.saturating_add(self.tokens(largest));
        if longest > spec.context {
            let m = format!(
                "{} prompt tokens and up to {} generated ones at a batch of {largest} take {longest} tokens, \
                 the model's context has {}",
                self.prompt_tokens,
                self.tokens(largest),
                spec.context
            );
            return Err(Error::invalid(m)
                .at_key("prompt-tokens")
                .hint("take shorter prompts or smaller batches"));
        }
        let engine = LanguageModel::new(loaded, self.config(&spec, largest, longest))?;
        let mut names: Vec<String> = self.model.with_adapter(&engine).await?.into_iter().collect();
        for i in 0..self.adapters {
            let name = format!("random-{i}");
            engine.add_adapter(&name, &bench_adapters::random(&spec, &targets, self.rank as usize, i)?)?;
            names.push(name);
        }
        let mut results = Vec::new();
        for batch in &self.batch {
            let speed = self.measure(&engine, &cx, *batch as usize, &names).await?;
            results.push(speed);
        }
        let report = Report {
            model: engine.model().name.clone(),
            results,
            isa: kernels::level().name(),
            threads: lyceum_tensor::Pool::global().threads(),
        };
        ui.result(&report, table)
    }

    /// Tokens that a sequence is asked for: those to be measured, and as many as it may be ahead of the last sequence
    /// when that has read its prompt.
    fn tokens(&self, batch: usize) -> usize {
        let budget = EngineConfig::default().prompt_budget;
        let passes = batch.saturating_mul(self.prompt_tokens).div_ceil(budget);
        self.gen_tokens.saturating_add(if batch == 1 { 0 } else { passes }).saturating_add(1)
    }

    /// Room for all sequences at once, so that none is set back.
    fn config(&self, spec: &DecoderSpec, batch: usize, tokens: usize) -> EngineConfig {
        let precision = self.model.precision();
        let exact = precision == Precision::Exact;
        let block =
            Cache::bytes_of_block(spec.layers, spec.attention.kv_heads, spec.attention.head_dim, exact);
        let blocks = batch.saturating_mul(tokens.div_ceil(BLOCK_TOKENS) + 1);
        let kv_bytes = blocks.saturating_mul(block);
        EngineConfig { max_batch: batch, precision, kv_bytes, ..EngineConfig::default() }
    }

    async fn measure(
        &self,
        engine: &LanguageModel,
        cx: &Context,
        batch: usize,
        adapters: &[String],
    ) -> Result<Speed> {
        let (mut prompt_tps, mut decode_tps) = (0.0_f64, 0.0_f64);
        for rep in 0..self.reps {
            cx.check()?;
            let load = |tokens, salt: u64| {
                let salt = (rep << 32) | (salt << 24) | batch as u64;
                self.requests(engine.model().vocab_size, batch, tokens, salt, adapters)
            };
            let start = Instant::now();
            let times = all(engine, load(1, 0)).await?;
            let end = times.iter().filter_map(|t| t.last()).max();
            let seconds = end.map_or(0.0, |e| (*e - start).as_secs_f64());
            prompt_tps = prompt_tps.max((batch * self.prompt_tokens) as f64 / seconds);
            cx.check()?;
            // A model that is quick enough ends one sequence before the next is heard of: try again.
            let mut tries = 1;
            let tps = loop {
                let times = all(engine, load(self.tokens(batch), tries)).await?;
                match while_all_run(&times) {
                    Err(_) if tries < TRIES => tries += 1,
                    tps => break tps?,
                }
            };
            decode_tps = decode_tps.max(tps);
        }
        let round = |x: f64| (x * 100.0).round() / 100.0;
        Ok(Speed {
            batch,
            prompt_tps: round(prompt_tps),
            decode_tps: round(decode_tps),
            adapters: adapters.len().min(batch),
        })
    }

    /// Prompts of random tokens, no two of which begin alike.
    fn requests(
        &self,
        vocabulary: usize,
        batch: usize,
        tokens: usize,
        salt: u64,
        adapters: &[String],
    ) -> Vec<GenerateRequest> {
        let prompt = |i: usize| {
            let mut draw = bench_adapters::draws(salt.wrapping_mul(1 << 12).wrapping_add(i as u64));
            (0..self.prompt_tokens).map(|_| (draw() % vocabulary.max(1) as u64) as u32).collect()
        };
        (0..batch)
            .map(|i| {
                let mut r = GenerateRequest::new(Prompt::Tokens(prompt(i)));
                r.max_tokens = Some(tokens);
                r.sampling = Sampling::greedy();
                r.ignore_eos = true;
                r.adapter = adapters.get(i % adapters.len().max(1)).cloned();
                r
            })
            .collect()
    }
}

/// Runs requests together; when each token of each came.
async fn all(engine: &LanguageModel, requests: Vec<GenerateRequest>) -> Result<Vec<Vec<Instant>>> {
    let streams = requests.into_iter().map(|r| engine.generate(r)).collect::<Result<Vec<_>>>()?;
    let runs = streams.into_iter().map(|mut events| async move {
        let mut times = Vec::new();
        while let Some(event) = events.try_next().await? {
            if matches!(event, GenerateEvent::Token(_)) {
                times.push(Instant::now());
            }
        }
        Ok::<_, Error>(times)
    });
    try_join_all(runs).await
}

/// Tokens per second between the first token of the last sequence to begin and the last one of the first to end.
fn while_all_run(times: &[Vec<Instant>]) -> Result<f64> {
    let from = times.iter().filter_map(|t| t.first()).max();
    let to = times.iter().filter_map(|t| t.last()).min();
    let (Some(from), Some(to)) = (from, to) else { return Err(Error::internal("no token came")) };
    if to <= from {
        return Err(Error::internal("the sequences did not run at once"));
    }
    let tokens = times.iter().flatten().filter(|t| *t > from && *t <= to).count();
    Ok(tokens as f64 / (*to - *from).as_secs_f64())
}

fn table(r: &Report) -> String {
    let mut out = format!("{}, {} threads, {}\n", r.model, r.threads, r.isa);
    out += &format!("{:>6} {:>9} {:>15} {:>15}\n", "batch", "adapters", "prompt tokens/s", "decode tokens/s");
    for s in &r.results {
        out += &format!("{:>6} {:>9} {:>15.2} {:>15.2}\n", s.batch, s.adapters, s.prompt_tps, s.decode_tps);
    }
    out
}
