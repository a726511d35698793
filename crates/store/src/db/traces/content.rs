//! How much of what runs take and give is kept, and in which words.

use super::secrets::{MASK, is_secret_field, mask};
use lyceum_core::{Error, Message, Result, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::io;

/// Characters of a preview.
const PREVIEW: usize = 200;
/// Rows of a table that are kept.
const TABLE_ROWS: usize = 100;
/// Fields whose words say what a thing is, not what somebody said.
const WORDS: [&str; 3] = ["role", "type", "finish_reason"];

/// What is kept of inputs, outputs, errors and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceContent {
    /// All of it; API keys, tokens and passwords are masked as `***`.
    #[default]
    Full,
    /// Structure, numbers and truth values; of each text its length (`<12 characters>`), but for the words of `role`,
    /// `type` and `finish_reason`. Of errors the kind. Names, times and metadata stay.
    Redacted,
    /// Nothing but names, times, counts, metadata, and the kinds of errors; of events their numbers.
    Off,
}

impl TraceContent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Redacted, Self::Off];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Redacted => "redacted",
            Self::Off => "off",
        }
    }

    /// The mode of a word. Fails naming the nearest.
    pub fn parse(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == word).ok_or_else(|| {
            Error::invalid(format!("\"{word}\" is no mode of trace content, expected full, redacted or off"))
                .did_you_mean(word, Self::ALL.map(Self::as_str))
        })
    }

    /// An error's words.
    pub(super) fn error(self, kind: &str, message: &str, most: usize) -> String {
        match self {
            Self::Full => format!("{kind}: {}", beginning(&mask(message), most)),
            Self::Redacted | Self::Off => kind.to_string(),
        }
    }

    /// What is kept of a value: at most `most` bytes of its JSON.
    pub(super) fn body(self, value: &Value, most: usize) -> Option<Cut> {
        (self != Self::Off && *value != Value::Null)
            .then(|| cut(&Shown { value, hides: self == Self::Redacted }, most))
    }

    /// What is kept of an event's data: whole, or a note that it was too long.
    pub(super) fn event(self, data: &Value, most: usize) -> String {
        let kept = cut(&Shown { value: data, hides: self != Self::Full }, most);
        if kept.is_whole() { kept.text } else { format!("{{\"bytes\":{}}}", kept.bytes) }
    }

    /// The beginning, for lists.
    pub(super) fn preview(self, value: &Value) -> Option<String> {
        if self == Self::Off {
            return None;
        }
        let (hides, most) = (self == Self::Redacted, 4 * PREVIEW);
        let text = match telling(value) {
            Value::Null => return None,
            Value::Str(s) if !hides => mask(beginning(s, most)).into_owned(),
            Value::Message(m) if !hides => mask(beginning(&m.text(), most)).into_owned(),
            value => {
                let mut out = Limited::new(most);
                out.stops = true;
                // It stops where the preview is full.
                let _ = serde_json::to_writer(&mut out, &Shown { value, hides });
                out.text()
            }
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(PREVIEW) {
            Some((at, _)) => Some(format!("{}…", text.get(..at).unwrap_or_default())),
            None => Some(text),
        }
    }
}

/// What tells most of a value: the last message of a conversation, the only entry of a map.
fn telling(value: &Value) -> &Value {
    match value {
        Value::Map(map) => match (map.get("messages"), map.get("content")) {
            (Some(messages), _) => telling(messages),
            (_, Some(content @ Value::Str(_))) if map.contains_key("role") => content,
            _ => match map.values().next() {
                Some(only @ Value::Str(_)) if map.len() == 1 => only,
                _ => value,
            },
        },
        Value::List(items) => match items.last() {
            Some(last @ Value::Message(_)) => last,
            Some(last @ Value::Map(m)) if m.contains_key("role") => telling(last),
            _ => value,
        },
        _ => value,
    }
}

/// At most so many bytes of a text, whole characters.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// JSON, perhaps only its beginning.
#[derive(Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) text: String,
    /// Bytes of the whole.
    pub(super) bytes: usize,
}

impl Cut {
    pub(super) fn is_whole(&self) -> bool {
        self.text.len() == self.bytes
    }
}

fn cut(value: &Shown<'_>, most: usize) -> Cut {
    let mut out = Limited::new(most);
    // Nothing that is shown can fail to be written, and the sink takes everything.
    let _ = serde_json::to_writer(&mut out, value);
    Cut { bytes: out.seen, text: out.text() }
}

/// Keeps the beginning of what is written and counts the rest.
struct Limited {
    kept: Vec<u8>,
    most: usize,
    seen: usize,
    /// Takes nothing more when full.
    stops: bool,
}

impl Limited {
    fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, seen: 0, stops: false }
    }

    fn text(self) -> String {
        match String::from_utf8(self.kept) {
            Ok(text) => text,
            // Cut within a character.
            Err(e) => {
                let whole = e.utf8_error().valid_up_to();
                let mut bytes = e.into_bytes();
                bytes.truncate(whole);
                String::from_utf8(bytes).unwrap_or_default()
            }
        }
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.seen += bytes.len();
        if self.stops && self.seen > self.most {
            Err(io::ErrorKind::WriteZero.into())
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as it is kept.
struct Shown<'a> {
    value: &'a Value,
    hides: bool,
}

impl Shown<'_> {
    fn below<'b>(&self, value: &'b Value) -> Shown<'b> {
        Shown { value, hides: self.hides }
    }

    fn entry<S: SerializeMap>(&self, out: &mut S, key: &str, value: &Value) -> Result<(), S::Error> {
        if is_secret_field(key) && *value != Value::Null {
            return out.serialize_entry(key, MASK);
        }
        match value {
            Value::Str(word) if WORDS.contains(&key) && is_word(word) => out.serialize_entry(key, &**word),
            _ => out.serialize_entry(key, &self.below(value)),
        }
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Str(text) if self.hides => {
                s.collect_str(&format_args!("<{} characters>", text.chars().count()))
            }
            Value::Str(text) => s.serialize_str(&mask(text)),
            Value::Bytes(bytes) => s.collect_str(&format_args!("<{} bytes>", bytes.len())),
            Value::List(items) => s.collect_seq(items.iter().map(|v| self.below(v))),
            Value::Map(map) => {
                let mut out = s.serialize_map(Some(map.len()))?;
                for (key, value) in map.iter() {
                    self.entry(&mut out, key, value)?;
                }
                out.end()
            }
            Value::Message(message) => self.below(&as_map(message)).serialize(s),
            Value::Table(table) => {
                let rows: Vec<Value> = (0..table.rows().min(TABLE_ROWS)).map(|r| table.row(r)).collect();
                let mut out = s.serialize_map(Some(2))?;
                out.serialize_entry("rows", &table.rows())?;
                out.serialize_entry("first", &self.below(&Value::from(rows)))?;
                out.end()
            }
            plain => plain.serialize(s),
        }
    }
}

fn as_map(message: &Message) -> Value {
    serde_json::to_value(message).map(Value::from_json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(json: serde_json::Value) -> Value {
        Value::from_json(json)
    }

    #[test]
    fn full_keeps_all_but_secrets() {
        let input = value(json!({ "q": "Bearer abcdefgh12345", "api_key": "x", "n": [1, 2.5, null, true] }));
        let kept = TraceContent::Full.body(&input, 1000).unwrap();
        assert!(kept.is_whole());
        assert_eq!(kept.text, r#"{"q":"Bearer ***","api_key":"***","n":[1,2.5,null,true]}"#);
        assert_eq!(TraceContent::Full.body(&Value::Null, 10), None);
    }

    #[test]
    fn redacted_keeps_structure_and_numbers() {
        let input =
            Value::from(vec![Message::user("hé").into(), value(json!({ "type": "not one word", "x": 3 }))]);
        let kept = TraceContent::Redacted.body(&input, 1000).unwrap().text;
        assert_eq!(kept, r#"[{"role":"user","content":"<2 characters>"},{"type":"<12 characters>","x":3}]"#);
        assert_eq!(TraceContent::Redacted.error("invalid", "column `x`: secret", 100), "invalid");
        assert_eq!(TraceContent::Redacted.preview(&"hello".into()).unwrap(), "\"<5 characters>\"");
    }

    #[test]
    fn off_keeps_the_numbers_of_events() {
        let loss = value(json!({ "loss": 0.5, "said": "hello" }));
        assert_eq!(TraceContent::Off.body(&loss, 1000), None);
        assert_eq!(TraceContent::Off.preview(&loss), None);
        assert_eq!(TraceContent::Off.event(&loss, 1000), r#"{"loss":0.5,"said":"<5 characters>"}"#);
    }

    #[test]
    fn what_is_too_long_is_cut_with_its_size() {
        let kept = TraceContent::Full.body(&"é".repeat(100).into(), 10).unwrap();
        assert_eq!(kept, Cut { text: "\"éééé".into(), bytes: 202 });
        assert_eq!(TraceContent::Full.event(&"x".repeat(100).into(), 10), r#"{"bytes":102}"#);
    }

    #[test]
    fn previews_show_what_tells_most() {
        let full = |v: serde_json::Value| TraceContent::Full.preview(&value(v)).unwrap();
        assert_eq!(full(json!({ "messages": [{ "role": "user", "content": "a\n b" }] })), "a b");
        assert_eq!(full(json!({ "question": "why?" })), "why?");
        assert_eq!(full(json!({ "a": 1, "b": "c" })), r#"{"a":1,"b":"c"}"#);
        let long = full(json!(vec![1; 5000]));
        assert!(long.chars().count() == 201 && long.ends_with('…'), "{long}");
        assert_eq!(TraceContent::Full.preview(&Message::user("hi").into()).unwrap(), "hi");
        assert_eq!(TraceContent::parse("redact").unwrap_err().hints(), ["did you mean `redacted`?"]);
    }
}
