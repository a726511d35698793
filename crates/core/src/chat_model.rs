//! A language model as a [`Runnable`]: text or messages in, text out, token by token when streamed. Its calls are
//! recorded as model runs.

use crate::{
    Context, Engine, Error, GenerateEvent, GenerateRequest, Message, Prompt, RenderOptions, Result, Runnable,
    Sampling, Schema, Signature, Value, ValueStream,
};
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::sync::Arc;

/// An engine, perhaps with one of its adapters, asked in its chat format.
pub struct ChatModel {
    engine: Arc<dyn Engine>,
    name: String,
    adapter: Option<String>,
    sampling: Sampling,
    max_tokens: Option<usize>,
    stop: Vec<String>,
}

impl ChatModel {
    /// The base model, greedy, without a limit but the context's.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        let name = engine.model().name.clone();
        Self { engine, name, adapter: None, sampling: Sampling::greedy(), max_tokens: None, stop: Vec::new() }
    }

    /// With an adapter that the engine has loaded; its name becomes the model's.
    pub fn with_adapter(mut self, adapter: impl Into<String>) -> Self {
        let adapter = adapter.into();
        self.name.clone_from(&adapter);
        self.adapter = Some(adapter);
        self
    }

    /// With other sampling.
    pub fn with_sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// With at most this many tokens an answer.
    pub fn with_max_tokens(mut self, n: usize) -> Self {
        self.max_tokens = Some(n);
        self
    }

    fn request(&self, input: &Value) -> Result<GenerateRequest> {
        let mut request = GenerateRequest::new(Prompt::Chat(messages(input)?, RenderOptions::default()));
        request.adapter.clone_from(&self.adapter);
        request.sampling = self.sampling.clone();
        request.max_tokens = self.max_tokens;
        request.stop.clone_from(&self.stop);
        Ok(request)
    }
}

/// The conversation in a value: text is the user's, a message or a list of messages stands for itself.
fn messages(input: &Value) -> Result<Vec<Message>> {
    let one = |v: &Value| match v {
        Value::Message(m) => Ok((**m).clone()),
        Value::Map(_) => serde_json::from_value(v.to_json())
            .map_err(|e| Error::invalid(format!("not a message with `role` and `content`: {e}"))),
        other => Err(Error::invalid(format!("expected a message, found {}", other.type_name()))),
    };
    match input {
        Value::Str(s) => Ok(vec![Message::user(&**s)]),
        Value::List(list) => list.iter().map(one).collect(),
        Value::Map(m) => match m.get("messages") {
            Some(inner) => messages(inner),
            None => one(input).map(|m| vec![m]),
        },
        other => one(other).map(|m| vec![m]),
    }
}

#[async_trait]
impl Runnable for ChatModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        let text_or_messages =
            serde_json::json!({ "anyOf": [{ "type": "string" }, { "type": "array" }, { "type": "object" }] });
        Signature::new(Schema(text_or_messages), Schema::of("string"))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let chunks: Vec<Value> =
            cx.run(self.transform(stream::iter([Ok(input)]).boxed(), cx).try_collect()).await?;
        Ok(chunks.iter().filter_map(Value::as_str).collect::<String>().into())
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let begin = async move {
            cx.check()?;
            let whole = crate::runnable::gather(input).await?;
            let events = crate::generate(&*self.engine, self.request(&whole)?, cx)?;
            Ok::<_, Error>(events.try_filter_map(text))
        };
        stream::once(begin).try_flatten().boxed()
    }
}

/// The text of an event, if it has any.
async fn text(event: GenerateEvent) -> Result<Option<Value>> {
    Ok(match event {
        GenerateEvent::Token(t) if !t.text.is_empty() => Some(t.text.into()),
        GenerateEvent::Done { text, .. } if !text.is_empty() => Some(text.into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_text_messages_and_objects_with_messages() {
        let json = |s: &str| Value::from_json(serde_json::from_str(s).unwrap());
        assert_eq!(messages(&"hi".into()).unwrap(), [Message::user("hi")]);
        let list = json(r#"[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]"#);
        assert_eq!(messages(&list).unwrap(), [Message::system("a"), Message::user("b")]);
        assert_eq!(messages(&json(r#"{"messages": [{"role": "user", "content": "b"}]}"#)).unwrap().len(), 1);
        assert!(messages(&Value::Int(3)).unwrap_err().to_string().contains("integer"));
    }
}
