//! An engine that plays a script, and a server around it.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod agents;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lyceum_core::{
    AdapterInfo, AdapterSource, Adapters, Engine, EngineStats, Error, Finish, GenerateEvent, GenerateRequest,
    LogProb, Message, ModelInfo, Prompt, RenderOptions, Result, TextCodec, TokenEvent, TokenStream, Usage,
};
use lyceum_serve::{Limits, Server};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Tokens are bytes; 256 ends a turn.
pub(crate) struct Script {
    info: ModelInfo,
    says: &'static str,
    pause: Duration,
    fails_after: Option<usize>,
    gate: Option<Arc<Semaphore>>,
    pub(crate) live: Arc<AtomicUsize>,
}

pub(crate) fn script(says: &'static str) -> Script {
    let info = ModelInfo {
        name: "base".into(),
        architecture: "script".into(),
        parameters: 1,
        weight_bytes: 1,
        format: "F32".into(),
        context_length: 200,
        vocab_size: 257,
        hidden_size: 3,
        generates: true,
        embeds: true,
        fingerprint: "0123456789abcdef".into(),
    };
    Script { info, says, pause: Duration::ZERO, fails_after: None, gate: None, live: Arc::default() }
}

impl Script {
    pub(crate) fn slow(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }
    /// Each event waits for a permit.
    pub(crate) fn gated(self, gate: &Arc<Semaphore>) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }
    pub(crate) fn failing_after(self, tokens: usize) -> Self {
        Self { fails_after: Some(tokens), ..self }
    }

    /// Tokens with the text that each makes certain: those of a stop string and the end token make none.
    fn tokens(&self, r: &GenerateRequest) -> (Vec<(u32, String)>, Finish) {
        let says = if r.adapter.is_some() { self.says.to_uppercase() } else { self.says.to_string() };
        let stop = r.stop.iter().filter_map(|s| says.find(s.as_str()).map(|at| (at, s.clone()))).min();
        let shown = stop.as_ref().map_or(says.as_str(), |(at, _)| &says[..*at]);
        let mut tokens: Vec<(u32, String)> = shown.chars().map(|c| (c as u32, c.to_string())).collect();
        let silent = |id| (id, String::new());
        let finish = match stop {
            Some((_, text)) => {
                tokens.extend(text.bytes().map(u32::from).map(silent));
                Finish::StopString(text)
            }
            None => {
                tokens.push(silent(256));
                Finish::EndOfSequence
            }
        };
        (tokens, finish)
    }

    fn events(&self, r: &GenerateRequest, prompt: Vec<u32>) -> Vec<Result<GenerateEvent>> {
        let (mut tokens, mut finish) = self.tokens(r);
        if let Some(most) = r.max_tokens.filter(|most| *most < tokens.len()) {
            tokens.truncate(most);
            finish = Finish::Length;
        }
        let top = |id| {
            (0..r.logprobs.unwrap_or(0) as u32).map(move |i| LogProb { id: id + i, logprob: -0.5 - i as f32 })
        };
        let mut events: Vec<Result<GenerateEvent>> = Vec::new();
        let logprobs = prompt.iter().skip(1).map(|id| LogProb { id: *id, logprob: -1.0 }).collect();
        let usage = Usage { prompt_tokens: prompt.len(), cached_tokens: 0, completion_tokens: tokens.len() };
        events.push(Ok(GenerateEvent::Started { prompt, prompt_logprobs: logprobs }));
        for (id, text) in tokens {
            let token = TokenEvent { id, text, logprob: r.logprobs.map(|_| -0.5), top: top(id).collect() };
            events.push(Ok(GenerateEvent::Token(token)));
        }
        events.push(Ok(GenerateEvent::Done { finish, text: String::new(), usage }));
        if let Some(n) = self.fails_after {
            events.truncate(n + 1);
            events.push(Err(Error::internal("the secret reason")));
        }
        events
    }
}

struct Alive(Arc<AtomicUsize>);
impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Engine for Script {
    fn model(&self) -> &ModelInfo {
        &self.info
    }
    fn text(&self) -> &dyn TextCodec {
        self
    }
    fn generate(&self, r: GenerateRequest) -> Result<TokenStream> {
        r.sampling.check()?;
        let prompt = match &r.prompt {
            Prompt::Text(t) => self.encode(t, true)?,
            Prompt::Tokens(ids) => ids.clone(),
            Prompt::Chat(messages, options) => self.encode(&self.render(messages, options)?, true)?,
        };
        if prompt.len() > self.info.context_length {
            let text = format!("the prompt has {} tokens, more than the context of 200", prompt.len());
            return Err(Error::invalid(text).with_code("context_length_exceeded"));
        }
        self.live.fetch_add(1, Ordering::SeqCst);
        let (alive, pause, gate) = (Alive(self.live.clone()), self.pause, self.gate.clone());
        let events = stream::iter(self.events(&r, prompt)).then(move |event| {
            let _ = &alive;
            let gate = gate.clone();
            async move {
                tokio::time::sleep(pause).await;
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                event
            }
        });
        Ok(events.boxed())
    }
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|t| vec![t.len() as f32, 0.5, -0.25]).collect())
    }
    async fn score(&self, tokens: &[u32], _: Option<&str>) -> Result<Vec<f32>> {
        Ok(vec![-0.25; tokens.len().saturating_sub(1)])
    }
    fn adapters(&self) -> Option<&dyn Adapters> {
        Some(self)
    }
    fn stats(&self) -> EngineStats {
        EngineStats { running: self.live.load(Ordering::SeqCst), ..EngineStats::default() }
    }
}

#[async_trait]
impl Adapters for Script {
    async fn load(&self, _: &str, _: AdapterSource) -> Result<AdapterInfo> {
        Err(Error::unsupported("the script takes no further adapters"))
    }
    async fn unload(&self, _: &str) -> Result<()> {
        Ok(())
    }
    fn list(&self) -> Vec<AdapterInfo> {
        let info = AdapterInfo { name: "loud".into(), generation: "g1".into(), ..AdapterInfo::default() };
        vec![AdapterInfo { rank: 1, modules: 1, bytes: 1, ..info }]
    }
}

impl TextCodec for Script {
    fn encode(&self, text: &str, _: bool) -> Result<Vec<u32>> {
        Ok(text.bytes().map(u32::from).collect())
    }
    fn token_bytes(&self, id: u32, special: bool) -> Result<Vec<u8>> {
        Ok(match u8::try_from(id) {
            Ok(byte) => vec![byte],
            Err(_) if special => b"<end>".to_vec(),
            Err(_) => Vec::new(),
        })
    }
    fn render(&self, messages: &[Message], _: &RenderOptions) -> Result<String> {
        Ok(messages.iter().map(|m| format!("{}: {}\n", m.role.as_str(), m.text())).collect())
    }
    fn end_ids(&self) -> &[u32] {
        &[256]
    }
}

/// A running server; dropping it tells it to stop.
pub(crate) struct Running {
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    done: Option<tokio::task::JoinHandle<Result<()>>>,
}

pub(crate) async fn start(server: Server) -> Running {
    let bound = server.bind("127.0.0.1:0").await.unwrap();
    let url = bound.url();
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(bound.serve(async move {
        let _ = stopped.await;
    }));
    Running { url, stop: Some(stop), done: Some(done) }
}

pub(crate) async fn start_script(script: Script) -> Running {
    start(Server::new(Limits::default()).engine(Arc::new(script))).await
}

impl Running {
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }
    pub(crate) async fn ended(&mut self) {
        self.done.take().unwrap().await.unwrap().unwrap();
    }
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

/// An answer as a test looks at it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    /// The JSON of each event of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|l| l.strip_prefix("data:")).map(str::trim);
        data.filter(|d| *d != "[DONE]").map(|d| serde_json::from_str(d).unwrap()).collect()
    }
}

pub(crate) fn client() -> reqwest::Client {
    // reqwest wants a TLS provider even where no TLS is spoken; `store` sets it up on its first use.
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

pub(crate) async fn post(server: &Running, path: &str, body: impl ToString) -> Answer {
    let request = client().post(format!("{}{path}", server.url)).header("content-type", "application/json");
    send(request.body(body.to_string())).await
}

pub(crate) async fn get(server: &Running, path: &str) -> Answer {
    send(client().get(format!("{}{path}", server.url))).await
}

/// Lets a Python script with its arguments talk to the server, until all is well. `LYCEUM_TEST_PYTHON` is a Python that
/// has the clients.
pub(crate) async fn python(script: &str, arguments: &[&str]) {
    let Some(python) = std::env::var_os("LYCEUM_TEST_PYTHON") else {
        println!("SKIPPED: LYCEUM_TEST_PYTHON names no Python with the clients");
        return;
    };
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = tokio::process::Command::new(python);
    command.arg(script).args(arguments).stdin(std::process::Stdio::null());
    let done = command.output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("all is well"), "{out}");
}
