//! JSON that is not yet whole: what can be said of it so far.

use serde_json::{Map, Value as Json};

/// Deepest nesting that is read.
const DEPTH: usize = 128;

/// The value that a text begins, completed as far as it goes: open texts, lists and maps are closed, a number at the end
/// is taken as it stands; a key without its value and half a word are left out. Nothing where no value has begun. Fences (```json) are passed.
pub(super) fn complete(text: &str) -> Option<Json> {
    let text = unfenced(text);
    Reader { text, at: 0 }.value(0)
}

/// A whole value, fences aside; nothing when the text is none.
pub(super) fn whole(text: &str) -> Option<Json> {
    let text = unfenced(text).trim();
    let text = text.strip_suffix("```").unwrap_or(text);
    serde_json::from_str(text.trim()).ok()
}

fn unfenced(text: &str) -> &str {
    let Some(fence) = text.find("```") else { return text };
    let inside = text.get(fence + 3..).unwrap_or_default();
    // The fence's word is passed; where its line has not ended, nothing has begun.
    match inside.find('\n') {
        Some(line) if inside.get(..line).is_some_and(|w| w.chars().all(char::is_alphanumeric)) => {
            inside.get(line + 1..).unwrap_or_default()
        }
        _ => inside.trim_start_matches(char::is_alphabetic),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<char> {
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.at += blank;
        self.rest().chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH {
            return None;
        }
        match self.peek()? {
            '{' => Some(self.map(depth)),
            '[' => Some(self.list(depth)),
            '"' => self.string().map(|(s, _)| Json::String(s)),
            _ => self.word(),
        }
    }

    fn map(&mut self, depth: usize) -> Json {
        self.take('{');
        let mut map = Map::new();
        while let Some('"') = self.peek() {
            let Some((key, true)) = self.string() else { break };
            if !self.take(':') {
                break;
            }
            let Some(value) = self.value(depth + 1) else { break };
            map.insert(key, value);
            if !self.take(',') {
                break;
            }
        }
        self.take('}');
        Json::Object(map)
    }

    fn list(&mut self, depth: usize) -> Json {
        self.take('[');
        let mut items = Vec::new();
        while self.peek().is_some_and(|c| c != ']') {
            let Some(value) = self.value(depth + 1) else { break };
            items.push(value);
            if !self.take(',') {
                break;
            }
        }
        self.take(']');
        Json::Array(items)
    }

    /// A text and whether it has ended; a broken escape at the end is left out.
    fn string(&mut self) -> Option<(String, bool)> {
        let rest = self.rest();
        let mut escaped = false;
        let mut end = None;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let inner = rest.get(1..end.unwrap_or(rest.len()))?;
        // An escape that is cut off has at most six characters (\uXXXX), a pair of them twelve.
        let read = (0..=12).find_map(|less| {
            let part = inner.get(..inner.len().checked_sub(less)?)?;
            serde_json::from_str::<String>(&format!("\"{part}\"")).ok()
        });
        let ended = end.is_some();
        self.at += end.map_or(rest.len(), |e| e + 1);
        Some((read?, ended))
    }

    /// A number, true, false or null.
    fn word(&mut self) -> Option<Json> {
        let rest = self.rest();
        let end = rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
        let word = serde_json::from_str(rest.get(..end)?).ok()?;
        self.at += end;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_begun_is_completed() {
        for (text, want) in [
            ("", None),
            ("  ", None),
            ("{", Some(json!({}))),
            ("{\"a", Some(json!({}))),
            ("{\"a\": 1", Some(json!({"a": 1}))),
            ("{\"a\": -", Some(json!({}))),
            ("{\"a\": 1,", Some(json!({"a": 1}))),
            ("{\"a\": 1, \"b\": [1, 2", Some(json!({"a": 1, "b": [1, 2]}))),
            ("{\"c\": \"x y", Some(json!({"c": "x y"}))),
            ("{\"c\": \"x\\", Some(json!({"c": "x"}))),
            ("{\"c\": \"x\\u00e", Some(json!({"c": "x"}))),
            ("[true, fal", Some(json!([true]))),
            ("```json\n{\"a\": 1}\n```", Some(json!({"a": 1}))),
            ("Here: ```\n[1]```", Some(json!([1]))),
        ] {
            assert_eq!(complete(text), want, "{text}");
        }
        assert_eq!(whole("```json\n{\"a\": 1}\n```"), Some(json!({"a": 1})));
        assert_eq!(whole("nope"), None);
        assert!(complete(&"[".repeat(100_000)).is_some(), "nesting is bounded");
    }
}
