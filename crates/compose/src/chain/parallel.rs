//! Side by side: all get the same input, a map of their outputs comes out.

use super::once;
use async_trait::async_trait;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Map, Result, Runnable, Schema, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// Runnables side by side, by key.
#[derive(Clone)]
pub struct Parallel {
    name: String,
    pub(super) steps: Vec<(Arc<str>, Arc<dyn Runnable>)>,
}

impl Parallel {
    /// In the order in which their keys come out.
    pub fn new(steps: impl IntoIterator<Item = (impl Into<Arc<str>>, Arc<dyn Runnable>)>) -> Self {
        let steps: Vec<_> = steps.into_iter().map(|(k, r)| (k.into(), r)).collect();
        let keys: Vec<&str> = steps.iter().map(|(k, _)| &**k).collect();
        Self { name: format!("parallel<{}>", keys.join(",")), steps }
    }

    /// Chunks of all, each in a map of its key, as they come.
    pub(super) fn chunks<'a>(&'a self, input: Value, cx: &'a Context) -> ValueStream<'a> {
        let streams = self.steps.iter().map(|(key, step)| {
            let chunks = step.transform(once(input.clone()), cx);
            chunks.map_ok(move |v| Value::from(Map::from_iter([(key.clone(), v)]))).boxed()
        });
        stream::select_all(streams).boxed()
    }
}

#[async_trait]
impl Runnable for Parallel {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        let input = self.steps.first().map_or_else(Schema::any, |(_, s)| s.signature().input);
        let output = Schema::object(self.steps.iter().map(|(k, s)| (&**k, s.signature().output)));
        Signature::new(input, output)
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let all = self.steps.iter().map(|(_, step)| step.invoke(input.clone(), cx));
        let all = try_join_all(all).await?;
        Ok(self.steps.iter().map(|(k, _)| k.clone()).zip(all).collect::<Map>().into())
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move { Ok::<_, lyceum_core::Error>(self.chunks(gather(input).await?, cx)) };
        stream::once(begin).try_flatten().boxed()
    }
}
