//! An experiment: a target over a data set, in batches, with progress; it can be stopped and goes on where it was.

use crate::bootstrap::Resampling;
use crate::dataset::{Dataset, Example};
use crate::journal::{Journal, Line};
use crate::metric::Metric;
use crate::scores::{ExampleScore, Scores};
use lyceum_core::{Context, Error, ErrorKind, NoProgress, Progress, Result, Runnable, Value};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How an experiment runs.
#[derive(Clone)]
pub struct Options {
    /// Which key of a target's output counts; absent: the usual ones.
    pub output_key: Option<String>,
    /// Identity of the target: stored answers count only for the same one. Absent: its name.
    pub target_id: Option<String>,
    /// Folder for `experiment.jsonl` and `summary.json`; absent keeps nothing.
    pub folder: Option<PathBuf>,
    /// Examples given to the target at once.
    pub batch: usize,
    /// For intervals by resampling.
    pub resampling: Resampling,
    /// Who looks.
    pub progress: Arc<dyn Progress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output_key: None,
            target_id: None,
            folder: None,
            batch: 32,
            resampling: Resampling::default(),
            progress: Arc::new(NoProgress),
        }
    }
}

/// Runs a target over a data set and scores its answers. An example on which the target fails counts as wrong; an
/// interruption, an exhausted budget or a full disk end the run, and the next one goes on from there.
pub async fn run(
    target: &dyn Runnable,
    data: &Dataset,
    metric: Metric,
    options: &Options,
    cx: &Context,
) -> Result<Scores> {
    if data.examples.is_empty() {
        return Err(Error::invalid("the data set has no examples"));
    }
    let id = options.target_id.clone().unwrap_or_else(|| target.name().to_string());
    let answers = answers(target, data, &id, options, cx).await?;
    let scores = score(data, &answers, metric, options)?;
    if let Some(folder) = &options.folder {
        write_summary(folder, &id, &scores)?;
    }
    Ok(scores)
}

async fn answers(
    target: &dyn Runnable,
    data: &Dataset,
    id: &str,
    options: &Options,
    cx: &Context,
) -> Result<HashMap<String, Line>> {
    let (mut journal, mut known) = match &options.folder {
        Some(folder) => {
            let (journal, known) = Journal::open(&folder.join("experiment.jsonl"), id)?;
            (Some(journal), known)
        }
        None => (None, HashMap::new()),
    };
    let open: Vec<&Example> = data.examples.iter().filter(|e| !known.contains_key(&e.id)).collect();
    let mut done = data.examples.len() - open.len();
    options.progress.begin(&format!("evaluating {}", target.name()), Some(data.examples.len() as u64));
    let mut outcome = Ok(());
    for batch in open.chunks(options.batch.max(1)) {
        options.progress.at(done as u64);
        outcome = one_batch(target, batch, id, journal.as_mut(), &mut known, cx).await;
        if outcome.is_err() {
            break;
        }
        done += batch.len();
    }
    options.progress.end();
    outcome.map(|()| known)
}

async fn one_batch(
    target: &dyn Runnable,
    batch: &[&Example],
    id: &str,
    journal: Option<&mut Journal>,
    known: &mut HashMap<String, Line>,
    cx: &Context,
) -> Result<()> {
    cx.check()?;
    let outputs = target.batch(batch.iter().map(|e| e.input.clone()).collect(), cx).await;
    let (mut lines, mut fatal) = (Vec::new(), None);
    for (example, output) in batch.iter().zip(outputs) {
        let (output, error) = match output {
            Ok(output) => (Some(output), None),
            Err(e) if is_fatal(&e) => {
                fatal.get_or_insert(e);
                continue;
            }
            Err(e) => (None, Some(e.to_string())),
        };
        lines.push(Line { example: example.id.clone(), target: id.into(), output, error });
    }
    if let Some(journal) = journal {
        journal.append(&lines)?;
    }
    known.extend(lines.into_iter().map(|l| (l.example.clone(), l)));
    fatal.map_or(Ok(()), Err)
}

/// Failures that say nothing of the answer.
fn is_fatal(e: &Error) -> bool {
    e.is_transient()
        || matches!(
            e.kind(),
            ErrorKind::Cancelled | ErrorKind::Exhausted | ErrorKind::Io | ErrorKind::Internal
        )
}

fn score(
    data: &Dataset,
    answers: &HashMap<String, Line>,
    metric: Metric,
    options: &Options,
) -> Result<Scores> {
    let (mut examples, mut failed) = (Vec::new(), 0);
    for e in &data.examples {
        let line = answers
            .get(&e.id)
            .ok_or_else(|| Error::internal(format!("example {} was not answered", e.id)))?;
        let judged = match (&line.output, &line.error) {
            (Some(output), _) => metric.part(output, &e.reference, options.output_key.as_deref()),
            // An empty answer is written as null.
            (None, None) => metric.part(&Value::Null, &e.reference, options.output_key.as_deref()),
            (None, Some(why)) => Err(Error::invalid(format!("the target failed: {why}"))),
        };
        let part = match judged {
            Ok(part) => part,
            Err(why) => {
                failed += 1;
                let with_input =
                    |e: Error, input: &Value| e.hint(format!("on the input {}", shortened(input)));
                metric.failed_part(&e.reference).ok_or_else(|| with_input(why, &e.input))?
            }
        };
        examples.push(ExampleScore { id: e.id.clone(), part });
    }
    Ok(Scores::new(metric, examples, failed, options.resampling))
}

fn shortened(input: &Value) -> String {
    let text = input.to_json().to_string();
    let cut: String = text.chars().take(120).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { text }
}

fn write_summary(folder: &std::path::Path, target: &str, s: &Scores) -> Result<()> {
    let summary = json!({
        "target": target,
        "metric": s.metric.name(),
        "n": s.n,
        "failed": s.failed,
        "value": s.value,
        "low": s.interval.map(|i| i.low),
        "high": s.interval.map(|i| i.high),
    });
    lyceum_core::write_atomic(folder.join("summary.json"), format!("{summary:#}\n").as_bytes())
}
