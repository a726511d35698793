//! The verbs for `model_type: llm` with a scripted language model: what it is taught and asked, what is measured and
//! written, how a stopped run goes on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_core::{Error, FitContext, Prompt, Result};
use lyceum_learn::config::LlmConfig;
use lyceum_learn::llm::{LanguageModels, Lesson, Likelihood, Said, Sample, Speaker, Speech, Taught, With};
use lyceum_learn::{ConfigSource, DataFiles, EvaluateOptions, Part, TrainOptions, Trained, Why};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Learns its lesson by heart and writes it to the adapter's folder; without an adapter it says "hm".
#[derive(Default)]
struct Parrot {
    lessons: Mutex<Vec<Lesson>>,
    /// How often teaching is stopped before it ends.
    stops: AtomicUsize,
}

fn text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages, _) => messages.iter().map(|m| m.text()).collect(),
        Prompt::Tokens(_) => panic!(),
    }
}

impl LanguageModels for Parrot {
    fn teach(&self, config: &LlmConfig, lesson: &Lesson, folder: &Path, _: &FitContext) -> Result<Taught> {
        self.lessons.lock().unwrap().push(lesson.clone());
        if config.base_model != "parrot" {
            return Err(Error::not_found(format!("{} is not on this machine yet", config.base_model)));
        }
        let checkpoint = folder.join("checkpoints");
        if self.stops.load(Ordering::Relaxed) > 0 {
            self.stops.fetch_sub(1, Ordering::Relaxed);
            std::fs::create_dir_all(&checkpoint).unwrap();
            return Err(Error::cancelled());
        }
        let _ = std::fs::remove_dir_all(&checkpoint);
        let known: BTreeMap<String, String> =
            lesson.training.iter().map(|s| (text(&s.prompt), s.answer.clone())).collect();
        std::fs::write(folder.join("adapter.json"), serde_json::to_vec(&known).unwrap()).unwrap();
        let validation_loss = vec![(1, 2.0), (2, 1.0)];
        Ok(Taught { loss: vec![3.0, 1.5], validation_loss, longest_answer: 40, ..Taught::default() })
    }

    fn open(&self, base: &str, adapter: Option<&Path>, _: &FitContext) -> Result<Box<dyn Speaker>> {
        if base != "parrot" {
            return Err(Error::not_found(format!("{base} is not on this machine yet")).hint("pull it"));
        }
        let known =
            adapter.map(|a| serde_json::from_slice(&std::fs::read(a.join("adapter.json")).unwrap()).unwrap());
        Ok(Box::new(Spoken { known: known.unwrap_or_default() }))
    }

    fn compare(&self, answer: &str, wanted: &str) -> Vec<(&'static str, f64)> {
        vec![("exact_match", f64::from(answer == wanted))]
    }
}

struct Spoken {
    known: BTreeMap<String, String>,
}

impl Speaker for Spoken {
    fn fits(&self, prompt: &Prompt) -> Result<()> {
        if text(prompt).len() > 200 { Err(Error::invalid("the prompt is too long")) } else { Ok(()) }
    }

    fn answer(&self, prompts: &[Prompt], how: &Speech, _: &FitContext) -> Result<Vec<Said>> {
        assert_eq!(how.sampling.temperature, 0.0);
        let say = |p: &Prompt| self.known.get(&text(p)).cloned().unwrap_or_else(|| "hm".into());
        Ok(prompts.iter().map(|p| Said { text: format!(" {}", say(p)), tokens: 2, logprob: -0.5 }).collect())
    }

    fn likelihood(&self, samples: &[Sample], with: With, _: &FitContext) -> Result<Vec<Likelihood>> {
        let nll = if with == With::Base { 4.0 } else { 1.0 };
        Ok(vec![Likelihood { nll, tokens: 2.0 }; samples.len()])
    }
}

const YAML: &str = "model_type: llm
base_model: parrot
prompt: {template: 'Sort: {ticket}!'}
input_features: [{name: ticket, type: text}]
output_features: [{name: desk, type: text}]
adapter: {type: lora}
trainer: {type: finetune, epochs: 2}
generation: {do_sample: false}
";

/// Twenty rows; the fixed split trains on 12, validates on 4, tests on 4 whose tickets are known from training.
fn table(path: &Path) {
    let mut out = String::from("ticket,desk,split\n");
    for i in 0..20 {
        let (topic, desk) = [("no sound", "audio"), ("no light", "video")][i % 2];
        let split = [0, 0, 0, 1, 2][i / 4];
        out.push_str(&format!("{topic} {},{desk},{split}\n", i % 4));
    }
    out.push_str("nobody answered,,0\n");
    std::fs::write(path, out).unwrap();
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        table(&dir.path().join("d.csv"));
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options<'a>(&self, yaml: &str, models: &'a Parrot) -> TrainOptions<'a> {
        let yaml = format!("{yaml}preprocessing: {{split: {{type: fixed}}}}\n");
        std::fs::write(self.path("c.yaml"), yaml).unwrap();
        let mut options =
            TrainOptions::new(ConfigSource::File(self.path("c.yaml")), DataFiles::one(self.path("d.csv")));
        options.output_directory = self.path("out");
        options.llm = Some(models);
        options
    }

    fn experiment(&self, yaml: &str, models: &Parrot) -> Result<Trained> {
        lyceum_learn::experiment(&self.options(yaml, models), &FitContext::default())
    }

    fn evaluate<'a>(&self, model: &Path, data: &str, models: &'a Parrot) -> EvaluateOptions<'a> {
        EvaluateOptions {
            model_path: model.into(),
            dataset: self.path(data),
            part: Part::Full,
            output_directory: Some(self.path("eval")),
            why: Why::default(),
            generation: None,
            llm: Some(models),
        }
    }
}

#[test]
fn from_a_table_to_answers() {
    let (place, parrot) = (Place::new(), Parrot::default());
    let t = place.experiment(YAML, &parrot).unwrap();
    let lesson = parrot.lessons.lock().unwrap().remove(0);
    assert_eq!(
        (lesson.training.len(), lesson.validation.len()),
        (12, 4),
        "a row without an answer is left out"
    );
    assert_eq!(lesson.training[0].prompt, Prompt::Text("Sort: no sound 0!".into()));
    assert_eq!(lesson.training[0].answer, "audio");
    assert_eq!((t.measured_on.as_str(), t.measured_rows), ("test", 4));
    assert_eq!(t.metrics["desk"]["exact_match"], 1.0);
    assert_eq!((t.metrics["desk"]["loss"], t.metrics["combined"]["loss"]), (0.5, 0.5));
    assert_eq!(t.metrics["desk"]["perplexity"], 0.5f64.exp());
    assert_eq!(t.baseline["desk"]["loss"], 2.0);

    let run = place.path("out/experiment_run");
    for file in ["description.json", "training_statistics.json", "test_statistics.json", "report.html"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    assert!(run.join("model/model_weights/adapter.json").is_file() && !run.join(".training").exists());
    let predictions = std::fs::read_to_string(run.join("predictions.csv")).unwrap();
    let first: Vec<&str> = predictions.lines().take(2).collect();
    assert_eq!(first[0], "desk_predictions,desk_response,desk_probability,desk_length");
    assert!(first[1].starts_with("audio, audio,0.6065306597126334,2"), "{}", first[1]);
    let about = std::fs::read_to_string(run.join("model/model.json")).unwrap();
    assert!(
        about.contains("\"rendering\": \"plain\"") && about.contains("\"max_new_tokens\": 40"),
        "{about}"
    );
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("desk: loss") && report.contains("the base alone"));

    let e = lyceum_learn::evaluate(&place.evaluate(&t.model_path, "d.csv", &parrot), &FitContext::default());
    let e = e.unwrap();
    assert_eq!((e.rows, e.metrics["desk"]["exact_match"]), (20, 1.0));
    std::fs::write(place.path("new.csv"), "ticket\nno light 1\nno idea\n").unwrap();
    let options = place.evaluate(&t.model_path, "new.csv", &parrot);
    let p = lyceum_learn::predict(&options, &FitContext::default()).unwrap();
    assert!(p.metrics.is_empty());
    let predictions = std::fs::read_to_string(p.predictions_path.unwrap()).unwrap();
    let said: Vec<&str> = predictions.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
    assert_eq!(said, ["video", "hm"]);
    let e = lyceum_learn::evaluate(&options, &FitContext::default()).unwrap_err().to_string();
    assert!(e.contains("no column \"desk\""), "{e}");
}

#[test]
fn a_stopped_run_goes_on_in_its_folder() {
    let place = Place::new();
    let parrot = Parrot { stops: AtomicUsize::new(2), ..Parrot::default() };
    for _ in 0..2 {
        let e = place.experiment(YAML, &parrot).unwrap_err();
        assert!(e.to_string().contains("the same command goes on"), "{e}");
        assert!(place.path("out/experiment_run/.training/weights/checkpoints").is_dir());
        assert!(!place.path("out/experiment_run_0").exists());
    }
    let t = place.experiment(YAML, &parrot).unwrap();
    assert_eq!(t.results_path, place.path("out/experiment_run"));
    let other = place.experiment(&YAML.replace("epochs: 2", "epochs: 3"), &parrot).unwrap();
    assert_eq!(other.results_path, place.path("out/experiment_run_0"));
}

#[test]
fn without_training_the_base_answers_and_labels_are_found() {
    let (place, parrot) = (Place::new(), Parrot::default());
    let yaml = "model_type: llm
base_model: parrot
prompt: {task: sort it}
input_features: [{name: ticket, type: text}]
output_features:
  - name: desk
    type: category
    preprocessing: {fallback_label: video}
    decoder: {type: category_extractor, match: {audio: {type: contains, value: sound}}}
generation: {temperature: 0}
";
    let t = place.experiment(yaml, &parrot).unwrap();
    assert!(parrot.lessons.lock().unwrap().is_empty());
    assert_eq!(t.metrics["desk"]["accuracy"], 0.5, "what matches nothing is the fallback label");
    assert!(t.baseline.is_empty() && !t.model_path.join("model_weights").exists());
    let options = place.evaluate(&t.model_path, "d.csv", &parrot);
    let e = lyceum_learn::evaluate(&options, &FitContext::default()).unwrap();
    assert_eq!(e.metrics["desk"]["accuracy"], 0.5);
}

#[test]
fn faults_are_named_where_they_are() {
    let (place, parrot) = (Place::new(), Parrot::default());
    let fails = |from: &str, to: &str| {
        let e = place.experiment(&YAML.replace(from, to), &parrot).unwrap_err().to_string();
        assert!(!place.path("out/experiment_run").exists(), "{e}");
        e.replace(&format!("{}/", place.0.path().display()), "")
    };
    let e = fails("{ticket}!", "{tiket}!");
    let want = "c.yaml:3:20: prompt.template: no column \"tiket\"; the table has ticket, desk, split\n  hint: did you mean `ticket`?";
    assert_eq!(e, want);
    let e = fails("base_model: parrot", "base_model: parot");
    assert_eq!(e, "c.yaml:2:13: base_model: parot is not on this machine yet");
    let e = fails("name: desk", "name: dsk");
    assert!(e.starts_with("d.csv: no column \"dsk\"") && e.contains("did you mean `desk`"), "{e}");
    let long = format!("ticket,desk,split\nshort,audio,0\n{},audio,2\n", "x".repeat(300));
    std::fs::write(place.path("d.csv"), long).unwrap();
    let e = fails("!", "?");
    assert!(e.starts_with("d.csv:3: column \"ticket\": the prompt is too long"), "{e}");
}
