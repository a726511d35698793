//! One after another: the output of each is the input of the next, chunk by chunk where they can.

use async_trait::async_trait;
use lyceum_core::{Context, Result, Runnable, Signature, Value, ValueStream};
use std::sync::Arc;

/// Runnables one after another; at least one.
pub struct Pipe {
    name: String,
    first: Arc<dyn Runnable>,
    rest: Vec<Arc<dyn Runnable>>,
}

/// Puts `next` after `first`.
pub fn pipe(first: Arc<dyn Runnable>, next: Arc<dyn Runnable>) -> Pipe {
    let name = format!("{} | {}", first.name(), next.name());
    Pipe { name, first, rest: vec![next] }
}

impl Pipe {
    /// A sequence that begins with one step.
    pub fn new(first: Arc<dyn Runnable>) -> Self {
        Self { name: first.name().to_string(), first, rest: Vec::new() }
    }

    /// With one more step.
    pub fn then(mut self, next: Arc<dyn Runnable>) -> Self {
        self.name = format!("{} | {}", self.name, next.name());
        self.rest.push(next);
        self
    }

    /// Under a name of its own.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn steps(&self) -> impl Iterator<Item = &Arc<dyn Runnable>> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

#[async_trait]
impl Runnable for Pipe {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        let first = self.first.signature();
        match self.rest.last() {
            Some(last) => Signature { output: last.signature().output, ..first },
            None => first,
        }
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let mut value = input;
        for step in self.steps() {
            cx.check()?;
            value = step.invoke(value, cx).await?;
        }
        Ok(value)
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        self.steps().fold(input, |stream, step| step.transform(stream, cx))
    }

    /// Step by step over the whole batch; what failed stays failed.
    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        let mut all: Vec<Result<Value>> = inputs.into_iter().map(Ok).collect();
        for step in self.steps() {
            let mut going = Vec::new();
            let mut places = Vec::new();
            for (place, value) in all.iter_mut().enumerate() {
                if let Ok(value) = value {
                    going.push(std::mem::take(value));
                    places.push(place);
                }
            }
            for (place, done) in places.into_iter().zip(step.batch(going, cx).await) {
                if let Some(slot) = all.get_mut(place) {
                    *slot = done;
                }
            }
        }
        all
    }
}
