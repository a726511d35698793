//! Questions of graphs that wait for a person: `lyceum approvals list|approve|deny`.

use super::graph::{Run, Which};
use super::home::HomeArgs;
use crate::project::Workspace;
use crate::ui::Ui;
use clap::{Args, Subcommand};
use lyceum_compose::graph::{Interrupt, waiting};
use lyceum_core::{Error, Result, ThreadFilter, ThreadInfo, ThreadStatus, Threads};
use lyceum_store::clock;
use lyceum_store::db::Checkpoints;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

/// See and answer what graphs ask
#[derive(Args)]
pub(crate) struct Approvals {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    List(List),
    Approve(Approve),
    Deny(Deny),
}

/// The questions that wait, the newest first
#[derive(Args)]
struct List {
    #[command(flatten)]
    of: Of,
}

/// Answer yes, or with words of your own, and run the graph on
#[derive(Args)]
struct Approve {
    #[command(flatten)]
    of: Of,
    /// The thread that asks; not needed where only one does
    thread: Option<String>,
    /// An answer in place of `true`: a text to send instead, a choice
    #[arg(long, value_name = "JSON")]
    answer: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

/// Answer no, and run the graph on
#[derive(Args)]
struct Deny {
    #[command(flatten)]
    of: Of,
    /// The thread that asks; not needed where only one does
    thread: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

/// Whose questions.
#[derive(Args)]
struct Of {
    /// The project
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
}

/// A thread that waits.
#[derive(Serialize)]
struct Waits {
    thread: String,
    graph: String,
    since: String,
    questions: Vec<Json>,
    #[serde(skip)]
    asked: Vec<Interrupt>,
}

impl Approvals {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        match self.what {
            What::List(list) => {
                let dir = list.of.project;
                let all = ui.block_on(|_| async move { all(&dir).await })?;
                ui.result(&json!({ "waiting": all }), |_| shown(&all))
            }
            What::Approve(a) => {
                let answer = match &a.answer {
                    None => json!(true),
                    Some(text) => serde_json::from_str(text).map_err(|e| {
                        Error::invalid(format!("not JSON: {e}"))
                            .at_key("--answer")
                            .hint("text is written in quotes of its own: '\"yes\"'")
                    })?,
                };
                answer_with(a.of.project, a.thread, answer, a.home, ui)
            }
            What::Deny(d) => answer_with(d.of.project, d.thread, json!(false), d.home, ui),
        }
    }
}

/// Answers every question of a thread and runs its graph on.
fn answer_with(
    project: PathBuf,
    thread: Option<String>,
    answer: Json,
    home: HomeArgs,
    ui: &Ui,
) -> Result<()> {
    ui.block_on(|cx| async move {
        let one = chosen(all(&project).await?, thread.as_deref())?;
        let resume = match one.asked.len() {
            0 | 1 => answer,
            _ => one.asked.iter().map(|q| (q.id.clone(), answer.clone())).collect(),
        };
        let which = Which { graph: one.graph, project, home };
        Run::answer(which, one.thread, &resume).work(ui, &cx).await
    })
}

fn chosen(mut all: Vec<Waits>, thread: Option<&str>) -> Result<Waits> {
    let names: Vec<String> = all.iter().map(|w| w.thread.clone()).collect();
    let list = || format!("threads that ask are {}", names.join(", "));
    match (thread, all.len()) {
        (_, 0) => Err(Error::not_found("nothing waits for an answer")),
        (None, 1) => Ok(all.swap_remove(0)),
        (None, n) => Err(Error::invalid(format!("{n} threads wait for an answer: name one")).hint(list())),
        (Some(thread), _) => match all.iter().position(|w| w.thread == thread) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(Error::not_found(format!("nothing waits for an answer on thread `{thread}`"))
                .did_you_mean(thread, names.iter().map(String::as_str))
                .hint(list())),
        },
    }
}

/// Every thread that waits for an answer.
async fn all(project: &Path) -> Result<Vec<Waits>> {
    let database = Workspace::database_path(project);
    if !database.is_file() {
        return Ok(Vec::new());
    }
    let kept = Checkpoints::open(database)?;
    let filter = ThreadFilter { status: Some(ThreadStatus::Interrupted), ..ThreadFilter::default() };
    let mut all = Vec::new();
    for info in Threads::threads(&kept, &filter).await? {
        let asked = waiting(&kept, &info.thread).await?;
        if !asked.is_empty() {
            all.push(waits(&info, asked));
        }
    }
    Ok(all)
}

fn waits(info: &ThreadInfo, asked: Vec<Interrupt>) -> Waits {
    Waits {
        thread: info.thread.to_string(),
        graph: info.graph.to_string(),
        since: clock::rfc3339(clock::unix(info.updated)),
        questions: asked.iter().map(|q| json!({ "id": q.id, "value": q.value.to_json() })).collect(),
        asked,
    }
}

fn shown(all: &[Waits]) -> String {
    if all.is_empty() {
        return "nothing waits for an answer".into();
    }
    let one = |w: &Waits| {
        let asked = |q: &Interrupt| serde_json::to_string_pretty(&q.value.to_json()).unwrap_or_default();
        let questions: Vec<String> = w.asked.iter().map(asked).collect();
        format!(
            "{} of {}, since {}\n{}\n  lyceum approvals approve {} | deny {}\n",
            w.thread,
            w.graph,
            w.since,
            questions.join("\n"),
            w.thread,
            w.thread
        )
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}
