//! One request and what it tells: when the first token came, when the last, how many there were.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value never panics: what is not there is null")]

use super::sse::Events;
use lyceum_core::{Error, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What is asked.
pub(super) struct Asks {
    pub(super) prompt: Option<String>,
    pub(super) words: usize,
    pub(super) seed: u64,
    pub(super) max_tokens: u32,
    pub(super) ignore_eos: bool,
}

/// Where it is asked.
pub(super) struct Target {
    client: Client,
    pub(super) url: Url,
    pub(super) model: String,
    key: Option<HeaderValue>,
    asks: Asks,
}

/// One answer, or the class of failure.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Answered(Answer),
    Failed { class: &'static str, why: String },
}

/// Times are from the moment of sending.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) end: Duration,
    pub(super) prompt_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    /// Pieces with text, where the server tells no usage.
    pub(super) chunks: u64,
}

impl Target {
    /// `url` may be the server's root, its `/v1`, or the chat route itself. `OPENAI_API_KEY` is sent as the key.
    pub(super) fn new(url: &str, model: &str, timeout: Duration, asks: Asks) -> Result<Self> {
        let wrong =
            |why: String| Error::invalid(format!("\"{url}\" is not an endpoint: {why}")).at_key("URL");
        let mut parsed = Url::parse(url).map_err(|e| wrong(e.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("it must begin with http:// or https://".into()));
        }
        let path = parsed.path().trim_end_matches('/').to_string();
        parsed.set_path(&match path.as_str() {
            p if p.ends_with("/chat/completions") => path.clone(),
            p if p.ends_with("/v1") => format!("{path}/chat/completions"),
            _ => format!("{path}/v1/chat/completions"),
        });
        lyceum_store::ensure_tls_provider();
        let client = Client::builder().timeout(timeout).connect_timeout(Duration::from_secs(5)).build();
        let key = std::env::var("OPENAI_API_KEY").ok().filter(|k| !k.is_empty());
        let key = key.map(|k| {
            let mut value = HeaderValue::from_str(&format!("Bearer {k}"))
                .map_err(|_| Error::invalid("OPENAI_API_KEY holds characters that no key has"))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        Ok(Self {
            client: client.map_err(|e| Error::internal(format!("cannot set up HTTP: {e}")))?,
            url: parsed,
            model: model.into(),
            key: key.transpose()?,
            asks,
        })
    }

    /// The answer to the request of a number.
    pub(super) async fn ask(&self, number: usize) -> Outcome {
        match self.answer(number).await {
            Ok(answer) => Outcome::Answered(answer),
            Err((class, why)) => Outcome::Failed { class, why },
        }
    }

    async fn answer(&self, number: usize) -> Result<Answer, (&'static str, String)> {
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let request = request.body(self.body(number).to_string());
        let start = Instant::now();
        let mut response = request.send().await.map_err(|e| (class(&e), self.unsent(&e)))?;
        let status = response.status();
        if !status.is_success() {
            let body = response.text().await.unwrap_or_default();
            return Err((
                of_status(status.as_u16()),
                format!("{status}: {}", body.chars().take(300).collect::<String>()),
            ));
        }
        let mut reader = Reader::default();
        while let Some(piece) = response.chunk().await.map_err(|e| (class(&e), innermost(&e)))? {
            reader.take(&piece, start.elapsed())?;
        }
        reader.end(start.elapsed())
    }

    fn unsent(&self, e: &reqwest::Error) -> String {
        let what = if e.is_connect() { "cannot connect to" } else { "no answer from" };
        format!("{what} {}: {}", self.url.host_str().unwrap_or("?"), innermost(e))
    }

    fn body(&self, number: usize) -> Value {
        let prompt = self.asks.prompt.clone().unwrap_or_else(|| self.made_up(number));
        let mut body = json!({
            "model": self.model,
            "messages": [{ "role": "user", "content": prompt }],
            "max_tokens": self.asks.max_tokens,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if self.asks.ignore_eos {
            body["ignore_eos"] = true.into();
        }
        body
    }

    /// Words of a fixed list, drawn by the seed and the request's number.
    fn made_up(&self, number: usize) -> String {
        const WORDS: &[&str] = &[
            "river", "window", "seven", "green", "quiet", "engine", "letter", "stone", "morning", "paper",
            "bridge", "garden", "silver", "number", "winter", "yellow", "circle", "travel", "market",
            "island", "pencil", "summer", "forest", "shadow", "button", "copper", "harbour", "meadow",
            "signal", "velvet", "walnut", "zero",
        ];
        let mut state = self.asks.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = || {
            // One step of xorshift64* (Vigna 2016) is plenty for prompts.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x ^= x >> 12;
            x ^= x << 25;
            x ^= x >> 27;
            (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize
        };
        let words: Vec<&str> =
            (0..self.asks.words).filter_map(|_| WORDS.get(draw() % WORDS.len()).copied()).collect();
        format!("Tell a long story with these words: {}.", words.join(" "))
    }
}

/// Reads a stream: role-only pieces are no tokens, usage comes last, errors may come in the middle.
#[derive(Default)]
pub(super) struct Reader {
    events: Events,
    answer: Answer,
    finished: bool,
}

impl Reader {
    pub(super) fn take(&mut self, piece: &[u8], at: Duration) -> Result<(), (&'static str, String)> {
        let events = self.events.feed(piece).map_err(|e| ("stream", e.message().to_string()))?;
        for data in events {
            if data == "[DONE]" {
                self.finished = true;
                continue;
            }
            let event: Value =
                serde_json::from_str(&data).map_err(|e| ("stream", format!("an event is not JSON: {e}")))?;
            if let Some(error) = event.get("error").filter(|e| !e.is_null()) {
                return Err(("stream_error", error.get("message").unwrap_or(error).to_string()));
            }
            self.note(&event, at);
        }
        Ok(())
    }

    fn note(&mut self, event: &Value, at: Duration) {
        let choice = &event["choices"][0];
        let text = |key: &str| choice["delta"][key].as_str().is_some_and(|t| !t.is_empty());
        if text("content")
            || text("reasoning_content")
            || text("reasoning")
            || choice["delta"]["tool_calls"].is_array()
        {
            if self.answer.chunks == 0 {
                self.answer.first = at;
            }
            self.answer.chunks += 1;
            self.answer.last = at;
        }
        // Some servers send no [DONE]; a reason to end is an end as well.
        self.finished |= choice["finish_reason"].is_string();
        if let Some(usage) = event.get("usage").filter(|u| u.is_object()) {
            self.answer.prompt_tokens = usage["prompt_tokens"].as_u64();
            self.answer.output_tokens = usage["completion_tokens"].as_u64();
        }
    }

    pub(super) fn end(mut self, at: Duration) -> Result<Answer, (&'static str, String)> {
        if !self.finished {
            return Err(("truncated", "the stream ended in the middle".into()));
        }
        if self.answer.chunks == 0 {
            // An answer without text: its only event is its end.
            (self.answer.first, self.answer.last) = (at, at);
        }
        self.answer.end = at;
        Ok(self.answer)
    }
}

fn class(e: &reqwest::Error) -> &'static str {
    if e.is_timeout() {
        "timeout"
    } else if e.is_connect() {
        "connect"
    } else {
        "broken"
    }
}

fn of_status(status: u16) -> &'static str {
    match status {
        401 | 403 => "http_auth",
        404 => "http_404",
        429 => "http_429",
        400..=499 => "http_4xx",
        _ => "http_5xx",
    }
}

fn innermost(e: &dyn std::error::Error) -> String {
    let mut e = e;
    while let Some(next) = e.source() {
        e = next;
    }
    e.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn read(pieces: &[&str]) -> Result<Answer, (&'static str, String)> {
        let mut reader = Reader::default();
        for (i, piece) in pieces.iter().enumerate() {
            reader.take(piece.as_bytes(), MS * (i as u32 + 1))?;
        }
        reader.end(MS * (pieces.len() as u32 + 1))
    }

    fn delta(content: &str) -> String {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}]}}\r\n\r\n")
    }

    const ROLE: &str =
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":9}}\n\n";

    #[test]
    fn a_whole_stream() {
        let a =
            read(&[ROLE, ": ping\n\n", &delta("one two"), &delta("three"), STOP, USAGE, "data: [DONE]\n\n"])
                .unwrap();
        assert_eq!((a.first, a.last, a.end), (MS * 3, MS * 4, MS * 8));
        assert_eq!((a.prompt_tokens, a.output_tokens, a.chunks), (Some(5), Some(9), 2));
        let without_done = read(&[&delta("x"), STOP]).unwrap();
        assert_eq!((without_done.output_tokens, without_done.chunks), (None, 1));
        assert_eq!(read(&[ROLE, STOP, "data: [DONE]\n\n"]).unwrap().first, MS * 4);
    }

    #[test]
    fn broken_streams_are_classed() {
        assert_eq!(read(&[&delta("x")]).unwrap_err().0, "truncated");
        let error = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
        assert_eq!(read(&[&delta("x"), error]).unwrap_err(), ("stream_error", "\"out of memory\"".into()));
        assert_eq!(read(&["data: {\n\n"]).unwrap_err().0, "stream");
    }

    #[test]
    fn the_url_may_be_written_in_three_ways() {
        let asks = || Asks { prompt: None, words: 3, seed: 1, max_tokens: 1, ignore_eos: false };
        let target = |url: &str| Target::new(url, "m", MS, asks());
        for url in ["http://h:1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            assert_eq!(target(url).unwrap().url.as_str(), "http://h:1/v1/chat/completions");
        }
        assert!(target("h:1").is_err() && target("ftp://h").is_err());
        let t = target("http://h").unwrap();
        assert_eq!(t.made_up(1), t.made_up(1));
        assert_ne!(t.made_up(1), t.made_up(2));
    }
}
