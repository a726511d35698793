//! Server-sent events: one writer a protocol turns generation events into frames; pings keep silent lines open.

use crate::generation::Opened;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{self, BoxStream, StreamExt};
use lyceum_core::{Error, GenerateEvent};
use serde::Serialize;
use std::convert::Infallible;
use std::time::Duration;

const PING: Duration = Duration::from_secs(15);

/// Writes the frames of one protocol. `index` is the answer that an event belongs to.
pub(crate) trait Frames: Send + 'static {
    /// Frames before any token.
    fn begin(&mut self) -> String;
    /// Frames of an event; may be empty.
    fn event(&mut self, index: usize, event: GenerateEvent) -> String;
    /// The frame of an error; nothing comes after it.
    fn error(&mut self, e: &Error) -> String;
    /// Frames after the last event.
    fn end(&mut self) -> String;
}

/// The answer that streams generations as they run, interleaved. Dropped by the client, they are cancelled.
pub(crate) fn respond(opened: Vec<Opened>, mut frames: impl Frames) -> Response {
    let first = frames.begin();
    let tagged = opened.into_iter().enumerate().map(|(i, o)| o.into_events().map(move |e| (i, e)).boxed());
    let merged = stream::select_all(tagged);
    let rest = stream::unfold(Some((merged, frames)), |state| async move {
        let (mut merged, mut frames) = state?;
        match merged.next().await {
            Some((i, Ok(event))) => Some((frames.event(i, event), Some((merged, frames)))),
            Some((_, Err(e))) => Some((frames.error(&e), None)),
            None => Some((frames.end(), None)),
        }
    });
    let all = stream::iter([first]).chain(rest).filter(|f| std::future::ready(!f.is_empty()));
    body(all.boxed())
}

fn body(frames: BoxStream<'static, String>) -> Response {
    let kept_open = stream::unfold(frames, |mut frames| async move {
        match tokio::time::timeout(PING, frames.next()).await {
            Ok(frame) => frame.map(|f| (f, frames)),
            Err(_) => Some((": ping\n\n".to_string(), frames)),
        }
    });
    let mut response = Response::new(Body::from_stream(kept_open.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One frame of JSON. `lead` is `data: ` or, for LoRAX, `data:`.
pub(crate) fn frame(lead: &str, value: &impl Serialize) -> String {
    // Values of ours always serialise; were one not to, an empty frame is skipped.
    serde_json::to_string(value).map_or(String::new(), |json| format!("{lead}{json}\n\n"))
}
