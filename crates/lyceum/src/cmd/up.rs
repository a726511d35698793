//! `lyceum up`: a project from its file to its gates and its server.

use super::home::HomeArgs;
use super::serve::Served;
use crate::compose;
use crate::project::{
    Board, Engines, LearnKind, Outcome, Plan, Project, Workspace, open_traces, serving, table_model,
    trace_database, up,
};
use crate::ui::Ui;
use clap::Args;
use futures_util::StreamExt;
use lyceum_core::{ChatModel, Context, Error, Map, Result, RunKind, Runnable, Value};
use lyceum_evaluate::{Dataset, Keys};
use lyceum_serve::{Limits, Live, Server};
use lyceum_store::Home;
use lyceum_store::db::{Db, TraceReader};
use lyceum_store::lock::Lock;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Exit code when a gate fails or stays undecided.
const GATE: u8 = 3;

/// Bring a project up: pull, learn what is stale, hold it against its gates, serve
#[derive(Args)]
pub(crate) struct Up {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Stop after the gates and one sample answer
    #[arg(long)]
    once: bool,
    /// Print the plan, with what is stale and why, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Address to serve on, in place of the project's
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

impl Up {
    pub(crate) fn run(&self, ui: &Ui) -> Result<ExitCode> {
        let project = Arc::new(Project::read(&self.dir)?);
        if self.dry_run {
            return self.plan(&project, ui);
        }
        let _lock = Lock::acquire(Workspace::lock_path(&project.dir), "lyceum up")?;
        let mut workspace = Workspace::open(&project.dir)?;
        let ok = ui.block_on(|cx| self.work(&project, &mut workspace, ui, cx))?;
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(GATE) })
    }

    fn plan(&self, project: &Project, ui: &Ui) -> Result<ExitCode> {
        let plan = Plan::new(project, &Workspace::look(&project.dir)?, &self.home.open()?)?;
        let (stale, fresh): (Vec<_>, Vec<_>) = plan.steps.iter().partition(|s| s.stale.is_some());
        let reasons: Vec<_> =
            stale.iter().map(|s| serde_json::json!({ "step": s.step, "reason": s.stale })).collect();
        let fresh: Vec<&str> = fresh.iter().map(|s| s.step.as_str()).collect();
        ui.result(&serde_json::json!({ "stale": reasons, "fresh": fresh }), |_| {
            let line = |s: &crate::project::Planned| match &s.stale {
                Some(why) => format!("do     {:<28} {why}\n", s.step),
                None => format!("fresh  {}\n", s.step),
            };
            plan.steps.iter().map(line).collect()
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn work(
        &self,
        project: &Arc<Project>,
        workspace: &mut Workspace,
        ui: &Ui,
        cx: Context,
    ) -> Result<bool> {
        let home = self.home.open()?;
        let traces = open_traces(&trace_database(&project.dir), project.trace.clone(), ui);
        let cx = match &traces {
            Some((traces, _)) => cx.with_tracer(traces.clone()),
            None => cx,
        };
        let reader = traces.as_ref().map(|(_, reader)| reader.clone());
        let board = Arc::new(Board::default());
        let door = match self.once {
            true => None,
            false => Some(self.open(project, &home, (&board, reader), ui, &cx).await?),
        };
        let mut engines = Engines::new(&home);
        let span = cx.span(RunKind::Chain, "up", || (project.name.as_str().into(), Map::new()));
        let done = up(project, workspace, &home, &mut engines, &board, ui, span.cx()).await;
        let output = done.as_ref().map(summary).unwrap_or_default().into();
        span.finish(done.as_ref().map(|_| &output), Map::new);
        // Whoever reads the traces next finds the whole of it.
        traces.inspect(|(traces, _)| {
            traces.flush();
        });
        let mut outcome = done.inspect_err(|e| board.fails(&e.to_string()))?;
        outcome.gates.iter().for_each(|g| ui.note(&gate_line(g)));
        served(project, workspace).write(&project.dir)?;
        let Some(door) = door else {
            sample(project, workspace, &mut engines, ui, &cx).await?;
            ui.result(&outcome, summary)?;
            return Ok(outcome.ok);
        };
        serving(&door.live, project, workspace, &mut engines).await?;
        compose::serve(&door.live, project, home.clone(), Arc::new(Mutex::new(engines)))?;
        outcome.url = Some(door.url);
        ui.result(&outcome, summary)?;
        let broken = |e| Error::internal(format!("the server broke: {e}"));
        door.serving.await.map_err(broken)??;
        Ok(outcome.ok)
    }

    /// Serves from now on: first how the work goes, in the end what came of it. A port that cannot be had is told before
    /// anything is learnt.
    async fn open(
        &self,
        project: &Project,
        home: &Home,
        (board, reader): (&Arc<Board>, Option<Arc<TraceReader>>),
        ui: &Ui,
        cx: &Context,
    ) -> Result<Door> {
        let listen = self.listen.as_deref().unwrap_or(&project.serve.listen);
        let server = Server::new(Limits::default())
            .tracer(cx.tracer().clone())
            .keys(Arc::new(Db::open(home.database())?));
        let server = match reader {
            Some(reader) => server.traces(reader),
            None => server,
        };
        let (live, name, board) = (server.live(), project.name.clone(), board.clone());
        live.project(move || board.json(&name));
        let bound = server.bind(listen).await?;
        let url = bound.url();
        ui.note(&format!("watch it at {url}"));
        let stop = cx.clone();
        let serving = tokio::spawn(bound.serve(async move { stop.cancelled().await }));
        Ok(Door { live, url, serving })
    }
}

/// The server of a project that is being brought up.
struct Door {
    live: Live,
    url: String,
    serving: JoinHandle<Result<()>>,
}

/// What `lyceum serve --project` serves from now on.
fn served(project: &Project, workspace: &Workspace) -> Served {
    let mut served = Served::default();
    served.models.extend(project.base());
    for item in &project.learn {
        let Some(artefact) = workspace.artefact_name(&format!("learn.{}", item.name)) else { continue };
        let folder = PathBuf::from(artefact);
        match &item.kind {
            LearnKind::Table(_) => drop(served.tabular.insert(item.name.clone(), table_model(&folder))),
            LearnKind::Adapter { .. } if project.serve.adapters.contains(&item.name) => {
                served.adapters.insert(item.name.clone(), folder);
            }
            LearnKind::Adapter { .. } => {}
        }
    }
    served
}

fn gate_line(g: &lyceum_evaluate::GateResult) -> String {
    let interval = match (g.low, g.high) {
        (Some(low), Some(high)) => format!(" [{low:.3}, {high:.3}]"),
        _ => String::new(),
    };
    let baseline = g.baseline.map_or(String::new(), |b| format!(", baseline {b:.3}"));
    let verdict = format!("{:?}", g.verdict).to_lowercase();
    format!("gate {}: {} {:.3}{interval}{baseline}: {verdict}", g.name, g.metric, g.value)
}

fn summary(o: &Outcome) -> String {
    let at = o.url.as_ref().map_or(String::new(), |u| format!("; serving at {u}"));
    let (done, fresh) = (o.done.len(), o.fresh.len());
    let gates = if o.ok { "all gates pass" } else { "not every gate passes" };
    format!("{done} steps done, {fresh} fresh, {gates}, {:.1} s{at}", o.seconds)
}

/// One answer of the first adapter to the first example that it is evaluated on.
async fn sample(
    project: &Project,
    workspace: &Workspace,
    engines: &mut Engines,
    ui: &Ui,
    cx: &Context,
) -> Result<()> {
    let adapter = project.learn.iter().find(|i| matches!(i.kind, LearnKind::Adapter { .. }));
    let Some(evaluation) = adapter.and_then(|a| project.evaluate.iter().find(|e| e.target == a.name)) else {
        return Ok(());
    };
    let data = Dataset::read(project.path(&evaluation.data), &Keys::default())?.first(1);
    let Some(example) = data.examples.into_iter().next() else { return Ok(()) };
    let engine = engines.adapter(project, workspace, &evaluation.target).await?;
    let model =
        ChatModel::new(engine).with_adapter(&evaluation.target).with_max_tokens(evaluation.max_tokens);
    let asked = example.input.clone();
    let input = futures_util::stream::iter([Ok(example.input)]).boxed();
    let chunks: Vec<Result<Value>> = model.transform(input, cx).collect().await;
    let answer: String =
        chunks.into_iter().collect::<Result<Vec<_>>>()?.iter().filter_map(Value::as_str).collect();
    ui.note(&format!("asked {}\n{} answers {answer}", asked.to_json(), evaluation.target));
    Ok(())
}
