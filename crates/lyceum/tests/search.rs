//! Searches: `lyceum tune --method halving`, and `lyceum hyperopt` over a configuration.

mod support;

use std::fmt::Write;
use std::path::Path;
use support::{json, lyceum, refused};

/// 400 flats, whose price follows their size, one of four colours and a little noise.
fn flats() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "size,colour,price,dear\n".to_string();
    for i in 0u32..400 {
        let (size, colour) = (20 + i * 37 % 80, i * 7 % 4);
        let price = 100 + 3 * size + 20 * colour * (size / 40) + i % 5;
        let _ = writeln!(text, "{size},c{colour},{price},{}", if price > 270 { "yes" } else { "no" });
    }
    std::fs::write(dir.path().join("flats.csv"), text).unwrap();
    dir
}

#[test]
fn candidates_are_halved() {
    let dir = flats();
    let dir = dir.path();
    let of = ["tune", "logistic", "--data", "flats.csv", "--target", "dear", "--method", "halving"];
    let rows = json(dir, &[&of[..], &["--trials", "9", "--min-resources", "40"]].concat());
    // 9 candidates with 400 / 9 rows, 3 with a third, 1 with all.
    assert_eq!(rows["trials"], 13);
    let resources: Vec<u64> =
        rows["leaderboard"].as_array().unwrap().iter().map(|l| l["resource"].as_u64().unwrap()).collect();
    assert_eq!(resources, [400, 133, 133, 133, 44, 44, 44, 44, 44, 44]);
    // The winner was judged with all rows: its command finds the same.
    let words: Vec<&str> = rows["command"].as_str().unwrap().split(' ').skip(1).collect();
    let again = json(dir, &words);
    assert_eq!(again["cross_validation"]["mean"]["log_loss"], rows["leaderboard"][0]["value"]);

    // Trees instead of rows, out of the usual space; the winner's command has them all.
    let of = ["tune", "gradient_boosting", "--data", "flats.csv", "--target", "price", "--method", "halving"];
    let more =
        ["--resource", "num_iterations", "--max-resources", "24", "--min-resources", "6", "--factor", "2"];
    let trees = json(dir, &[&of[..], &more, &["--trials", "6", "--cv", "3"]].concat());
    assert_eq!(trees["trials"], 11, "6 + 3 + 2");
    assert_eq!(trees["leaderboard"][0]["resource"], 24);
    let command = trees["command"].as_str().unwrap();
    assert!(command.contains("num_iterations=24") && command.contains("num_leaves="), "{command}");

    let with = |more: &[&'static str]| {
        [&["tune", "ridge", "--data", "flats.csv", "--target", "price", "-q"][..], more].concat()
    };
    refused(dir, &with(&["--factor", "2"]), 2, "--factor: goes with --method halving only");
    let halving = |more: &[&'static str]| with(&[&["--method", "halving"][..], more].concat());
    refused(dir, &halving(&["--factor", "1"]), 2, "factor: expected a number above 1, got 1");
    refused(dir, &halving(&["--max-resources", "4000"]), 2, "--max-resources: there are 400 rows, got 4000");
    refused(dir, &halving(&["--resource", "passes"]), 2, "--max-resources: the most of passes is not said");
    let none = ["tune", "least_squares", "--data", "flats.csv", "--target", "price"];
    let said = "--space: what may be chosen of least_squares is not said\n  \
                hint: --space KEY=LOW..HIGH; `lyceum estimators` lists the parameters";
    refused(dir, &none, 2, said);
}

const CONFIG: &str = "model_type: gbm
input_features: [{name: size, type: number}, {name: colour, type: category}]
output_features: [{name: price, type: number}]
trainer: {num_iterations: 30, early_stop: -1}
hyperopt:
  output_feature: price
  metric: root_mean_squared_error
  parameters:
    trainer.learning_rate: {space: loguniform, lower: 0.001, upper: 0.5}
    trainer.num_leaves: {space: randint, lower: 2, upper: 16}
";

fn search(dir: &Path, config: &str, more: &str) -> serde_json::Value {
    std::fs::write(dir.join("search.yaml"), format!("{config}{more}")).unwrap();
    json(dir, &["hyperopt", "--config", "search.yaml", "--dataset", "flats.csv"])
}

#[test]
fn a_configuration_is_searched_and_its_best_trained() {
    let dir = flats();
    let dir = dir.path();
    let tpe = "  search_alg: {type: hyperopt}\n  executor: {num_samples: 14}\n";
    let found = search(dir, CONFIG, tpe);
    assert_eq!((&found["trials"], &found["failed"]), (&14.into(), &0.into()));
    assert_eq!(found["metric"], "price.root_mean_squared_error");
    let board = found["leaderboard"].as_array().unwrap();
    let scores: Vec<f64> = board.iter().map(|l| l["metric_score"].as_f64().unwrap()).collect();
    assert!(scores.len() == 10 && scores.windows(2).all(|w| w[0] <= w[1]), "{scores:?}");
    let folder = dir.join(found["results_path"].as_str().unwrap());
    let statistics = std::fs::read_to_string(folder.join("hyperopt_statistics.json")).unwrap();
    let statistics: serde_json::Value = serde_json::from_str(&statistics).unwrap();
    assert_eq!(statistics["hyperopt_results"].as_array().unwrap().len(), 14);
    // The folder is a run's: the best's settings, its model, its report.
    let kept = std::fs::read_to_string(folder.join("model/model_hyperparameters.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["trainer"]["num_leaves"], board[0]["parameters"]["trainer.num_leaves"]);
    assert_eq!(kept["trainer"]["learning_rate"], board[0]["parameters"]["trainer.learning_rate"]);
    assert!(folder.join("report.html").is_file());
    let page = std::fs::read_to_string(folder.join("hyperopt.html")).unwrap();
    assert!(page.contains("trainer.learning_rate (power of ten)") && page.matches("<svg").count() == 3);
    let model = folder.join("model").display().to_string();
    json(dir, &["predict", "--model_path", &model, "--dataset", "flats.csv"]);

    // A search that was stopped goes on in its folder and ends as it would have; an ended one is not touched.
    let journal = std::fs::read_to_string(folder.join("trials.jsonl")).unwrap();
    let begun: String = journal.split_inclusive('\n').take(6).collect();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("trials.jsonl"), begun + "{\"point\":").unwrap();
    let again = search(dir, CONFIG, tpe);
    assert_eq!(
        (&again["leaderboard"], &again["results_path"]),
        (&found["leaderboard"], &found["results_path"])
    );
    assert_eq!(std::fs::read_to_string(folder.join("trials.jsonl")).unwrap(), journal);
    assert_ne!(search(dir, CONFIG, tpe)["results_path"], found["results_path"]);

    // Training does without the search and says so.
    let out = lyceum(dir, &["train", "-c", "search.yaml", "--dataset", "flats.csv"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.contains("`hyperopt` is left out"), "{said}");
}

#[test]
fn schedulers_grids_and_networks() {
    let dir = flats();
    let dir = dir.path();
    let halved = search(
        dir,
        CONFIG,
        "  executor: {num_samples: 8, scheduler: {type: async_hyperband, max_t: 32, grace_period: 8, reduction_factor: 2}}\n",
    );
    assert_eq!(halved["trials"], 14, "8 with 8 trees, 4 with 16, 2 with 32");
    assert_eq!(halved["leaderboard"][0]["resource"], 32);
    // Preprocessing, features and defaults may be chosen as well; grids are walked through.
    let network = "input_features: [{name: size, type: number}, {name: colour, type: category}]
output_features: [{name: dear, type: binary}]
combiner: {type: concat}
trainer: {epochs: 2}
hyperopt:
  output_feature: dear
  metric: roc_auc
  parameters:
    size.preprocessing.normalization: {space: grid_search, values: [zscore, minmax]}
    combiner.output_size: {space: grid_search, values: [8, 16]}
    trainer.learning_rate: {space: uniform, lower: 0.001, upper: 0.01}
  executor: {num_samples: 2}
";
    let walked = search(dir, network, "");
    assert_eq!(walked["trials"], 8);
    let scores: Vec<f64> = walked["leaderboard"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["metric_score"].as_f64().unwrap())
        .collect();
    assert!(scores.windows(2).all(|w| w[0] >= w[1]), "more of an area is better: {scores:?}");
    let kinds: std::collections::BTreeSet<String> = walked["leaderboard"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            format!(
                "{}{}",
                l["parameters"]["size.preprocessing.normalization"], l["parameters"]["combiner.output_size"]
            )
        })
        .collect();
    assert_eq!(kinds.len(), 4);
}

#[test]
fn what_a_search_cannot_be() {
    let dir = flats();
    let dir = dir.path();
    let fault = |from: &str, to: &str, says: &str| {
        assert!(CONFIG.contains(from), "{from}");
        std::fs::write(dir.join("bad.yaml"), CONFIG.replace(from, to)).unwrap();
        refused(dir, &["hyperopt", "--config", "bad.yaml", "--dataset", "flats.csv", "-q"], 2, says);
        assert!(!dir.join("results").join("hyperopt_run").exists());
    };
    fault(
        "trainer.num_leaves:",
        "trainer.num_leafs:",
        "bad.yaml:10:24: hyperopt.parameters.trainer.num_leafs: unknown key `num_leafs`\n  hint: did you mean `num_leaf`?",
    );
    fault(
        "upper: 0.5",
        "upper: -1",
        "bad.yaml:9:28: hyperopt.parameters.trainer.learning_rate.lower: expected 0 < lower < upper",
    );
    fault(
        "space: randint",
        "space: randomint",
        "bad.yaml:10:33: hyperopt.parameters.trainer.num_leaves.space: unknown value `randomint`\n  \
         hint: did you mean `randint`?",
    );
    fault(
        "trainer.num_leaves",
        "heating.encoder",
        "bad.yaml:10:22: hyperopt.parameters.heating.encoder: `heating` is neither a section nor a feature",
    );
    fault(
        "metric: root",
        "metric: roof",
        "hyperopt.metric: `price` has loss, mean_absolute_error, mean_absolute_percentage_error, \
         mean_squared_error, r2, root_mean_squared_error, not `roof_mean_squared_error`\n  \
         hint: did you mean `root_mean_squared_error`?",
    );
    fault(
        "output_feature: price",
        "output_feature: prise",
        "hyperopt.output_feature: there is no output `prise`\n  hint: did you mean `price`?",
    );
    std::fs::write(dir.join("bad.yaml"), CONFIG.split("hyperopt:").next().unwrap()).unwrap();
    let none = ["hyperopt", "--config", "bad.yaml", "--dataset", "flats.csv"];
    refused(dir, &none, 2, "hyperopt: the configuration has no such section");
}
