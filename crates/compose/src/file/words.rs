//! What a person writes where a value is wanted: expressions, templates, plain values, and lists and mappings of them.

use super::place::Place;
use crate::chain::{Expression, Syntax, Template};
use lyceum_core::{Error, Map, Result, Value};
use lyceum_data::yaml::{Node, Yaml};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The names that expressions may use.
#[derive(Clone)]
pub(super) enum Names {
    /// These.
    Known(Vec<String>),
    /// Whatever comes in: nothing is known of it before it runs.
    Any,
}

impl Names {
    /// With more.
    pub(super) fn with(&self, more: &[&str]) -> Self {
        match self {
            Self::Known(names) => {
                Self::Known(names.iter().cloned().chain(more.iter().map(|m| (*m).to_string())).collect())
            }
            Self::Any => Self::Any,
        }
    }

    fn check(&self, used: &BTreeSet<String>, place: &Place) -> Result<()> {
        let Self::Known(known) = self else { return Ok(()) };
        match used.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(place
                .wrong(format!("unknown name `{name}`"))
                .did_you_mean(name, known.iter().map(String::as_str))
                .hint(format!("known are {}", known.join(", ")))),
        }
    }
}

/// A value that is made when it runs.
#[derive(Debug, Clone)]
pub(super) enum Word {
    /// As it is.
    Plain(Value),
    /// What an expression comes to.
    Expression(Expression, Place),
    /// A text with holes.
    Text(Template, Place),
    /// A list.
    List(Vec<Word>),
    /// A list in which lists are opened.
    Opened(Vec<Word>),
    /// A mapping.
    Map(Vec<(Arc<str>, Word)>),
}

impl Word {
    /// Where expressions stand: text is one (or a template, if it has `{{` or `{%`); numbers and truth values are
    /// themselves; lists and mappings are made of such.
    pub(super) fn expression(node: &Node, key: &str, names: &Names) -> Result<Self> {
        Self::read(node, key, &|text, place| match text.contains("{{") || text.contains("{%") {
            true => filled(text, place, names),
            false => expression(text, place, names),
        })
    }

    /// Where text stands: it is a template; one that is a single `{{ … }}` keeps the type of its value.
    pub(super) fn template(node: &Node, key: &str, names: &Names) -> Result<Self> {
        Self::read(node, key, &|text, place| filled(text, place, names))
    }

    /// Text with holes, always text.
    pub(super) fn text(node: &Node, key: &str, names: &Names) -> Result<Self> {
        let place = Place::of(node, key);
        match &node.value {
            Yaml::Str(text) => template(text, place, names),
            _ => Err(place.wrong(format!("expected text, found {}", node.type_name()))),
        }
    }

    fn read(node: &Node, key: &str, text: &dyn Fn(&str, Place) -> Result<Self>) -> Result<Self> {
        Ok(match &node.value {
            Yaml::Str(s) => text(s, Place::of(node, key))?,
            Yaml::List(items) => {
                let one = |(i, n): (usize, &Node)| Self::read(n, &format!("{key}[{i}]"), text);
                Self::List(items.iter().enumerate().map(one).collect::<Result<_>>()?)
            }
            Yaml::Map(entries) => {
                let one = |e: &lyceum_data::yaml::Entry| {
                    let inner = Self::read(&e.node, &format!("{key}.{}", e.key), text)?;
                    Ok((Arc::from(e.key.as_str()), inner))
                };
                Self::Map(entries.iter().map(one).collect::<Result<_>>()?)
            }
            _ => Self::Plain(Value::from_json(node.to_json())),
        })
    }

    /// The value over these names.
    ///
    /// # Errors
    /// An expression that fails or comes to nothing.
    pub(super) fn value(&self, names: &Map) -> Result<Value> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Expression(e, place) => match e.value(names).map_err(|e| place.put(e))? {
                Some(value) => value,
                None => return Err(place.put(nothing(e, names))),
            },
            Self::Text(template, place) => template.render(names).map_err(|e| place.put(e))?.into(),
            Self::List(items) => items.iter().map(|i| i.value(names)).collect::<Result<Vec<_>>>()?.into(),
            Self::Opened(items) => {
                let mut all = Vec::new();
                for item in items {
                    match item.value(names)? {
                        Value::List(list) => all.extend(list.iter().cloned()),
                        one => all.push(one),
                    }
                }
                all.into()
            }
            Self::Map(entries) => {
                let one = |(k, w): &(Arc<str>, Self)| Ok((k.clone(), w.value(names)?));
                entries.iter().map(one).collect::<Result<Map>>()?.into()
            }
        })
    }

    /// Whether a condition holds; one about something that is not there does not.
    pub(super) fn holds(&self, names: &Map) -> Result<bool> {
        let value = match self {
            Self::Expression(e, place) => e.value(names).map_err(|e| place.put(e))?.unwrap_or_default(),
            other => other.value(names)?,
        };
        Ok(crate::chain::is_true(&value))
    }
}

/// The names of an input: its keys, and `input` for all of it.
pub(super) fn names_of(input: &Value) -> Map {
    let mut names = input.as_map().cloned().unwrap_or_default();
    names.insert("input".into(), input.clone());
    names
}

fn expression(text: &str, place: Place, names: &Names) -> Result<Word> {
    let expression = Expression::new(text).map_err(|e| place.put(e))?;
    names.check(expression.variables(), &place)?;
    Ok(Word::Expression(expression, place))
}

fn template(text: &str, place: Place, names: &Names) -> Result<Word> {
    let template = Template::new(text, Syntax::Jinja).map_err(|e| place.put(e))?;
    names.check(template.variables(), &place)?;
    Ok(Word::Text(template, place))
}

fn filled(text: &str, place: Place, names: &Names) -> Result<Word> {
    let inside = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    match inside.filter(|t| !t.contains("{{") && !t.contains("}}")) {
        Some(inside) => expression(inside.trim(), place, names),
        None if text.contains("{{") || text.contains("{%") || text.contains("{#") => {
            template(text, place, names)
        }
        None => Ok(Word::Plain(text.into())),
    }
}

/// Why an expression came to nothing, in words that help to mend it.
fn nothing(e: &Expression, names: &Map) -> Error {
    let error = Error::invalid(format!("`{}` has no value", e.text()));
    let first = e.variables().iter().next();
    match first.map(|name| (name, names.get(name.as_str()))) {
        Some((name, Some(Value::Map(map)))) => {
            let keys: Vec<&str> = map.keys().map(|k| &**k).take(20).collect();
            error.hint(format!("`{name}` has the keys {}", keys.join(", ")))
        }
        Some((name, Some(value))) => error.hint(format!("`{name}` is of type {}", value.type_name())),
        Some((name, None)) => error.hint(format!("nothing has written `{name}` before")),
        None => error,
    }
}
