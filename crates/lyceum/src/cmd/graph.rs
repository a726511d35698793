//! `lyceum graph`: state graphs run, checked and drawn.

mod show;

use super::home::HomeArgs;
use crate::compose::{Opened, Source};
use crate::project::{Workspace, open_traces, trace_database};
use crate::ui::Ui;
use clap::{Args, Subcommand, ValueEnum};
use lyceum_compose::draw::Sizes;
use lyceum_compose::graph::{Finished, Graph as StateGraph, Input, RunOptions};
use lyceum_core::{Context, Error, Result, Runnable, Value, find_thread};
use lyceum_store::db::Checkpoints;
use serde::Serialize;
use serde_json::{Value as Json, json};
use show::{Show, waiting};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Run, check and draw state graphs
#[derive(Args)]
pub(crate) struct Graph {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Run(Run),
    Check(Check),
    Draw(Draw),
}

/// Which graph.
#[derive(Args)]
pub(super) struct Which {
    /// A graph under `compose` in the project file, or a YAML file
    #[arg(value_name = "NAME|FILE")]
    pub(super) graph: String,
    /// The project whose models and documents it uses
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) project: PathBuf,
    #[command(flatten)]
    pub(super) home: HomeArgs,
}

impl Which {
    fn open(&self) -> Result<Opened> {
        Source { graph: &self.graph, dir: &self.project, home: self.home.open()? }.open()
    }
}

/// Run a graph, or go on with a thread of it
///
/// A thread is kept in the project's database. Without --input and --resume a thread goes on from where it stopped: after
/// an error, only what has failed is run again.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    which: Which,
    /// The input, an object of the graph's keys
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// The thread; a new one by default
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// The answer to the question that waits; to several, an object from their ids to the answers
    #[arg(long, value_name = "JSON|@FILE", requires = "thread", conflicts_with = "input")]
    resume: Option<String>,
    /// Go on from this checkpoint of the thread instead of its newest
    #[arg(long, value_name = "ID", requires = "thread")]
    checkpoint: Option<String>,
}

/// Check a graph without running it
#[derive(Args)]
struct Check {
    #[command(flatten)]
    which: Which,
}

/// Draw a graph
#[derive(Args)]
struct Draw {
    #[command(flatten)]
    which: Which,
    /// How
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Boxes and lines
    Text,
    /// A flow chart for Mermaid
    Mermaid,
    /// A picture
    Svg,
}

/// Where a run stands when it ends or stops.
#[derive(Serialize)]
struct Report {
    graph: String,
    thread: Option<String>,
    /// `done`, `waiting` for an answer, or `stopped`.
    status: &'static str,
    output: Json,
    interrupts: Vec<Json>,
    /// Nodes that come next.
    next: Vec<String>,
    /// Nodes that ran, as they ended.
    ran: Vec<String>,
    seconds: f64,
}

impl Graph {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        match self.what {
            What::Run(run) => ui.block_on(|cx| async move { run.work(ui, &cx).await }),
            What::Check(check) => check.work(ui),
            What::Draw(draw) => draw.work(ui),
        }
    }
}

impl Run {
    /// Gives a thread of a graph the answers that it waits for.
    pub(super) fn answer(which: Which, thread: String, resume: &Json) -> Self {
        let resume = Some(resume.to_string());
        Self { which, input: None, thread: Some(thread), resume, checkpoint: None }
    }

    pub(super) async fn work(&self, ui: &Ui, cx: &Context) -> Result<()> {
        let began = Instant::now();
        let read = |given: &Option<String>, flag| given.as_deref().map(|g| json_of(g, flag)).transpose();
        let (input, resume) = (read(&self.input, "--input")?, read(&self.resume, "--resume")?);
        if let Some(id) = &self.thread {
            check_thread(id)?;
        }
        let opened = self.which.open()?;
        // A refused input leaves nothing behind, not even a database.
        if input.is_some() || self.thread.is_none() {
            let input = Value::from_json(input.clone().unwrap_or_else(|| json!({})));
            let given = opened.graph.check_input(&input);
            given.map_err(|e| if self.input.is_none() { e.hint("--input JSON gives it") } else { e })?;
        }
        // Outside a project a run leaves nothing behind, unless its thread has a name.
        let kept = opened.project.is_some() || self.thread.is_some();
        let thread = kept.then(|| self.thread.clone().unwrap_or_else(new_thread));
        let graph = match kept {
            true => opened.graph.graph_on(self.checkpoints(&opened)?),
            false => opened.graph.graph(),
        };
        let show = Show::new(ui);
        let options = RunOptions {
            checkpoint: self.checkpoint.clone(),
            thread: thread.as_deref().map(Into::into),
            watch: Some(show.watch()),
            ..RunOptions::default()
        };
        let begin = self.begin(&opened, &graph, &options, (input, resume)).await?;
        let traces = opened.project.as_ref().and_then(|project| {
            let opened = open_traces(&trace_database(&project.dir), project.trace.clone(), ui);
            opened.map(|(traces, _)| traces)
        });
        let cx = match &traces {
            Some(traces) => cx.clone().with_tracer(traces.clone()),
            None => cx.clone(),
        };
        let done = graph.run(begin, &options, &cx).await;
        show.end();
        // Whoever reads the traces next finds the whole of it.
        if let Some(traces) = &traces {
            traces.flush();
        }
        let done = done.map_err(|e| match &thread {
            Some(thread) => {
                e.hint(format!("the thread waits there: `{}` goes on with it", self.again(thread, "")))
            }
            None => e,
        })?;
        if !kept && !done.interrupts.is_empty() {
            let e = Error::unsupported("the graph asks a person, and this run cannot be resumed");
            return Err(e.hint("run it with --thread ID"));
        }
        let report = Report {
            graph: opened.name.clone(),
            status: if !done.interrupts.is_empty() {
                "waiting"
            } else if done.next.is_empty() {
                "done"
            } else {
                "stopped"
            },
            output: opened.graph.output(&done.values).to_json(),
            interrupts: done
                .interrupts
                .iter()
                .map(|i| json!({"id": i.id, "value": i.value.to_json()}))
                .collect(),
            next: done.next.iter().map(|n| n.to_string()).collect(),
            ran: show.ran(),
            seconds: began.elapsed().as_secs_f64(),
            thread,
        };
        ui.result(&report, |r| self.shown(r, &done))
    }

    /// What the run begins with.
    async fn begin(
        &self,
        opened: &Opened,
        graph: &StateGraph,
        options: &RunOptions,
        (input, resume): (Option<Json>, Option<Json>),
    ) -> Result<Input> {
        let id = self.thread.as_deref().unwrap_or_default();
        let stands = match &options.thread {
            Some(thread) => {
                self.belongs(opened, graph, thread).await?;
                graph.state(thread, options.checkpoint.as_deref()).await?
            }
            None => None,
        };
        if let Some(answer) = resume {
            let Some(stands) = stands else {
                return Err(Error::not_found(format!("graph `{}` has no thread `{id}`", opened.name)));
            };
            if stands.interrupts().is_empty() {
                let e = Error::invalid(format!("nothing waits for an answer on thread `{id}`"));
                return Err(e.hint("--input begins a new turn"));
            }
            return Ok(Input::Resume(Value::from_json(answer)));
        }
        match (input, stands) {
            (Some(input), _) => Ok(Input::Values(Value::from_json(input))),
            (None, Some(stands)) if stands.next.is_empty() => {
                let e = Error::invalid(format!("thread `{id}` has ended: there is nothing to go on with"));
                Err(e.hint("--input begins a new turn"))
            }
            (None, Some(_)) => Ok(Input::Continue),
            (None, None) if self.thread.is_some() => {
                let e = Error::not_found(format!("graph `{}` has no thread `{id}`", opened.name));
                Err(e.hint("--input begins it"))
            }
            (None, None) => Ok(Input::Values(Value::from_json(json!({})))),
        }
    }

    /// A thread is one graph's.
    async fn belongs(&self, opened: &Opened, graph: &StateGraph, thread: &str) -> Result<()> {
        let Some(threads) = graph.threads() else { return Ok(()) };
        match find_thread(threads, thread).await? {
            Some(info) if !info.graph.is_empty() && *info.graph != *opened.name => {
                let e = Error::invalid(format!("thread `{thread}` is of graph `{}`", info.graph));
                Err(e.at_key("--thread").hint("another name begins a new thread"))
            }
            _ => Ok(()),
        }
    }

    fn checkpoints(&self, opened: &Opened) -> Result<Arc<Checkpoints>> {
        let dir = opened.project.as_ref().map_or(self.which.project.as_path(), |p| p.dir.as_path());
        Ok(Arc::new(Checkpoints::open(Workspace::database(dir)?)?))
    }

    /// The command that goes on with a thread.
    fn again(&self, thread: &str, more: &str) -> String {
        let project = match self.which.project.as_path() {
            here if here == Path::new(".") => String::new(),
            dir => format!(" --project {}", dir.display()),
        };
        format!("lyceum graph run {}{project} --thread {thread}{more}", self.which.graph)
    }

    fn shown(&self, report: &Report, done: &Finished) -> String {
        let output = serde_json::to_string_pretty(&report.output).unwrap_or_default();
        let thread = report.thread.as_deref().unwrap_or_default();
        match report.status {
            "waiting" => waiting(done, &self.again(thread, " --resume JSON")),
            "stopped" => format!("stopped before {}\n{}", report.next.join(", "), self.again(thread, "")),
            _ => output,
        }
    }
}

impl Check {
    fn work(&self, ui: &Ui) -> Result<()> {
        let opened = self.which.open()?;
        let signature = opened.graph.signature();
        let nodes = opened.graph.drawing().nodes.len().saturating_sub(2);
        let checked = json!({
            "valid": true,
            "graph": opened.name,
            "nodes": nodes,
            "input": signature.input.0,
            "output": signature.output.0,
        });
        ui.result(&checked, |_| format!("{} is valid: {nodes} nodes", opened.name))
    }
}

impl Draw {
    fn work(&self, ui: &Ui) -> Result<()> {
        let opened = self.which.open()?;
        let drawing = opened.graph.drawing();
        let (format, text) = match self.format {
            Format::Text => ("text", drawing.terminal()),
            Format::Mermaid => ("mermaid", drawing.mermaid()),
            Format::Svg => ("svg", drawing.svg()),
        };
        let drawn = json!({
            "graph": opened.name,
            "format": format,
            "drawing": text,
            "layout": drawing.layout(&Sizes::default()),
        });
        ui.result(&drawn, |_| text.clone())
    }
}

fn check_thread(id: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 128 || !id.chars().all(fine) {
        let e = Error::invalid(format!("`{id}` cannot be the name of a thread")).at_key("--thread");
        return Err(e.hint("1 to 128 letters, digits, -, _ and . are taken"));
    }
    Ok(())
}

fn new_thread() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_micros(), std::process::id())
}

/// Bytes of a file with JSON at most.
const MOST_BYTES: u64 = 64 << 20;

/// JSON as it is given, or in a file.
fn json_of(given: &str, flag: &str) -> Result<Json> {
    let text = match given.strip_prefix('@') {
        None => given.to_string(),
        Some(file) => {
            let size = std::fs::metadata(file).map_err(|e| Error::io(file, "read", e))?.len();
            if size > MOST_BYTES {
                return Err(
                    Error::invalid(format!("has {size} bytes, at most {MOST_BYTES} are read")).in_file(file)
                );
            }
            std::fs::read_to_string(file).map_err(|e| Error::io(file, "read", e))?
        }
    };
    serde_json::from_str(&text).map_err(|e| {
        let e = Error::invalid(format!("not JSON: {e}")).at_key(flag);
        e.hint("text is written in quotes of its own: '\"yes\"'")
    })
}
