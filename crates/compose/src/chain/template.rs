//! Texts with holes: Python's format strings, or minijinja.

use lyceum_core::{Error, Map, Result, Value};
use std::collections::BTreeSet;

/// How holes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    /// `{name}`; `{{` and `}}` are braces.
    #[default]
    FString,
    /// `{{ name }}`, filters, loops and conditions.
    Jinja,
}

/// A text with holes.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    syntax: Syntax,
    variables: BTreeSet<String>,
}

/// Steps of a template at most.
const FUEL: u64 = 1_000_000;

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A hole that does not end, a format string with conversions (they are Python's), a template that minijinja does
    /// not understand.
    pub fn new(text: impl Into<String>, syntax: Syntax) -> Result<Self> {
        let text = text.into();
        let variables = match syntax {
            Syntax::FString => pieces(&text)?.into_iter().filter_map(|p| p.hole()).collect(),
            Syntax::Jinja => {
                let environment = environment();
                let template = environment.template_from_str(&text).map_err(|e| unreadable(&e))?;
                template.undeclared_variables(false).into_iter().filter(|v| !is_global(v)).collect()
            }
        };
        Ok(Self { text, syntax, variables })
    }

    /// Names of its holes.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// The text with its holes filled.
    ///
    /// # Errors
    /// A hole of a format string that no key fills; an expression that fails.
    pub fn render(&self, values: &Map) -> Result<String> {
        match self.syntax {
            Syntax::FString => {
                let mut out = String::with_capacity(self.text.len());
                for piece in pieces(&self.text)? {
                    match piece {
                        Piece::Text(text) => out.push_str(&text),
                        Piece::Hole(name) => match values.get(name.as_str()) {
                            Some(value) => out.push_str(&shown(value)),
                            None => return Err(Error::invalid(format!("no value for `{{{name}}}`"))),
                        },
                    }
                }
                Ok(out)
            }
            Syntax::Jinja => {
                let environment = environment();
                let template = environment.template_from_str(&self.text).map_err(|e| unreadable(&e))?;
                template
                    .render(minijinja::value::Serde(Value::from(values.clone())))
                    .map_err(|e| unreadable(&e))
            }
        }
    }
}

/// An environment that reads no files and ends.
pub(super) fn environment<'a>() -> minijinja::Environment<'a> {
    let mut environment = minijinja::Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment
}

/// Whether every template has this name: a function of minijinja's own.
pub(super) fn is_global(name: &str) -> bool {
    environment().globals().any(|(global, _)| global == name)
}

pub(super) fn unreadable(e: &minijinja::Error) -> Error {
    let at = e.line().map_or_else(String::new, |l| format!(" (line {l})"));
    Error::invalid(format!("the template cannot be used{at}: {}", e.detail().unwrap_or("no detail")))
}

/// A value as text: text as it is, messages as what they say, everything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Str(s) => s.to_string(),
        Value::Message(m) => m.text(),
        Value::Null => String::new(),
        other => other.to_json().to_string(),
    }
}

enum Piece {
    Text(String),
    Hole(String),
}

impl Piece {
    fn hole(self) -> Option<String> {
        match self {
            Self::Hole(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                plain.push(c);
            }
            '{' => {
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                if name.is_empty() || name.contains(['{', ':', '!', '\n']) {
                    return Err(Error::invalid(format!("`{{{name}}}` is no hole of a format string"))
                        .hint("a brace that is meant is written twice"));
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Hole(name.trim().to_string()));
            }
            '}' => {
                return Err(Error::invalid("a `}` stands alone in a format string")
                    .hint("a brace that is meant is written twice"));
            }
            c => plain.push(c),
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}
