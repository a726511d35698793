//! `train` and `experiment` for a language model.

use super::facts::{Curves, curves, description, facts, statistics, summary};
use super::work::Work;
use super::{at_base, extractor, in_config, models, open, prompts};
use crate::config::{Config, LlmConfig, LlmTrainerKind};
use crate::llm::{
    Extractor, LanguageModels, Lesson, Likelihood, LlmAbout, Rendering, Rows, Said, Sample, Speaker, Taught,
    With, measure, prediction_table,
};
use crate::metrics::Measures;
use crate::run::data::{DataFiles, Loaded};
use crate::run::files::{whole_folder, write_json, write_predictions, write_report};
use crate::run::train::{TrainOptions, Trained};
use lyceum_core::{Error, FitContext, Result};
use lyceum_data::{Raw, content_hash};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rows whose answers are generated to measure what `train` has made; `experiment` asks all.
const MEASURED: usize = 200;

/// A language model's run and what it is about.
pub(super) struct Job<'a> {
    pub(super) options: &'a TrainOptions<'a>,
    pub(super) config: &'a Config,
    pub(super) llm: &'a LlmConfig,
    pub(super) models: &'a dyn LanguageModels,
    pub(super) loaded: &'a Loaded,
    pub(super) rows: &'a Rows<'a>,
    pub(super) rendering: Rendering,
    /// Labels of the training rows.
    pub(super) labels: Vec<String>,
    pub(super) cx: &'a FitContext,
}

/// What the measured rows were answered.
pub(super) struct Asked {
    pub(super) part: &'static str,
    /// Rows that were asked, and rows of the part.
    pub(super) rows: Vec<usize>,
    pub(super) of: usize,
    pub(super) said: Vec<Said>,
    pub(super) metrics: Measures,
    pub(super) baseline: Measures,
}

/// Teaches (unless the trainer does nothing), measures and writes the results folder.
pub(in crate::run) fn run(
    options: &TrainOptions<'_>,
    config: &Config,
    llm: &LlmConfig,
    data: &DataFiles,
    cx: &FitContext,
    with_predictions: bool,
) -> Result<Trained> {
    let start = Instant::now();
    let placed = |e| in_config(e, &options.config);
    let models = models(options.llm)?;
    let loaded = data.load_rows(config, cx.seed, |raw| usable(llm, raw)).map_err(placed)?;
    if llm.trainer.kind == LlmTrainerKind::Finetune {
        loaded.need_training()?;
    }
    let rendering = Rendering::of(llm, &loaded.raw);
    let rows = &Rows::new(llm, &loaded.raw, rendering).map_err(placed)?;
    let labels = labels(rows, &loaded)?;
    let job = Job { options, config, llm, models, loaded: &loaded, rows, rendering, labels, cx };
    let work = Work::claim(options, &inputs(&job), &*cx.progress)?;
    match job.run(&work, with_predictions) {
        Ok(mut trained) => {
            work.finish()?;
            trained.seconds = start.elapsed().as_secs_f64();
            Ok(trained)
        }
        Err(e) => Err(placed(work.fail(e))),
    }
}

/// Rows that have an answer.
fn usable(llm: &LlmConfig, raw: &Raw) -> Result<Vec<usize>> {
    let rows = Rows::new(llm, raw, Rendering::of(llm, raw))?;
    rows.need_answers(llm)?;
    let usable = rows.answered()?;
    if usable.is_empty() {
        return Err(raw.place(Error::invalid(format!("no row has a \"{}\"", llm.output.column))));
    }
    Ok(usable)
}

/// The distinct answers of the training rows (of all rows where none train), in order.
fn labels(rows: &Rows<'_>, loaded: &Loaded) -> Result<Vec<String>> {
    let s = &loaded.splits;
    let all: Vec<usize> = s.training.iter().chain(&s.validation).chain(&s.test).copied().collect();
    let known = if s.training.is_empty() { &all } else { &s.training };
    let answers = known.iter().map(|r| rows.answer(*r));
    let distinct: BTreeSet<String> = answers.filter_map(Result::transpose).collect::<Result<_>>()?;
    Ok(distinct.into_iter().collect())
}

/// Hash of all that decides what is learnt, but for the base model itself.
fn inputs(job: &Job<'_>) -> String {
    let files: Vec<&String> = job.loaded.files.iter().map(|(_, hash)| hash).collect();
    let about = serde_json::json!([job.config.rendered, files, job.cx.seed, job.rendering]);
    content_hash(about.to_string().as_bytes())
}

impl Job<'_> {
    fn run(&self, work: &Work, with_predictions: bool) -> Result<Trained> {
        let teaches = self.llm.trainer.kind == LlmTrainerKind::Finetune;
        let weights = work.weights()?;
        let taught = if teaches { self.teach(work, &weights)? } else { Taught::default() };
        let mut about = LlmAbout::new(self.llm, self.rendering, taught.longest_answer);
        self.fill(&mut about, teaches);
        let given = self.llm.adapter.as_ref().and_then(|a| a.pretrained.as_ref()).map(PathBuf::from);
        let adapter = if teaches { Some(weights.clone()) } else { given };
        let speaker = open(self.models, self.llm, adapter.as_deref(), self.cx)?;
        let extractor = extractor(self.llm, &self.labels)?;
        let asked = self.ask(&*speaker, &about, adapter.is_some(), extractor.as_ref(), with_predictions)?;
        drop(speaker);
        self.cx.cx.check()?;
        if with_predictions && self.options.keep.predictions {
            let table = prediction_table(&self.llm.output.name, &asked.said, extractor.as_ref())?;
            write_predictions(work.results(), &table)?;
        }
        about.metrics.clone_from(&asked.metrics);
        let warnings = self.warnings(&taught, &asked);
        let report = self.write_statistics(work.results(), &taught, &asked, &warnings)?;
        let model_path = work.results().join("model");
        if self.options.keep.model {
            self.write_model(&model_path, &about, teaches.then_some(weights.as_path()))?;
        }
        Ok(Trained {
            model_path,
            results_path: work.results().to_path_buf(),
            measured_on: asked.part.into(),
            measured_rows: asked.rows.len(),
            metrics: asked.metrics,
            baseline: asked.baseline,
            seconds: 0.0,
            report,
            warnings,
        })
    }

    fn teach(&self, work: &Work, weights: &Path) -> Result<Taught> {
        if let Some(taught) = work.taught() {
            return Ok(taught);
        }
        let s = &self.loaded.splits;
        let lesson = Lesson {
            training: self.rows.samples(&s.training)?,
            validation: self.rows.samples(&s.validation)?,
        };
        let taught =
            self.models.teach(self.llm, &lesson, weights, self.cx).map_err(|e| at_base(e, self.llm))?;
        work.keep_taught(&taught)?;
        Ok(taught)
    }

    fn fill(&self, about: &mut LlmAbout, teaches: bool) {
        let s = &self.loaded.splits;
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        about.adapter = teaches;
        about.labels.clone_from(&self.labels);
        about.data = self.loaded.files.iter().map(|(p, _)| name(p)).collect();
        about.data_sha256 = self.loaded.files.iter().map(|(_, h)| h.clone()).collect();
        about.rows = [s.training.len(), s.validation.len(), s.test.len()];
        about.seed = self.cx.seed;
    }

    /// Has the measured rows answered; the baseline is the base's loss on the same rows.
    fn ask(
        &self,
        speaker: &dyn Speaker,
        about: &LlmAbout,
        adapted: bool,
        extractor: Option<&Extractor>,
        all: bool,
    ) -> Result<Asked> {
        let (part, whole) = self.measured();
        let rows = if all { whole.to_vec() } else { spread(whole, MEASURED) };
        let samples: Vec<Sample> = self.rows.samples(&rows)?;
        let prompts = prompts(self.rows, &rows, speaker)?;
        let said = speaker.answer(&prompts, &about.speech(self.llm), self.cx)?;
        let likelihood = speaker.likelihood(&samples, With::Adapter, self.cx)?;
        let wanted: Vec<String> = samples.iter().map(|s| s.answer.clone()).collect();
        let metrics = measure(self.models, &said, &wanted, &likelihood, extractor);
        let base = if adapted { speaker.likelihood(&samples, With::Base, self.cx)? } else { Vec::new() };
        let name = &self.llm.output.name;
        let (metrics, baseline) = (measures(name, metrics), base_measures(name, &base));
        Ok(Asked { part, of: whole.len(), rows, said, metrics, baseline })
    }

    /// The rows whose metrics are reported.
    fn measured(&self) -> (&'static str, &[usize]) {
        let s = &self.loaded.splits;
        match (s.test.is_empty(), s.validation.is_empty()) {
            (false, _) => ("test", &s.test),
            (true, false) => ("validation", &s.validation),
            (true, true) => ("training", &s.training),
        }
    }

    fn warnings(&self, taught: &Taught, asked: &Asked) -> Vec<String> {
        let mut out = self.config.warnings.clone();
        if taught.left_out > 0 {
            let n = taught.left_out;
            out.push(format!("{n} rows were left out: their answer lies beyond the longest sequence"));
        }
        if asked.rows.len() < asked.of {
            let (n, of, part) = (asked.rows.len(), asked.of, asked.part);
            out.push(format!(
                "metrics are of {n} of the {of} {part} rows; `experiment` or `evaluate` asks all"
            ));
        }
        out
    }

    fn write_statistics(
        &self,
        folder: &Path,
        taught: &Taught,
        asked: &Asked,
        warnings: &[String],
    ) -> Result<Option<PathBuf>> {
        let keep = &self.options.keep;
        if keep.description {
            write_json(&folder.join("description.json"), &description(self, warnings))?;
        }
        if !keep.statistics {
            return Ok(None);
        }
        let Curves { training, validation, best } = curves(taught);
        let output = &self.llm.output.name;
        let statistics = statistics(output, &training, &validation, asked);
        write_json(&folder.join("training_statistics.json"), &statistics)?;
        write_json(&folder.join(format!("{}_statistics.json", asked.part)), &asked.metrics)?;
        if !asked.baseline.is_empty() {
            write_json(&folder.join("baseline_statistics.json"), &asked.baseline)?;
        }
        let summary =
            summary(self, facts(self, taught, asked), asked, warnings, Curves { training, validation, best });
        write_report(folder, &summary).map(Some)
    }

    /// The model's folder appears whole; the adapter moves into it.
    fn write_model(&self, path: &Path, about: &LlmAbout, weights: Option<&Path>) -> Result<()> {
        whole_folder(path, |part| {
            if let Some(weights) = weights {
                let own = part.join(crate::llm::WEIGHTS);
                std::fs::rename(weights, &own).map_err(|e| Error::io(&own, "rename folder", e))?;
            }
            write_json(&part.join("model_hyperparameters.json"), &self.config.rendered)?;
            write_json(&part.join("model.json"), about)
        })
    }
}

/// The metrics of the one output; `combined` has its loss, as with every model.
pub(super) fn measures(output: &str, metrics: crate::llm::Measured) -> Measures {
    let mut out = Measures::new();
    if let Some(loss) = metrics.get("loss") {
        out.insert("combined".into(), [("loss".to_string(), *loss)].into());
    }
    out.insert(output.into(), metrics);
    out
}

fn base_measures(output: &str, base: &[Likelihood]) -> Measures {
    let losses = crate::llm::losses(base);
    if losses.is_empty() { Measures::new() } else { measures(output, losses) }
}

/// At most `n` of some rows, evenly spread.
fn spread(rows: &[usize], n: usize) -> Vec<usize> {
    let len = rows.len();
    if len <= n {
        return rows.to_vec();
    }
    (0..n).filter_map(|i| rows.get(i * len / n).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn measured_rows_are_spread() {
        let rows: Vec<usize> = (100..110).collect();
        assert_eq!(spread(&rows, 20), rows);
        assert_eq!(spread(&rows, 4), [100, 102, 105, 107]);
    }
}
