//! A minijinja expression as a runnable: what would be a small function elsewhere.

use super::template::{environment, unreadable};
use async_trait::async_trait;
use lyceum_core::{Context, Error, Map, Result, Runnable, Signature, Value};

/// An expression over its input: `input` is the whole of it, keys of a map have their own names too.
pub struct Expression {
    text: String,
}

impl Expression {
    /// Reads an expression, such as `input.score > 0.5` or `docs | length`.
    ///
    /// # Errors
    /// What minijinja does not understand.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        environment().compile_expression(&text).map(drop).map_err(|e| wrong(&text, &e))?;
        Ok(Self { text })
    }

    /// Its value for an input.
    pub fn eval(&self, input: &Value) -> Result<Value> {
        let environment = environment();
        let expression = environment.compile_expression(&self.text).map_err(|e| wrong(&self.text, &e))?;
        let mut names: Map = input.as_map().cloned().unwrap_or_default();
        names.insert("input".into(), input.clone());
        let value = expression
            .eval(minijinja::value::Serde(Value::from(names)))
            .map_err(|e| wrong(&self.text, &e))?;
        let json = serde_json::to_value(&value)
            .map_err(|e| Error::invalid(format!("`{}` gives no value: {e}", self.text)))?;
        Ok(Value::from_json(json))
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
