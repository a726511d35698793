//! Wrong configurations and wrong tables, as the person at the terminal meets them: the whole message, the exit code,
//! and nothing left behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use std::path::Path;
use support::{files_below, lyceum, refused};

const CONFIG: &str = "\
input_features:
  - {name: weight, type: number}
  - {name: day, type: category}
output_features:
  - {name: late, type: binary}
model_type: gbm
";

fn table() -> String {
    let row = |i: u32| {
        let weight = i * 79 % 200;
        format!("{weight},{},{}\n", ["mon", "tue"][(i % 2) as usize], if weight > 90 { "yes" } else { "no" })
    };
    (0..60).fold("weight,day,late\n".to_string(), |text, i| text + &row(i))
}

/// Trains on a table of these bytes with a configuration, and is refused.
#[track_caller]
fn fails(table: impl AsRef<[u8]>, config: impl AsRef<[u8]>, says: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("d.csv"), table).unwrap();
    std::fs::write(dir.path().join("c.yaml"), config).unwrap();
    let args = ["train", "-c", "c.yaml", "--dataset", "d.csv", "--output_directory", "out", "--quiet"];
    refused(dir.path(), &args, 2, says);
    assert!(files_below(&dir.path().join("out")).is_empty(), "something is left");
}

#[test]
fn the_wrong_table_would_be_learnt_were_it_right() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("d.csv"), table()).unwrap();
    std::fs::write(dir.path().join("c.yaml"), CONFIG).unwrap();
    let out =
        lyceum(dir.path(), &["train", "-c", "c.yaml", "--dataset", "d.csv", "--quiet"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn faults_of_the_configuration() {
    let fails = |from: &str, to: &str, says: &str| fails(table(), CONFIG.replace(from, to), says);
    fails(
        "model_type: gbm\n",
        "model_type: gbm\ntrainer:\n  learing_rate: 0.1\n",
        "c.yaml:8:3: trainer.learing_rate: unknown key `learing_rate`\n  hint: did you mean `learning_rate`?",
    );
    fails(
        "model_type: gbm\n",
        "model_type: gbm\ntrainer: {num_leaves: many}\n",
        "c.yaml:7:23: trainer.num_leaves: expected a whole number from 0, got \"many\"",
    );
    fails(
        "{name: day, type: category}",
        "{name: weight, type: category}",
        "c.yaml:3:12: input_features[1].name: feature \"weight\" comes twice (first as input_features[0])",
    );
    fails(
        "type: category",
        "type: categry",
        "c.yaml:3:23: input_features[1].type: unknown value `categry`\n  hint: did you mean `category`?",
    );
    fails(
        "  - {name: day, type: category}\n",
        "  - [name: day\n",
        "c.yaml:5:3: not valid YAML: \"-\" is only valid inside a block",
    );
}

#[test]
fn files_that_are_no_configuration() {
    fails(table(), "", "c.yaml: the file is empty");
    fails(table(), b"name: \xff\n", "c.yaml: the file is not valid UTF-8");
    fails(table(), "- a\n", "c.yaml:1:1: expected a mapping, got a list");
}

#[test]
fn faults_of_the_table() {
    let fails = |table: &str, says: &str| fails(table, CONFIG, says);
    let good = table();
    fails("", "d.csv: the file is empty");
    fails("weight,day,late\n", "d.csv: the file has a header but no rows");
    fails(
        &good.replace("day", "dya"),
        "d.csv: no column \"day\"; the table has weight, dya, late\n  hint: did you mean `dya`?",
    );
    fails(
        &good.replace("\n79,", "\nheavy,"),
        "d.csv:3: column \"weight\": \"heavy\" is not a number\n  hint: declare it `type: category` or `type: text`",
    );
    fails(
        &format!("{good}1,mon\n"),
        "d.csv:62: the row has 2 fields, the header has 3\n  hint: quote a cell that holds the delimiter or a line break",
    );
    fails(
        &good.replace("yes", "no"),
        "d.csv: column \"late\": every training row says \"no\": there is nothing to tell apart",
    );
    let blank = |line: &str| line.split_once(',').map_or(String::new(), |(_, rest)| format!(",{rest}\n"));
    let rows: String = good.lines().skip(1).map(blank).collect();
    fails(
        &format!("weight,day,late\n{rows}"),
        "d.csv: column \"weight\": every cell of the training rows is missing\n  hint: leave the column out of the features",
    );
    fails(
        &good.replace("weight,day,late", "weight,day,day"),
        "d.csv:1: the header names column \"day\" twice",
    );
}

#[test]
fn a_table_in_another_encoding() {
    let mut bytes = table().into_bytes();
    let at = bytes.windows(3).position(|w| w == b"tue").unwrap();
    bytes[at + 1] = 0xfc;
    fails(
        bytes,
        CONFIG,
        "d.csv:3: column \"day\": the cell is not valid UTF-8\n  hint: save the file as UTF-8",
    );
}

/// A project of one table.
fn project(dir: &Path, yaml: &str) {
    std::fs::write(dir.join("d.csv"), table()).unwrap();
    std::fs::write(dir.join("lyceum.yaml"), yaml).unwrap();
}

fn project_file() -> String {
    let config: String = CONFIG.lines().map(|l| format!("    {l}\n")).collect();
    format!(
        "learn:\n  late:\n    data: d.csv\n{config}evaluate:\n  auc: {{data: d.csv, target: late, metric: auc}}\n"
    )
}

#[test]
fn faults_of_the_project_file() {
    for (from, to, says) in [
        ("evaluate:", "evalute:", ":10:1: evalute: unknown key `evalute`\n  hint: did you mean `evaluate`?"),
        (
            "{data: d.csv, target",
            "{data: 3, target",
            ":11:15: evaluate.auc.data: expected text, found a whole number",
        ),
        ("    data: d.csv\n", "    data: [d.csv]\n", ":3:11: learn.late.data: expected text, found a list"),
        ("    data: d.csv\n", "", ":2:3: learn.late.data: a data file is missing"),
        ("    data: d.csv\n", "    data: e.csv\n", ": late: no data file ./e.csv"),
        (
            "type: number",
            "type: numbr",
            ":5:30: learn.late.input_features[0].type: unknown value `numbr`\n  hint: did you mean `number`?",
        ),
        (
            "metric: auc}",
            "metric: auc, gate: {at_leest: 0.7}}",
            ":11:56: evaluate.auc.gate.at_leest: unknown key `at_leest`\n  hint: did you mean `at_least`?",
        ),
        (
            "target: late",
            "target: lat",
            ":11:30: evaluate.auc.target: nothing called `lat` is learnt; known are late\n  hint: did you mean `late`?",
        ),
        (
            "metric: auc",
            "metric: acu",
            ":11:44: evaluate.auc.metric: no metric \"acu\"; there are exact_match, accuracy, token_f1, f1, auc, rouge_1, rouge_2, rouge_l, perplexity\n  hint: did you mean `auc`?",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        project(dir.path(), &project_file().replace(from, to));
        refused(dir.path(), &["up", "--once", "--quiet"], 2, &format!("./lyceum.yaml{says}"));
        assert!(!dir.path().join(".lyceum").exists(), "nothing is made for a file that cannot be read");
    }
}

#[test]
fn a_project_without_a_file() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        dir.path(),
        &["up", "--once"],
        2,
        "./lyceum.yaml: cannot read the project file: No such file or directory (os error 2)\n  hint: `lyceum new DIR` makes a project",
    );
}

#[test]
fn a_port_that_cannot_be_had_is_told_before_anything_is_learnt() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), &project_file());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let hint = "\n  hint: choose another with --listen HOST:PORT; port 0 takes any free one";
    let says = format!("{address} is in use by another program{hint}");
    refused(dir.path(), &["up", "--listen", &address], 2, &says);
    let says = "0.0.0.0:0 can be reached from other machines, and there is no API key\n  hint: make one with `lyceum keys create NAME`, or listen on 127.0.0.1";
    refused(dir.path(), &["up", "--listen", "0.0.0.0:0"], 1, says);
    assert!(!dir.path().join(".lyceum/state.json").exists() && !dir.path().join(".lyceum/work").exists());
}
