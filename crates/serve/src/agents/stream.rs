//! A run as server-sent events: what it has said so far, then what it says, until it is over.

use super::log::{Heard, RunLog, frame};
use super::objects::interrupts;
use super::request::Mode;
use crate::flat;
use axum::body::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use lyceum_compose::graph::Event;
use lyceum_core::{ErrorKind, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The frames of a run, from its beginning. Whoever stops reading stops nothing.
pub(super) fn frames(run: Arc<RunLog>, modes: Vec<Mode>, first: bool) -> BoxStream<'static, Bytes> {
    let changes = run.changes();
    let begin = first.then(|| frame("metadata", &json!({ "run_id": run.id, "attempt": 1 })));
    let state = Some((run, changes, 0, Teller { modes, open: Vec::new(), last: Value::Null }));
    let rest = stream::unfold(state, |state| async move {
        let (run, mut changes, from, mut teller) = state?;
        changes.mark_unchanged();
        let Heard { events, next, over } = run.since(from);
        let mut frames: Vec<Bytes> = events.into_iter().flat_map(|e| teller.tell(e)).collect();
        if over {
            frames.extend(failure(&run));
            return Some((frames, None));
        }
        if frames.is_empty() && changes.changed().await.is_err() {
            return None;
        }
        Some((frames, Some((run, changes, next, teller))))
    });
    stream::iter(begin).chain(rest.flat_map(stream::iter)).boxed()
}

fn failure(run: &RunLog) -> Option<Bytes> {
    let (kind, message) = run.end()?.err()?;
    Some(frame("error", &error(kind, &message)))
}

/// An error as the protocol tells it. A person who runs a graph may see why a node failed.
pub(super) fn error(kind: ErrorKind, message: &str) -> Json {
    json!({ "error": kind.code(), "message": message })
}

/// Turns events into frames of the modes that are wanted.
struct Teller {
    modes: Vec<Mode>,
    /// Tasks that have begun: node and id.
    open: Vec<(Arc<str>, Arc<str>)>,
    last: Value,
}

impl Teller {
    fn has(&self, mode: Mode) -> bool {
        self.modes.contains(&mode)
    }

    fn tell(&mut self, event: Event) -> Vec<Bytes> {
        let mut out = Vec::new();
        match event {
            Event::Values(values) => {
                if self.has(Mode::Values) {
                    out.push(frame("values", &flat::to_json(&values)));
                }
                self.last = values;
            }
            Event::Started(node, id) => {
                if self.has(Mode::Tasks) {
                    let data = json!({ "id": &*id, "name": &*node, "triggers": [], "metadata": {} });
                    out.push(frame("tasks", &data));
                }
                self.open.push((node, id));
            }
            Event::Update(node, update) => {
                let update = flat::to_json(&update);
                if self.has(Mode::Updates) {
                    out.push(frame("updates", &json!({ &*node: update.clone() })));
                }
                out.extend(self.ended(&node, Json::Null, update));
            }
            Event::Failed(node, why) => out.extend(self.ended(&node, json!(why), Json::Null)),
            Event::Interrupt(questions) => {
                let questions = interrupts(&questions);
                if self.has(Mode::Updates) {
                    out.push(frame("updates", &json!({ "__interrupt__": questions.clone() })));
                }
                if self.has(Mode::Values) && questions != json!([]) {
                    let mut values = self.last.as_map().cloned().unwrap_or_default();
                    values.insert("__interrupt__".into(), Value::from_json(questions.clone()));
                    out.push(frame("values", &flat::to_json(&values.into())));
                }
                if self.has(Mode::Tasks) {
                    for (node, id) in self.open.drain(..) {
                        let data = json!({ "id": &*id, "name": &*node, "error": null, "result": null,
                            "interrupts": questions.clone() });
                        out.push(frame("tasks", &data));
                    }
                }
            }
            Event::Custom(_, said) if self.has(Mode::Custom) => {
                out.push(frame("custom", &flat::to_json(&said)));
            }
            Event::Custom(..) => {}
        }
        out
    }

    fn ended(&mut self, node: &str, error: Json, result: Json) -> Option<Bytes> {
        let at = self.open.iter().position(|(n, _)| **n == *node)?;
        let (_, id) = self.open.remove(at);
        let data = json!({ "id": &*id, "name": node, "error": error, "result": result, "interrupts": [] });
        self.has(Mode::Tasks).then(|| frame("tasks", &data))
    }
}
