//! The one noun: everything that turns an input into an output.

use crate::{Context, Result, Signature, Value};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::sync::Arc;

/// Values as they come. After an error nothing more comes.
pub type ValueStream<'a> = BoxStream<'a, Result<Value>>;

/// Turns one value into another. Everything that Lyceum can run implements this.
///
/// The laws that any implementation keeps are in [`crate::laws::runnable`].
#[async_trait]
pub trait Runnable: Send + Sync {
    /// The name shown in traces and graphs.
    fn name(&self) -> &str;

    /// JSON Schemas of input, output and configurable settings.
    fn signature(&self) -> Signature;

    /// One value in, one value out.
    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value>;

    /// Stream in, stream out, so that tokens pass through a pipe as they come. The chunks joined by
    /// [`gather`] are what `invoke` gives. Default: gather the input, invoke, yield once.
    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        stream::once(async move {
            let whole = gather(input).await?;
            self.invoke(whole, cx).await
        })
        .boxed()
    }

    /// Many inputs at once, answers in the inputs' order. Default: `invoke` each, at most `cx.concurrency()`
    /// together. Engines and models override it with a real batch.
    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        stream::iter(inputs.into_iter().map(|input| self.invoke(input, cx)))
            .buffered(cx.concurrency())
            .collect()
            .await
    }
}

/// Joins the chunks of a stream into one value: text is concatenated, lists are appended, maps are merged key by
/// key in the same way; of anything else the last chunk stands. An empty stream is `Null`.
pub async fn gather(input: ValueStream<'_>) -> Result<Value> {
    input.try_fold(Value::Null, |so_far, next| async move { Ok(join(so_far, next)) }).await
}

pub(crate) fn join(so_far: Value, next: Value) -> Value {
    match (so_far, next) {
        (Value::Str(a), Value::Str(b)) => Value::from(format!("{a}{b}")),
        (Value::List(mut a), Value::List(b)) => {
            Arc::make_mut(&mut a).extend(b.iter().cloned());
            Value::List(a)
        }
        (Value::Map(mut a), Value::Map(b)) => {
            let into = Arc::make_mut(&mut a);
            for (key, value) in b.iter() {
                let old = into.get_mut(key).map(std::mem::take).unwrap_or_default();
                into.insert(key.clone(), join(old, value.clone()));
            }
            Value::Map(a)
        }
        (_, next) => next,
    }
}

/// For HTTP bodies, which outlive the call: a stream that owns the runnable and the context.
pub fn stream_owned(
    runnable: Arc<dyn Runnable>,
    input: ValueStream<'static>,
    cx: Context,
) -> ValueStream<'static> {
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Value>>(16);
    let drive = async move {
        let mut chunks = runnable.transform(input, &cx);
        while let Some(chunk) = chunks.next().await {
            if send.send(chunk).await.is_err() {
                break;
            }
        }
    };
    // The producer is polled by the consumer's own task: dropping the stream drops the work.
    let receive = stream::unfold(receive, |mut r| async move { r.recv().await.map(|v| (v, r)) });
    let driver = stream::once(drive).filter_map(|()| async { None });
    stream::select(receive, driver).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Upper;

    #[async_trait]
    impl Runnable for Upper {
        fn name(&self) -> &str {
            "upper"
        }
        fn signature(&self) -> Signature {
            Signature::any()
        }
        async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
            cx.check()?;
            Ok(input.as_str().unwrap_or_default().to_uppercase().into())
        }
        fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
            input.then(move |chunk| async move { self.invoke(chunk?, cx).await }).boxed()
        }
    }

    #[tokio::test]
    async fn obeys_the_laws() {
        crate::laws::runnable(&Upper, &["a".into(), "bc".into()]).await.unwrap();
    }

    #[tokio::test]
    async fn an_owned_stream_passes_chunks_and_ends() {
        let input = stream::iter(["a", "b"].map(|s| Ok(Value::from(s)))).boxed();
        let got: Vec<_> = stream_owned(Arc::new(Upper), input, Context::new()).try_collect().await.unwrap();
        assert_eq!(got, [Value::from("A"), Value::from("B")]);
    }
}
