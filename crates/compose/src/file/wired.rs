//! The runnables of steps: values made of what comes in, given to what is called.

use super::words::{Word, names_of};
use crate::chain::once;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value, ValueStream, gather};
use std::sync::Arc;

/// Makes a value of what comes in.
pub(super) struct Valued {
    pub(super) name: String,
    pub(super) word: Word,
}

#[async_trait]
impl Runnable for Valued {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        Signature::any()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        self.word.value(&names_of(&input))
    }
}

/// Makes a value of what comes in and gives it to another.
pub(super) struct Wired {
    pub(super) word: Word,
    pub(super) inner: Arc<dyn Runnable>,
}

#[async_trait]
impl Runnable for Wired {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> Signature {
        Signature { input: Schema::any(), ..self.inner.signature() }
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        self.inner.invoke(self.word.value(&names_of(&input))?, cx).await
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let made = self.word.value(&names_of(&gather(input).await?))?;
            Ok::<_, Error>(self.inner.transform(once(made), cx))
        };
        stream::once(begin).try_flatten().boxed()
    }
}

/// The first whose condition holds; the last has none.
pub(super) struct Choice {
    pub(super) key: String,
    pub(super) cases: Vec<(Option<Word>, Arc<dyn Runnable>)>,
}

impl Choice {
    fn chosen(&self, input: &Value) -> Result<&Arc<dyn Runnable>> {
        let names = names_of(input);
        for (condition, then) in &self.cases {
            if condition.as_ref().map_or(Ok(true), |c| c.holds(&names))? {
                return Ok(then);
            }
        }
        Err(Error::internal(format!("{}: no case holds", self.key)))
    }
}

#[async_trait]
impl Runnable for Choice {
    fn name(&self) -> &str {
        "branch"
    }

    fn signature(&self) -> Signature {
        Signature::any()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        self.chosen(&input)?.invoke(input, cx).await
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            let input = gather(input).await?;
            Ok::<_, Error>(self.chosen(&input)?.transform(once(input), cx))
        };
        stream::once(begin).try_flatten().boxed()
    }
}
