//! `lyceum status` and `lyceum gc`: what a project's workspace holds, and what of it may go.

use super::home::{HomeArgs, size};
use crate::project::{Plan, Project, Workspace};
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_store::lock::{Holder, Lock, holder};
use serde::Serialize;
use std::path::PathBuf;

/// Show what a project has learnt, what is stale and why, and who is at work
#[derive(Args)]
pub(crate) struct Status {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Step {
    step: String,
    state: &'static str,
    reason: Option<String>,
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    name: String,
    steps: Vec<Step>,
    working: Option<Holder>,
}

impl Status {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let project = Project::read(&self.dir)?;
        let workspace = Workspace::look(&project.dir)?;
        let plan = Plan::new(&project, &workspace, &self.home.open()?)?;
        let steps = plan
            .steps
            .into_iter()
            .map(|s| Step {
                state: if s.stale.is_none() { "fresh" } else { "stale" },
                seconds: workspace.done(&s.step).map(|d| d.seconds),
                step: s.step,
                reason: s.stale,
            })
            .collect();
        let report =
            Report { name: project.name, steps, working: holder(Workspace::lock_path(&project.dir)) };
        ui.result(&report, |r| {
            let line = |s: &Step| {
                let seconds = s.seconds.map_or(String::new(), |t| format!("{t:.1} s"));
                format!("{:<6} {:<28} {seconds:>9}  {}\n", s.state, s.step, s.reason.as_deref().unwrap_or(""))
            };
            let working = match &r.working {
                Some(h) => format!("process {} (`{}`) is at work\n", h.pid, h.command),
                None => String::new(),
            };
            r.steps.iter().map(line).collect::<String>() + &working
        })
    }
}

/// Remove artefacts and unfinished work that a project no longer needs
#[derive(Args)]
pub(crate) struct Gc {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Freed {
    bytes: u64,
}

impl Gc {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let project = Project::read(&self.dir)?;
        let _lock = Lock::acquire(Workspace::lock_path(&project.dir), "lyceum gc")?;
        let mut workspace = Workspace::open(&project.dir)?;
        let plan = Plan::new(&project, &workspace, &self.home.open()?)?;
        let bytes = workspace.collect_garbage(&plan.names())?;
        ui.result(&Freed { bytes }, |f| format!("freed {}", size(f.bytes)))
    }
}
