//! Values as JSON text that gives the same values back: what JSON has no word for is a map of one marked key.

use lyceum_core::{Error, Map, Message, Result, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const MESSAGE: &str = "__message__";
const BYTES: &str = "__bytes__";
const FLOAT: &str = "__float__";
const MAP: &str = "__map__";

/// A value as JSON.
///
/// # Errors
/// A table: checkpoints hold what goes between steps, and tables stay where they are.
pub(super) fn encode(value: &Value) -> Result<Json> {
    Ok(match value {
        Value::List(items) => Json::Array(items.iter().map(encode).collect::<Result<_>>()?),
        Value::Map(map) => {
            let entries = map.iter().map(|(k, v)| Ok((k.to_string(), encode(v)?)));
            let object = Json::Object(entries.collect::<Result<_>>()?);
            if marked(map) { json!({ MAP: object }) } else { object }
        }
        Value::Message(message) => {
            json!({ MESSAGE: serde_json::to_value(&**message).map_err(|e| Error::internal(e.to_string()))? })
        }
        Value::Bytes(bytes) => json!({ BYTES: crate::hash::hex(bytes) }),
        Value::Float(x) if !x.is_finite() => json!({ FLOAT: x.to_string() }),
        Value::Table(_) => return Err(Error::unsupported("a table cannot be kept in a checkpoint")),
        plain => plain.to_json(),
    })
}

/// What [`encode`] made.
pub(super) fn decode(json: Json) -> Result<Value> {
    match json {
        Json::Array(items) => Ok(Value::from(items.into_iter().map(decode).collect::<Result<Vec<_>>>()?)),
        Json::Object(mut object) => {
            let marked = (object.len() == 1).then(|| object.keys().next().cloned()).flatten();
            match marked.as_deref() {
                Some(key @ (MESSAGE | BYTES | FLOAT | MAP)) => {
                    let inner = object.remove(key).unwrap_or_default();
                    special(key, inner)
                }
                _ => entries(object),
            }
        }
        plain => Ok(Value::from_json(plain)),
    }
}

fn marked(map: &Map) -> bool {
    map.len() == 1 && map.keys().all(|k| [MESSAGE, BYTES, FLOAT, MAP].contains(&&**k))
}

fn entries(object: serde_json::Map<String, Json>) -> Result<Value> {
    let entries = object.into_iter().map(|(k, v)| Ok((k.into(), decode(v)?)));
    Ok(entries.collect::<Result<Map>>()?.into())
}

fn special(key: &str, inner: Json) -> Result<Value> {
    let wrong = || Error::corrupt(format!("a kept value of kind {key} cannot be read"));
    match (key, inner) {
        (MAP, Json::Object(object)) => entries(object),
        (FLOAT, Json::String(s)) => s.parse().map(Value::Float).map_err(|_| wrong()),
        (BYTES, Json::String(hex)) => {
            let byte = |i: usize| hex.get(i..i + 2).and_then(|h| u8::from_str_radix(h, 16).ok());
            let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
            bytes.map(|b| Value::Bytes(b.into())).ok_or_else(wrong)
        }
        (MESSAGE, inner) => {
            let message: Message = serde_json::from_value(inner).map_err(|_| wrong())?;
            Ok(Value::Message(Arc::new(message)))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let map = |k: &str, v: Value| Value::from(Map::from_iter([(k.into(), v)]));
        let all = [
            Value::Null,
            Value::Int(i64::MIN),
            Value::Float(1.0),
            Value::Float(f64::NEG_INFINITY),
            "é".into(),
            Value::Bytes(vec![0u8, 255].into()),
            Value::from(vec![Message::user("hi").into(), Value::Bool(true)]),
            map("a", map(MESSAGE, Value::Int(1))),
            map(MAP, map(BYTES, "zz".into())),
        ];
        for value in all {
            let text = serde_json::to_string(&encode(&value).unwrap()).unwrap();
            assert_eq!(decode(serde_json::from_str(&text).unwrap()).unwrap(), value, "{text}");
        }
        assert!(decode(json!({ BYTES: "xyz" })).is_err());
    }
}
