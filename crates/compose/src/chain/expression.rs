//! A minijinja expression as a runnable: what would be a small function elsewhere.

use super::template::{environment, is_global, unreadable};
use async_trait::async_trait;
use lyceum_core::{Context, Error, Map, Result, Runnable, Signature, Value};
use std::collections::BTreeSet;

/// An expression over its input: `input` is the whole of it, keys of a map have their own names too.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    variables: BTreeSet<String>,
}

impl Expression {
    /// Reads an expression, such as `input.score > 0.5` or `docs | length`.
    ///
    /// # Errors
    /// What minijinja does not understand.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let environment = environment();
        let expression = environment.compile_expression(&text).map_err(|e| wrong(&text, &e))?;
        let variables =
            expression.undeclared_variables(false).into_iter().filter(|v| !is_global(v)).collect();
        Ok(Self { text, variables })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names that it takes from its input.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Its value for an input.
    pub fn eval(&self, input: &Value) -> Result<Value> {
        let mut names: Map = input.as_map().cloned().unwrap_or_default();
        names.insert("input".into(), input.clone());
        Ok(self.value(&names)?.unwrap_or_default())
    }

    /// Its value over these names; nothing where it comes to something that is not there (a key that a map lacks).
    pub fn value(&self, names: &Map) -> Result<Option<Value>> {
        let environment = environment();
        let expression = environment.compile_expression(&self.text).map_err(|e| wrong(&self.text, &e))?;
        let value = expression
            .eval(minijinja::value::Serde(Value::from(names.clone())))
            .map_err(|e| wrong(&self.text, &e))?;
        if value.is_undefined() {
            return Ok(None);
        }
        let json = serde_json::to_value(&value)
            .map_err(|e| Error::invalid(format!("`{}` gives no value: {e}", self.text)))?;
        Ok(Some(Value::from_json(json)))
    }
}

fn wrong(text: &str, e: &minijinja::Error) -> Error {
    let inner = unreadable(e);
    Error::invalid(format!("expression `{text}`: {}", e.detail().unwrap_or(inner.message())))
}

#[async_trait]
impl Runnable for Expression {
    fn name(&self) -> &str {
        &self.text
    }

    fn signature(&self) -> Signature {
        Signature::any()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        self.eval(&input)
    }
}
