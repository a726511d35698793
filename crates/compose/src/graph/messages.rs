//! The rule for chat messages: by id, a message that is there is replaced, a removal removes, the rest is appended.

use lyceum_core::{Error, Map, Message, Result, Role, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Removes the message of an id.
pub const REMOVE: &str = "remove";
/// The id that removes everything before it.
pub const REMOVE_ALL: &str = "__remove_all__";

/// Joins messages with one or several more. Anything that can be read as a message is taken: text (the user's), a
/// message, a map with `role` and `content`, or `{"type": "remove", "id": …}`. Messages without an id get one.
///
/// # Errors
/// Something that is no message; a removal of an id that is not there.
pub fn add_messages(old: Value, new: &Value) -> Result<Value> {
    let mut all: Vec<Value> = Vec::new();
    for item in items(&old) {
        all.push(read(item)?);
    }
    let mut gone: Vec<String> = Vec::new();
    for item in items(new) {
        match removal(item) {
            Some(REMOVE_ALL) => {
                all.clear();
                gone.clear();
            }
            Some(id) => {
                if !all.iter().any(|m| id_of(m) == Some(id)) {
                    return Err(Error::invalid(format!(
                        "Attempting to delete a message with an ID that doesn't exist ('{id}')"
                    )));
                }
                gone.push(id.to_string());
            }
            None => {
                let message = read(item)?;
                let place = all.iter().position(|m| id_of(m).is_some() && id_of(m) == id_of(&message));
                match place.and_then(|p| all.get_mut(p)) {
                    Some(there) => *there = message,
                    None => all.push(message),
                }
            }
        }
    }
    all.retain(|m| id_of(m).is_none_or(|id| !gone.iter().any(|g| g == id)));
    Ok(all.into())
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn removal(value: &Value) -> Option<&str> {
    let map: &Map = value.as_map()?;
    (map.get("type")?.as_str()? == REMOVE).then_some(map.get("id")?.as_str()?)
}

fn id_of(value: &Value) -> Option<&str> {
    match value {
        Value::Message(m) => m.id.as_deref(),
        _ => None,
    }
}

fn read(value: &Value) -> Result<Value> {
    let mut message: Message = match value {
        Value::Message(m) if m.id.is_some() => return Ok(value.clone()),
        Value::Message(m) => (**m).clone(),
        Value::Str(text) => Message::new(Role::User, &**text),
        other => serde_json::from_value(other.to_json()).map_err(|e| {
            Error::invalid(format!("not a message: {e}")).hint("expected {\"role\": …, \"content\": …}")
        })?,
    };
    message.id.get_or_insert_with(fresh_id);
    Ok(Value::Message(Arc::new(message)))
}

/// An id that no other message has: the time of the process's first one and a counter.
fn fresh_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:032x}", (now.as_nanos() << 24) | u128::from(COUNT.fetch_add(1, Ordering::Relaxed) & 0xff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, text: &str, id: &str) -> Value {
        let mut m = Message::new(role, text);
        m.id = Some(id.into());
        m.into()
    }

    fn texts(v: &Value) -> Vec<(String, String)> {
        let one = |v: &Value| match v {
            Value::Message(m) => (m.text(), m.id.clone().unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        v.as_list().unwrap().iter().map(one).collect()
    }

    fn remove(id: &str) -> Value {
        Value::from_json(serde_json::json!({"type": "remove", "id": id}))
    }

    #[test]
    fn appends_replaces_and_removes() {
        let start = Value::from(vec![message(Role::User, "q", "1"), message(Role::Assistant, "a", "2")]);
        let more = add_messages(start.clone(), &message(Role::User, "n", "3")).unwrap();
        assert_eq!(texts(&more).len(), 3);
        let replaced = add_messages(start.clone(), &message(Role::Assistant, "A!", "2")).unwrap();
        assert_eq!(texts(&replaced)[1], ("A!".into(), "2".into()));
        assert_eq!(texts(&add_messages(start.clone(), &remove("1")).unwrap()), [("a".into(), "2".into())]);
        let e = add_messages(start.clone(), &remove("zz")).unwrap_err();
        assert_eq!(e.message(), "Attempting to delete a message with an ID that doesn't exist ('zz')");
        let all = Value::from(vec![remove(REMOVE_ALL), message(Role::User, "new", "9")]);
        assert_eq!(texts(&add_messages(start.clone(), &all).unwrap()), [("new".into(), "9".into())]);
        let map = Value::from_json(serde_json::json!({"role": "user", "content": "x"}));
        let read = add_messages(Value::Null, &map).unwrap();
        assert!(texts(&read)[0].1.len() == 32 && texts(&read)[0].0 == "x");
        assert_eq!(texts(&add_messages(start, &"hi".into()).unwrap())[2].0, "hi");
        assert!(
            add_messages(Value::Null, &Value::Int(3)).unwrap_err().message().starts_with("not a message")
        );
    }
}
