//! One of several, by conditions.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Error, Result, Runnable, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// The first whose condition is true of the input; else the default.
pub struct Branch {
    cases: Vec<(Arc<dyn Runnable>, Arc<dyn Runnable>)>,
    default: Arc<dyn Runnable>,
}

impl Branch {
    /// Conditions are runnables whose output is true, or not.
    pub fn new(
        cases: impl IntoIterator<Item = (Arc<dyn Runnable>, Arc<dyn Runnable>)>,
        default: Arc<dyn Runnable>,
    ) -> Self {
        Self { cases: cases.into_iter().collect(), default }
    }

    async fn chosen(&self, input: &Value, cx: &Context) -> Result<&Arc<dyn Runnable>> {
        for (condition, then) in &self.cases {
            if is_true(&condition.invoke(input.clone(), cx).await?) {
                return Ok(then);
            }
        }
        Ok(&self.default)
    }
}

/// As in Python: what is empty or zero is false.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Int(i) => *i != 0,
        Value::Float(x) => *x != 0.0,
        Value::Str(s) => !s.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::Message(_) | Value::Table(_) => true,
    }
}

#[async_trait]
impl Runnable for Branch {
    fn name(&self) -> &str {
        "branch"
    }

    fn signature(&self) -> Signature {
        self.default.signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        self.chosen(&input, cx).await?.invoke(input, cx).await
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let input = gather(input).await?;
            let chosen = self.chosen(&input, cx).await?;
            Ok::<_, Error>(chosen.transform(super::once(input), cx))
        };
        stream::once(begin).try_flatten().boxed()
    }
}
