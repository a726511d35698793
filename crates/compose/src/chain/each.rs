//! A runnable over every item of a list.

use async_trait::async_trait;
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value};
use std::sync::Arc;

/// List in, list out.
pub struct Each(pub Arc<dyn Runnable>);

#[async_trait]
impl Runnable for Each {
    fn name(&self) -> &str {
        "each"
    }

    fn signature(&self) -> Signature {
        let inner = self.0.signature();
        Signature::new(Schema::list(inner.input), Schema::list(inner.output))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let Value::List(items) = input else {
            return Err(Error::invalid(format!("each takes a list, it was given {}", input.type_name())));
        };
        let done = self.0.batch(Arc::unwrap_or_clone(items), cx).await;
        done.into_iter().collect::<Result<Vec<_>>>().map(Value::from)
    }
}
