//! Small tables of our own, and where the data of others is, when it is there.
#![allow(dead_code, reason = "each test file uses its part")]

use lyceum_core::FitContext;
use lyceum_learn::{ConfigSource, DataFiles, TrainOptions, Trained};
use std::path::{Path, PathBuf};

/// A file beside the repository (or under `LYCEUM_SHARED`); says so when it is absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var("LYCEUM_SHARED").map(PathBuf::from).ok();
    let beside = here.ancestors().map(|d| d.join("../shared")).find(|d| d.join("golden").is_dir());
    let file = given.or(beside).map(|d| d.join(path)).filter(|f| f.exists());
    if file.is_none() {
        println!("SKIPPED: shared/{path} is not there");
    }
    file
}

/// 600 rows: `late` (yes/no), `size` (three classes) and `price` follow from weight, distance, day and note.
pub(crate) fn parcels() -> String {
    let mut r = lyceum_data::Random::new(5, 0);
    let mut out = String::from("weight,distance,day,express,note,late,size,price\n");
    for i in 0..600 {
        let (w, d) = (20.0 * r.unit(), 900.0 * r.unit());
        let day = ["mon", "tue", "wed", "thu", "fri"][r.below(5)];
        let express = r.unit() < 0.3;
        let fragile = r.unit() < 0.4;
        let note = if fragile { "handle with care" } else { "no remarks" };
        let s = 0.1 * w + 0.003 * d - 2.2 + f64::from(day == "fri") + f64::from(fragile) + 0.5 * r.normal();
        let size = if w < 6.0 {
            "small"
        } else if w < 13.0 {
            "medium"
        } else {
            "large"
        };
        let price = 3.0 + 0.5 * w + 0.01 * d + 4.0 * f64::from(express) + 0.3 * r.normal();
        let hole = if i % 17 == 0 { String::new() } else { format!("{w:.2}") };
        let (late, express) = (if s > 0.0 { "yes" } else { "no" }, if express { "yes" } else { "no" });
        out.push_str(&format!("{hole},{d:.0},{day},{express},{note},{late},{size},{price:.2}\n"));
    }
    out
}

pub(crate) const INPUTS: &str = "input_features:
  - {name: weight, type: number, preprocessing: {missing_value_strategy: fill_with_mean}}
  - {name: distance, type: number}
  - {name: day, type: category}
  - {name: express, type: binary}
  - {name: note, type: text, encoder: {type: embed, embedding_size: 8, reduce_output: mean}}
";

/// Trains on text of a table in a folder.
pub(crate) fn train(dir: &Path, csv: &str, yaml: &str) -> lyceum_core::Result<Trained> {
    let file = dir.join("d.csv");
    std::fs::write(&file, csv).unwrap();
    let mut options = TrainOptions::new(ConfigSource::Text(yaml.into()), DataFiles::one(file));
    options.output_directory = dir.join("results");
    lyceum_learn::train(&options, &FitContext::default())
}
