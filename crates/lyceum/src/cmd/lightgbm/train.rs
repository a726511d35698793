//! `task=train`.

use super::save::save;
use super::set::Set;
use super::settings::Settings;
use super::writable;
use crate::ui::Ui;
use lyceum_core::{FitContext, Params, Result, write_atomic};
use lyceum_estimators::boosting::{Booster, BoostingParams, Curve, Job, Step};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Serialize)]
struct Report {
    task: &'static str,
    model: PathBuf,
    rows: usize,
    features: usize,
    iterations: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_iteration: Option<usize>,
    /// Set to metric to the value of the model that was kept.
    metrics: BTreeMap<String, BTreeMap<String, f64>>,
    load_s: f64,
    train_s: f64,
}

/// Says where machinery was asked for that is not here; the model is the same without it.
fn elsewhere(learner: &Params) -> Vec<String> {
    let usual: [(&[&str], &str, &str); 2] = [
        (&["device_type", "device"], "cpu", "trees are grown on the processor"),
        (
            &["tree_learner", "tree", "tree_type", "tree_learner_type"],
            "serial",
            "training runs on one machine",
        ),
    ];
    let mut notes = Vec::new();
    for (name, value) in learner.iter() {
        let Some((_, usual, what)) = usual.iter().find(|(names, _, _)| names.contains(&&**name)) else {
            continue;
        };
        let value = value.as_str().unwrap_or_default();
        if value != *usual {
            notes.push(format!("{name}={value}: {what}"));
        }
    }
    notes
}

pub(super) fn run(settings: &Settings, fit: &FitContext, ui: &Ui) -> Result<()> {
    let params = BoostingParams::from_params(&settings.learner)?;
    params.check_files()?;
    elsewhere(&settings.learner).iter().for_each(|note| ui.note(note));
    let output = PathBuf::from(settings.or("output_model", "LightGBM_model.txt"));
    writable(&output)?;
    let start = Instant::now();
    let path = settings.file("data", "the rows to learn from")?;
    let data = Set::read(&path, settings, &params, None, (fit, ui))?;
    let width = data.width();
    let valid_files = settings.files("valid");
    let valid = valid_files
        .iter()
        .map(|p| Ok((p.as_path(), Set::read(p, settings, &params, Some(&data), (fit, ui))?)))
        .collect::<Result<Vec<_>>>()?;
    if let Set::Bins(saved) = &data {
        let given =
            |name: &str| settings.learner.iter().any(|(k, _)| BoostingParams::main_name(k) == Some(name));
        saved.check(&params, given).map_err(|e| e.in_file(&path))?;
    }
    if settings.flag("save_binary")? && !matches!(data, Set::Bins(_)) {
        save((&path, &data), &valid, &params, fit)?;
    }
    let from = settings.get("input_model").map(Booster::read).transpose()?;
    let load_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let snapshots = settings.number("snapshot_freq", -1i64)?;
    let watch = |step: &Step<'_>| {
        if step.measured && !step.curves.is_empty() && !ui.json() {
            ui.note(&line(step));
        }
        if snapshots > 0 && step.iteration as i64 % snapshots == 0 {
            let name = format!("{}.snapshot_iter_{}", output.display(), step.iteration);
            write_atomic(name, (step.model)().to_text().as_bytes())?;
        }
        Ok(())
    };
    let mut job = Job {
        params,
        features: data.features(),
        train: data.examples()?,
        valid: Vec::new(),
        from: from.as_ref(),
        loss: None,
        watch: Some(&watch),
    };
    for (i, (_, set)) in valid.iter().enumerate() {
        job.valid.push((format!("valid_{}", i + 1), set.examples()?));
    }
    let trained = job.run(fit)?;
    write_atomic(&output, trained.model.to_text().as_bytes())?;
    let report = Report {
        task: "train",
        model: output,
        rows: data.rows(),
        features: width,
        iterations: trained.model.iterations(),
        best_iteration: trained.best_iteration,
        metrics: values(&trained.curves, trained.best_iteration),
        load_s,
        train_s: start.elapsed().as_secs_f64(),
    };
    ui.result(&report, |r| {
        let best = r.best_iteration.map_or(String::new(), |b| format!(", the best of them {b}"));
        let mut out = format!(
            "{} iterations{best} on {} rows and {} columns in {:.2} s\n",
            r.iterations, r.rows, r.features, r.train_s
        );
        for (set, metrics) in &r.metrics {
            metrics.iter().for_each(|(name, value)| out += &format!("{set} {name}: {value:.6}\n"));
        }
        out + &format!("model: {}\n", r.model.display())
    })
}

/// The values of an iteration on one line.
fn line(step: &Step<'_>) -> String {
    let of =
        |c: &Curve| format!("{} {}: {:.6}", c.set, c.metric, c.values.last().copied().unwrap_or(f64::NAN));
    let all: Vec<String> = step.curves.iter().map(of).collect();
    format!("[{}] {}", step.iteration, all.join(", "))
}

/// The value of each curve at the iteration that was kept, else its last.
fn values(curves: &[Curve], best: Option<usize>) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut out = BTreeMap::<String, BTreeMap<String, f64>>::new();
    for curve in curves {
        let at = best.and_then(|b| curve.iterations.iter().position(|i| *i == b));
        let value = at.and_then(|at| curve.values.get(at)).or(curve.values.last());
        if let Some(value) = value {
            out.entry(curve.set.clone()).or_default().insert(curve.metric.clone(), *value);
        }
    }
    out
}

/// A model file, with a message that says what it is for.
pub(super) fn model(settings: &Settings) -> Result<Booster> {
    let path = settings.file("input_model", "the model to use")?;
    Booster::read(Path::new(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machinery_that_is_not_here_is_told() {
        let learner = |words: &[(&str, &str)]| -> Params {
            words.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
        };
        let told = elsewhere(&learner(&[("device", "gpu"), ("num_leaves", "7"), ("tree_learner", "data")]));
        assert_eq!(
            told,
            [
                "device=gpu: trees are grown on the processor",
                "tree_learner=data: training runs on one machine"
            ]
        );
        assert!(elsewhere(&learner(&[("device_type", "cpu"), ("tree_learner", "serial")])).is_empty());
    }
}
