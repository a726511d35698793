//! Server-sent events of finished frames; a comment now and then keeps silent lines open.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;

const PING: Duration = Duration::from_secs(15);

/// Frames as they come.
pub(crate) type Frames = BoxStream<'static, Bytes>;

/// The answer that streams frames.
pub(crate) fn respond(frames: Frames) -> Response {
    let kept_open = stream::unfold(frames, |mut frames| async move {
        match tokio::time::timeout(PING, frames.next()).await {
            Ok(frame) => frame.map(|f| (f, frames)),
            Err(_) => Some((Bytes::from_static(b": heartbeat\r\n\r\n"), frames)),
        }
    });
    let mut response = Response::new(Body::from_stream(kept_open.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
