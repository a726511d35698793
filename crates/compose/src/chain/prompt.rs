//! Prompts: a map of values in, text or messages out.

use super::Template;
use async_trait::async_trait;
use lyceum_core::{Context, Error, Map, Message, Result, Role, Runnable, Schema, Signature, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A text prompt.
pub struct TextPrompt {
    template: Template,
    partial: Map,
}

/// One part of a chat prompt.
#[derive(Debug, Clone)]
pub enum PromptPart {
    /// A message with holes.
    Says(Role, Template),
    /// Messages that come in under a key; an optional one may be left out.
    Placeholder {
        /// The key.
        key: Arc<str>,
        /// Whether it may be left out.
        optional: bool,
    },
    /// A message as it is.
    Message(Message),
}

/// A prompt of messages.
pub struct ChatPrompt {
    parts: Vec<PromptPart>,
    partial: Map,
}

impl TextPrompt {
    /// Of a template.
    pub fn new(template: Template) -> Self {
        Self { template, partial: Map::new() }
    }

    /// With some values given already.
    pub fn with(mut self, values: Map) -> Self {
        self.partial.extend(values);
        self
    }
}

impl ChatPrompt {
    /// Of its parts in order.
    pub fn new(parts: impl IntoIterator<Item = PromptPart>) -> Self {
        Self { parts: parts.into_iter().collect(), partial: Map::new() }
    }

    /// With some values given already.
    pub fn with(mut self, values: Map) -> Self {
        self.partial.extend(values);
        self
    }

    fn needed(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for part in &self.parts {
            match part {
                PromptPart::Says(_, template) => {
                    names.extend(template.variables().iter().map(String::as_str))
                }
                PromptPart::Placeholder { key, optional: false } => drop(names.insert(&**key)),
                _ => {}
            }
        }
        names
    }
}

/// The values of a prompt: those given already, then the input's.
fn values(what: &str, input: Value, partial: &Map, needed: &BTreeSet<&str>) -> Result<Map> {
    let given = match input {
        Value::Map(map) => Arc::unwrap_or_clone(map),
        // A prompt of one hole takes the value itself.
        other => {
            let mut open = needed.iter().filter(|n| !partial.contains_key(**n));
            match (open.next(), open.next()) {
                (Some(name), None) => Map::from_iter([(Arc::from(*name), other)]),
                _ => {
                    return Err(Error::invalid(format!(
                        "{what} takes a map, it was given {}",
                        other.type_name()
                    )));
                }
            }
        }
    };
    let received: Vec<String> = given.keys().map(|k| k.to_string()).collect();
    let mut all = partial.clone();
    all.extend(given);
    let missing: Vec<&str> = needed.iter().copied().filter(|n| !all.contains_key(*n)).collect();
    if missing.is_empty() {
        return Ok(all);
    }
    let list = |names: &[&str]| names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    let expected: Vec<&str> = needed.iter().copied().filter(|n| !partial.contains_key(*n)).collect();
    let received: Vec<&str> = received.iter().map(String::as_str).collect();
    let first = missing.first().copied().unwrap_or_default();
    Err(Error::invalid(format!(
        "Input to {what} is missing variables {{{}}}.  Expected: [{}] Received: [{}]",
        list(&missing),
        list(&expected),
        list(&received)
    ))
    .hint(format!("a brace that is meant is written twice: {{{{{first}}}}}")))
}

fn signature(needed: &BTreeSet<&str>, partial: &Map, output: Schema) -> Signature {
    let open = needed.iter().filter(|n| !partial.contains_key(**n));
    Signature::new(Schema::object(open.map(|n| (*n, Schema::any()))), output)
}

#[async_trait]
impl Runnable for TextPrompt {
    fn name(&self) -> &str {
        "PromptTemplate"
    }

    fn signature(&self) -> Signature {
        let needed = self.template.variables().iter().map(String::as_str).collect();
        signature(&needed, &self.partial, Schema::of("string"))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let needed = self.template.variables().iter().map(String::as_str).collect();
        let values = values("PromptTemplate", input, &self.partial, &needed)?;
        Ok(self.template.render(&values)?.into())
    }
}

#[async_trait]
impl Runnable for ChatPrompt {
    fn name(&self) -> &str {
        "ChatPromptTemplate"
    }

    fn signature(&self) -> Signature {
        signature(&self.needed(), &self.partial, Schema::list(Schema::of("object")))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let values = values("ChatPromptTemplate", input, &self.partial, &self.needed())?;
        let mut messages: Vec<Value> = Vec::new();
        for part in &self.parts {
            match part {
                PromptPart::Says(role, template) => {
                    messages.push(Message::new(*role, template.render(&values)?).into())
                }
                PromptPart::Message(message) => messages.push(message.clone().into()),
                PromptPart::Placeholder { key, .. } => match values.get(key) {
                    Some(Value::List(list)) => messages.extend(list.iter().cloned()),
                    Some(one) if *one != Value::Null => messages.push(one.clone()),
                    _ => {}
                },
            }
        }
        Ok(messages.into())
    }
}
