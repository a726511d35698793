//! `lyceum estimators` and `lyceum fit`: every estimator by name on a table, and what is refused.

mod support;

use std::fmt::Write;
use support::{end_of, json, lyceum, refused};

/// 300 flats; the price follows size and colour, a dear one costs more than 250.
fn flats() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "size,colour,price,dear,kind\n".to_string();
    for i in 0u32..300 {
        let (size, colour) = (20 + i * 37 % 80, i * 7 % 3);
        let price = 100 + 3 * size + 10 * colour + i % 5;
        let kind = ["small", "middle", "large"][(size / 34) as usize];
        let _ = writeln!(text, "{size},c{colour},{price},{},{kind}", if price > 250 { "yes" } else { "no" });
    }
    std::fs::write(dir.path().join("flats.csv"), text).unwrap();
    dir
}

#[test]
fn every_estimator_fits_what_it_learns() {
    let dir = flats();
    let dir = dir.path();
    let all = json(dir, &["estimators"]);
    let all = all.as_array().unwrap();
    assert!(all.len() >= 10);
    for e in all {
        let name = e["name"].as_str().unwrap();
        let learns: Vec<&str> = e["learns"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        for (task, target, metric, least) in
            [("numbers", "price", "r2", 0.8), ("two classes", "dear", "roc_auc", 0.9)]
        {
            if !learns.contains(&task) {
                continue;
            }
            let mut args = vec!["fit", name, "--data", "flats.csv", "--target", target];
            if name == "quadratic_discriminant" {
                // No cheap flat is large, so that column has no spread within its class.
                let plain = lyceum(dir, &args).output().unwrap();
                assert!(end_of(&plain).1.contains("class 0 has no inverse\n  hint: set reg_param above 0"));
                args.extend(["--param", "reg_param=0.1"]);
            }
            let fitted = json(dir, &args);
            let value = fitted["test"][metric].as_f64().unwrap();
            assert!(value > least, "{name} on {target}: {metric} {value}");
            assert_eq!(fitted["rows"], 240);
        }
    }
    let several = ["fit", "lda", "--data", "flats.csv", "--target", "kind", "--output", "model"];
    let fitted = json(dir, &several);
    assert_eq!(fitted["classes"], serde_json::json!(["large", "middle", "small"]));
    assert!(dir.join("model").read_dir().unwrap().next().is_some());
    let one = json(dir, &["estimators", "lasso"]);
    assert_eq!(one[0]["parameters"][0]["name"], "alpha");
    let tuned = ["fit", "lasso", "--data", "flats.csv", "--target", "price", "--param", "alpha=0.5"];
    assert_eq!(json(dir, &tuned)["params"]["alpha"], 0.5);
}

#[test]
fn faults_are_told() {
    let dir = flats();
    let dir = dir.path();
    let fit =
        |name: &'static str, target: &'static str| ["fit", name, "--data", "flats.csv", "--target", target];
    refused(dir, &fit("laso", "price"), 2, "no estimator \"laso\"\n  hint: did you mean `lasso`?");
    let mut wrong = fit("lasso", "price").to_vec();
    wrong.extend(["--param", "alhpa=1"]);
    let out = lyceum(dir, &wrong).output().unwrap();
    let (code, said) = end_of(&out);
    assert!(code == 2 && said.contains("alhpa") && said.contains("did you mean `alpha`"), "{said}");
    let out = lyceum(dir, &fit("lasso", "kind")).output().unwrap();
    let (code, said) = end_of(&out);
    assert!(code == 2 && said.contains("`lasso` learns numbers, the column has words"), "{said}");
    let out = lyceum(dir, &fit("ridge", "prise")).output().unwrap();
    assert!(end_of(&out).1.contains("did you mean `price`"));
}

#[test]
fn folds_judge_an_estimator() {
    let dir = flats();
    let dir = dir.path();
    let fit = |more: &[&str]| {
        let args = [&["fit", "ridge", "--data", "flats.csv", "--target", "price"], more].concat();
        json(dir, &args)
    };
    let crossed = fit(&["--cv", "5"]);
    let folds = crossed["cross_validation"]["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 5);
    assert_eq!((&crossed["rows"], crossed.get("test")), (&300.into(), None));
    let r2: Vec<f64> = folds.iter().map(|f| f["measures"]["r2"].as_f64().unwrap()).collect();
    assert!(r2.iter().all(|r| *r > 0.9), "{r2:?}");
    let mean = crossed["cross_validation"]["mean"]["r2"].as_f64().unwrap();
    assert!((mean - r2.iter().sum::<f64>() / 5.0).abs() < 1e-12);
    assert!(crossed["cross_validation"]["standard_error"]["r2"].as_f64().unwrap() > 0.0);
    assert!(folds.iter().all(|f| f["rows"] == 240 && f["held_out"] == 60));
    // The colours are three groups; no fold learns from the one that it is judged on, and colour is no feature.
    let grouped = fit(&["--cv", "3", "--group", "colour"]);
    assert_eq!(grouped["features"], 3);
    let held_out = |f: &serde_json::Value| f["held_out"] == 100;
    assert!(grouped["cross_validation"]["folds"].as_array().unwrap().iter().all(held_out));
    let in_time = fit(&["--cv", "3", "--time", "size"]);
    let rows: Vec<u64> = in_time["cross_validation"]["folds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["rows"].as_u64().unwrap())
        .collect();
    assert!(rows.windows(2).all(|w| w[0] < w[1]), "{rows:?}");
    let classes = ["fit", "logistic", "--data", "flats.csv", "--target", "kind", "--cv", "4"];
    assert!(json(dir, &classes)["cross_validation"]["mean"]["accuracy"].as_f64().unwrap() > 0.8);
    let shown = lyceum(dir, &[&classes[..], &["-q"]].concat()).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("\nfold 4 (") && shown.contains("\nstandard error "), "{shown}");

    let folds = |more: &'static str, value: &'static str| {
        ["fit", "ridge", "--data", "flats.csv", "--target", "price", "--cv", "4", more, value]
    };
    let few = "cv: expected at most as many folds as the 3 groups, got 4";
    refused(dir, &folds("--group", "colour"), 2, few);
    let words = "flats.csv: column \"colour\": expected a column of numbers";
    refused(dir, &folds("--time", "colour"), 2, words);
}

#[test]
fn parameters_are_chosen_and_a_search_goes_on() {
    let dir = flats();
    let dir = dir.path();
    let tune = |trials: &str, more: &[&str]| {
        let start =
            ["tune", "lasso", "--data", "flats.csv", "--target", "price", "--space", "alpha=0.001..1000:log"];
        let args = [&start[..], &["--space", "positive=true,false", "--trials", trials], more].concat();
        json(dir, &args)
    };
    let whole = tune("20", &["--journal", "whole.jsonl"]);
    assert_eq!((&whole["trials"], &whole["failed"]), (&20.into(), &0.into()));
    let board = whole["leaderboard"].as_array().unwrap();
    let values: Vec<f64> = board.iter().map(|l| l["value"].as_f64().unwrap()).collect();
    assert!(values.len() == 10 && values.windows(2).all(|w| w[0] <= w[1]), "{values:?}");
    // Little shrinkage is best: the price is linear.
    assert!(whole["best"]["alpha"].as_f64().unwrap() < 5.0, "{whole}");
    let command = whole["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    // It judges on the same folds and learns from all rows.
    let fitted = json(dir, &words);
    assert_eq!(fitted["rows"], 300);
    assert_eq!(fitted["cross_validation"]["mean"]["root_mean_squared_error"], board[0]["value"]);

    // Stopped after seven trials, with the eighth half written, it ends where the whole search ended.
    tune("7", &["--journal", "part.jsonl"]);
    let part = dir.join("part.jsonl");
    let cut = std::fs::read_to_string(&part).unwrap() + "{\"point\":[0.3";
    std::fs::write(&part, cut).unwrap();
    let resumed = tune("20", &["--journal", "part.jsonl"]);
    assert_eq!(resumed["leaderboard"], whole["leaderboard"]);
    assert_eq!(std::fs::read(&part).unwrap(), std::fs::read(dir.join("whole.jsonl")).unwrap());
    let random = tune("6", &["--method", "random", "--metric", "r2"]);
    assert!(random["leaderboard"][0]["value"].as_f64().unwrap() > 0.9);
    assert!(dir.join("tune-lasso.jsonl").is_file());

    let with = |space: &'static str, more: &'static str, value: &'static str| {
        ["tune", "lasso", "--data", "flats.csv", "--target", "price", "--space", space, more, value]
    };
    let other = "part.jsonl: holds the trials of another search, or something else\n  \
                 hint: name another with --journal, or remove it";
    refused(dir, &with("alpha=1..2", "--journal", "part.jsonl"), 2, other);
    // Flats of one kind are all dear or all cheap: no fold of one kind has an area. The journal is read again.
    let one_class =
        ["tune", "logistic", "--data", "flats.csv", "--target", "dear", "--group", "kind", "--cv", "3"];
    let one_class =
        [&one_class[..], &["--metric", "roc_auc", "--trials", "2", "--space", "C=0.1..1", "-q"]].concat();
    for _ in 0..2 {
        refused(dir, &one_class, 2, "none of the 2 trials has a finite roc_auc");
    }
    // A file of somebody else's, even of one line without an end, stays as it is.
    std::fs::write(dir.join("mine.txt"), "dear").unwrap();
    let mine = "mine.txt: holds the trials of another search, or something else\n  \
                hint: name another with --journal, or remove it";
    refused(dir, &with("alpha=1..2", "--journal", "mine.txt"), 2, mine);
    assert_eq!(std::fs::read_to_string(dir.join("mine.txt")).unwrap(), "dear");
    let metric = "--metric: expected one of root_mean_squared_error, mean_absolute_error, r2, got `r3`\n  \
                  hint: did you mean `r2`?";
    refused(dir, &with("alpha=1..2", "--metric", "r3"), 2, metric);
    let twice = "alpha: is both fixed and to be chosen";
    refused(dir, &with("alpha=1..2", "--param", "alpha=1"), 2, twice);
    refused(
        dir,
        &["fit", "ridge", "--data", "flats.csv", "--target", "price", "--group", "colour"],
        2,
        "--group: is for cross-validation\n  hint: add --cv 5",
    );
}

/// 600 rows of two columns; the classes overlap, three rows in ten are "bad".
fn loans() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "a,b,fate,grade,sum\n".to_string();
    for i in 0u32..600 {
        let (a, b, noise) = (i * 37 % 101, i * 53 % 97, i * 7919 % 211);
        let fate = if a + b + noise > 260 { "bad" } else { "good" };
        let grade = ["x", "y", "z"][((a + noise) / 105).min(2) as usize];
        let _ = writeln!(text, "{a},{b},{fate},{grade},{}", a + b);
    }
    std::fs::write(dir.path().join("loans.csv"), text).unwrap();
    dir
}

#[test]
fn probabilities_are_calibrated_and_a_threshold_is_chosen() {
    let dir = loans();
    let dir = dir.path();
    let fit = |estimator: &str, target: &str, more: &[&str]| {
        let args = [&["fit", estimator, "--data", "loans.csv", "--target", target], more].concat();
        json(dir, &args)
    };
    // Boosted trees are too sure of themselves.
    for method in ["sigmoid", "isotonic", "temperature"] {
        let fitted = fit("gradient_boosting", "fate", &["--calibrate", method]);
        let c = &fitted["calibration"];
        assert_eq!(
            (&c["method"], &c["rows"], &c["learnt_on"]),
            (&method.into(), &120.into(), &"held out".into())
        );
        assert_eq!((&fitted["rows"], &c["measured_on"]), (&360.into(), &"test".into()));
        // An isotonic curve may end at 0 and 1, which the log loss of a few rows punishes without bound.
        let metrics = ["expected_calibration_error", "log_loss"];
        for metric in &metrics[..if method == "isotonic" { 1 } else { 2 }] {
            let (before, after) =
                (c["before"][*metric].as_f64().unwrap(), c["after"][*metric].as_f64().unwrap());
            assert!(after < before, "{method}: {metric} from {before} to {after}");
        }
        assert_eq!(fitted["test"]["log_loss"], c["after"]["log_loss"]);
    }
    let crossed = fit("lda", "grade", &["--calibrate", "temperature", "--cv", "4"]);
    let c = &crossed["calibration"];
    assert_eq!(
        (&c["rows"], &c["learnt_on"], &crossed["rows"]),
        (&600.into(), &"out of fold".into(), &600.into())
    );
    assert!(c["after"]["log_loss"].as_f64().unwrap() < 1.0 && c["measured_on"] == "out of fold");

    let number = |v: &serde_json::Value, key: &str| v[key].as_f64().unwrap();
    let costly = |rule: &'static str| {
        fit("logistic", "fate", &["--threshold", rule, "--calibrate", "sigmoid", "--output", "model"])
    };
    // Classes are in the order of their names: the second, "good", is the positive one.
    let dear_alarm = costly("cost=5:1");
    let t = &dear_alarm["threshold"];
    assert_eq!(t["rule"], "cost=5:1");
    let on = &t["chosen_on"];
    let (fp, fneg) = (number(on, "false_positive"), number(on, "false_negative"));
    assert!((number(on, "value") - (5.0 * fp + fneg) / 120.0).abs() < 1e-12);
    let tp = number(on, "true_positive");
    assert!((number(on, "precision") - tp / (tp + fp)).abs() < 1e-12);
    assert!((number(on, "recall") - tp / (tp + fneg)).abs() < 1e-12);
    assert_eq!((&on["rows"], &t["test"]["rows"]), (&120.into(), &120.into()));
    assert!((2..=52).contains(&t["curve"].as_array().unwrap().len()));
    let dear_miss = costly("cost=1:5");
    assert!(number(t, "threshold") > number(&dear_miss["threshold"], "threshold") + 0.2);
    // Calibrated probabilities want about the threshold that costs say.
    assert!((number(t, "threshold") - 5.0 / 6.0).abs() < 0.2, "{t}");
    let saved = std::fs::read_to_string(dir.join("model/calibration.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["threshold"], dear_miss["threshold"]["threshold"]);
    assert!(saved["calibration"]["sigmoid"][0]["a"].as_f64().unwrap() < 0.0);
    // A model that has none leaves none of another behind.
    fit("logistic", "fate", &["--output", "model"]);
    assert!(!dir.join("model/calibration.json").exists() && dir.join("model/linear.json").exists());
    for rule in ["f1", "youden"] {
        let found = fit("lda", "fate", &["--threshold", rule, "--cv", "3"]);
        assert!(found["threshold"]["chosen_on"]["rows"] == 600 && found.get("calibration").is_none());
        assert!(number(&found["threshold"]["chosen_on"], "value") > 0.5, "{found}");
    }
    let words =
        ["fit", "logistic", "--data", "loans.csv", "--target", "fate", "--calibrate", "isotonic", "-q"];
    let shown = lyceum(dir, &[&words[..], &["--threshold", "youden"]].concat()).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "\ncalibrated by isotonic on 120 rows (held out)\n",
        "\nthreshold 0.",
        "\nchosen on   120 rows  value ",
    ] {
        assert!(shown.contains(line), "{shown}");
    }

    let with = |estimator: &'static str, target: &'static str, flag: &'static str, value: &'static str| {
        ["fit", estimator, "--data", "loans.csv", "--target", target, flag, value]
    };
    let numbers = "--calibrate: is for classes, `ridge` learns numbers from this target";
    refused(dir, &with("ridge", "sum", "--calibrate", "sigmoid"), 2, numbers);
    let several = "--threshold: is for two classes, the target has 3";
    refused(dir, &with("lda", "grade", "--threshold", "f1"), 2, several);
    let method = "--calibrate: expected one of sigmoid, isotonic, temperature, got `sigmod`\n  \
                  hint: did you mean `sigmoid`?";
    refused(dir, &with("lda", "fate", "--calibrate", "sigmod"), 2, method);
    let cost = "--threshold: expected cost=FP:FN, two numbers from 0, not both 0, got `cost=1`";
    refused(dir, &with("lda", "fate", "--threshold", "cost=1"), 2, cost);
}
