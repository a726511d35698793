//! Again, when it failed and may not fail again.

use crate::RetryPolicy;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Error, Result, Runnable, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// A runnable that is tried again as a policy says. A stream is tried again only before its first chunk.
pub struct Retry {
    inner: Arc<dyn Runnable>,
    policy: RetryPolicy,
}

impl Retry {
    /// By a policy.
    pub fn new(inner: Arc<dyn Runnable>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
impl Runnable for Retry {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> Signature {
        self.inner.signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let mut attempt = 1;
        loop {
            match self.inner.invoke(input.clone(), cx).await {
                Ok(value) => return Ok(value),
                Err(e) => self.policy.after(attempt, e, cx).await?,
            }
            attempt += 1;
        }
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let input = gather(input).await?;
            let mut attempt = 1;
            loop {
                let mut chunks = self.inner.transform(super::once(input.clone()), cx);
                match chunks.next().await {
                    Some(Err(e)) => self.policy.after(attempt, e, cx).await?,
                    first => return Ok::<_, Error>(stream::iter(first).chain(chunks)),
                }
                attempt += 1;
            }
        };
        stream::once(begin).try_flatten().boxed()
    }

    /// Only what failed is tried again.
    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        let mut all = self.inner.batch(inputs.clone(), cx).await;
        for (input, done) in inputs.into_iter().zip(&mut all) {
            let mut attempt = 1;
            while let Err(e) = done {
                let e = std::mem::replace(e, Error::cancelled());
                *done = match self.policy.after(attempt, e, cx).await {
                    Ok(()) => self.inner.invoke(input.clone(), cx).await,
                    Err(e) => {
                        *done = Err(e);
                        break;
                    }
                };
                attempt += 1;
            }
        }
        all
    }
}
