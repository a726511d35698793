//! Every way to be wrong has one clear message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{INPUTS, parcels, train};
use lyceum_core::ErrorKind;
use lyceum_learn::config::{Config, check};

fn refused(yaml: &str) -> String {
    Config::parse(yaml, Some("c.yaml".as_ref())).unwrap_err().to_string()
}

fn with(feature: &str, rest: &str) -> String {
    format!("input_features:\n  - {feature}\noutput_features:\n  - {{name: y, type: binary}}\n{rest}")
}

#[test]
fn an_unknown_key_has_its_place_and_the_nearest_name() {
    assert_eq!(
        refused(&with("{name: a, type: number}", "trainer: {epohcs: 3}\n")),
        "c.yaml:5:11: trainer.epohcs: unknown key `epohcs`\n  hint: did you mean `epochs`?"
    );
    assert_eq!(
        refused(&with("{name: a, type: number, preprocesing: {normalization: null}}", "")),
        "c.yaml:2:29: input_features[0].preprocesing: unknown key `preprocesing`\n  hint: did you mean `preprocessing`?"
    );
    assert_eq!(
        refused(&with("{name: a, type: number}", "trainr: {}\n")),
        "c.yaml:5:1: trainr: unknown key `trainr`\n  hint: did you mean `trainer`?"
    );
    assert_eq!(
        refused(&with("{name: a, type: number}", "model_type: gbm\ntrainer: {num_leafs: 3}\n")),
        "c.yaml:6:11: trainer.num_leafs: unknown key `num_leafs`\n  hint: did you mean `num_leaf`?"
    );
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    let cases = [
        (
            "{name: a, type: number}",
            "trainer: {epochs: many}\n",
            "c.yaml:5:19: trainer.epochs: expected a whole number from 1, got `many`",
        ),
        (
            "{name: a, type: number}",
            "trainer: {early_stop: -2}\n",
            "c.yaml:5:23: trainer.early_stop: expected a whole number from -1, got `-2`",
        ),
        (
            "{name: a, type: numbr}",
            "",
            "c.yaml:2:21: input_features[0].type: unknown value `numbr`\n  hint: did you mean `number`?",
        ),
        (
            "{name: a}",
            "",
            "c.yaml:2:5: input_features[0].type: a feature needs a type\n  hint: one of number, binary, category, text",
        ),
        (
            "{name: a, typ: number}",
            "",
            "c.yaml:2:5: input_features[0].type: a feature needs a type; did you mean `type` by `typ`?\n  hint: one of number, binary, category, text",
        ),
        (
            "{name: a, type: image}",
            "",
            "c.yaml:2:21: input_features[0].type: `image` is not supported yet\n  hint: supported: number, binary, category, text",
        ),
        (
            "{name: a, type: number}",
            "combiner: {type: tabnet}\n",
            "c.yaml:5:18: combiner.type: `tabnet` is not supported yet\n  hint: supported: concat",
        ),
        (
            "{name: a, type: number}",
            "trainer: {loss_balancing: uncertainty}\n",
            "c.yaml:5:27: trainer.loss_balancing: is not supported yet",
        ),
        (
            "{name: a, type: number}",
            "preprocessing: {split: {probabilities: [0.5, 0.1]}}\n",
            "c.yaml:5:40: preprocessing.split.probabilities: expected three numbers from 0 that sum to 1",
        ),
    ];
    for (feature, rest, want) in cases {
        assert_eq!(refused(&with(feature, rest)), want);
    }
    assert_eq!(refused("output_features: 3\n"), "c.yaml:1:1: input_features: `input_features` is missing");
    assert_eq!(refused(""), "c.yaml: the file is empty");
    assert_eq!(refused("- a\n"), "c.yaml:1:1: expected a mapping, got a list");
}

#[test]
fn a_feature_comes_once() {
    let yaml = "input_features:\n  - {name: a, type: number}\n  - {name: a, type: text, encoder: embed}\noutput_features:\n  - {name: y, type: binary}\n";
    assert_eq!(
        refused(yaml),
        "c.yaml:3:12: input_features[1].name: feature \"a\" comes twice (first as input_features[0])"
    );
}

#[test]
fn all_faults_come_at_once() {
    let (issues, _) = check(&with("{name: a, type: nummer}", "trainer: {epohcs: 3, batch_size: no}\n"));
    let lines: Vec<(usize, String)> = issues.iter().map(|i| (i.line, i.path.clone())).collect();
    assert_eq!(
        lines,
        [
            (2, "input_features[0].type".into()),
            (5, "trainer.epohcs".into()),
            (5, "trainer.batch_size".into())
        ]
    );
    let (issues, _) = check("a: [1, 2\nb: 3\n");
    assert_eq!(issues[0].line, 2);
}

const LATE: &str = "output_features: [{name: late, type: binary}]\ntrainer: {epochs: 2}\n";

#[track_caller]
fn fails(csv: &str, yaml: &str, want: &str) {
    let dir = tempfile::tempdir().unwrap();
    let e = train(dir.path(), csv, yaml).unwrap_err();
    let text = e.to_string().replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(text, want);
    let results = dir.path().join("results");
    let left = results.exists() && std::fs::read_dir(&results).unwrap().next().is_some();
    assert!(!left, "something is left in results");
}

#[test]
fn faults_of_the_data_name_file_line_and_column() {
    let yaml = format!("{INPUTS}{LATE}");
    let good = parcels();
    fails("", &yaml, "d.csv: the file is empty");
    fails(
        &good.replace("distance", "dist"),
        &yaml,
        "d.csv: no column \"distance\"; the table has weight, dist, day, express, note, late, size, price",
    );
}

#[test]
fn text_in_a_number_column() {
    let yaml = format!("{INPUTS}{LATE}");
    let mut lines: Vec<String> = parcels().lines().map(str::to_string).collect();
    let broken: Vec<&str> = lines[3].split(',').collect();
    lines[3] =
        [broken[0], "far away", broken[2], broken[3], broken[4], broken[5], broken[6], broken[7]].join(",");
    fails(
        &lines.join("\n"),
        &yaml,
        "d.csv:4: column \"distance\": \"far away\" is not a number\n  hint: declare it `type: category` or `type: text`",
    );
}

#[test]
fn ragged_rows_and_labels_that_teach_nothing() {
    let yaml = format!("{INPUTS}{LATE}");
    fails(
        &format!("{}1,2\n", parcels()),
        &yaml,
        "d.csv:602: the row has 2 fields, the header has 8\n  hint: quote a cell that holds the delimiter or a line break",
    );
    fails(
        &parcels()
            .replace(",yes,small", ",no,small")
            .replace(",yes,medium", ",no,medium")
            .replace(",yes,large", ",no,large"),
        &yaml,
        "d.csv: column \"late\": every training row says \"no\": there is nothing to tell apart",
    );
    let blank = |(i, line): (usize, &str)| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if i > 0 {
            cells[1] = "";
        }
        cells.join(",") + "\n"
    };
    let empty: String = parcels().lines().enumerate().map(blank).collect();
    fails(
        &empty,
        &yaml,
        "d.csv: column \"distance\": every cell of the training rows is missing\n  hint: leave the column out of the features",
    );
}

#[test]
fn an_output_folder_that_cannot_be_made() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("results"), "a file").unwrap();
    let e = train(dir.path(), &parcels(), &format!("{INPUTS}{LATE}")).unwrap_err();
    assert!(e.to_string().contains("cannot create folder"), "{e}");
    assert_eq!(std::fs::read(dir.path().join("results")).unwrap(), b"a file");
}

#[test]
fn a_full_disk_leaves_no_model() {
    // A folder whose file names may not be longer: the weights' temporary name does not fit, as a full disk would not.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("d.csv");
    std::fs::write(&file, parcels()).unwrap();
    let yaml = format!("model_type: gbm\n{INPUTS}output_features: [{{name: late, type: binary}}]\n");
    let source = lyceum_learn::ConfigSource::Text(yaml);
    let mut options = lyceum_learn::TrainOptions::new(source, lyceum_learn::DataFiles::one(file));
    options.output_directory = dir.path().join("results");
    options.model_name = "m".repeat(300);
    let e = lyceum_learn::train(&options, &Default::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io, "{e}");
    assert_eq!(std::fs::read_dir(dir.path().join("results")).unwrap().count(), 0);
}

#[test]
fn an_interrupted_training_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("d.csv");
    std::fs::write(&file, parcels()).unwrap();
    let source = lyceum_learn::ConfigSource::Text(format!("{INPUTS}{LATE}"));
    let mut options = lyceum_learn::TrainOptions::new(source, lyceum_learn::DataFiles::one(file));
    options.output_directory = dir.path().join("results");
    let cx = lyceum_core::FitContext::default();
    cx.cx.cancel();
    let e = lyceum_learn::train(&options, &cx).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled);
    assert_eq!(std::fs::read_dir(dir.path().join("results")).unwrap().count(), 0);
}
