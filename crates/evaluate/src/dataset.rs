//! Examples with an input and a reference answer, from JSON Lines, CSV or values at hand.

use lyceum_core::{Error, ErrorKind, Map, Result, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line, and most examples.
const LINE: u64 = 16 << 20;
const EXAMPLES: usize = 10_000_000;

/// One question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Hash of input and reference: the same example keeps it wherever it stands.
    pub id: String,
    /// What the target is given.
    pub input: Value,
    /// The right answer.
    pub reference: Value,
}

impl Example {
    /// An example of values.
    pub fn new(input: Value, reference: Value) -> Self {
        let text = serde_json::json!([input, reference]).to_string();
        let id = lyceum_data::content_hash(text.as_bytes()).chars().take(16).collect();
        Self { id, input, reference }
    }
}

/// Which keys (or columns) hold input and reference; absent ones are found by their usual names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Of the input; absent: `prompt`, `input`, `inputs`, `question`, or all columns but the reference.
    pub input: Option<String>,
    /// Of the reference; absent: `completion`, `output`, `outputs`, `answer`, `label`, `target`.
    pub reference: Option<String>,
}

const INPUTS: [&str; 4] = ["prompt", "input", "inputs", "question"];
const REFERENCES: [&str; 6] = ["completion", "output", "outputs", "answer", "label", "target"];

/// Examples and where they came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The file, if there is one.
    pub source: Option<PathBuf>,
    /// The examples.
    pub examples: Vec<Example>,
}

impl Dataset {
    /// Of values at hand.
    pub fn new(examples: Vec<Example>) -> Self {
        Self { source: None, examples }
    }

    /// Reads a `.jsonl` or `.csv` file. Rows of JSON with `messages` ask for the last assistant's message.
    pub fn read(path: impl AsRef<Path>, keys: &Keys) -> Result<Self> {
        let path = path.as_ref();
        let jsonl = path.extension().is_some_and(|e| e == "jsonl" || e == "ndjson");
        let examples = if jsonl { from_jsonl(path, keys)? } else { from_table(path, keys)? };
        if examples.is_empty() {
            return Err(Error::invalid("the data set has no examples").in_file(path));
        }
        Ok(Self { source: Some(path.to_path_buf()), examples })
    }

    /// At most the first `n` examples.
    pub fn first(mut self, n: usize) -> Self {
        self.examples.truncate(n);
        self
    }
}

fn from_jsonl(path: &Path, keys: &Keys) -> Result<Vec<Example>> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| Error::io(path, "open", e))?);
    let mut examples = Vec::new();
    for number in 1.. {
        let mut line = String::new();
        let read = Read::take(&mut reader, LINE).read_line(&mut line);
        let at = |e: Error| e.in_file(path).on_line(number);
        let n = read.map_err(|e| at(Error::invalid(format!("cannot be read as text: {e}"))))?;
        if n == 0 {
            return Ok(examples);
        }
        if n as u64 == LINE || examples.len() == EXAMPLES {
            return Err(at(Error::new(ErrorKind::TooLarge, "too long a line or too many examples")));
        }
        let text = line.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            let row: Value =
                serde_json::from_str(text).map_err(|e| at(Error::invalid(format!("not JSON: {e}"))))?;
            let Value::Map(row) = row else {
                return Err(at(Error::invalid("expected a JSON object on each line")));
            };
            examples.push(example(&row, keys).map_err(at)?);
        }
    }
    Ok(examples)
}

fn from_table(path: &Path, keys: &Keys) -> Result<Vec<Example>> {
    let raw = lyceum_data::read(path)?;
    let row = |i: usize| -> Map {
        let cell = |c: &lyceum_data::Cells| c.get(i).map_or(Value::Null, Value::from);
        raw.columns().map(|(name, cells)| (name.clone(), cell(cells))).collect()
    };
    (0..raw.rows()).map(|i| example(&row(i), keys).map_err(|e| raw.place(e))).collect()
}

fn example(row: &Map, keys: &Keys) -> Result<Example> {
    if keys == &Keys::default()
        && let Some(messages) = row.get("messages")
    {
        return conversation(messages);
    }
    let reference = key(row, keys.reference.as_deref(), &REFERENCES, "reference")?
        .ok_or_else(|| missing(row, "the reference answer", &REFERENCES))?;
    let input = match key(row, keys.input.as_deref(), &INPUTS, "input")? {
        Some(name) => row.get(name).cloned().unwrap_or_default(),
        None => {
            let rest: Map =
                row.iter().filter(|(k, _)| &***k != reference).map(|(k, v)| (k.clone(), v.clone())).collect();
            rest.into()
        }
    };
    Ok(Example::new(input, row.get(reference).cloned().unwrap_or_default()))
}

fn key<'a>(
    row: &'a Map,
    wanted: Option<&'a str>,
    usual: &[&'static str],
    what: &str,
) -> Result<Option<&'a str>> {
    match wanted {
        Some(name) if row.contains_key(name) => Ok(Some(name)),
        Some(name) => Err(Error::invalid(format!("no key \"{name}\" (the {what})"))
            .did_you_mean(name, row.keys().map(|k| &**k))),
        None => Ok(usual.iter().find(|u| row.contains_key(**u)).copied()),
    }
}

fn missing(row: &Map, what: &str, usual: &[&str]) -> Error {
    let have: Vec<&str> = row.keys().map(|k| &**k).collect();
    Error::invalid(format!("no key holds {what}; there are {}", have.join(", ")))
        .hint(format!("usual names are {}; or say which", usual.join(", ")))
}

/// All messages before the last, which must be the assistant's.
fn conversation(messages: &Value) -> Result<Example> {
    let wrong =
        || Error::invalid("`messages` must be a list that ends with the assistant's").at_key("messages");
    let list = messages.as_list().ok_or_else(wrong)?;
    let (last, before) = list.split_last().filter(|(_, before)| !before.is_empty()).ok_or_else(wrong)?;
    let role = last.get("role").and_then(Value::as_str);
    let answer = last.get("content").filter(|_| role == Some("assistant")).ok_or_else(wrong)?;
    let input = Map::from_iter([("messages".into(), Value::from(before.to_vec()))]);
    Ok(Example::new(input.into(), answer.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, keys: &Keys) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Dataset::read(&path, keys)
    }

    #[test]
    fn every_form_is_read() {
        let none = Keys::default();
        let d = read("a.jsonl", "{\"prompt\":\"q\",\"completion\":\"a\"}\n\n", &none).unwrap();
        assert_eq!((&d.examples[0].input, &d.examples[0].reference), (&"q".into(), &"a".into()));
        let chat = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
        let d = read("a.jsonl", chat, &none).unwrap();
        assert_eq!(d.examples[0].input.get("messages").unwrap().as_list().unwrap().len(), 1);
        let keys = Keys { reference: Some("urgent".into()), input: None };
        let d = read("a.csv", "seats,urgent\n3,true\n4,false\n", &keys).unwrap();
        assert_eq!(d.examples[1].reference, Value::from("false"));
        assert_eq!(d.examples[1].input.get("seats"), Some(&Value::from("4")));
        assert_ne!(d.examples[0].id, d.examples[1].id);
    }

    #[test]
    fn faults_name_file_and_line() {
        let none = Keys::default();
        let told = |name: &str, text: &str, keys: &Keys| read(name, text, keys).unwrap_err().to_string();
        assert!(told("a.jsonl", "{\"prompt\":1,\"output\":2}\n{", &none).contains("a.jsonl:2: not JSON"));
        assert!(
            told("a.jsonl", "{\"prompt\":1}", &none)
                .contains("no key holds the reference answer; there are prompt")
        );
        assert!(told("a.jsonl", "\n", &none).contains("no examples"));
        let keys = Keys { reference: Some("urgnt".into()), input: None };
        assert!(told("a.csv", "seats,urgent\n3,true\n", &keys).contains("did you mean `urgent`"));
        assert!(told("a.jsonl", "{\"messages\":[]}", &none).contains("ends with the assistant's"));
    }
}
