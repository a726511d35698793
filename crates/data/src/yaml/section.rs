//! Reads one mapping: keys that are wanted, an error with line and column for every other.

use super::{Entry, Node, Yaml};
use lyceum_core::{Error, Result};

/// A mapping being read.
pub struct Section<'n> {
    node: &'n Node,
    path: String,
    known: &'static [&'static str],
}

impl<'n> Section<'n> {
    /// A section that may have these keys. `path` is its dotted path, for messages; empty at the top.
    pub fn new(node: &'n Node, path: &str, known: &'static [&'static str]) -> Result<Self> {
        let section = Self { node, path: path.to_string(), known };
        if !matches!(node.value, Yaml::Map(_) | Yaml::Null) {
            return Err(section.wrong(node, "", &format!("expected a mapping, found {}", node.type_name())));
        }
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                return Err(Error::invalid(format!("unknown key `{}`", entry.key))
                    .on_line_column(entry.line, entry.column)
                    .at_key(section.key(&entry.key))
                    .did_you_mean(&entry.key, known.iter().copied()));
            }
        }
        Ok(section)
    }

    /// The dotted path of a key of this section.
    pub fn key(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_string(),
            (path, "") => path.to_string(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// An error at a node of this section.
    pub fn wrong(&self, node: &Node, key: &str, message: &str) -> Error {
        Error::invalid(message).on_line_column(node.line, node.column).at_key(self.key(key))
    }

    /// The value of a key that is not null.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        debug_assert!(self.known.contains(&key), "key `{key}` is not declared");
        self.node.get(key).filter(|n| !matches!(n.value, Yaml::Null))
    }

    /// The value of a key that must be there.
    pub fn need(&self, key: &str) -> Result<&'n Node> {
        self.get(key).ok_or_else(|| self.wrong(self.node, key, "is missing"))
    }

    /// Text, if the key is there.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.as_str() {
            Some(s) => Ok(Some(s.to_string())),
            None => Err(self.wrong(node, key, &format!("expected text, found {}", node.type_name()))),
        }
    }

    /// Text that must be there.
    pub fn need_text(&self, key: &str) -> Result<String> {
        self.need(key)?;
        Ok(self.text(key)?.unwrap_or_default())
    }

    /// What a key maps by name, nothing when the key is absent.
    pub fn entries(&self, key: &str) -> Result<&'n [Entry]> {
        match self.get(key) {
            None => Ok(&[]),
            Some(node) if matches!(node.value, Yaml::Map(_)) => Ok(node.entries()),
            Some(node) => {
                Err(self.wrong(node, key, &format!("expected a mapping, found {}", node.type_name())))
            }
        }
    }

    /// A whole number from `least` (0 or more), if the key is there.
    pub fn count_from(&self, key: &str, least: i64) -> Result<Option<u64>> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.value {
            Yaml::Int(n) if n >= least => Ok(Some(n.unsigned_abs())),
            _ => {
                let found = match node.value {
                    Yaml::Int(n) => n.to_string(),
                    _ => node.type_name().to_string(),
                };
                Err(self.wrong(node, key, &format!("expected a whole number from {least}, found {found}")))
            }
        }
    }

    /// A number, if the key is there.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.value {
            Yaml::Int(n) => Ok(Some(n as f64)),
            Yaml::Float(x) => Ok(Some(x)),
            _ => Err(self.wrong(node, key, &format!("expected a number, found {}", node.type_name()))),
        }
    }

    /// A list of texts (or one text), empty when the key is absent.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let one = |n: &Node| {
            let text = n.as_str().map(str::to_string);
            text.ok_or_else(|| self.wrong(n, key, &format!("expected text, found {}", n.type_name())))
        };
        match &node.value {
            Yaml::List(items) => items.iter().map(one).collect(),
            _ => Ok(vec![one(node)?]),
        }
    }
}
