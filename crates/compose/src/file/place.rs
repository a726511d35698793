//! Where something stands in a file, for the messages about it.

use lyceum_core::{Error, Result};
use lyceum_data::yaml::{Node, Yaml};

/// A line, a column and a dotted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
    key: String,
}

impl Place {
    /// Of a node under a key.
    pub(super) fn of(node: &Node, key: impl Into<String>) -> Self {
        Self { line: node.line, column: node.column, key: key.into() }
    }

    /// Of a key itself.
    pub(super) fn at(line: usize, column: usize, key: impl Into<String>) -> Self {
        Self { line, column, key: key.into() }
    }

    /// An error here.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Error {
        self.put(Error::invalid(message))
    }

    /// An error that happened here, unless it knows its line already.
    pub(super) fn put(&self, e: Error) -> Error {
        if e.at().line.is_some() || e.at().file.is_some() {
            return e;
        }
        // The key of the error itself (a state key, a parameter) says more than the place alone.
        let key = match &e.at().key {
            Some(inner) => format!("{}: {inner}", self.key),
            None => self.key.clone(),
        };
        e.on_line_column(self.line, self.column).at_key(key)
    }
}

/// Fails for anything that is no mapping, and for keys that none of the lists has.
pub(super) fn only_keys(node: &Node, key: &str, lists: &[&[&str]]) -> Result<()> {
    if !matches!(node.value, Yaml::Map(_)) {
        let message = format!("expected a mapping, found {}", node.type_name());
        return Err(Place::of(node, key).wrong(message));
    }
    let known = || lists.iter().flat_map(|l| l.iter().copied());
    for entry in node.entries() {
        if !known().any(|k| k == entry.key) {
            let place = Place::at(entry.line, entry.column, format!("{key}.{}", entry.key));
            let e = place.wrong(format!("unknown key `{}`", entry.key)).did_you_mean(&entry.key, known());
            return Err(e.hint(format!("known are {}", known().collect::<Vec<_>>().join(", "))));
        }
    }
    Ok(())
}
