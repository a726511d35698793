//! Values as LangChain's wire has them: messages as flat objects with a `type`, everything else as JSON.

use lyceum_core::{Content, Map, Message, Part, Role, ToolCall, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A value as JSON; messages inside become flat objects.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Message(m) => message(m),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.to_string(), to_json(v))).collect()),
        plain => plain.to_json(),
    }
}

fn message(m: &Message) -> Json {
    let content = match &m.content {
        Content::Text(text) => json!(text),
        Content::Parts(parts) => parts.iter().map(part).collect(),
    };
    let mut flat = vec![
        ("content", content),
        ("additional_kwargs", json!({})),
        ("response_metadata", json!({})),
        ("type", json!(kind(m.role))),
        ("name", json!(m.name)),
        ("id", json!(m.id)),
    ];
    match m.role {
        Role::Assistant => {
            let calls = m.tool_calls.iter().map(
                |c| json!({ "name": c.name, "args": c.arguments.to_json(), "id": c.id, "type": "tool_call" }),
            );
            flat.push(("tool_calls", calls.collect()));
            flat.push(("invalid_tool_calls", json!([])));
            flat.push(("usage_metadata", Json::Null));
        }
        Role::Tool => {
            flat.push(("tool_call_id", json!(m.tool_call_id)));
            flat.push(("artifact", Json::Null));
            flat.push(("status", json!("success")));
        }
        Role::System | Role::User => {}
    }
    Json::Object(flat.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

fn part(part: &Part) -> Json {
    match part {
        Part::Text { text } => json!({ "type": "text", "text": text }),
        Part::Image { url } => json!({ "type": "image_url", "image_url": { "url": url } }),
    }
}

fn kind(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "human",
        Role::Assistant => "ai",
        Role::Tool => "tool",
    }
}

/// JSON as a value: an object that is a flat message becomes one, anything else stays what it is.
pub(crate) fn from_json(json: Json) -> Value {
    match json {
        Json::Array(items) => items.into_iter().map(from_json).collect(),
        Json::Object(object) => match read_message(&object) {
            Some(message) => Value::Message(Arc::new(message)),
            None => object.into_iter().map(|(k, v)| (k.into(), from_json(v))).collect::<Map>().into(),
        },
        plain => Value::from_json(plain),
    }
}

fn read_message(object: &serde_json::Map<String, Json>) -> Option<Message> {
    let role = match object.get("type")?.as_str()? {
        "system" | "SystemMessageChunk" => Role::System,
        "human" | "HumanMessageChunk" => Role::User,
        "ai" | "AIMessageChunk" => Role::Assistant,
        "tool" | "ToolMessageChunk" => Role::Tool,
        _ => return None,
    };
    let text = |key: &str| object.get(key).and_then(Json::as_str).map(str::to_string);
    let content = match object.get("content")? {
        Json::String(text) => Content::Text(text.clone()),
        Json::Array(parts) => Content::Parts(parts.iter().map(read_part).collect::<Option<_>>()?),
        _ => return None,
    };
    let call = |c: &Json| {
        Some(ToolCall {
            id: c.get("id").and_then(Json::as_str).unwrap_or_default().to_string(),
            name: c.get("name")?.as_str()?.to_string(),
            arguments: Value::from_json(c.get("args")?.clone()),
        })
    };
    let calls = object.get("tool_calls").and_then(Json::as_array);
    Some(Message {
        role,
        content,
        id: text("id"),
        name: text("name"),
        tool_calls: calls.map(|c| c.iter().filter_map(call).collect()).unwrap_or_default(),
        tool_call_id: text("tool_call_id"),
    })
}

fn read_part(json: &Json) -> Option<Part> {
    match json {
        Json::String(text) => Some(Part::Text { text: text.clone() }),
        Json::Object(part) => match part.get("type")?.as_str()? {
            "text" => Some(Part::Text { text: part.get("text")?.as_str()?.to_string() }),
            "image_url" => {
                let url = part.get("image_url")?;
                let url = url.get("url").unwrap_or(url).as_str()?;
                Some(Part::Image { url: url.to_string() })
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_and_go_and_other_objects_stay() {
        let tool = json!({
            "content": "", "additional_kwargs": {}, "response_metadata": {}, "type": "ai", "name": null, "id": "1",
            "tool_calls": [{"name": "add", "args": {"a": 1}, "id": "c", "type": "tool_call"}],
            "invalid_tool_calls": [], "usage_metadata": null
        });
        let whole = json!({"messages": [tool, {"type": "human", "content": [{"type": "text", "text": "hi"}]}],
            "other": {"type": "human", "text": "no message"}});
        let value = from_json(whole.clone());
        let messages = value.get("messages").and_then(Value::as_list).unwrap();
        assert!(messages.iter().all(|m| matches!(m, Value::Message(_))));
        let again = to_json(&value);
        assert_eq!(again["messages"][0], whole["messages"][0]);
        assert_eq!(again["messages"][1]["content"], whole["messages"][1]["content"]);
        assert_eq!(again["other"], whole["other"]);
    }
}
