//! Writing a thread's state by hand: as if one of its nodes had written it.

use super::build::{END, START};
use super::node::Outcome;
use super::run::{Graph, Input, RunOptions};
use super::session::Session;
use lyceum_core::{CheckpointSource, Error, ErrorKind, Result, Value};
use std::sync::Arc;

/// As this node a checkpoint is copied.
const COPY: &str = "__copy__";

impl Graph {
    /// Writes keys of the state as if `node` had written them (where nothing is said: the node that ran last), and goes
    /// where that node leads, on the newest checkpoint or an older one. As [`END`] with null the tasks that were to come
    /// are dropped; as `__copy__` with null the checkpoint is copied. Gives the new checkpoint.
    ///
    /// # Errors
    /// A node that is not there; no node named where it is not clear which one ran last; writes that a key does not take;
    /// a thread on which somebody runs.
    pub async fn update_state(
        &self,
        thread: &str,
        checkpoint: Option<&str>,
        values: Value,
        node: Option<&str>,
    ) -> Result<Arc<str>> {
        let (checkpointer, _) = self.place(thread)?;
        let _hold = checkpointer.threads().map(|t| t.hold(thread)).transpose()?;
        let options = RunOptions { checkpoint: checkpoint.map(str::to_string), ..RunOptions::thread(thread) };
        let mut session = Session::open(self, &options).await?;
        session.take_begun().await?;
        match node {
            Some(COPY) if values == Value::Null => session.keep_copy().await?,
            Some(END) if values == Value::Null => {
                session.drop_tasks()?;
                session.keep(CheckpointSource::Update).await?;
            }
            Some(START) => session.take(Input::Values(values)).await?,
            _ => {
                let place = match node {
                    Some(node) => self.plan.by_name.get(node).copied().ok_or_else(|| unknown(node, self))?,
                    None => session.ran_last().ok_or_else(ambiguous)?,
                };
                session.write_as(place, Outcome::Update(values))?;
                session.keep(CheckpointSource::Update).await?;
            }
        }
        checkpointer.flush().await?;
        session.checkpoint().ok_or_else(|| Error::internal("a checkpoint was kept and has no id"))
    }
}

fn unknown(node: &str, graph: &Graph) -> Error {
    Error::new(ErrorKind::Invalid, format!("Node {node} does not exist"))
        .did_you_mean(node, graph.plan.nodes())
}

fn ambiguous() -> Error {
    Error::invalid("Ambiguous update, specify as_node")
}
