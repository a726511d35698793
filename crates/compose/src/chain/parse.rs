//! What models say, read: as text, or as JSON that grows while it streams.

use super::partial_json::{complete, whole};
use super::template::shown;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value, ValueStream};

/// The text of messages.
pub struct TextParser;

#[async_trait]
impl Runnable for TextParser {
    fn name(&self) -> &str {
        "StrOutputParser"
    }

    fn signature(&self) -> Signature {
        Signature::new(Schema::any(), Schema::of("string"))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        Ok(shown(&input).into())
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, _: &'a Context) -> ValueStream<'a> {
        input.map(|chunk| Ok(shown(&chunk?).into())).boxed()
    }
}

/// The JSON value in what a model says; fences around it are passed. While it streams, the value so far comes out each
/// time that it has grown: the last one stands for all, so it is a map or a list of whole values, never a part to join.
pub struct JsonParser;

impl JsonParser {
    fn read(text: &str) -> Result<Value> {
        whole(text).map(Value::from_json).ok_or_else(|| {
            let said: String = text.chars().take(200).collect();
            Error::invalid(format!("Invalid json output: {said}")).with_code("OUTPUT_PARSING_FAILURE")
        })
    }

    /// The values so far of a stream of text, each once.
    pub fn growing<'a>(&'a self, input: ValueStream<'a>) -> ValueStream<'a> {
        let begin = (input, String::new(), None::<serde_json::Value>);
        stream::unfold(Some(begin), |state| async move {
            let (mut input, mut text, mut last) = state?;
            while let Some(chunk) = input.next().await {
                match chunk {
                    Err(e) => return Some((Err(e), None)),
                    Ok(chunk) => text.push_str(&shown(&chunk)),
                }
                let now = complete(&text);
                if now.is_some() && now != last {
                    last.clone_from(&now);
                    return Some((Ok(Value::from_json(now?)), Some((input, text, last))));
                }
            }
            // At the end the text must be a value, which may be one more than was seen (a number at the end).
            match Self::read(&text) {
                Err(e) => Some((Err(e), None)),
                Ok(value) if last.as_ref() == Some(&value.to_json()) => None,
                Ok(value) => Some((Ok(value), None)),
            }
        })
        .boxed()
    }
}

#[async_trait]
impl Runnable for JsonParser {
    fn name(&self) -> &str {
        "JsonOutputParser"
    }

    fn signature(&self) -> Signature {
        Signature::new(Schema::any(), Schema::any())
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        Self::read(&shown(&input))
    }
}
