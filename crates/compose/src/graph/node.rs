//! What a node is, what it may answer, and what it may ask of the run that it is part of.

use async_trait::async_trait;
use lyceum_core::{Context, Error, Runnable, Value};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

/// A task for a node with an input of its own, instead of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    /// The node.
    pub node: Arc<str>,
    /// Its whole input.
    pub input: Value,
}

/// Where a run goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Nowhere.
    End,
    /// At a node, with the state.
    Node(Arc<str>),
    /// At a node, with an input of its own.
    Send(Send),
}

/// An update and where to go on; static edges stay in force beside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    /// Keys to write, a map; null writes nothing.
    pub update: Value,
    /// Where to go on.
    pub goto: Vec<Target>,
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Keys to write, a map; null writes nothing.
    Update(Value),
    /// Keys to write and where to go on.
    Command(Command),
    /// Several of these.
    Many(Vec<Outcome>),
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Interrupt {
    /// 32 hexadecimal digits: the same for the same question of the same task.
    pub id: String,
    /// What is asked.
    pub value: Value,
}

/// Why a node has not answered.
#[derive(Debug)]
pub enum Stop {
    /// It waits for a person.
    Interrupt(Interrupt),
    /// It failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

/// One step of a graph.
#[async_trait]
pub trait Node: std::marker::Send + Sync {
    /// Reads the state (or the input that it was sent), answers with what to write.
    async fn run(&self, input: Value, scope: &Scope) -> Result<Outcome, Stop>;
}

/// A runnable as a node: its output is the update.
pub struct Step(pub Arc<dyn Runnable>);

#[async_trait]
impl Node for Step {
    async fn run(&self, input: Value, scope: &Scope) -> Result<Outcome, Stop> {
        Ok(Outcome::Update(self.0.invoke(input, &scope.cx).await?))
    }
}

/// A function as a node.
pub struct Function<F>(pub F);

#[async_trait]
impl<F, R> Node for Function<F>
where
    F: Fn(Value, Scope) -> R + std::marker::Send + Sync,
    R: Future<Output = Result<Outcome, Stop>> + std::marker::Send,
{
    async fn run(&self, input: Value, scope: &Scope) -> Result<Outcome, Stop> {
        (self.0)(input, scope.clone()).await
    }
}

/// Hears what a node says while it runs.
pub type Writer = Arc<dyn Fn(Value) + std::marker::Send + Sync>;

/// What a node may ask of its run. Cheap to clone.
#[derive(Clone)]
pub struct Scope {
    /// Cancellation, budget, settings, trace.
    pub cx: Context,
    /// The node's name.
    pub node: Arc<str>,
    pub(super) task: Arc<str>,
    pub(super) answers: Arc<Mutex<Answers>>,
    pub(super) writer: Option<Writer>,
}

/// Answers to a task's questions, in the order in which it asks.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Those that are known.
    pub(super) known: Vec<Value>,
    /// How many the task has asked for.
    pub(super) asked: usize,
}

impl Scope {
    /// Asks a person. The first time the run stops here; when it is resumed the node runs again from its top, and this
    /// gives the answer. Several questions of one node are answered in the order in which they are asked.
    pub fn interrupt(&self, question: Value) -> Result<Value, Stop> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = answers.asked;
        answers.asked += 1;
        match answers.known.get(place) {
            Some(answer) => Ok(answer.clone()),
            None => Err(Stop::Interrupt(Interrupt { id: interrupt_id(&self.task, place), value: question })),
        }
    }

    /// Says something to whoever watches the run.
    pub fn say(&self, value: Value) {
        if let Some(writer) = &self.writer {
            writer(value);
        }
    }
}

fn interrupt_id(task: &str, place: usize) -> String {
    let id = if place == 0 { digest([task]) } else { digest([task, &place.to_string()]) };
    format!("{id:032x}")
}

/// FNV-1a of 128 bits (Fowler, Noll, Vo) over parts, each ended by a byte that text does not have: names tasks the same
/// on every machine and in every version.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}
