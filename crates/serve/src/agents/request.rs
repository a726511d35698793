//! What a run is asked for: the protocol's `RunCreate`, read and checked. Keys that are not known are ignored, as the
//! protocol says; what is known and not done here is refused by name.

use crate::flat;
use lyceum_compose::graph::{Command, Durability, Input, RunOptions, Send, Target};
use lyceum_core::{Error, ErrorKind, Result, Value};
use serde::Deserialize;
use serde_json::Value as Json;

/// Superstep limit that a client may set at most.
const MOST_STEPS: u64 = 100_000;

/// The body.
#[derive(Debug, Deserialize)]
pub(super) struct RunCreate {
    pub(super) assistant_id: String,
    input: Option<Json>,
    command: Option<CommandBody>,
    #[serde(default)]
    pub(super) metadata: Option<serde_json::Map<String, Json>>,
    config: Option<ConfigBody>,
    checkpoint_id: Option<String>,
    checkpoint: Option<CheckpointBody>,
    interrupt_before: Option<Names>,
    interrupt_after: Option<Names>,
    stream_mode: Option<Modes>,
    #[serde(default)]
    stream_subgraphs: bool,
    multitask_strategy: Option<String>,
    pub(super) on_disconnect: Option<String>,
    #[serde(default)]
    pub(super) if_not_exists: Option<String>,
    durability: Option<String>,
    webhook: Option<String>,
    after_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct CommandBody {
    update: Option<Json>,
    resume: Option<Json>,
    goto: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigBody {
    recursion_limit: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CheckpointBody {
    checkpoint_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    All(String),
    Some(Vec<String>),
}

impl Names {
    fn list(self) -> Vec<String> {
        match self {
            Self::All(one) => vec![one],
            Self::Some(list) => list,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Modes {
    One(String),
    Many(Vec<String>),
}

/// What a stream tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Values,
    Updates,
    Tasks,
    Custom,
}

impl Mode {
    const ALL: [(&'static str, Self); 4] = [
        ("values", Self::Values),
        ("updates", Self::Updates),
        ("tasks", Self::Tasks),
        ("custom", Self::Custom),
    ];

    pub(super) fn read(names: &[String]) -> Result<Vec<Self>> {
        let one = |name: &String| {
            let known = Self::ALL.iter().find(|(n, _)| n == name).map(|(_, mode)| *mode);
            known.ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|(n, _)| *n).collect();
                Error::invalid(format!("stream mode `{name}` is not served, only {}", names.join(", ")))
                    .at_key("stream_mode")
                    .did_you_mean(name, names.iter().copied())
            })
        };
        names.iter().map(one).collect()
    }
}

/// What happens when somebody already runs on the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Multitask {
    Enqueue,
    Reject,
    Interrupt,
}

impl RunCreate {
    /// What the stream tells; the state where nothing is said.
    pub(super) fn modes(&self) -> Result<Vec<Mode>> {
        if self.stream_subgraphs {
            return Err(Error::unsupported("graphs have no subgraphs here").at_key("stream_subgraphs"));
        }
        match &self.stream_mode {
            None => Ok(vec![Mode::Values]),
            Some(Modes::One(name)) => Mode::read(std::slice::from_ref(name)),
            Some(Modes::Many(names)) => Mode::read(names),
        }
    }

    pub(super) fn multitask(&self) -> Result<Multitask> {
        match self.multitask_strategy.as_deref() {
            None | Some("enqueue") => Ok(Multitask::Enqueue),
            Some("reject") => Ok(Multitask::Reject),
            Some("interrupt") => Ok(Multitask::Interrupt),
            Some(other) => Err(Error::unsupported(format!("`{other}` is not done here"))
                .at_key("multitask_strategy")
                .hint("enqueue, reject and interrupt are")),
        }
    }

    /// What the graph is given, and how it is run.
    pub(super) fn input(self, thread: Option<&str>) -> Result<(Input, RunOptions)> {
        if self.webhook.is_some() || self.after_seconds.is_some() {
            let key = if self.webhook.is_some() { "webhook" } else { "after_seconds" };
            return Err(Error::unsupported("runs begin at once and call nobody").at_key(key));
        }
        let durability = match self.durability.as_deref() {
            None | Some("async") => Durability::Async,
            Some("sync") => Durability::Sync,
            Some(other) => {
                return Err(Error::unsupported(format!("`{other}` is not done here, only async and sync"))
                    .at_key("durability"));
            }
        };
        let limit = self.config.unwrap_or_default().recursion_limit;
        if limit.is_some_and(|n| n == 0 || n > MOST_STEPS) {
            let text = format!("expected 1 to {MOST_STEPS}");
            return Err(Error::invalid(text).at_key("config.recursion_limit"));
        }
        let defaults = RunOptions::default();
        let options = RunOptions {
            thread: thread.map(Into::into),
            checkpoint: self.checkpoint_id.or(self.checkpoint.and_then(|c| c.checkpoint_id)),
            recursion_limit: limit.unwrap_or(defaults.recursion_limit),
            interrupt_before: self.interrupt_before.map(Names::list).unwrap_or_default(),
            interrupt_after: self.interrupt_after.map(Names::list).unwrap_or_default(),
            durability,
            metadata: self
                .metadata
                .unwrap_or_default()
                .into_iter()
                .map(|(k, v)| (k.into(), Value::from_json(v)))
                .collect(),
            ..defaults
        };
        let input = match (self.command, self.input) {
            (Some(command), _) => self::command(command)?,
            (None, None | Some(Json::Null)) => Input::Continue,
            (None, Some(input)) => Input::Values(flat::from_json(input)),
        };
        Ok((input, options))
    }
}

fn command(body: CommandBody) -> Result<Input> {
    match (body.resume, body.update, body.goto) {
        (Some(resume), None, None) => Ok(Input::Resume(flat::from_json(resume))),
        (Some(_), ..) => {
            Err(Error::unsupported("an answer cannot come with `update` or `goto`").at_key("command"))
        }
        (None, update, goto) => Ok(Input::Command(Command {
            update: update.map(flat::from_json).unwrap_or_default(),
            goto: goto.map(targets).transpose()?.unwrap_or_default(),
        })),
    }
}

fn targets(json: Json) -> Result<Vec<Target>> {
    match json {
        Json::Array(all) => Ok(all.into_iter().map(targets).collect::<Result<Vec<_>>>()?.concat()),
        Json::String(node) if node == lyceum_compose::graph::END => Ok(vec![Target::End]),
        Json::String(node) => Ok(vec![Target::Node(node.into())]),
        Json::Object(mut send) => match (send.remove("node"), send.remove("input")) {
            (Some(Json::String(node)), input) => Ok(vec![Target::Send(Send {
                node: node.into(),
                input: input.map(flat::from_json).unwrap_or_default(),
            })]),
            _ => Err(goto()),
        },
        _ => Err(goto()),
    }
}

fn goto() -> Error {
    Error::new(ErrorKind::Invalid, "expected a node's name, {node, input}, or a list of these")
        .at_key("command.goto")
}
