//! `key=value` words and `config=FILE` lines to settings, as LightGBM's command line takes them: words win over the
//! file, main names over aliases. What a tree learner understands goes to it, the rest is named here.

use lyceum_core::{Error, Params, Result, Value};
use lyceum_estimators::boosting::{BoostingParams, HARMLESS};
use std::path::{Path, PathBuf};

/// Names of settings about files and tasks, with their aliases.
const NAMES: &[(&str, &[&str])] = &[
    ("config", &["config_file"]),
    ("task", &["task_type"]),
    ("data", &["train", "train_data", "train_data_file", "data_filename"]),
    ("valid", &["test", "valid_data", "valid_data_file", "test_data", "test_data_file", "valid_filenames"]),
    ("num_threads", &["num_thread", "nthread", "nthreads", "n_jobs"]),
    ("verbosity", &["verbose"]),
    ("input_model", &["model_input", "model_in"]),
    ("output_model", &["model_output", "model_out"]),
    ("snapshot_freq", &["save_period"]),
    ("header", &["has_header"]),
    ("label_column", &["label"]),
    ("weight_column", &["weight"]),
    ("group_column", &["group", "group_id", "query_column", "query", "query_id"]),
    ("ignore_column", &["ignore_feature", "blacklist"]),
    ("categorical_feature", &["cat_feature", "categorical_column", "cat_column", "categorical_features"]),
    ("save_binary", &["is_save_binary", "is_save_binary_file"]),
    ("two_round", &["two_round_loading", "use_two_round_loading"]),
    ("pre_partition", &["is_pre_partition"]),
    ("enable_bundle", &["is_enable_bundle", "bundle"]),
    ("saved_feature_importance_type", &[]),
    ("refit_decay_rate", &[]),
    ("start_iteration_predict", &[]),
    ("num_iteration_predict", &[]),
    ("predict_raw_score", &["is_predict_raw_score", "predict_rawscore", "raw_score"]),
    ("predict_leaf_index", &["is_predict_leaf_index", "leaf_index"]),
    ("predict_contrib", &["is_predict_contrib", "contrib"]),
    ("predict_disable_shape_check", &[]),
    ("pred_early_stop", &[]),
    ("pred_early_stop_freq", &[]),
    ("pred_early_stop_margin", &[]),
    (
        "output_result",
        &["predict_result", "prediction_result", "predict_name", "prediction_name", "pred_name", "name_pred"],
    ),
    ("convert_model", &["convert_model_file"]),
    ("convert_model_language", &[]),
];

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Main name and value of every setting about files and tasks.
    own: Vec<(&'static str, String)>,
    /// What the learner is told, by the names given.
    pub(super) learner: Params,
}

impl Settings {
    /// From the words of a command line.
    ///
    /// # Errors
    /// A word without `=`, a file that cannot be read, an unknown name with the nearest one.
    pub(super) fn read(words: &[String]) -> Result<Self> {
        let mut given: Vec<(String, String)> = Vec::new();
        for word in words {
            let message = || format!("`{word}` is not key=value");
            let (key, value) = word.split_once('=').ok_or_else(|| Error::invalid(message()))?;
            given.push((key.trim().trim_start_matches('-').into(), value.trim().into()));
        }
        let file = given.iter().find(|(k, _)| main_name(k) == Some("config")).map(|(_, v)| PathBuf::from(v));
        if let Some(file) = &file {
            for (line, key, value) in lines(file)? {
                let main =
                    |k: &str| main_name(k).or_else(|| BoostingParams::main_name(k)).map(str::to_string);
                let same = |k: &str| k == key || main(k).is_some() && main(k) == main(&key);
                if main(&key).is_none() && !HARMLESS.contains(&key.as_str()) {
                    return Err(unknown(&key).on_line(line).in_file(file));
                }
                if !given.iter().any(|(k, _)| same(k)) {
                    let value = if names_a_file(&key) { beside(file, value) } else { value };
                    given.push((key, value));
                }
            }
        }
        let mut out = Self::default();
        for (key, value) in given {
            match main_name(&key) {
                Some(main) => match out.own.iter_mut().find(|(k, _)| *k == main) {
                    Some(old) if key == main => old.1 = value,
                    Some(_) => {}
                    None => out.own.push((main, value)),
                },
                None if BoostingParams::main_name(&key).is_some() || HARMLESS.contains(&key.as_str()) => {
                    out.learner.insert(key.as_str().into(), Value::from(value));
                }
                None => {
                    // Parameters that the learner knows of and lacks have their own message.
                    BoostingParams::check_one(&key, &Value::from(value)).map_err(|e| {
                        if e.kind() == lyceum_core::ErrorKind::Unsupported { e } else { unknown(&key) }
                    })?;
                }
            }
        }
        Ok(out)
    }

    /// A setting as it was given, unless empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.own.iter().find(|(k, _)| *k == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// A setting, or its default.
    pub(super) fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// A truth value, false unless said.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool> {
        match self.get(name) {
            None | Some("false" | "-" | "0" | "False") => Ok(false),
            Some("true" | "+" | "1" | "True") => Ok(true),
            Some(other) => Err(Error::invalid(format!("expected true or false, got `{other}`")).at_key(name)),
        }
    }

    /// A number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str, default: T) -> Result<T> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| Error::invalid(format!("expected a number, got `{text}`")).at_key(name)),
        }
    }

    /// Files with commas between.
    pub(super) fn files(&self, name: &str) -> Vec<PathBuf> {
        let split = |v: &str| v.split(',').map(|p| PathBuf::from(p.trim())).collect();
        self.get(name).map(split).unwrap_or_default()
    }

    /// A file that must be named.
    pub(super) fn file(&self, name: &'static str, why: &str) -> Result<PathBuf> {
        let missing = || Error::invalid(format!("names no file: {why}")).at_key(name);
        self.get(name).map(PathBuf::from).ok_or_else(missing)
    }
}

fn main_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(main, aliases)| *main == name || aliases.contains(&name)).map(|(main, _)| *main)
}

/// Whether a parameter of the learner is the name of a file.
fn names_a_file(key: &str) -> bool {
    matches!(BoostingParams::main_name(key), Some("forcedsplits_filename" | "forcedbins_filename"))
}

/// A file as it is named where the command runs, else beside the configuration that names it, if it is there.
fn beside(config: &Path, name: String) -> String {
    let there = config.parent().map(|folder| folder.join(&name));
    match there.filter(|there| !name.is_empty() && !Path::new(&name).exists() && there.exists()) {
        Some(there) => there.display().to_string(),
        None => name,
    }
}

fn unknown(key: &str) -> Error {
    let own = NAMES.iter().flat_map(|(main, aliases)| std::iter::once(*main).chain(aliases.iter().copied()));
    Error::invalid("unknown parameter").at_key(key).did_you_mean(key, own.chain(BoostingParams::names()))
}

/// Line number, key and value of every line that sets something.
fn lines(file: &Path) -> Result<Vec<(usize, String, String)>> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, "read", e))?;
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(Error::invalid(format!("`{line}` is not key = value")).on_line(i + 1).in_file(file));
        };
        out.push((i + 1, key.trim().to_string(), value.trim().trim_matches('"').to_string()));
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Settings> {
        Settings::read(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn words_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("train.conf");
        std::fs::write(
            &file,
            "# a comment\ntask = train\nnum_trees = 100 # many\ntest_data = a.csv, b.csv\n\n",
        )
        .unwrap();
        let s = read(&[&format!("config={}", file.display()), "n_estimators=5", "valid_data=c.csv"]).unwrap();
        assert_eq!(s.files("valid"), [PathBuf::from("c.csv")]);
        let p = BoostingParams::from_params(&s.learner).unwrap();
        assert_eq!((s.or("task", "x"), p.stop.num_iterations), ("train", 5));
    }

    #[test]
    fn forced_splits_may_lie_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (file, splits) = (dir.path().join("train.conf"), dir.path().join("splits-of-this-test.json"));
        std::fs::write(&file, "fs = splits-of-this-test.json\nforcedbins_filename = not-there.json\n")
            .unwrap();
        let forced =
            |words: &[&str]| BoostingParams::from_params(&read(words).unwrap().learner).unwrap().forced;
        let config = format!("config={}", file.display());
        assert_eq!(forced(&[&config]).splits, "splits-of-this-test.json");
        std::fs::write(&splits, "{}").unwrap();
        assert_eq!(forced(&[&config]).splits, splits.display().to_string());
        assert_eq!(forced(&[&config]).bins, "not-there.json");
        assert_eq!(forced(&[&config, "forced_splits=other.json"]).splits, "other.json");
    }

    #[test]
    fn faults_name_the_key_and_the_line() {
        let message = |words: &[&str]| read(words).unwrap_err().to_string();
        assert_eq!(
            message(&["num_leavs=3"]),
            "num_leavs: unknown parameter\n  hint: did you mean `num_leaves`?"
        );
        assert_eq!(message(&["train"]), "`train` is not key=value");
        assert!(
            message(&["bagging_by_query=true"]).contains("not supported here: rows are drawn one by one")
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.conf");
        std::fs::write(&file, "task = train\nlerning_rate = 1\n").unwrap();
        let e = message(&[&format!("config={}", file.display())]);
        assert!(e.contains("c.conf:2") && e.contains("did you mean `learning_rate`"), "{e}");
    }
}
