//! `lyceum perf`: how fast an OpenAI-compatible endpoint answers under load. Closed loop: so many clients, each with
//! one request at a time.

mod client;
mod report;
mod sse;

use crate::ui::Ui;
use clap::Args;
use client::{Outcome, Target};
use lyceum_core::{Context, Error, ErrorKind, Progress, Result};
use report::Report;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Measure an OpenAI-compatible endpoint under load: time to first token, tokens a second, errors
#[derive(Args)]
pub(crate) struct Perf {
    /// The endpoint, such as http://127.0.0.1:8080 or https://host/v1
    url: String,
    /// The model or adapter to ask
    #[arg(long)]
    model: String,
    /// Clients at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Stop after this many requests
    #[arg(long, default_value_t = 32, conflicts_with = "duration")]
    requests: usize,
    /// Start no request after this many seconds instead
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Requests before the measurement, which are not counted
    #[arg(long, default_value_t = 1)]
    warmup: usize,
    /// Tokens to generate at most in each answer
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Words of each made-up prompt; every prompt is another one, so that no cache helps
    #[arg(long, default_value_t = 64)]
    prompt_words: usize,
    /// Ask this instead of a made-up prompt
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Fixes the made-up prompts
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Go on to max-tokens even when the model would end (a key that vLLM and Lyceum know)
    #[arg(long)]
    ignore_eos: bool,
    /// Longest time for one answer, in seconds
    #[arg(long, default_value_t = 180.0)]
    timeout: f64,
}

impl Perf {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let seconds = |key: &str, s: f64| {
            Duration::try_from_secs_f64(s)
                .ok()
                .filter(|d| !d.is_zero())
                .ok_or_else(|| Error::invalid(format!("{key} is {s}, expected seconds over 0")).at_key(key))
        };
        let timeout = seconds("timeout", self.timeout)?;
        let duration = self.duration.map(|d| seconds("duration", d)).transpose()?;
        let target = Target::new(&self.url, &self.model, timeout, self.asks())?;
        let progress = ui.progress();
        let (warmup, clients, requests) = (self.warmup, usize::from(self.concurrency), self.requests);
        let load = Load {
            requests: if duration.is_some() { usize::MAX } else { requests.max(1) },
            duration,
            clients,
        };
        let report = ui.block_on(|cx| async move {
            for i in 0..warmup {
                // An endpoint that is not there is told at once; other errors belong to the measurement.
                let first = cx.run(async { Ok(target.ask(usize::MAX - i).await) }).await?;
                if let Outcome::Failed { class: "connect", why } = first {
                    return Err(Error::new(ErrorKind::Unavailable, why));
                }
            }
            load.run(Arc::new(target), progress, &cx).await
        })?;
        ui.result(&report, Report::show)?;
        if report.completed == 0 {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("no request succeeded: {}", report.errors_in_words()),
            ));
        }
        Ok(())
    }

    fn asks(&self) -> client::Asks {
        client::Asks {
            prompt: self.prompt.clone(),
            words: self.prompt_words,
            seed: self.seed,
            max_tokens: self.max_tokens,
            ignore_eos: self.ignore_eos,
        }
    }
}

/// How much load.
struct Load {
    requests: usize,
    duration: Option<Duration>,
    clients: usize,
}

impl Load {
    async fn run(self, target: Arc<Target>, progress: Arc<dyn Progress>, cx: &Context) -> Result<Report> {
        let next = Arc::new(AtomicUsize::new(0));
        let done = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let total = (self.requests < usize::MAX).then_some(self.requests as u64);
        progress.begin(&format!("{} clients", self.clients), total);
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..self.clients.min(self.requests) {
            let (target, next, done, cx) = (target.clone(), next.clone(), done.clone(), cx.clone());
            let (progress, until, most) = (progress.clone(), self.duration.map(|d| start + d), self.requests);
            workers.spawn(async move {
                let mut outcomes = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= most || until.is_some_and(|u| Instant::now() >= u) || cx.check().is_err() {
                        return outcomes;
                    }
                    match cx.run(async { Ok(target.ask(i).await) }).await {
                        Ok(outcome) => outcomes.push(outcome),
                        Err(_) => return outcomes,
                    }
                    progress.at(done.fetch_add(1, Ordering::Relaxed) as u64 + 1);
                }
            });
        }
        let mut outcomes = Vec::new();
        while let Some(joined) = workers.join_next().await {
            outcomes.extend(joined.map_err(|e| Error::internal(format!("a client broke: {e}")))?);
        }
        progress.end();
        // An interrupted run still tells what it has.
        if outcomes.is_empty() {
            cx.check()?;
        }
        Ok(Report::new(&target, self.clients, start.elapsed(), &outcomes))
    }
}
