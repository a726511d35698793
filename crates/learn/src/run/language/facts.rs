//! What a run's files say: description, statistics, and the numbers of the report.

use super::train::{Asked, Job};
use crate::fit;
use crate::llm::{Rendering, Taught};
use crate::metrics::Measures;
use crate::run::summary::{OutputSummary, Summary, View};
use serde_json::json;

/// Most points of a training curve that is drawn by steps.
const POINTS: usize = 100;

/// Losses over the run, and the look at the validation rows whose state was kept.
pub(super) struct Curves {
    pub(super) training: Vec<f64>,
    pub(super) validation: Vec<f64>,
    pub(super) best: usize,
}

/// One training point for each look at the validation rows: the mean of the steps since the last one. A run with fewer
/// than two looks is drawn by its steps.
pub(super) fn curves(taught: &Taught) -> Curves {
    let validation: Vec<f64> = taught.validation_loss.iter().map(|(_, l)| f64::from(*l)).collect();
    let mean = |steps: &[f32]| steps.iter().map(|l| f64::from(*l)).sum::<f64>() / steps.len().max(1) as f64;
    let best = validation.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let training = if validation.len() > 1 {
        let mut from = 0;
        let mut since = |to: u64| {
            let steps = taught.loss.get(from..to as usize).unwrap_or_default();
            from = to as usize;
            mean(steps)
        };
        taught.validation_loss.iter().map(|(step, _)| since(*step)).collect()
    } else {
        let each = taught.loss.len().div_ceil(POINTS).max(1);
        taught.loss.chunks(each).map(mean).collect()
    };
    Curves { training, validation, best }
}

/// Part to output to metric to a list.
pub(super) fn statistics(
    output: &str,
    training: &[f64],
    validation: &[f64],
    asked: &Asked,
) -> serde_json::Value {
    let last: fit::Curves = asked
        .metrics
        .iter()
        .map(|(k, m)| (k.clone(), m.iter().map(|(n, v)| (n.clone(), vec![*v])).collect()))
        .collect();
    let test = if asked.part == "test" { last } else { fit::Curves::new() };
    json!({
        "training": curve(output, training.to_vec()),
        "validation": curve(output, validation.to_vec()),
        "test": test,
    })
}

fn curve(output: &str, loss: Vec<f64>) -> fit::Curves {
    if loss.is_empty() {
        return fit::Curves::new();
    }
    [(output.to_string(), [("loss".to_string(), loss)].into())].into()
}

/// `description.json`.
pub(super) fn description(job: &Job<'_>, warnings: &[String]) -> serde_json::Value {
    let s = &job.loaded.splits;
    let data: Vec<_> = job.loaded.files.iter().map(|(p, h)| json!({ "path": p, "sha256": h })).collect();
    json!({
        "command": std::env::args().collect::<Vec<_>>().join(" "),
        "lyceum_version": env!("CARGO_PKG_VERSION"),
        "random_seed": job.cx.seed,
        "experiment_name": job.options.experiment_name,
        "model_name": job.options.model_name,
        "dataset": data,
        "rows": [s.training.len(), s.validation.len(), s.test.len()],
        "rendering": job.rendering,
        "config": job.config.rendered,
        "warnings": warnings,
    })
}

/// What was done, in lines.
pub(super) fn facts(job: &Job<'_>, taught: &Taught, asked: &Asked) -> Vec<(String, String)> {
    let s = &job.loaded.splits;
    let files = job.loaded.files.iter();
    let data: Vec<String> =
        files.map(|(p, h)| format!("{} (sha256 {}…)", p.display(), h.get(..12).unwrap_or(h))).collect();
    let (train, valid, test) = (s.training.len(), s.validation.len(), s.test.len());
    let mut out = vec![
        ("Data", data.join(", ")),
        ("Rows", format!("{train} training, {valid} validation, {test} test")),
        ("Base model", job.llm.base_model.clone()),
    ];
    if let Some(adapter) = job.llm.adapter.as_ref().filter(|_| !taught.loss.is_empty()) {
        let (steps, seconds) = (taught.loss.len(), taught.seconds);
        out.push(("Adapter", format!("LoRA of rank {}, {} trained numbers", adapter.r, taught.parameters)));
        out.push((
            "Training",
            format!("{steps} steps, {seconds:.1} s, {:.0} tokens/s", taught.tokens_per_second),
        ));
    }
    let how = match job.rendering {
        Rendering::Plain => "plain text, the answer right after the prompt",
        Rendering::Chat => "conversations in the model's chat template",
    };
    out.extend([
        ("Prompts", how.to_string()),
        ("Measured", format!("{} of {} {} rows", asked.rows.len(), asked.of, asked.part)),
        ("Seed", job.cx.seed.to_string()),
        ("Made by", format!("lyceum {}", env!("CARGO_PKG_VERSION"))),
    ]);
    out.into_iter().map(|(k, v)| (k.to_string(), v)).collect()
}

/// The numbers of the report.
pub(super) fn summary(
    job: &Job<'_>,
    facts: Vec<(String, String)>,
    asked: &Asked,
    warnings: &[String],
    curves: Curves,
) -> Summary {
    let output = &job.llm.output.name;
    let view = |measures: &Measures| {
        let metrics = measures.get(output).cloned()?;
        Some(View { metrics, ..View::default() })
    };
    Summary {
        title: format!("Language model of {output}"),
        model_type: "llm".into(),
        facts,
        warnings: warnings.to_vec(),
        training: curve(output, curves.training),
        validation: curve(output, curves.validation),
        best: curves.best,
        measured_on: asked.part.into(),
        outputs: vec![OutputSummary {
            name: output.clone(),
            kind: "text".into(),
            classes: Vec::new(),
            model: view(&asked.metrics).unwrap_or_default(),
            baseline: view(&asked.baseline),
            importance: Vec::new(),
            importance_of: String::new(),
            explained: None,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_follow_the_looks_at_the_validation_rows() {
        let taught = Taught {
            loss: vec![4.0, 2.0, 2.0, 0.0],
            validation_loss: vec![(2, 3.0), (4, 3.5)],
            ..Taught::default()
        };
        let c = curves(&taught);
        assert_eq!((c.training, c.validation, c.best), (vec![3.0, 1.0], vec![3.0, 3.5], 0));
        let short = Taught { loss: vec![2.0, 1.0], ..Taught::default() };
        assert_eq!(curves(&short).training, [2.0, 1.0]);
    }
}
