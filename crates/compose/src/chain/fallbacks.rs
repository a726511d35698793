//! Another, when one failed.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Error, ErrorKind, Map, Result, Runnable, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// Tried in order until one does not fail; when all fail, the first error comes out. A stream falls back only before
/// its first chunk.
pub struct Fallbacks {
    first: Arc<dyn Runnable>,
    others: Vec<Arc<dyn Runnable>>,
    error_key: Option<Arc<str>>,
}

impl Fallbacks {
    /// In this order.
    pub fn new(first: Arc<dyn Runnable>, others: impl IntoIterator<Item = Arc<dyn Runnable>>) -> Self {
        Self { first, others: others.into_iter().collect(), error_key: None }
    }

    /// Puts the error's message under a key of the input of the next; inputs must then be maps.
    pub fn with_error_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.error_key = Some(key.into());
        self
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Runnable>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn with_error(&self, input: &Value, e: &Error) -> Value {
        match (&self.error_key, input) {
            (Some(key), Value::Map(map)) => {
                let mut map: Map = (**map).clone();
                map.insert(key.clone(), e.message().into());
                map.into()
            }
            _ => input.clone(),
        }
    }
}

/// Whether another may be tried: not when somebody has stopped it all.
fn may_go_on(e: &Error) -> bool {
    e.kind() != ErrorKind::Cancelled
}

#[async_trait]
impl Runnable for Fallbacks {
    fn name(&self) -> &str {
        self.first.name()
    }

    fn signature(&self) -> Signature {
        self.first.signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let (mut first, mut given) = (None, input.clone());
        for one in self.all() {
            match one.invoke(given, cx).await {
                Ok(value) => return Ok(value),
                Err(e) if !may_go_on(&e) => return Err(e),
                Err(e) => {
                    given = self.with_error(&input, &e);
                    first.get_or_insert(e);
                }
            }
        }
        Err(first.unwrap_or_else(Error::cancelled))
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let input = gather(input).await?;
            let (mut first, mut given) = (None, input.clone());
            for one in self.all() {
                let mut chunks = one.transform(super::once(given), cx);
                match chunks.next().await {
                    Some(Err(e)) if may_go_on(&e) => {
                        given = self.with_error(&input, &e);
                        first.get_or_insert(e);
                    }
                    chunk => return Ok(stream::iter(chunk).chain(chunks)),
                }
            }
            Err(first.unwrap_or_else(Error::cancelled))
        };
        stream::once(begin).try_flatten().boxed()
    }
}
