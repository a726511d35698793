//! `lyceum ls`: the models on this machine, and those that a name would get.

use super::home::{HomeArgs, size};
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_store::{aliases, clock};
use serde::Serialize;

/// List the models on this machine
#[derive(Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Listing {
    models: Vec<Row>,
    known: Vec<Known>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    bytes: u64,
    sha256: String,
    source: String,
    pulled_at: String,
}

#[derive(Serialize)]
struct Known {
    name: &'static str,
    about: &'static str,
}

impl Ls {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let home = self.home.open()?;
        let models: Vec<Row> = home
            .list()?
            .into_iter()
            .map(|m| Row {
                bytes: m.bytes(),
                sha256: m.sha256(),
                pulled_at: clock::rfc3339(m.pulled_at),
                name: m.name,
                source: m.source,
            })
            .collect();
        let pulled = |name: &str| models.iter().any(|m| m.name == name);
        let known = aliases().iter().filter(|a| !pulled(a.name));
        let known = known.map(|a| Known { name: a.name, about: a.about }).collect();
        ui.result(&Listing { models, known }, show)
    }
}

fn show(l: &Listing) -> String {
    let width =
        l.models.iter().map(|m| m.name.len()).chain(l.known.iter().map(|k| k.name.len())).max().unwrap_or(0);
    let mut out = String::new();
    for m in &l.models {
        let hash = m.sha256.get(..12).unwrap_or_default();
        out += &format!("{:width$}  {:>10}  {hash}  {}\n", m.name, size(m.bytes), m.source);
    }
    if l.models.is_empty() {
        out += "no models yet\n";
    }
    for k in &l.known {
        out += &format!("{:width$}  (`lyceum pull {}`) {}\n", k.name, k.name, k.about);
    }
    out
}
