//! The `state` of a file: keys with their types, the rules by which writes are joined, defaults; and which keys go in
//! and come out.

use super::place::{Place, only_keys};
use crate::graph::{Kind, Reducer};
use lyceum_core::{Error, Map, Result, Schema, Value};
use lyceum_data::yaml::{Entry, Node, Section, Yaml};
use serde_json::json;
use std::sync::Arc;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Text,
    Number,
    Integer,
    Boolean,
    List,
    Object,
    Messages,
}

const TYPES: [(&str, Type); 8] = [
    ("any", Type::Any),
    ("text", Type::Text),
    ("number", Type::Number),
    ("integer", Type::Integer),
    ("boolean", Type::Boolean),
    ("list", Type::List),
    ("object", Type::Object),
    ("messages", Type::Messages),
];

/// A rule and the types that it fits; `add` is another word for `append`.
const RULES: [(&str, &[Type]); 11] = [
    ("append", &[Type::List]),
    ("add", &[Type::List]),
    ("sum", &[Type::Number, Type::Integer]),
    ("concat", &[Type::Text]),
    ("merge", &[Type::Object]),
    ("add_messages", &[Type::Messages]),
    ("any", &[Type::Boolean]),
    ("all", &[Type::Boolean]),
    ("min", &[Type::Number, Type::Integer]),
    ("max", &[Type::Number, Type::Integer]),
    ("replace", &[]),
];

/// Names that expressions have for something else.
const TAKEN: [&str; 8] = ["input", "output", "loop", "true", "false", "none", "START", "END"];

impl Type {
    fn name(self) -> &'static str {
        TYPES.iter().find(|(_, t)| *t == self).map_or("any", |(name, _)| name)
    }

    fn schema(self) -> Schema {
        match self {
            Self::Any => Schema::any(),
            Self::Text => Schema::of("string"),
            Self::List | Self::Messages => Schema::of("array"),
            other => Schema::of(other.name()),
        }
    }

    /// Null is taken everywhere: it says that there is nothing.
    fn takes(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Any, _)
                | (_, Value::Null)
                | (Self::Text, Value::Str(_))
                | (Self::Boolean, Value::Bool(_))
                | (Self::Integer | Self::Number, Value::Int(_))
                | (Self::Number, Value::Float(_))
                | (Self::List, Value::List(_))
                | (Self::Object, Value::Map(_))
                | (Self::Messages, Value::List(_) | Value::Map(_) | Value::Message(_) | Value::Str(_))
        )
    }
}

/// A key of the state.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: Arc<str>,
    kind: Type,
    rule: &'static str,
    default: Option<Value>,
    description: Option<String>,
}

impl Key {
    fn read(entry: &Entry) -> Result<Self> {
        let path = format!("state.{}", entry.key);
        let place = Place::at(entry.line, entry.column, path.as_str());
        let mut letters = entry.key.chars();
        let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !begins
            || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
            || entry.key.starts_with("__")
            || TAKEN.contains(&entry.key.as_str())
        {
            let message = format!("`{}` cannot be a key of the state", entry.key);
            let hint = format!("letters, digits and _ are taken, and not {}", TAKEN.join(", "));
            return Err(place.wrong(message).hint(hint));
        }
        let name: Arc<str> = entry.key.as_str().into();
        if matches!(entry.node.value, Yaml::Str(_)) {
            let kind = Self::type_of(&entry.node, &path)?;
            let rule = if kind == Type::Messages { "add_messages" } else { "replace" };
            return Ok(Self { name, kind, rule, default: None, description: None });
        }
        const KEYS: [&str; 4] = ["type", "reducer", "default", "description"];
        only_keys(&entry.node, &path, &[&KEYS])?;
        let s = Section::new(&entry.node, &path, &KEYS)?;
        let kind = s.get("type").map_or(Ok(Type::Any), |n| Self::type_of(n, &s.key("type")))?;
        let rule = match s.get("reducer") {
            Some(node) => Self::rule_of(node, kind, &entry.key, &s.key("reducer"))?,
            None if kind == Type::Messages => "add_messages",
            None => "replace",
        };
        let default = s.get("default").map(|n| Value::from_json(n.to_json()));
        if let (Some(value), Some(node)) = (&default, s.get("default"))
            && !kind.takes(value)
        {
            let message =
                format!("`{}` is of type {}, its default is {}", entry.key, kind.name(), node.type_name());
            return Err(Place::of(node, s.key("default")).wrong(message));
        }
        Ok(Self { name, kind, rule, default, description: s.text("description")? })
    }

    fn type_of(node: &Node, key: &str) -> Result<Type> {
        let names = || TYPES.iter().map(|(name, _)| *name);
        let place = Place::of(node, key);
        let Some(given) = node.as_str() else {
            return Err(place.wrong(format!("expected a type's name, found {}", node.type_name())));
        };
        TYPES.iter().find(|(name, _)| *name == given).map(|(_, t)| *t).ok_or_else(|| {
            let known = names().collect::<Vec<_>>().join(", ");
            let e = place.wrong(format!("unknown type `{given}`")).did_you_mean(given, names());
            e.hint(format!("types are {known}"))
        })
    }

    fn rule_of(node: &Node, kind: Type, name: &str, key: &str) -> Result<&'static str> {
        let place = Place::of(node, key);
        let given = node.as_str().unwrap_or_default();
        let names = || RULES.iter().map(|(name, _)| *name);
        let Some((rule, fits)) = RULES.iter().find(|(rule, _)| *rule == given) else {
            let known = names().collect::<Vec<_>>().join(", ");
            let e = place.wrong(format!("unknown reducer `{given}`")).did_you_mean(given, names());
            return Err(e.hint(format!("reducers are {known}")));
        };
        if !fits.is_empty() && !fits.contains(&kind) {
            let wanted = fits.iter().map(|t| t.name()).collect::<Vec<_>>().join(" or ");
            let message =
                format!("`{rule}` joins writes of type {wanted}, `{name}` is of type {}", kind.name());
            return Err(place.wrong(message));
        }
        Ok(rule)
    }

    /// The channel that keeps it.
    pub(super) fn channel(&self) -> Kind {
        let from = |zero: Value| self.default.clone().unwrap_or(zero);
        let fold = |f: fn(&Value, &Value) -> Result<Value>| {
            Kind::Reduce(Reducer::Fold(from(Value::Null), Arc::new(f)), Value::Null)
        };
        match self.rule {
            "append" | "add" => {
                let start = from(Vec::new().into());
                Kind::Reduce(Reducer::Fold(start, Arc::new(append)), Value::Null)
            }
            "sum" => Kind::Reduce(Reducer::Add, from(Value::Int(0))),
            "concat" => Kind::Reduce(Reducer::Add, from("".into())),
            "merge" => Kind::Reduce(Reducer::Add, from(Map::new().into())),
            "add_messages" => Kind::Reduce(Reducer::Messages, from(Vec::new().into())),
            "any" => fold(|a, b| Ok((a.as_bool() == Some(true) || b.as_bool() == Some(true)).into())),
            "all" => fold(|a, b| Ok((a.as_bool() != Some(false) && b.as_bool() != Some(false)).into())),
            "min" => fold(|a, b| Ok(if b.as_f64() < a.as_f64() { b.clone() } else { a.clone() })),
            "max" => fold(|a, b| Ok(if b.as_f64() > a.as_f64() { b.clone() } else { a.clone() })),
            _ => self.default.clone().map_or(Kind::Last, Kind::LastFrom),
        }
    }

    fn schema(&self) -> Schema {
        let Schema(mut schema) = self.kind.schema();
        if let (Some(map), Some(text)) = (schema.as_object_mut(), &self.description) {
            map.insert("description".into(), text.as_str().into());
        }
        Schema(schema)
    }
}

fn properties<'k>(keys: impl Iterator<Item = &'k Key>) -> serde_json::Map<String, serde_json::Value> {
    keys.map(|k| (k.name.to_string(), k.schema().0)).collect()
}

/// A list adds its items, anything else is one item.
fn append(old: &Value, new: &Value) -> Result<Value> {
    let mut all = old.as_list().map(<[Value]>::to_vec).unwrap_or_default();
    match new {
        Value::List(items) => all.extend(items.iter().cloned()),
        one => all.push(one.clone()),
    }
    Ok(all.into())
}

/// The keys of a file.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) all: Vec<Key>,
    input: Option<Vec<Arc<str>>>,
    output: Option<Vec<Arc<str>>>,
}

impl Keys {
    /// Reads `state`, `input` and `output`.
    pub(super) fn read(top: &Section<'_>) -> Result<Self> {
        let all: Vec<Key> = top.entries("state")?.iter().map(Key::read).collect::<Result<_>>()?;
        if all.is_empty() {
            return Err(
                Error::invalid("a graph needs a key of its state: `state: {question: text}`").at_key("state")
            );
        }
        let mut keys = Self { all, input: None, output: None };
        keys.input = keys.chosen(top, "input")?;
        keys.output = keys.chosen(top, "output")?;
        Ok(keys)
    }

    fn chosen(&self, top: &Section<'_>, which: &str) -> Result<Option<Vec<Arc<str>>>> {
        let Some(node) = top.get(which) else { return Ok(None) };
        let items: Vec<&Node> = match &node.value {
            Yaml::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut chosen = Vec::new();
        for item in items {
            let place = Place::of(item, which);
            let name = item.as_str().ok_or_else(|| {
                place.wrong(format!("expected a key of the state, found {}", item.type_name()))
            })?;
            chosen.push(self.find(name, &place)?.name.clone());
        }
        Ok(Some(chosen))
    }

    /// A key by its name.
    pub(super) fn find(&self, name: &str, place: &Place) -> Result<&Key> {
        self.all.iter().find(|k| &*k.name == name).ok_or_else(|| {
            let known = self.names();
            let e = place.wrong(format!("`{name}` is no key of the state"));
            e.did_you_mean(name, known.iter().map(String::as_str))
                .hint(format!("keys are {}", known.join(", ")))
        })
    }

    /// All names.
    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|k| k.name.to_string()).collect()
    }

    /// Fails for a write that a key does not take.
    pub(super) fn check(&self, name: &str, value: &Value) -> Result<()> {
        let Some(key) = self.all.iter().find(|k| &*k.name == name) else { return Ok(()) };
        // Appending takes one item as well as a list.
        if key.kind.takes(value) || matches!(key.rule, "append" | "add") {
            return Ok(());
        }
        let shown: String = value.to_json().to_string().chars().take(80).collect();
        Err(Error::invalid(format!("`{name}` is of type {}, it was given {shown}", key.kind.name())))
    }

    fn goes_in(&self) -> impl Iterator<Item = &Key> {
        self.all.iter().filter(|k| self.input.as_ref().is_none_or(|i| i.contains(&k.name)))
    }

    fn comes_out(&self) -> impl Iterator<Item = &Key> {
        self.all.iter().filter(|k| self.output.as_ref().is_none_or(|o| o.contains(&k.name)))
    }

    /// Whether a caller must give a key: it is named under `input` and has no default.
    fn is_needed(&self, key: &Key) -> bool {
        self.input.is_some() && key.default.is_none() && key.rule == "replace"
    }

    /// Schema of what goes in.
    pub(super) fn input_schema(&self) -> Schema {
        let needed: Vec<&str> = self.goes_in().filter(|k| self.is_needed(k)).map(|k| &*k.name).collect();
        let properties = properties(self.goes_in());
        Schema(json!({
            "type": "object",
            "required": needed,
            "properties": properties,
            "additionalProperties": false,
        }))
    }

    /// Schema of what comes out.
    pub(super) fn output_schema(&self) -> Schema {
        Schema(json!({ "type": "object", "properties": properties(self.comes_out()) }))
    }

    /// Schema of all keys.
    pub(super) fn state_schema(&self) -> Schema {
        Schema(json!({ "type": "object", "properties": properties(self.all.iter()) }))
    }

    /// Fails for an input that the graph does not take.
    pub(super) fn check_input(&self, input: &Value) -> Result<()> {
        let Value::Map(map) = input else {
            return Err(Error::invalid(format!("expected an object of keys, found {}", input.type_name())));
        };
        let known: Vec<&str> = self.goes_in().map(|k| &*k.name).collect();
        if let Some(name) = map.keys().find(|n| !known.contains(&&***n)) {
            let e = Error::invalid(format!("`{name}` is no input of this graph"));
            let e = e.did_you_mean(name, known.iter().copied());
            return Err(e.hint(format!("inputs are {}", known.join(", "))));
        }
        if let Some(key) = self.goes_in().find(|k| self.is_needed(k) && !map.contains_key(&k.name)) {
            return Err(Error::invalid(format!("`{}` is missing in the input", key.name)));
        }
        map.iter().try_for_each(|(name, value)| self.check(name, value))
    }

    /// What of the state comes out.
    pub(super) fn output(&self, state: &Value) -> Value {
        let out = self.comes_out().filter_map(|k| Some((k.name.clone(), state.get(&k.name)?.clone())));
        out.collect::<Map>().into()
    }
}
