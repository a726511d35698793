//! What `/metrics` tells: vLLM's names where it has one, LoRAX's, and ours. Labels come from bounded sets only:
//! routes of the table, status codes, served models, at most 200 adapters.

use crate::histogram::{Histogram, SECONDS, TOKENS};
use crate::state::App;
use lyceum_core::{ErrorKind, Finish, Usage};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

const ADAPTERS: usize = 200;

/// All counters of a server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    http: Mutex<BTreeMap<(String, u16), u64>>,
    adapters: Mutex<BTreeMap<String, u64>>,
    models: Mutex<BTreeMap<String, Arc<ModelMetrics>>>,
}

/// A model as its users see it; times are means in seconds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) first_token: Option<f64>,
    pub(crate) per_token: Option<f64>,
}

/// Counters of one model.
#[derive(Debug)]
pub(crate) struct ModelMetrics {
    started: AtomicU64,
    stopped: AtomicU64,
    cut: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    first_token: Histogram,
    per_token: Histogram,
    whole: Histogram,
    prompt: Histogram,
    generated: Histogram,
}

impl Default for ModelMetrics {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            started: zero(),
            stopped: zero(),
            cut: zero(),
            failed: zero(),
            dropped: zero(),
            first_token: Histogram::new(SECONDS),
            per_token: Histogram::new(SECONDS),
            whole: Histogram::new(SECONDS),
            prompt: Histogram::new(TOKENS),
            generated: Histogram::new(TOKENS),
        }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let mut http = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        *http.entry((route.to_string(), status)).or_default() += 1;
    }

    /// Begins to measure a generation.
    pub(crate) fn begin(&self, model: &str, adapter: Option<&str>) -> Meter {
        if let Some(adapter) = adapter {
            let mut adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
            let known = adapters.len() < ADAPTERS || adapters.contains_key(adapter);
            *adapters.entry(if known { adapter } else { "other" }.to_string()).or_default() += 1;
        }
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let model = models.entry(model.to_string()).or_default().clone();
        drop(models);
        model.started.fetch_add(1, Ordering::Relaxed);
        Meter { model, start: Instant::now(), last: None, ended: false }
    }

    /// How often an adapter was asked for.
    pub(crate) fn adapter_requests(&self, adapter: &str) -> u64 {
        let adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        adapters.get(adapter).copied().unwrap_or(0)
    }

    /// What a model's users have seen.
    pub(crate) fn seen(&self, model: &str) -> Seen {
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.get(model).map_or(Seen::default(), |m| Seen {
            requests: m.started.load(Ordering::Relaxed),
            first_token: m.first_token.mean(),
            per_token: m.per_token.mean(),
        })
    }

    /// The whole page.
    pub(crate) fn page(&self, app: &App) -> String {
        let mut out = String::new();
        self.write_http(&mut out);
        for engine in app.models().engines().iter().filter(|e| e.model().generates) {
            self.models
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(engine.model().name.clone())
                .or_default();
        }
        for (name, m) in self.models.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            m.write(&mut out, &format!("model_name=\"{}\",", escaped(name)));
        }
        write_engines(&mut out, app);
        // A metric's samples stand together, as the format wants it.
        sorted(&out)
    }

    fn write_http(&self, out: &mut String) {
        let mut total = 0;
        for ((route, status), n) in self.http.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            total += n;
            let _ = writeln!(
                out,
                "lyceum_http_requests_total{{route=\"{}\",status=\"{status}\"}} {n}",
                escaped(route)
            );
        }
        let _ = writeln!(out, "lorax_request_count {total}");
        for (adapter, n) in self.adapters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(out, "lyceum_adapter_requests_total{{adapter=\"{}\"}} {n}", escaped(adapter));
        }
    }
}

impl ModelMetrics {
    fn write(&self, out: &mut String, labels: &str) {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        for (reason, n) in [("stop", &self.stopped), ("length", &self.cut), ("abort", &self.dropped)] {
            let _ = writeln!(
                out,
                "vllm:request_success_total{{{labels}finished_reason=\"{reason}\"}} {}",
                get(n)
            );
        }
        let plain = labels.trim_end_matches(',');
        let _ = writeln!(out, "lorax_request_success{{{plain}}} {}", get(&self.stopped) + get(&self.cut));
        for (err, n) in [("generation", &self.failed), ("dropped", &self.dropped)] {
            let _ = writeln!(out, "lorax_request_failure{{{labels}err=\"{err}\"}} {}", get(n));
        }
        self.first_token.write(out, "vllm:time_to_first_token_seconds", labels);
        self.per_token.write(out, "vllm:inter_token_latency_seconds", labels);
        self.whole.write(out, "vllm:e2e_request_latency_seconds", labels);
        self.prompt.write(out, "vllm:request_prompt_tokens", labels);
        self.generated.write(out, "vllm:request_generation_tokens", labels);
    }
}

fn write_engines(out: &mut String, app: &App) {
    let held = app.admission.waiting();
    let (mut queued, mut batch) = (held, 0);
    for engine in app.models().engines() {
        let (s, name) = (engine.stats(), escaped(&engine.model().name));
        let mut line = |metric: &str, value: u64| {
            let _ = writeln!(out, "{metric}{{model_name=\"{name}\"}} {value}");
        };
        line("vllm:num_requests_running", s.running as u64);
        line("vllm:num_requests_waiting", s.waiting as u64);
        line("vllm:prompt_tokens_total", s.prompt_tokens);
        line("vllm:generation_tokens_total", s.generation_tokens);
        line("lyceum_kv_bytes", s.kv_bytes);
        line("lyceum_model_bytes", engine.model().weight_bytes);
        queued += s.waiting;
        batch += s.running;
    }
    let _ = writeln!(out, "lorax_queue_length {queued}\nlorax_batch_current_size {batch}");
    let _ = writeln!(out, "lyceum_requests_held {held}");
}

/// Groups the samples by metric and puts each one's type before them.
fn sorted(page: &str) -> String {
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in page.lines() {
        let name = line.split(['{', ' ']).next().unwrap_or(line);
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let family = family.filter(|f| page.contains(&format!("{f}_bucket"))).unwrap_or(name);
        families.entry(family).or_default().push(line);
    }
    let mut out = String::new();
    for (family, lines) in families {
        let histogram = lines.iter().any(|l| l.starts_with(&format!("{family}_bucket")));
        let counter = family.ends_with("_total") || family.starts_with("lorax_request_");
        let kind = if histogram {
            "histogram"
        } else if counter {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(out, "# TYPE {family} {kind}\n{}", lines.join("\n"));
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Measures one generation; dropped before its end it counts as dropped by the client.
#[derive(Debug)]
pub(crate) struct Meter {
    model: Arc<ModelMetrics>,
    start: Instant,
    last: Option<Instant>,
    ended: bool,
}

impl Meter {
    pub(crate) fn token(&mut self) {
        let now = Instant::now();
        match self.last {
            None => self.model.first_token.observe((now - self.start).as_secs_f64()),
            Some(last) => self.model.per_token.observe((now - last).as_secs_f64()),
        }
        self.last = Some(now);
    }

    pub(crate) fn done(&mut self, finish: &Finish, usage: &Usage) {
        self.ended = true;
        let count = if *finish == Finish::Length { &self.model.cut } else { &self.model.stopped };
        count.fetch_add(1, Ordering::Relaxed);
        self.model.whole.observe(self.start.elapsed().as_secs_f64());
        self.model.prompt.observe(usage.prompt_tokens as f64);
        self.model.generated.observe(usage.completion_tokens as f64);
    }

    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        if kind != ErrorKind::Cancelled {
            self.ended = true;
            self.model.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.ended {
            self.model.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
