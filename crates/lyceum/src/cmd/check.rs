//! `lyceum check`: what is wrong with a configuration or a project file, without training.

use crate::project::Project;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_data::yaml;
use lyceum_learn::config::{Issue, check};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check a configuration or a project file without training
#[derive(Args)]
pub(crate) struct Check {
    /// YAML file
    file: PathBuf,
}

#[derive(Serialize)]
struct Checked {
    /// Whether it is a sound configuration.
    valid: bool,
    errors: Vec<Issue>,
    /// What is sound but not done here yet; training it is refused.
    unsupported: Vec<Issue>,
    warnings: Vec<String>,
}

impl Check {
    pub(crate) fn run(self, ui: &Ui) -> Result<ExitCode> {
        let bytes = std::fs::read(&self.file).map_err(|e| Error::io(&self.file, "read", e))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::invalid("the file is not valid UTF-8").in_file(&self.file))?;
        let (found, warnings) =
            if is_project(&text) { (project(&self.file), Vec::new()) } else { check(&text) };
        let (unsupported, errors): (Vec<Issue>, Vec<Issue>) = found.into_iter().partition(|i| i.unsupported);
        let fine = errors.is_empty() && unsupported.is_empty();
        let checked = Checked { valid: errors.is_empty(), errors, unsupported, warnings };
        let file = self.file;
        ui.result(&checked, |c| {
            let lines = c.errors.iter().chain(&c.unsupported).map(|i| i.to_error(Some(&file)).to_string());
            let warnings = c.warnings.iter().map(|w| format!("warning: {w}"));
            let all: Vec<String> = lines.chain(warnings).collect();
            if fine {
                [all, vec![format!("{} is valid", file.display())]].concat().join("\n")
            } else {
                all.join("\n")
            }
        })?;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(ErrorKind::Invalid.exit_code()) })
    }
}

/// Whether it is a project file rather than one model's configuration.
fn is_project(text: &str) -> bool {
    let Ok(root) = yaml::parse(text) else { return false };
    let has = |key| root.get(key).is_some();
    ["learn", "serve", "compose", "evaluate"].into_iter().any(has) && !has("input_features")
}

/// The first fault of a project file.
fn project(file: &Path) -> Vec<Issue> {
    let Err(e) = Project::read(file) else { return Vec::new() };
    let at = e.at();
    vec![Issue {
        path: at.key.clone().unwrap_or_default(),
        line: at.line.unwrap_or(0),
        column: at.column.unwrap_or(0),
        message: e.message().to_string(),
        hint: e.hints().first().cloned(),
        unsupported: e.kind() == ErrorKind::Unsupported,
    }]
}
