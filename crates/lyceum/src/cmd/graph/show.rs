//! What a person sees of a graph while it runs: each node as it ends, text as it comes.

use crate::ui::Ui;
use lyceum_compose::graph::{Event, Finished, Watch};
use lyceum_core::Value;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Characters of a value that are shown.
const SHOWN: usize = 160;

#[derive(Default)]
struct State {
    /// The node whose text is being shown; one at a time.
    speaking: Option<Arc<str>>,
    ran: Vec<String>,
}

/// Shows what happens on standard error.
#[derive(Clone)]
pub(super) struct Show {
    ui: Ui,
    state: Arc<Mutex<State>>,
}

impl Show {
    pub(super) fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of what happens.
    pub(super) fn watch(&self) -> Watch {
        let show = self.clone();
        Arc::new(move |event| match event {
            Event::Custom(node, Value::Str(text)) => show.text(&node, &text),
            Event::Update(node, update) => show.ended(&node, &update),
            _ => {}
        })
    }

    /// Nodes that ran, as they ended.
    pub(super) fn ran(&self) -> Vec<String> {
        self.state().ran.clone()
    }

    /// Ends the line of whoever is speaking.
    pub(super) fn end(&self) {
        if self.state().speaking.take().is_some() {
            self.ui.note("");
        }
    }

    fn text(&self, node: &Arc<str>, text: &str) {
        if !self.ui.streams() {
            return;
        }
        let mut state = self.state();
        let first = state.speaking.is_none();
        if first {
            state.speaking = Some(node.clone());
        }
        if state.speaking.as_ref() == Some(node) {
            let mut out = std::io::stderr().lock();
            let begin = if first { format!("{node}: ") } else { String::new() };
            let _ = write!(out, "{begin}{text}").and_then(|()| out.flush());
        }
    }

    fn ended(&self, node: &Arc<str>, update: &Value) {
        let spoke = {
            let mut state = self.state();
            state.ran.push(node.to_string());
            let spoke = state.speaking.as_ref() == Some(node);
            if spoke {
                state.speaking = None;
            }
            spoke
        };
        if spoke {
            self.ui.note("");
        } else {
            self.ui.note(&format!("{node}: {}", short(update)));
        }
    }
}

fn short(update: &Value) -> String {
    let Value::Map(map) = update else { return "done".into() };
    let one = |(key, value): (&Arc<str>, &Value)| {
        let text = value.to_json().to_string();
        let cut: String = text.chars().take(SHOWN).collect();
        let more = if cut.len() < text.len() { "…" } else { "" };
        format!("{key} = {cut}{more}")
    };
    map.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The questions that wait, and how they are answered.
pub(super) fn waiting(done: &Finished, again: &str) -> String {
    let mut out = String::new();
    let many = done.interrupts.len() > 1;
    for question in &done.interrupts {
        let asked = serde_json::to_string_pretty(&question.value.to_json()).unwrap_or_default();
        let id = if many { format!(" ({})", question.id) } else { String::new() };
        out.push_str(&format!("waits for an answer{id}:\n{asked}\n"));
    }
    let of = if many { ", an object from ids to answers" } else { "" };
    format!("{out}answer{of}: {again}")
}
