//! `lyceum lightgbm` on files of rows: train, predict, refit, convert, and what it refuses. The examples that LightGBM
//! ships are run where they are there, and its own Python package reads our models where it is installed.

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{end_of, lyceum, refused};

/// Rows of a label and three columns, the second with gaps; the label follows the first two.
fn rows(count: u64) -> String {
    let mut out = String::new();
    let draw = |i: u64| ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 1000) as f64 / 100.0;
    for i in 0..count {
        let (a, b, c) = (draw(3 * i), draw(3 * i + 1), draw(3 * i + 2));
        let label = u8::from(a + 0.3 * b > 6.0);
        let b = if i % 9 == 0 { "NA".to_string() } else { b.to_string() };
        let _ = writeln!(out, "{label},{a},{b},{c}");
    }
    out
}

/// A folder with 600 rows to train on and 100 more.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let all = rows(700);
    let at = all.match_indices('\n').nth(599).unwrap().0 + 1;
    std::fs::write(dir.path().join("a.train"), &all[..at]).unwrap();
    std::fs::write(dir.path().join("a.test"), &all[at..]).unwrap();
    let conf = "task = train # what to do\nobjective = binary\ndata = a.train\nvalid = a.test\nnum_trees = 20\n\
                metric = auc,binary_logloss\nmin_data_in_leaf = 5\n";
    std::fs::write(dir.path().join("train.conf"), conf).unwrap();
    dir
}

#[track_caller]
fn json(dir: &Path, args: &[&str]) -> serde_json::Value {
    let mut all = vec!["lightgbm", "--json", "-q"];
    all.extend(args);
    let out = lyceum(dir, &all).output().unwrap();
    assert_eq!(end_of(&out), (0, String::new()), "{args:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn numbers(file: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|l| l.split('\t').map(|c| c.parse().unwrap()).collect()).collect()
}

#[test]
fn trains_predicts_and_explains() {
    let dir = folder();
    let dir = dir.path();
    let trained = json(dir, &["config=train.conf"]);
    assert_eq!(trained["iterations"], 20);
    let auc = trained["metrics"]["valid_1"]["auc"].as_f64().unwrap();
    assert!(auc > 0.97, "{auc}");
    let predict = |extra: &str| {
        let mut args = vec!["task=predict", "data=a.test", "input_model=LightGBM_model.txt"];
        args.extend(extra.split_whitespace());
        json(dir, &args);
        numbers(&dir.join("LightGBM_predict_result.txt"))
    };
    let (p, raw) = (predict(""), predict("predict_raw_score=true"));
    assert_eq!((p.len(), p[0].len()), (100, 1));
    for (p, raw) in p.iter().zip(&raw) {
        assert!((p[0] - 1.0 / (1.0 + (-raw[0]).exp())).abs() < 1e-15);
    }
    let shares = predict("predict_contrib=true");
    for (shares, raw) in shares.iter().zip(&raw) {
        assert_eq!(shares.len(), 4);
        assert!((shares.iter().sum::<f64>() - raw[0]).abs() < 1e-9);
    }
    let leaves = predict("predict_leaf_index=true num_iteration_predict=7");
    assert!(leaves.iter().all(|l| l.len() == 7 && l.iter().all(|x| x.fract() == 0.0 && *x >= 0.0)));
}

#[test]
fn training_goes_on_from_a_snapshot_to_the_same_model() {
    let dir = folder();
    let dir = dir.path();
    let bag = ["config=train.conf", "bagging_freq=2", "bagging_fraction=0.7", "feature_fraction=0.7"];
    let run = |extra: &[&str]| json(dir, &[&bag, extra].concat());
    run(&["snapshot_freq=8", "output_model=whole.txt"]);
    run(&["input_model=whole.txt.snapshot_iter_8", "num_trees=12", "output_model=again.txt"]);
    let trees = |file: &str| {
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        let from = text.find("Tree=0").unwrap();
        text[from..text.find("end of trees").unwrap()].to_string()
    };
    assert_eq!(trees("whole.txt"), trees("again.txt"));
}

#[test]
fn refits_and_converts() {
    let dir = folder();
    let dir = dir.path();
    json(dir, &["config=train.conf"]);
    let same = ["task=refit", "data=a.test", "input_model=LightGBM_model.txt", "refit_decay_rate=1"];
    json(dir, &[&same[..], &["output_model=same.txt"]].concat());
    let file = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let values = |name: &str| {
        file(name).lines().filter(|l| l.starts_with("leaf_value")).map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(values("same.txt"), values("LightGBM_model.txt"));
    json(dir, &[&same[..3], &["output_model=new.txt"]].concat());
    assert_ne!(values("new.txt"), values("LightGBM_model.txt"));
    json(dir, &["task=convert_model", "input_model=LightGBM_model.txt", "convert_model=m.rs"]);
    assert!(file("m.rs").contains("pub fn predict(row: &[f64; FEATURES])"));
    json(dir, &["task=convert_model", "input_model=LightGBM_model.txt", "convert_model=m.json"]);
    let dump: serde_json::Value = serde_json::from_str(&file("m.json")).unwrap();
    assert_eq!(dump["tree_info"].as_array().unwrap().len(), 20);
}

#[test]
fn saved_bins_train_the_same_model() {
    let dir = folder();
    let dir = dir.path();
    // A column that has more bins than a byte, one of categories, one that is constant; weights beside.
    let wide = |text: String| -> String {
        let row = |(i, line): (usize, &str)| format!("{line},{},{},4\n", (i * 37) % 601, (i / 3) % 7);
        text.lines().enumerate().map(row).collect()
    };
    for name in ["a.train", "a.test"] {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        std::fs::write(dir.join(name), wide(text)).unwrap();
    }
    let weights: String = (0..600).map(|i| format!("{}\n", 1 + i % 3)).collect();
    std::fs::write(dir.join("a.train.weight"), weights).unwrap();
    let with = ["config=train.conf", "max_bin=400", "min_data_in_bin=1", "categorical_feature=4"];
    let of_text = json(dir, &with);
    let model = std::fs::read(dir.join("LightGBM_model.txt")).unwrap();
    let mut save = with.to_vec();
    save.push("task=save_binary");
    let saved = json(dir, &save);
    assert_eq!(
        (&saved["rows"], &saved["files"]),
        (&600.into(), &serde_json::json!(["a.train.bin", "a.test.bin"]))
    );
    // While the text is there it is what counts: saved again, gone on from, refitted, linear.
    json(dir, &[save.as_slice(), &["max_bin=63"]].concat());
    json(dir, &save);
    json(dir, &[with.as_slice(), &["save_binary=true", "output_model=d.txt"]].concat());
    assert!(model == std::fs::read(dir.join("d.txt")).unwrap());
    json(dir, &[with.as_slice(), &["input_model=d.txt", "output_model=e.txt"]].concat());
    json(dir, &[with.as_slice(), &["linear_tree=true", "output_model=e.txt"]].concat());
    json(dir, &["task=refit", "data=a.train", "input_model=d.txt", "output_model=e.txt"]);
    for name in ["a.train", "a.test", "a.train.weight"] {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    let bins = [with.as_slice(), &["data=a.train.bin", "valid=a.test.bin", "output_model=b.txt"]].concat();
    let of_bins = json(dir, &bins);
    assert!(model == std::fs::read(dir.join("b.txt")).unwrap());
    assert_eq!(of_text["metrics"], of_bins["metrics"]);
    // The name of a text that is no more finds them, too.
    json(dir, &[with.as_slice(), &["output_model=c.txt"]].concat());
    assert!(model == std::fs::read(dir.join("c.txt")).unwrap());

    let train = |extra: &'static str| {
        ["lightgbm", "-q", "data=a.train.bin", "objective=binary", "min_data_in_leaf=5", extra]
    };
    let other = "a.train.bin: max_bin: the data set was saved with 400, not 255: save it again";
    refused(dir, &train("max_bin=255"), 2, other);
    let linear = "linear_tree: needs the rows' own numbers; a saved data set has their bins only";
    refused(dir, &train("linear_tree=true"), 2, linear);
    let numbers = "a.train.bin: is a saved data set, predictions need the rows' own numbers";
    refused(dir, &["lightgbm", "-q", "task=predict", "data=a.train.bin", "input_model=b.txt"], 2, numbers);
    let whole = std::fs::read(dir.join("a.train.bin")).unwrap();
    std::fs::write(dir.join("cut.bin"), &whole[..whole.len() - 9]).unwrap();
    let cut = ["lightgbm", "-q", "data=cut.bin", "objective=binary"];
    refused(dir, &cut, 2, "cut.bin: Column_3: ends within the rows: the file is cut off");
    std::fs::write(dir.join("its.bin"), "______LightGBM_Binary_File_Token______\n...").unwrap();
    let foreign = "its.bin: is a data set as LightGBM's own program keeps it in memory\n  \
                   hint: give the text file it was made from";
    refused(dir, &["lightgbm", "-q", "data=its.bin", "objective=binary"], 2, foreign);
}

#[test]
fn faults_are_told_where_they_are() {
    let dir = folder();
    let dir = dir.path();
    let train = |extra: &'static str| ["lightgbm", "-q", "config=train.conf", extra];
    refused(
        dir,
        &train("num_leavs=3"),
        2,
        "num_leavs: unknown parameter\n  hint: did you mean `num_leaves`?",
    );
    refused(
        dir,
        &train("objective=poison"),
        2,
        "objective: unknown objective `poison`\n  hint: did you mean `poisson`?",
    );
    refused(
        dir,
        &train("data=none.train"),
        2,
        "none.train: cannot read: No such file or directory (os error 2)",
    );
    std::fs::write(dir.join("bad.train"), "1,2,3,4\n0,x,3,4\n").unwrap();
    refused(dir, &train("data=bad.train"), 2, "bad.train:2: cell 2 is \"x\", expected a number");
    std::fs::write(dir.join("ragged.train"), "1,2,3,4\n0,3,4\n").unwrap();
    refused(dir, &train("data=ragged.train"), 2, "ragged.train:2: the row has 3 cells, the first one has 4");
    std::fs::write(dir.join("a.train.query"), "300\n200\n").unwrap();
    refused(dir, &train("objective=lambdarank"), 2, "the queries hold 500 rows, the data 600");
    std::fs::remove_file(dir.join("a.train.query")).unwrap();
    let no_labels = "the label of row 2 is -1; objective `poisson` expects 0 or more";
    std::fs::write(dir.join("neg.train"), "1,2,3,4\n-1,3,4,5\n").unwrap();
    refused(dir, &["lightgbm", "-q", "data=neg.train", "objective=poisson"], 2, no_labels);
    std::fs::write(dir.join("huge.train"), "1,2,3,4\n1e300,3,4,5\n1,2,2,2\n").unwrap();
    let too_large = "the gradient of row 2 is not finite at iteration 1: its label, weight or initial score is \
                     too large";
    let huge = ["lightgbm", "-q", "data=huge.train", "objective=regression", "boost_from_average=false"];
    refused(dir, &huge, 2, too_large);
    assert!(!dir.join("LightGBM_model.txt").exists(), "a refused run leaves no model");
}

fn shared(path: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var("LYCEUM_SHARED").map(PathBuf::from).ok();
    let beside = here.ancestors().map(|d| d.join("../shared")).find(|d| d.join("data/lightgbm").is_dir());
    let found = given.or(beside).map(|d| d.join(path)).filter(|p| p.exists());
    if found.is_none() {
        println!("SKIPPED: shared/{path} is not there");
    }
    found
}

/// The examples that LightGBM ships, from their own configuration files.
#[test]
fn the_shipped_examples_run_unchanged() {
    let Some(examples) = shared("data/lightgbm") else { return };
    for (name, stem, metric, least) in [
        ("binary", "binary", "auc", 0.81),
        ("regression", "regression", "l2", 0.0),
        ("multiclass", "multiclass", "auc_mu", 0.6),
        ("lambdarank", "rank", "ndcg@5", 0.6),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for entry in std::fs::read_dir(examples.join(name)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::write(dir.join(from.file_name().unwrap()), std::fs::read(&from).unwrap()).unwrap();
        }
        let trained = json(dir, &["config=train.conf", "num_trees=30"]);
        let value = trained["metrics"]["valid_1"][metric].as_f64().unwrap();
        assert!(value > least, "{name}: {metric} {value}");
        json(dir, &["config=predict.conf"]);
        let rows = std::fs::read_to_string(dir.join(format!("{stem}.test"))).unwrap().lines().count();
        let result = std::fs::read_dir(dir).unwrap().find_map(|e| {
            let path = e.unwrap().path();
            path.file_name()?.to_str()?.contains("predict_result").then_some(path)
        });
        assert_eq!(numbers(&result.unwrap()).len(), rows, "{name}");
    }
}

/// The Python of the tests, if it has a package.
fn python_with(package: &str) -> Option<String> {
    let Ok(python) = std::env::var("LYCEUM_TEST_PYTHON") else {
        println!("SKIPPED: no Python named by LYCEUM_TEST_PYTHON");
        return None;
    };
    let there = Command::new(&python).args(["-c", &format!("import {package}")]).output();
    if !there.is_ok_and(|o| o.status.success()) {
        println!("SKIPPED: no package {package}");
        return None;
    }
    Some(python)
}

/// ONNX's own runtime says what we say: numbers with gaps, zeros that are missing, categories, several classes.
#[test]
fn an_onnx_runtime_says_the_same() {
    let Some(python) = python_with("onnxruntime") else { return };
    let dir = folder();
    let dir = dir.path();
    let script = "import numpy as np, onnxruntime as o\n\
                  x = np.genfromtxt('a.test', delimiter=',', missing_values='NA')[:, 1:]\n\
                  x[3] = np.nan; x[4] = -1; x[5] = 1e9; x[6] = 0; x[7] = -0.5\n\
                  np.savetxt('x.csv', x, delimiter=',', fmt='%.17g')\n\
                  s = o.InferenceSession('m.onnx')\n\
                  for r in s.run(None, {'rows': x})[-1]: print('\\t'.join(repr(float(v)) for v in r))";
    for extra in [
        &["categorical_feature=2"][..],
        &[
            "categorical_feature=2",
            "zero_as_missing=true",
            "boosting=rf",
            "bagging_freq=1",
            "bagging_fraction=0.5",
        ],
        &["use_missing=false", "objective=multiclass", "num_class=2", "metric=multi_logloss"],
        &["objective=regression", "metric=l2", "reg_sqrt=true"],
    ] {
        json(dir, &[&["config=train.conf"], extra].concat());
        json(dir, &["task=convert_model", "input_model=LightGBM_model.txt", "convert_model=m.onnx"]);
        let out = Command::new(&python).args(["-c", script]).current_dir(dir).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        json(dir, &["task=predict", "data=x.csv", "input_model=LightGBM_model.txt"]);
        let ours = numbers(&dir.join("LightGBM_predict_result.txt"));
        let text = String::from_utf8(out.stdout).unwrap();
        let theirs: Vec<Vec<f64>> =
            text.lines().map(|l| l.split('\t').map(|c| c.parse().unwrap()).collect()).collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // A classifier of two has both probabilities.
            let theirs = &theirs[theirs.len() - ours.len()..];
            assert!(
                ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-6),
                "{extra:?}: {ours:?} {theirs:?}"
            );
        }
    }
}

/// LightGBM's own package reads our file and says the same to the last bit.
#[test]
fn the_python_package_reads_our_models() {
    let Some(python) = python_with("lightgbm") else { return };
    let dir = folder();
    let dir = dir.path();
    json(dir, &["config=train.conf", "categorical_feature=2"]);
    json(dir, &["task=predict", "data=a.test", "input_model=LightGBM_model.txt", "predict_raw_score=true"]);
    let script = "import lightgbm, numpy as np\n\
                  x = np.genfromtxt('a.test', delimiter=',', missing_values='NA')[:, 1:]\n\
                  b = lightgbm.Booster(model_file='LightGBM_model.txt')\n\
                  print('\\n'.join(repr(float(v)) for v in b.predict(x, raw_score=True)))";
    let out = Command::new(&python).args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // The package may say something on standard output too.
    let theirs: Vec<f64> =
        String::from_utf8(out.stdout).unwrap().lines().filter_map(|l| l.parse().ok()).collect();
    let ours: Vec<f64> = numbers(&dir.join("LightGBM_predict_result.txt")).iter().map(|r| r[0]).collect();
    assert_eq!(ours, theirs);
}
