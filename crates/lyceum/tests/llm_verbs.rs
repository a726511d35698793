//! `model_type: llm` through Ludwig's verbs: on the tiny reference model always, on the real one in
//! `LYCEUM_TEST_SMOLLM2` where it is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tiny() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/llama");
    path.canonicalize().unwrap().display().to_string()
}

/// Tickets of a help desk: what is said decides the desk.
const TICKETS: [(&str, &str); 36] = [
    ("the invoice shows the wrong amount", "billing"),
    ("app closes when I open a photo", "crash"),
    ("please add a dark theme", "wish"),
    ("I was charged twice in May", "billing"),
    ("it crashes after the update", "crash"),
    ("could you support Danish", "wish"),
    ("refund for the unused seats", "billing"),
    ("screen freezes and the app quits", "crash"),
    ("an export to PDF would be nice", "wish"),
    ("the receipt lacks our tax number", "billing"),
    ("crash when saving a large file", "crash"),
    ("I would love a calendar view", "wish"),
    ("my card was declined but charged", "billing"),
    ("program ends with an error on start", "crash"),
    ("please let us sort by date", "wish"),
    ("why did the price go up", "billing"),
    ("it stops working when I click print", "crash"),
    ("a keyboard shortcut for search please", "wish"),
    ("change the billing address", "billing"),
    ("app quits as soon as I log in", "crash"),
    ("could there be a mobile version", "wish"),
    ("we paid for ten seats and got nine", "billing"),
    ("freezes every time on upload", "crash"),
    ("it would help to group messages", "wish"),
    ("the discount is missing on the invoice", "billing"),
    ("crashes on my second monitor", "crash"),
    ("please support two accounts", "wish"),
    ("charge appeared after cancelling", "billing"),
    ("the window closes by itself", "crash"),
    ("an option for larger text please", "wish"),
    ("invoice was sent to the wrong person", "billing"),
    ("error and exit when importing", "crash"),
    ("we wish for a weekly report", "wish"),
    ("payment failed with a valid card", "billing"),
    ("it hangs, then it is gone", "crash"),
    ("please add tags to notes", "wish"),
];

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut csv = String::from("ticket,desk,split\n");
        for (i, (ticket, desk)) in TICKETS.iter().enumerate() {
            let split = if i < 24 { 0 } else { 1 + i % 2 };
            csv.push_str(&format!("\"{ticket}\",{desk},{split}\n"));
        }
        std::fs::write(dir.path().join("tickets.csv"), csv).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self, name: &str, yaml: &str) {
        let common = "model_type: llm
input_features: [{name: ticket, type: text}]
preprocessing: {split: {type: fixed}}
generation: {temperature: 0, max_new_tokens: 6}
";
        std::fs::write(self.path(name), format!("{common}{yaml}")).unwrap();
    }

    fn lyceum(&self, args: &[&str]) -> Output {
        let home = std::env::temp_dir().join("lyceum-test-home");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        let command =
            command.current_dir(self.dir.path()).env("LYCEUM_HOME", home).env("LYCEUM_THREADS", "2");
        command.args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> Json {
        let out = self.lyceum(args);
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap()
    }

    fn fails(&self, args: &[&str]) -> String {
        let out = self.lyceum(args);
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }
}

fn finetune(base: &str, trainer: &str) -> String {
    format!(
        "base_model: {base}
prompt: {{template: \"Ticket: {{ticket}}\\nDesk: \"}}
output_features: [{{name: desk, type: text}}]
adapter: {{type: lora, r: 8, dropout: 0.0}}
trainer: {{type: finetune, {trainer}}}
"
    )
}

#[test]
fn a_language_model_is_taught_asked_and_measured() {
    let desk = Desk::new();
    desk.config("c.yaml", &finetune(&tiny(), "train_steps: 4, batch_size: 4, learning_rate: 0.01"));
    let data = ["--dataset", "tickets.csv", "--json"];
    let t = desk.ok(&[&["experiment", "--config", "c.yaml", "-od", "out"], &data[..]].concat());
    assert_eq!((&t["measured_on"], &t["measured_rows"]), (&"test".into(), &6.into()));
    for metric in ["loss", "perplexity", "exact_match", "token_f1", "rouge_l"] {
        assert!(t["metrics"]["desk"][metric].is_f64(), "{metric}: {t}");
    }
    assert!(t["baseline"]["desk"]["loss"].as_f64() > t["metrics"]["desk"]["loss"].as_f64(), "{t}");
    let run = desk.path("out/experiment_run");
    for file in ["adapter_config.json", "adapter_model.safetensors", "training_report.json"] {
        assert!(run.join("model/model_weights").join(file).is_file(), "{file}");
    }
    assert!(run.join("report.html").is_file() && run.join("predictions.csv").is_file());

    let model = ["--model_path", "out/experiment_run/model"];
    let e = desk.ok(&[&["evaluate"], &model[..], &data[..], &["--split", "test"]].concat());
    // What else is in a batch may change the last digits.
    for metric in ["loss", "exact_match", "token_f1", "rouge_l"] {
        let [later, then] = [&e, &t].map(|m| m["metrics"]["desk"][metric].as_f64().unwrap());
        assert!((later - then).abs() <= 1e-3, "{metric}: measured {later} later and {then} at the end");
    }
    let p = desk.ok(&[&["predict"], &model[..], &data[..], &["-od", "pred"]].concat());
    assert_eq!((&p["rows"], &p["predictions_path"]), (&36.into(), &"pred/predictions.csv".into()));
    let head = std::fs::read_to_string(desk.path("pred/predictions.csv")).unwrap();
    assert!(head.starts_with("desk_predictions,desk_response,desk_probability,desk_length\n"), "{head}");
    std::fs::write(desk.path("g.json"), "{\"max_new_tokens\": 1}").unwrap();
    let short = desk.ok(&[&["predict"], &model[..], &data[..], &["-gc", "g.json", "-od", "short"]].concat());
    assert_eq!(short["rows"], 36);
    let rows = std::fs::read_to_string(desk.path("short/predictions.csv")).unwrap();
    assert!(rows.trim_end().ends_with(",1"), "one token a row: {rows}");
    std::fs::write(desk.path("g.json"), "{\"max_new_token\": 1}").unwrap();
    let e = desk.fails(&[&["predict"], &model[..], &data[..], &["-gc", "g.json"]].concat());
    assert!(e.contains("g.json:1:2: generation.max_new_token: unknown key"), "{e}");
    let base = tiny();
    for adapter in ["out/experiment_run/model", "out/experiment_run/model/model_weights"] {
        let args = ["generate", "--model", &base, "--prompt", "Desk: ", "--max-tokens", "3", "--json"];
        assert!(desk.ok(&[&args[..], &["--adapter", adapter]].concat())["ids"].is_array());
    }
}

#[test]
fn the_base_answers_without_training() {
    let desk = Desk::new();
    desk.config(
        "c.yaml",
        &format!(
            "base_model: {}
prompt: {{task: name the desk}}
output_features:
  - {{name: desk, type: category, preprocessing: {{fallback_label: wish}}}}
",
            tiny()
        ),
    );
    let t = desk.ok(&["train", "--config", "c.yaml", "--dataset", "tickets.csv", "--json"]);
    assert!(t["metrics"]["desk"]["accuracy"].is_f64() && t["baseline"] == Json::Object(Default::default()));
    let args =
        ["evaluate", "--model_path", "results/experiment_run/model", "--dataset", "tickets.csv", "--json"];
    assert_eq!(desk.ok(&args)["rows"], 36);
}

#[test]
fn conversations_go_through_the_chat_template() {
    let desk = Desk::new();
    let mut lines = String::new();
    for (ticket, kind) in TICKETS.iter().take(12) {
        let line = serde_json::json!({ "prompt": ticket, "completion": kind });
        lines.push_str(&format!("{line}\n"));
    }
    std::fs::write(desk.path("d.jsonl"), lines).unwrap();
    let yaml = format!(
        "model_type: llm
base_model: {}
input_features: [{{name: prompt, type: text}}]
output_features: [{{name: completion, type: text}}]
adapter: {{type: lora}}
trainer: {{type: finetune, train_steps: 2, batch_size: 2}}
generation: {{do_sample: false, max_new_tokens: 4}}
",
        tiny()
    );
    std::fs::write(desk.path("c.yaml"), yaml).unwrap();
    let t = desk.ok(&["train", "-c", "c.yaml", "--dataset", "d.jsonl", "--json"]);
    assert!(t["metrics"]["completion"]["loss"].is_f64(), "{t}");
    let about = std::fs::read_to_string(desk.path("results/experiment_run/model/model.json")).unwrap();
    assert!(about.contains("\"rendering\": \"chat\""), "{about}");
}

#[test]
fn faults_are_one_message_with_their_place() {
    let desk = Desk::new();
    let train = ["train", "--config", "c.yaml", "--dataset", "tickets.csv"];
    desk.config("c.yaml", &finetune(&tiny(), "epochs: 1").replace("{ticket}", "{tickets}"));
    let e = desk.fails(&train);
    let want = "error: c.yaml:6:20: prompt.template: no column \"tickets\"; the table has ticket, desk, split\n  hint: did you mean `ticket`?\n";
    assert_eq!(e, want);
    desk.config("c.yaml", &finetune("smollm2-135m-instruct", "epochs: 1"));
    let e = desk.fails(&train);
    assert!(e.contains("c.yaml:5:13: base_model: smollm2-135m-instruct is not on this machine yet"), "{e}");
    assert!(e.contains("`lyceum pull smollm2-135m-instruct`"), "{e}");
    desk.config("c.yaml", &finetune("HuggingFaceTB/SmolLM2-135M-Instruct", "epochs: 1"));
    assert!(desk.fails(&train).contains("`lyceum pull hf:HuggingFaceTB/SmolLM2-135M-Instruct`"));
    desk.config("c.yaml", &finetune(&tiny(), "epochs: 1").replace("name: desk", "name: dek"));
    assert!(desk.fails(&train).contains("no column \"dek\""));
    assert!(!desk.path("results/experiment_run").exists(), "a run that never began leaves nothing");
}

#[test]
fn the_real_model_learns_the_desks() {
    let Ok(base) = std::env::var("LYCEUM_TEST_SMOLLM2") else {
        eprintln!("SKIPPED: set LYCEUM_TEST_SMOLLM2 to the SmolLM2 GGUF file");
        return;
    };
    let desk = Desk::new();
    let base = Path::new(&base).canonicalize().unwrap().display().to_string();
    desk.config("c.yaml", &finetune(&base, "train_steps: 10, batch_size: 6, learning_rate: 0.003"));
    let t = desk.ok(&["train", "--config", "c.yaml", "--dataset", "tickets.csv", "-od", "out", "--json"]);
    let loss = |of: &str| t[of]["desk"]["loss"].as_f64().unwrap();
    assert!(loss("metrics") < 0.3 * loss("baseline"), "{t}");
    let model = ["predict", "--model_path", "out/experiment_run/model", "--split", "validation"];
    let p = desk.ok(&[&model[..], &["--dataset", "tickets.csv", "--json"]].concat());
    assert_eq!(p["rows"], 6);
    let exact = |of: &Json| of["metrics"]["desk"]["exact_match"].as_f64().unwrap();
    assert!(exact(&t) + exact(&p) >= 0.8, "the base knows none of the desks' names: {t} {p}");
}
