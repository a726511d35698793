//! Reading a request's body: limited in size and time, UTF-8, JSON, of the right shape; each failure names the key.

use crate::limits::Limits;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use lyceum_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What is still read, and thrown away, of a body that is too large: clients write it all before they look at the
/// answer.
const THROWN_AWAY: usize = 256 << 20;

/// The whole body.
pub(crate) async fn read(request: Request, limits: &Limits) -> Result<Bytes> {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let patient = request.headers().contains_key(header::EXPECT);
    let mut pieces = request.into_body().into_data_stream();
    let mut whole = BytesMut::new();
    let mut over = announced.is_some_and(|n| n > limits.body_bytes as u64);
    let mut thrown = 0;
    let gather = async {
        // A client that asks first (`Expect`) is told at once.
        while !(over && (patient || thrown > THROWN_AWAY)) {
            let Some(piece) = pieces.next().await else { break };
            let piece = piece.map_err(|_| Error::invalid("the body broke off"))?;
            over |= whole.len() + piece.len() > limits.body_bytes;
            if over {
                whole.clear();
                thrown += piece.len();
            } else {
                whole.extend_from_slice(&piece);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(limits.read_time, gather).await {
        Ok(done) => done?,
        Err(_) if !over => {
            return Err(
                Error::new(ErrorKind::Timeout, "the body did not come in time").with_code("request_timeout")
            );
        }
        Err(_) => {}
    }
    if over {
        let text = format!("the body is larger than {} bytes", limits.body_bytes);
        return Err(Error::new(ErrorKind::TooLarge, text).with_code("request_too_large"));
    }
    Ok(whole.freeze())
}

/// The body as a value of a type.
pub(crate) async fn json<T: DeserializeOwned>(request: Request, limits: &Limits) -> Result<T> {
    parse(&read(request, limits).await?)
}

/// JSON bytes as a value of a type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::invalid(format!("the body is not UTF-8 (byte {})", e.valid_up_to() + 1)))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| explain(&e))?;
    reader.end().map_err(|e| Error::invalid(format!("the body is not one JSON value: {e}")))?;
    Ok(value)
}

fn explain(e: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let inner = e.inner();
    if !inner.is_data() {
        return Error::invalid(format!("the body is not JSON: {inner}"));
    }
    let said = inner.to_string();
    let path = e.path().to_string();
    let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path.as_str(), missing) {
        (".", Some(field)) => Error::invalid(format!("`{field}` is required")).at_key(field),
        (".", None) => match said.strip_prefix('`').and_then(|rest| rest.split_once("`: ")) {
            // A key of a flattened part: `wire` has put its name before what was said.
            Some((key, _)) => Error::invalid(&said).at_key(key),
            None => Error::invalid(format!("the body has the wrong form: {said}")),
        },
        (path, _) => Error::invalid(format!("`{path}`: {said}")).at_key(path),
    }
}

/// Names the keys that had no effect in a header.
pub(crate) fn note_ignored(response: &mut Response, extra: &Map<String, Value>, known: &[&str]) {
    let unknown = extra.iter().filter(|(k, v)| !v.is_null() && !known.contains(&k.as_str()));
    let list: Vec<&str> = unknown.map(|(k, _)| k.as_str()).take(20).collect();
    if let Ok(value) = HeaderValue::from_str(&list.join(","))
        && !list.is_empty()
    {
        response.headers_mut().insert("x-lyceum-ignored", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_wire::openai::ChatRequest;

    #[test]
    fn every_fault_names_its_place() {
        let told = |text: &str| {
            let e = parse::<ChatRequest>(text.as_bytes()).unwrap_err();
            (e.message().to_string(), e.at().key.clone().unwrap_or_default())
        };
        assert!(told("{").0.contains("not JSON"));
        assert!(told("").0.contains("not JSON"));
        assert!(told("[]").0.contains("wrong form"));
        assert_eq!(told(r#"{"messages":[]}"#), ("`model` is required".into(), "model".into()));
        assert_eq!(told(r#"{"model":"m","messages":[],"temperature":"hot"}"#).1, "temperature");
        assert_eq!(told(r#"{"model":"m","messages":[{"role":1}]}"#).1, "messages[0].role");
        assert!(told(r#"{"model":"m","messages":[],"temperature":NaN}"#).0.contains("not JSON"));
        assert!(told(r#"{"model":"m","messages":[],"temperature":1e999}"#).0.contains("number out of range"));
        assert!(told(r#"{"model":"m","messages":[]} x"#).0.contains("one JSON value"));
        let deep = format!("{{\"model\":\"m\",\"messages\":[],\"x\":{}", "[".repeat(1_000));
        assert!(told(&deep).0.contains("recursion limit"));
        let e = parse::<ChatRequest>(b"{\"model\":\"\xff\"}").unwrap_err();
        assert!(e.message().contains("not UTF-8 (byte 11)"), "{e}");
    }
}
