//! `lyceum bench`: prompt, generation and batched-generation speed of a model, in the shape of peers' benchmarks.

use super::model_args::ModelArgs;
use crate::ui::Ui;
use clap::Args;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use lyceum_core::{Context, Engine, Error, GenerateEvent, GenerateRequest, Prompt, Result, Sampling};
use serde::Serialize;
use std::time::Instant;

/// Measure a model's speed
#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    model: ModelArgs,
    /// Lengths of prompts to read
    #[arg(long, value_delimiter = ',', default_value = "128,512")]
    pp: Vec<usize>,
    /// Tokens to generate
    #[arg(long, default_value_t = 64)]
    tg: usize,
    /// Sequences to generate at once
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    batch: Vec<usize>,
    /// Repetitions, of which the best counts
    #[arg(long, default_value_t = 3)]
    reps: usize,
}

#[derive(Serialize, Clone)]
struct Line {
    model: String,
    lora: bool,
    threads: usize,
    test: String,
    tokens_per_s: f64,
}

#[derive(Serialize)]
struct Report {
    results: Vec<Line>,
}

impl Bench {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        let (engine, adapter) = self.model.open().await?;
        let mut results = Vec::new();
        for n in &self.pp {
            let test = format!("pp{n}");
            let mut best = f64::MAX;
            for rep in 0..=self.reps {
                cx.check()?;
                best = best.min(read(&engine, *n, rep, adapter.clone()).await?);
            }
            results.push(self.line(ui, &engine, test, *n as f64 / best)?);
        }
        for n in &self.batch {
            let mut best = f64::MAX;
            for _ in 0..self.reps {
                cx.check()?;
                best = best.min(write(&engine, *n, self.tg, adapter.clone()).await?);
            }
            results.push(self.line(
                ui,
                &engine,
                format!("tg{}@{n}", self.tg),
                (n * self.tg) as f64 / best,
            )?);
        }
        if ui.json() { ui.result(&Report { results }, |_| String::new()) } else { Ok(()) }
    }

    fn line(&self, ui: &Ui, engine: &dyn Engine, test: String, speed: f64) -> Result<Line> {
        let line = Line {
            model: engine.model().name.clone(),
            lora: self.model.adapter.is_some(),
            threads: lyceum_tensor::Pool::global().threads(),
            test,
            tokens_per_s: (speed * 100.0).round() / 100.0,
        };
        if !ui.json() {
            ui.print(&format!("{:>10} {:>10.2} tokens/s", line.test, line.tokens_per_s))?;
        }
        Ok(line)
    }
}

fn request(ids: Vec<u32>, tokens: usize, adapter: Option<String>) -> GenerateRequest {
    let mut r = GenerateRequest::new(Prompt::Tokens(ids));
    r.max_tokens = Some(tokens);
    r.sampling = Sampling::greedy();
    r.ignore_eos = true;
    r.adapter = adapter;
    r
}

/// Seconds to read a prompt that no cache holds and give its first token.
async fn read(engine: &dyn Engine, n: usize, rep: usize, adapter: Option<String>) -> Result<f64> {
    let ids = (0..n).map(|i| 300 + (((i + 13 * rep) * (rep + 1)) % 700) as u32).collect();
    let begin = Instant::now();
    let mut events = engine.generate(request(ids, 1, adapter))?;
    while events.try_next().await?.is_some() {}
    Ok(begin.elapsed().as_secs_f64())
}

/// Seconds for `tokens` more tokens of each of `n` sequences, their first ones aside.
async fn write(engine: &dyn Engine, n: usize, tokens: usize, adapter: Option<String>) -> Result<f64> {
    let streams = (0..n).map(|s| engine.generate(request(vec![300 + s as u32], tokens + 1, adapter.clone())));
    let runs = streams.collect::<Result<Vec<_>>>()?.into_iter().map(|mut events| async move {
        let mut first = None;
        while let Some(event) = events.try_next().await? {
            if matches!(event, GenerateEvent::Token(_)) {
                first.get_or_insert_with(Instant::now);
            }
        }
        first.map(|f| (f, Instant::now())).ok_or_else(|| Error::internal("no token came"))
    });
    let times = try_join_all(runs).await?;
    let first = times.iter().map(|t| t.0).min();
    let last = times.iter().map(|t| t.1).max();
    Ok(first.zip(last).map_or(0.0, |(a, b)| (b - a).as_secs_f64()))
}
