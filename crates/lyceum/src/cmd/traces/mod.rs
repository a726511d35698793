//! `lyceum traces` and `lyceum trace`: what ran, and how one run went. Read while others write.

mod tree;

use super::home::HomeArgs;
use crate::project::trace_database;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result, RunKind, RunStatus};
use lyceum_store::clock;
use lyceum_store::db::{Filter, RunRow, TraceReader};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which database.
#[derive(Args)]
struct Where {
    /// The project whose runs are meant [default: the one in this folder, else those of the user's server]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    home: HomeArgs,
}

impl Where {
    fn open(&self) -> Result<TraceReader> {
        let here = trace_database(Path::new("."));
        let path = match &self.project {
            Some(folder) => trace_database(folder),
            None if here.is_file() => here,
            None => self.home.open()?.database(),
        };
        TraceReader::open(path).map_err(|e| {
            e.hint("`lyceum up` and `lyceum serve` record runs; --project DIR names a project's")
        })
    }
}

/// List recorded runs, newest first
#[derive(Args)]
pub(crate) struct Traces {
    #[command(flatten)]
    from: Where,
    /// Only of this kind: chain, llm, tool, retriever, embedding, training, evaluation
    #[arg(long)]
    kind: Option<String>,
    /// Only of this name
    #[arg(long)]
    name: Option<String>,
    /// Only those that stand so: running, success, error, interrupted, cancelled
    #[arg(long)]
    status: Option<String>,
    /// Only of this conversation
    #[arg(long)]
    thread: Option<String>,
    /// Only those begun so long ago at most: 90s, 15m, 1h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those with these words in name, error, or the beginning of input or output
    #[arg(long)]
    text: Option<String>,
    /// Runs below others, too (a filter by kind or name looks at all)
    #[arg(long)]
    all: bool,
    /// How many at most, up to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// On from where a list ended (`next` of --json)
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
}

impl Traces {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let filter = Filter {
            root_only: !self.all && self.kind.is_none() && self.name.is_none(),
            kind: self.kind.as_deref().map(RunKind::parse).transpose().map_err(|e| e.at_key("kind"))?,
            name: self.name.clone(),
            status: self
                .status
                .as_deref()
                .map(RunStatus::parse)
                .transpose()
                .map_err(|e| e.at_key("status"))?,
            thread: self.thread.clone(),
            since: self.since.as_deref().map(since).transpose()?,
            text: self.text.clone(),
            before: self.before.clone(),
            limit: usize::from(self.limit),
            ..Filter::default()
        };
        let page = self.from.open()?.list(&filter)?;
        let runs: Vec<Json> = page.runs.iter().map(RunRow::to_json).collect();
        ui.result(&json!({ "runs": runs, "next": page.next }), |_| {
            let mut out: String = page.runs.iter().map(line).collect();
            match (out.is_empty(), &page.next) {
                (true, _) => out.push_str("no such runs\n"),
                (false, Some(next)) => out.push_str(&format!("… more with --before {next}\n")),
                (false, None) => {}
            }
            out
        })
    }
}

/// When something began that was so long ago.
fn since(text: &str) -> Result<SystemTime> {
    let wrong =
        || Error::invalid(format!("\"{text}\" is no time")).at_key("since").hint("write 90s, 15m, 1h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(each)).ok_or_else(wrong)?;
    SystemTime::now().checked_sub(Duration::from_secs(seconds)).ok_or_else(wrong)
}

/// The part of an id that people type.
fn short(id: &str) -> &str {
    id.get(24..32).unwrap_or(id)
}

fn line(run: &RunRow) -> String {
    let began = clock::rfc3339(run.start_ns.div_euclid(1_000_000_000)).replace('T', " ");
    let took = run.latency_ms().map_or_else(|| "…".into(), tree::duration);
    let tokens = tree::tokens(run);
    let told = run.error.as_deref().or(run.output_preview.as_deref()).or(run.input_preview.as_deref());
    let told = tree::clip(told.unwrap_or_default(), 60);
    let line = format!(
        "{}  {}  {:<10}  {:<11}  {:<24} {took:>9}  {tokens:>11}  {told}",
        short(&run.id),
        began.trim_end_matches('Z'),
        run.run_type.as_str(),
        run.status.as_str(),
        tree::clip(&run.name, 24),
    );
    format!("{}\n", line.trim_end())
}

/// Show a recorded run with everything below it, and where the time went
#[derive(Args)]
pub(crate) struct Trace {
    /// Its id, or the beginning of it or of its last group, as `lyceum traces` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Inputs, outputs and events, too
    #[arg(long)]
    content: bool,
    #[command(flatten)]
    from: Where,
}

impl Trace {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let reader = self.from.open()?;
        let runs = reader.trace(&self.id)?;
        let asked = reader.find(&self.id)?.id;
        let whole = if self.content {
            runs.iter().map(|r| reader.whole(r)).collect::<Result<Vec<_>>>()?
        } else {
            runs.iter().map(RunRow::to_json).collect()
        };
        ui.result(&json!({ "id": asked, "runs": whole }), |_| {
            let contents = if self.content { whole.as_slice() } else { &[] };
            tree::show(&runs, &asked, contents)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_explained() {
        let (before, began) = (SystemTime::now(), since("90s").unwrap());
        let ago = |from: SystemTime| from.duration_since(began).unwrap();
        assert!(ago(before) <= Duration::from_secs(90) && ago(SystemTime::now()) >= Duration::from_secs(90));
        assert!(since("2d").unwrap() < since("1h").unwrap());
        for wrong in ["", "h", "1", "1w", "-3h", "1é", "99999999999999999999d"] {
            assert!(since(wrong).unwrap_err().to_string().contains("is no time"), "{wrong}");
        }
    }
}
