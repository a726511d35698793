//! A function as a runnable. It waits for its whole input: whatever streams into it stops streaming there.

use async_trait::async_trait;
use lyceum_core::{Context, Result, Runnable, Signature, Value};
use std::future::Future;

/// A function under a name.
pub struct Lambda<F> {
    name: String,
    run: F,
}

impl<F> Lambda<F> {
    /// Of an asynchronous function.
    pub fn new(name: impl Into<String>, run: F) -> Self {
        Self { name: name.into(), run }
    }
}

#[async_trait]
impl<F, R> Runnable for Lambda<F>
where
    F: Fn(Value, Context) -> R + Send + Sync,
    R: Future<Output = Result<Value>> + Send,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        Signature::any()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.run((self.run)(input, cx.clone())).await
    }
}
