//! Keys added to a map, and keys taken out of it.

use super::Parallel;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Error, Map, Result, Runnable, Schema, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// Adds computed keys to the map that comes in.
pub struct Assign(Parallel);

impl Assign {
    /// Each key's runnable gets the whole map.
    pub fn new(steps: impl IntoIterator<Item = (impl Into<Arc<str>>, Arc<dyn Runnable>)>) -> Self {
        Self(Parallel::new(steps))
    }
}

fn map(input: &Value) -> Result<&Map> {
    input.as_map().ok_or_else(|| {
        Error::invalid("The input to RunnablePassthrough.assign() must be a dict.")
            .hint(format!("it is {}", input.type_name()))
    })
}

#[async_trait]
impl Runnable for Assign {
    fn name(&self) -> &str {
        "assign"
    }

    fn signature(&self) -> Signature {
        Signature::new(Schema::of("object"), Schema::of("object"))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let mut all = map(&input)?.clone();
        if let Value::Map(computed) = self.0.invoke(input, cx).await? {
            all.extend(computed.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        Ok(all.into())
    }

    /// The keys that came in first, then the computed ones.
    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let input = gather(input).await?;
            let computed = |key: &Arc<str>| self.0.steps.iter().any(|(k, _)| k == key);
            let kept = map(&input)?.iter().filter(|(k, _)| !computed(k));
            let kept: Map = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
            let first = stream::iter([Ok(Value::from(kept))]);
            Ok::<_, Error>(first.chain(self.0.chunks(input, cx)))
        };
        stream::once(begin).try_flatten().boxed()
    }
}

/// Takes one key's value out of a map, or a map of several.
pub enum Pick {
    /// The value of a key.
    One(Arc<str>),
    /// A map of some keys; those that are not there are left out.
    Many(Vec<Arc<str>>),
}

#[async_trait]
impl Runnable for Pick {
    fn name(&self) -> &str {
        "pick"
    }

    fn signature(&self) -> Signature {
        Signature::new(Schema::of("object"), Schema::any())
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let map = input
            .as_map()
            .ok_or_else(|| Error::invalid(format!("pick takes a map, it was given {}", input.type_name())))?;
        Ok(match self {
            Self::One(key) => map.get(key).cloned().unwrap_or_default(),
            Self::Many(keys) => {
                let held = keys.iter().filter_map(|k| Some((k.clone(), map.get(k)?.clone())));
                held.collect::<Map>().into()
            }
        })
    }
}
