//! What is wrong with a configuration, and where; collected, so that `check` shows all of it at once.

use lyceum_core::{Error, ErrorKind, nearest};
use lyceum_data::yaml::Node;
use serde::Serialize;
use std::cell::RefCell;
use std::path::Path;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Issue {
    /// Dotted path of the key.
    pub path: String,
    /// Line, from 1; 0 when it is about no line.
    pub line: usize,
    /// Column, from 1; 0 when it is about no line.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// A way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether it is a valid configuration of something that Lyceum does not do.
    #[serde(skip)]
    pub unsupported: bool,
}

impl Issue {
    /// As an error of a file.
    pub fn to_error(&self, file: Option<&Path>) -> Error {
        let kind = if self.unsupported { ErrorKind::Unsupported } else { ErrorKind::Invalid };
        let mut e = Error::new(kind, self.message.clone());
        if !self.path.is_empty() {
            e = e.at_key(self.path.clone());
        }
        if self.line > 0 {
            e = e.on_line_column(self.line, self.column);
        }
        if let Some(hint) = &self.hint {
            e = e.hint(hint.clone());
        }
        match file {
            Some(file) => e.in_file(file),
            None => e,
        }
    }
}

/// Faults and warnings found so far.
#[derive(Debug, Default)]
pub struct Issues {
    found: RefCell<Vec<Issue>>,
    warnings: RefCell<Vec<String>>,
}

impl Issues {
    fn push(&self, (line, column): (usize, usize), path: &str, message: String, unsupported: bool) {
        let issue = Issue { path: path.to_string(), line, column, message, hint: None, unsupported };
        self.found.borrow_mut().push(issue);
    }

    /// A wrong value.
    pub(crate) fn wrong(&self, node: &Node, path: &str, message: impl Into<String>) {
        self.push((node.line, node.column), path, message.into(), false);
    }

    /// Something that is missing, or wrong as a whole.
    pub(crate) fn missing(&self, node: Option<&Node>, path: &str, message: impl Into<String>) {
        self.push(node.map_or((0, 0), |n| (n.line, n.column)), path, message.into(), false);
    }

    /// Valid, but not done here.
    pub(crate) fn unsupported(&self, node: &Node, path: &str, message: impl Into<String>) {
        self.push((node.line, node.column), path, message.into(), true);
    }

    /// A key that nobody knows; `valid` are the keys that could have been meant.
    pub(crate) fn unknown_key<'a>(
        &self,
        at: (usize, usize),
        path: &str,
        key: &str,
        valid: impl IntoIterator<Item = &'a str>,
    ) {
        self.push(at, path, format!("unknown key `{key}`"), false);
        if let Some(best) = nearest(key, valid) {
            self.hint(format!("did you mean `{best}`?"));
        }
    }

    /// A way out of the last fault.
    pub(crate) fn hint(&self, hint: impl Into<String>) {
        if let Some(last) = self.found.borrow_mut().last_mut() {
            last.hint = Some(hint.into());
        }
    }

    /// Something that a person should know but that stops nothing.
    pub(crate) fn warn(&self, warning: impl Into<String>) {
        self.warnings.borrow_mut().push(warning.into());
    }

    /// Everything found, in the order of the file, and the warnings.
    pub fn into_parts(self) -> (Vec<Issue>, Vec<String>) {
        let mut found = self.found.into_inner();
        found.sort_by_key(|i| (i.line, i.column));
        (found, self.warnings.into_inner())
    }
}
