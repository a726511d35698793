//! `lyceum estimators`: every estimator with its parameters.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Result, Value};
use lyceum_estimators::boosting::{BoostingParams, entries};
use lyceum_estimators::registry::{ENTRIES, Entry, Task};
use serde::Serialize;

/// List the estimators that `fit` takes, with their parameters
#[derive(Args)]
pub(crate) struct Estimators {
    /// Only this one
    name: Option<String>,
}

#[derive(Serialize)]
struct Described {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    learns: Vec<&'static str>,
    positive_target: bool,
    takes_missing: bool,
    parameters: Vec<Parameter>,
}

#[derive(Serialize)]
struct Parameter {
    name: &'static str,
    default: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aliases: &'static [&'static str],
}

impl Estimators {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let all: Vec<Described> = match &self.name {
            None => ENTRIES.iter().map(described).collect(),
            Some(name) => vec![described(lyceum_estimators::registry::entry(name)?)],
        };
        let one = self.name.is_some();
        ui.result(&all, |all| all.iter().map(|e| if one { in_full(e) } else { line(e) }).collect())
    }
}

fn described(entry: &Entry) -> Described {
    let learns = entry.tasks.iter().map(|t| match t {
        Task::Regression => "numbers",
        Task::Binary => "two classes",
        Task::Multiclass => "several classes",
    });
    let own = entry.parameters.iter().map(|p| Parameter {
        name: p.name,
        default: p.default().to_json(),
        range: Some(p.range()),
        about: Some(p.doc),
        aliases: &[],
    });
    let mut parameters: Vec<Parameter> = own.collect();
    if entry.name == "gradient_boosting" {
        let defaults = BoostingParams::default().to_params();
        parameters.extend(entries().iter().map(|e| Parameter {
            name: e.name,
            default: defaults.get(e.name).map_or(serde_json::Value::Null, Value::to_json),
            range: None,
            about: None,
            aliases: e.aliases,
        }));
    }
    Described {
        name: entry.name,
        aliases: entry.aliases,
        about: entry.doc,
        learns: learns.collect(),
        positive_target: entry.positive_target,
        takes_missing: entry.takes_missing,
        parameters,
    }
}

fn line(e: &Described) -> String {
    let names: Vec<&str> = e.parameters.iter().map(|p| p.name).take(6).collect();
    let more = if e.parameters.len() > 6 { ", …" } else { "" };
    format!("{:22} {}\n{:22} {}{more}\n", e.name, e.about, "", names.join(", "))
}

fn in_full(e: &Described) -> String {
    let mut out = format!("{}: {}\nlearns {}\n", e.name, e.about, e.learns.join(", "));
    for p in &e.parameters {
        let range = p.range.as_deref().map_or(String::new(), |r| format!(" ({r})"));
        let about = p.about.map_or(String::new(), |a| format!("  {a}"));
        out += &format!("  {} = {}{range}{about}\n", p.name, p.default);
    }
    out
}
