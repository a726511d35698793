//! Reads one mapping of a configuration key by key: checks types and ranges, fills defaults, and in the end names what
//! nobody read.

use super::issue::Issues;
use super::keys;
use lyceum_core::nearest;
use lyceum_data::yaml::{Node, Yaml};
use serde_json::{Map, Value as Json};
use std::ops::RangeInclusive;

/// A mapping while it is read.
pub(super) struct Section<'a> {
    node: Option<&'a Node>,
    path: String,
    read: Vec<String>,
    rendered: Map<String, Json>,
    issues: &'a Issues,
    /// Whether it is of a type that is not done here, whose other keys nobody reads.
    foreign: bool,
}

impl<'a> Section<'a> {
    /// Starts reading. An absent (or null) section reads as an empty one; anything but a mapping is a fault.
    pub(super) fn new(node: Option<&'a Node>, path: impl Into<String>, issues: &'a Issues) -> Self {
        let path = path.into();
        let node = node.filter(|n| n.value != Yaml::Null);
        let node = node.filter(|n| {
            let is_map = matches!(n.value, Yaml::Map(_));
            if !is_map {
                issues.wrong(n, &path, format!("expected a mapping, got {}", n.type_name()));
            }
            is_map
        });
        Self { node, path, read: Vec::new(), rendered: Map::new(), issues, foreign: false }
    }

    /// Dotted path of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn issues(&self) -> &'a Issues {
        self.issues
    }

    pub(super) fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// The value of a key (null counts as absent); marks it as read.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a Node> {
        self.peek(key).filter(|n| n.value != Yaml::Null)
    }

    /// The value of a key, null included; marks it as read.
    pub(super) fn peek(&mut self, key: &str) -> Option<&'a Node> {
        self.read.push(key.to_string());
        self.node.and_then(|n| n.get(key))
    }

    /// Writes a value into the rendered section.
    pub(super) fn render(&mut self, key: &str, value: impl Into<Json>) {
        self.rendered.insert(key.to_string(), value.into());
    }

    fn wrong(&self, node: &Node, key: &str, expected: &str) {
        let shown = match &node.value {
            Yaml::List(_) | Yaml::Map(_) | Yaml::Null => node.type_name().to_string(),
            _ => format!("`{}`", node.to_json().to_string().trim_matches('"')),
        };
        self.issues.wrong(node, &self.path(key), format!("expected {expected}, got {shown}"));
    }

    /// A number within a range.
    pub(super) fn number(&mut self, key: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let found = self.take(key).and_then(|node| {
            let value = match node.value {
                Yaml::Int(i) => Some(i as f64),
                Yaml::Float(x) => Some(x),
                _ => None,
            };
            let value = value.filter(|x| range.contains(x));
            if value.is_none() {
                self.wrong(node, key, &shown_range("a number", *range.start(), *range.end()));
            }
            value
        });
        let value = found.unwrap_or(default);
        self.render(key, value);
        value
    }

    /// A whole number within a range.
    pub(super) fn whole(&mut self, key: &str, default: i64, range: RangeInclusive<i64>) -> i64 {
        let found = self.take(key).and_then(|node| {
            let value = match node.value {
                Yaml::Int(i) => Some(i),
                Yaml::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some(x as i64),
                _ => None,
            };
            let value = value.filter(|i| range.contains(i));
            if value.is_none() {
                let (low, high) = (*range.start() as f64, *range.end() as f64);
                self.wrong(node, key, &shown_range("a whole number", low, high));
            }
            value
        });
        let value = found.unwrap_or(default);
        self.render(key, value);
        value
    }

    /// A count from `least` up.
    pub(super) fn count(&mut self, key: &str, default: usize, least: usize) -> usize {
        self.whole(key, default as i64, least as i64..=i64::MAX) as usize
    }

    /// True or false.
    pub(super) fn truth(&mut self, key: &str, default: bool) -> bool {
        let found = self.take(key).and_then(|node| match node.value {
            Yaml::Bool(b) => Some(b),
            _ => {
                self.wrong(node, key, "true or false");
                None
            }
        });
        let value = found.unwrap_or(default);
        self.render(key, value);
        value
    }

    /// Text, if there is any; numbers and truth values are taken as they are written.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let found = self.take(key).and_then(|node| match &node.value {
            Yaml::Str(s) => Some(s.clone()),
            Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_) => Some(node.to_json().to_string()),
            _ => {
                self.wrong(node, key, "text");
                None
            }
        });
        self.render(key, found.clone());
        found
    }

    /// One of some names. A name that Ludwig knows in `section` but that is not among `names` is unsupported.
    pub(super) fn choice<'n>(
        &mut self,
        key: &str,
        default: &'n str,
        names: &[&'n str],
        section: &str,
    ) -> &'n str {
        let found = self.take(key).and_then(|node| self.name(node, key, names, section));
        let value = found.unwrap_or(default);
        self.render(key, value);
        value
    }

    /// One of some names, or null for none.
    pub(super) fn nullable<'n>(
        &mut self,
        key: &str,
        default: Option<&'n str>,
        names: &[&'n str],
    ) -> Option<&'n str> {
        let value = match self.peek(key) {
            None => default,
            Some(node) if node.value == Yaml::Null => None,
            Some(node) => self.name(node, key, names, "").or(default),
        };
        self.render(key, value);
        value
    }

    fn name<'n>(&mut self, node: &Node, key: &str, names: &[&'n str], section: &str) -> Option<&'n str> {
        let Some(given) = node.as_str() else {
            self.wrong(node, key, &format!("one of {}", names.join(", ")));
            return None;
        };
        if let Some(name) = names.iter().find(|n| **n == given) {
            return Some(name);
        }
        let known = keys::names(section);
        if known.contains(&given) {
            self.foreign |= key == "type";
            let message = format!("`{given}` is not supported yet");
            self.issues.unsupported(node, &self.path(key), message);
            self.issues.hint(format!("supported: {}", names.join(", ")));
        } else {
            self.issues.wrong(node, &self.path(key), format!("unknown value `{given}`"));
            match nearest(given, names.iter().copied().chain(known)) {
                Some(best) => self.issues.hint(format!("did you mean `{best}`?")),
                None => self.issues.hint(format!("one of {}", names.join(", "))),
            }
        }
        None
    }

    /// A nested section, read by `f`; its rendering is kept.
    pub(super) fn section<T>(&mut self, key: &str, f: impl FnOnce(&mut Section<'a>) -> T) -> T {
        let node = self.peek(key);
        let mut inner = Section::new(node, self.path(key), self.issues);
        let out = f(&mut inner);
        self.rendered.insert(key.to_string(), Json::Object(inner.rendered));
        out
    }

    /// Names what was not read: a key that Ludwig knows in one of `sections` must have its default or be `harmless`;
    /// any other is unknown.
    pub(super) fn finish(&mut self, sections: &[&str], harmless: &[&str]) {
        let Some(node) = self.node.filter(|_| !self.foreign) else { return };
        for entry in node.entries() {
            let key = entry.key.as_str();
            if self.read.iter().any(|r| r == key) {
                continue;
            }
            let value = entry.node.to_json();
            if harmless.contains(&key) {
                self.rendered.insert(key.to_string(), value);
                continue;
            }
            match sections.iter().find_map(|s| keys::of(s).get(key)) {
                Some(default) if *default == value || value == Json::Null => {}
                Some(_) => self.issues.unsupported(&entry.node, &self.path(key), "is not supported yet"),
                None => {
                    let read = self.read.iter().map(String::as_str);
                    let known = sections.iter().flat_map(|s| keys::names(s)).chain(harmless.iter().copied());
                    let valid: Vec<&str> = read.chain(known).collect();
                    let path = self.path(key);
                    if is_open(sections) && nearest(key, valid.iter().copied()).is_none() {
                        self.issues.unsupported(
                            &entry.node,
                            &path,
                            format!("unknown key `{key}`, which Ludwig ignores"),
                        );
                        self.issues.hint("leave it out");
                    } else {
                        self.issues.unknown_key((entry.line, entry.column), &path, key, valid);
                    }
                }
            }
        }
    }

    /// The section with its defaults filled in.
    pub(super) fn rendered(&mut self) -> Map<String, Json> {
        std::mem::take(&mut self.rendered)
    }
}

/// Whether Ludwig takes any key in these sections: it does in features, optimisers and schedulers.
fn is_open(sections: &[&str]) -> bool {
    let open = ["input.", "output.", "optimizer.", "learning_rate_scheduler"];
    sections.iter().any(|s| open.iter().any(|o| s.starts_with(o)))
}

fn shown_range(what: &str, low: f64, high: f64) -> String {
    match (low > -1e15, high < 1e15) {
        (true, true) => format!("{what} from {low} to {high}"),
        (true, false) => format!("{what} from {low}"),
        _ => what.to_string(),
    }
}
