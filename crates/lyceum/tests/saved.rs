//! The folder of `lyceum fit`: what the program predicts from it is what the estimator says, and what is not whole is told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod support;

use lyceum_core::{Column, FitContext, Params, Prediction, Table, Target, TrainingSet, Value};
use lyceum_data::Random;
use lyceum_estimators::registry::{ENTRIES, Entry, Task};
use serde_json::Value as Json;
use std::fmt::Write;
use std::path::Path;
use support::{end_of, json, lyceum, refused};

const ROWS: usize = 200;

/// A row of the table that is made here.
struct Flat {
    size: f64,
    colour: &'static str,
    lift: bool,
    price: f64,
    dear: bool,
    kind: usize,
}

const KINDS: [&str; 3] = ["large", "middle", "small"];

fn flats() -> Vec<Flat> {
    let mut random = Random::new(5, 0);
    let one = |_| {
        let (size, pick, lift) =
            (20.0 + (random.unit() * 800.0).round() / 10.0, random.below(3), random.below(2) > 0);
        let price =
            50.0 + 3.0 * size + 10.0 * pick as f64 + 5.0 * f64::from(u8::from(lift)) + 8.0 * random.normal();
        let colour = ["red", "deep green", "blue"][pick];
        let kind = 2 - ((size + 6.0 * random.normal()) / 40.0).clamp(0.0, 2.0) as usize;
        Flat { size, colour, lift, price, dear: price + 25.0 * random.normal() > 240.0, kind }
    };
    (0..ROWS).map(one).collect()
}

/// The table as a file: `id` is no feature in it, and the target's column is one of the last three.
fn write(path: &Path, flats: &[Flat], target: &str) {
    let mut text = format!("size,colour,lift,{target}\n");
    for f in flats {
        let y = match target {
            "price" => f.price.to_string(),
            "dear" => if f.dear { "yes" } else { "no" }.into(),
            _ => KINDS[f.kind].to_string(),
        };
        let _ = writeln!(text, "{},{},{},{y}", f.size, f.colour, if f.lift { "true" } else { "false" });
    }
    std::fs::write(path, text).unwrap();
}

/// The same table as an estimator takes it.
fn table(flats: &[Flat]) -> Table {
    let levels = ["blue", "deep green", "red"];
    let code = |c| levels.iter().position(|l| *l == c).unwrap() as u32;
    let codes = flats.iter().map(|f| code(f.colour)).collect();
    Table::new([
        ("size", Column::Number(flats.iter().map(|f| f.size).collect())),
        ("colour", Column::Category { codes, levels: levels.map(Into::into).to_vec().into() }),
        ("lift", Column::Bool(flats.iter().map(|f| Some(f.lift)).collect())),
    ])
    .unwrap()
}

/// What the estimator says of all rows when it has learned from the four fifths that `lyceum fit` takes.
fn in_process(entry: &Entry, params: &Params, flats: &[Flat], y: &dyn Fn(&[&Flat]) -> Target) -> Prediction {
    let mut order: Vec<usize> = (0..ROWS).collect();
    Random::new(42, 0xf17).shuffle(&mut order);
    let train = &order[ROWS / 5..];
    let own: Vec<&Flat> = train.iter().map(|r| &flats[*r]).collect();
    let data = TrainingSet::new(table(flats).take(train).into(), y(&own)).unwrap();
    let model = entry.make(params).unwrap().fit(&data, &FitContext::default()).unwrap();
    model.predict(&table(flats)).unwrap()
}

/// A column of numbers of a CSV file without quoted cells in front of it.
fn column(file: &Path, name: &str) -> Vec<f64> {
    let raw = lyceum_data::read(file).unwrap();
    raw.column(name).unwrap().iter().map(|c| c.unwrap().parse().unwrap()).collect()
}

#[test]
fn every_estimator_says_from_its_folder_what_it_says_in_memory() {
    let flats = flats();
    let mut asked = 0;
    for (task, target) in [(Task::Regression, "price"), (Task::Binary, "dear"), (Task::Multiclass, "kind")] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(&dir.join("flats.csv"), &flats, target);
        let y = move |own: &[&Flat]| match task {
            Task::Regression => Target::Regression(own.iter().map(|f| f.price).collect()),
            Task::Binary => Target::Binary(own.iter().map(|f| u8::from(f.dear)).collect()),
            Task::Multiclass => {
                Target::Multiclass { codes: own.iter().map(|f| f.kind as u32).collect(), classes: 3 }
            }
        };
        for entry in ENTRIES.iter().filter(|e| e.tasks.contains(&task)) {
            let mut args = vec!["fit", entry.name, "--data", "flats.csv", "--target", target];
            let mut params = Params::new();
            if entry.name == "quadratic_discriminant" {
                args.extend(["--param", "reg_param=0.1"]);
                params.insert("reg_param".into(), Value::Float(0.1));
            }
            let fitted = json(dir, &[&args[..], &["--output", entry.name]].concat());
            assert_eq!(fitted["rows"], 160);
            let predict = ["predict", "--model_path", entry.name, "--dataset", "flats.csv", "-od", "out"];
            let predicted = json(dir, &predict);
            assert_eq!(predicted["rows"], ROWS, "{predicted}");
            let file = dir.join("out/predictions.csv");
            let got = |name: &str| column(&file, &format!("{target}_{name}"));
            match in_process(entry, &params, &flats, &y) {
                Prediction::Numbers(want) => assert_eq!(got("predictions"), want, "{}", entry.name),
                Prediction::Probabilities { p, classes } => {
                    let names: &[&str] = if task == Task::Binary { &["no", "yes"] } else { &KINDS };
                    for (c, name) in names.iter().enumerate() {
                        let mut want: Vec<f64> = p.iter().skip(c).step_by(classes).copied().collect();
                        if (classes, c) == (2, 0) {
                            // Of two classes the second is what is kept.
                            want = p.iter().skip(1).step_by(2).map(|p| 1.0 - p).collect();
                        }
                        assert_eq!(got(&format!("probabilities_{name}")), want, "{} {name}", entry.name);
                    }
                }
            }
            // Measured on the rows that were held out, it is worth what was told when it was fitted.
            let evaluate =
                ["evaluate", "-m", entry.name, "--dataset", "flats.csv", "-s", "test", "-od", "out"];
            let evaluated = json(dir, &evaluate);
            assert_eq!(evaluated["rows"], 40);
            let metric = if task == Task::Regression { "r2" } else { "accuracy" };
            let (was, is) = (&fitted["test"][metric], &evaluated["metrics"][target][metric]);
            assert!(
                (was.as_f64().unwrap() - is.as_f64().unwrap()).abs() < 1e-12,
                "{}: {was} {is}",
                entry.name
            );
            asked += 1;
        }
    }
    assert_eq!(asked, ENTRIES.iter().map(|e| e.tasks.len()).sum::<usize>());
}

/// A ridge of `price` in `ridge`, trees of `dear` in `trees`, with the table beside them.
fn folders() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let flats = flats();
    write(&at.join("price.csv"), &flats, "price");
    write(&at.join("dear.csv"), &flats, "dear");
    json(at, &["fit", "ridge", "--data", "price.csv", "--target", "price", "--output", "ridge"]);
    let trees = ["fit", "gradient_boosting", "--data", "dear.csv", "--target", "dear", "--output", "trees"];
    json(at, &[&trees[..], &["--param", "num_iterations=10", "--param", "min_data_in_leaf=5"]].concat());
    dir
}

fn predictions(dir: &Path, model: &str, table: &str) -> Vec<f64> {
    std::fs::write(dir.join("asked.csv"), table).unwrap();
    json(dir, &["predict", "-m", model, "--dataset", "asked.csv", "-od", "out"]);
    let name = if model == "ridge" { "price_predictions" } else { "dear_probabilities_yes" };
    column(&dir.join("out/predictions.csv"), name)
}

#[test]
fn columns_come_by_name_and_what_is_wrong_has_a_place() {
    let dir = folders();
    let dir = dir.path();
    let plain = predictions(dir, "ridge", "size,colour,lift\n50,red,true\n61.5,blue,false\n");
    let turned = predictions(dir, "ridge", "note,lift,size,colour\nx,yes,50,red\ny,0,61.50,blue\n");
    assert_eq!(plain, turned);
    // A colour that was not there adds nothing; one that is a number is a colour.
    let coef: Json = serde_json::from_slice(&std::fs::read(dir.join("ridge/linear.json")).unwrap()).unwrap();
    let number = |key: &str, i: usize| coef[key][i].as_f64().unwrap();
    let unseen = predictions(dir, "ridge", "size,colour,lift\n50,mauve,true\n50,7,true\n50,,true\n");
    assert!(
        (unseen[0] - (number("intercept", 0) + 50.0 * number("coef", 0) + number("coef", 4))).abs() < 1e-9
    );
    assert!(unseen[1] == unseen[0] && unseen[2] == unseen[0], "{unseen:?}");
    // Trees learn from holes, too.
    assert!(predictions(dir, "trees", "size,colour,lift\n,mauve,\n")[0].is_finite());

    let asked = |model: &'static str, text: &str| {
        std::fs::write(dir.join("asked.csv"), text).unwrap();
        ["predict", "-m", model, "--dataset", "asked.csv", "-od", "none"]
    };
    let lacks =
        "asked.csv: no column \"colour\"; the table has size, color, lift\n  hint: did you mean `color`?";
    refused(dir, &asked("ridge", "size,color,lift\n1,red,true\n"), 2, lacks);
    let word = "asked.csv:3: column \"size\": \"large\" is not a number\n  \
                hint: declare it `type: category` or `type: text`";
    refused(dir, &asked("ridge", "size,colour,lift\n1,red,true\nlarge,red,true\n"), 2, word);
    let hole = "asked.csv:2: column \"size\": the cell is missing, and `ridge` wants complete numbers\n  \
                hint: fill it in, or fit `gradient_boosting`, which takes missing cells";
    refused(dir, &asked("ridge", "size,colour,lift\n,red,true\n"), 2, hole);
    let truth = "asked.csv:2: column \"lift\": \"perhaps\" is neither \"false\" nor \"true\"";
    refused(dir, &asked("ridge", "size,colour,lift\n1,red,perhaps\n"), 2, truth);
    assert!(!dir.join("none").exists());
    let evaluate = ["evaluate", "-m", "trees", "--dataset", "asked.csv"];
    std::fs::write(dir.join("asked.csv"), "size,colour,lift,dear\n1,red,true,maybe\n").unwrap();
    refused(dir, &evaluate, 2, "asked.csv:2: column \"dear\": \"maybe\" is neither \"no\" nor \"yes\"");
}

#[test]
fn a_folder_that_is_not_whole_is_told() {
    let dir = folders();
    let dir = dir.path();
    let predict = |model: &'static str| ["predict", "-m", model, "--dataset", "price.csv", "-od", "none"];
    let again = "\n  hint: put back the file that was saved, or fit the model again: `lyceum fit … --output`";
    let kept = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    let (about, linear) = (kept("ridge/model.json"), kept("ridge/linear.json"));
    let with = |file: &str, text: &str| std::fs::write(dir.join("ridge").join(file), text).unwrap();

    with("linear.json", &linear.replace("\"converged\": true", "\"converged\": false"));
    let changed = "ridge/linear.json: is not the file that was saved with this folder's model.json";
    refused(dir, &predict("ridge"), 2, &format!("{changed}{again}"));
    std::fs::remove_file(dir.join("ridge/linear.json")).unwrap();
    let (code, said) = end_of(&lyceum(dir, &predict("ridge")).output().unwrap());
    assert!(
        code != 0 && said.contains("ridge/linear.json") && said.contains("fit the model again"),
        "{said}"
    );
    with("linear.json", &linear);

    with("model.json", &about.replacen("\"format\": 1", "\"format\": 2", 1));
    let later = "ridge/model.json: is of format 2, this Lyceum reads format 1\n  \
                 hint: use the Lyceum that wrote it (`made_by`) or a later one, or train the model again";
    refused(dir, &predict("ridge"), 2, later);
    for (from, to, says) in [
        ("\"column\": \"size\"", "\"column\": \"sise\"", "does not go with the model: no column \"size\""),
        ("\"column\": \"lift\"", "\"column\": \"size\"", "the column \"size\" comes twice"),
        ("\"deep green\"", "\"red\"", "the value \"red\" of \"colour\" comes twice"),
        ("\"task\": \"regression\"", "\"task\": \"binary\"", "the task is binary, and there are 0 classes"),
        ("\"model_type\": \"ridge\"", "\"model_type\": \"rigde\"", "no estimator \"rigde\""),
        (
            "\"linear.json\"",
            "\"../linear.json\"",
            "\"../linear.json\" is not the name of a file in this folder",
        ),
        ("\"features\"", "\"featurs\"", "missing field `features`"),
    ] {
        assert!(about.contains(from), "{about}");
        with("model.json", &about.replacen(from, to, 1));
        let (code, said) = end_of(&lyceum(dir, &predict("ridge")).output().unwrap());
        assert!(code != 0 && said.starts_with("error: ridge/model.json: ") && said.contains(says), "{said}");
    }
    std::fs::remove_file(dir.join("ridge/model.json")).unwrap();
    let none = "ridge: there is no model.json, which is written last\n  \
                hint: name the folder of a model, or train it again: `lyceum train`, `lyceum fit … --output`";
    refused(dir, &predict("ridge"), 2, none);
    with("model.json", &about);
    assert_eq!(predictions(dir, "ridge", "size,colour,lift\n50,red,true\n").len(), 1);

    // A new model takes the place of an earlier one of `fit`, and of nothing else.
    let fit = |estimator: &'static str, output: &'static str| {
        ["fit", estimator, "--data", "dear.csv", "--target", "dear", "--output", output]
    };
    json(dir, &[&fit("logistic", "trees")[..], &["--threshold", "f1"]].concat());
    let names = |folder: &str| -> Vec<String> {
        let all = std::fs::read_dir(dir.join(folder)).unwrap();
        let mut all: Vec<String> = all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    };
    assert_eq!(names("trees"), ["calibration.json", "linear.json", "model.json"]);
    json(dir, &fit("lda", "trees"));
    assert_eq!(names("trees"), ["linear.json", "model.json"]);
    std::fs::create_dir(dir.join("other")).unwrap();
    std::fs::write(dir.join("other/model.json"), "{\"kind\": \"tabular\", \"format\": 1}").unwrap();
    let kept = "other/model.json: --output: holds a tabular model, which stays as it is\n  hint: name another folder";
    refused(dir, &fit("lda", "other"), 2, kept);
    assert_eq!(names("other"), ["model.json"]);
}
