//! `lyceum show`: one model's files, hashes and source.

use super::home::{HomeArgs, size};
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use lyceum_store::{FileEntry, clock};
use serde::Serialize;
use std::path::PathBuf;

/// Show a model's files, hashes and source
#[derive(Args)]
pub(crate) struct Show {
    /// A pulled model
    name: String,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    path: PathBuf,
    sha256: String,
    bytes: u64,
    source: String,
    pulled_at: String,
    files: Vec<FileEntry>,
}

impl Show {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let home = self.home.open()?;
        let path = home.resolve(&self.name)?;
        let Some(m) = home.manifest(&self.name)? else {
            return Err(Error::invalid(format!("\"{}\" is a path, not a pulled model", self.name))
                .hint(format!("keep it under a name with `lyceum pull {}`", self.name)));
        };
        let shown = Shown {
            path,
            sha256: m.sha256(),
            bytes: m.bytes(),
            pulled_at: clock::rfc3339(m.pulled_at),
            name: m.name,
            source: m.source,
            files: m.files,
        };
        ui.result(&shown, show)
    }
}

fn show(s: &Shown) -> String {
    let mut out = format!(
        "{}\n  source  {}\n  pulled  {}\n  sha256  {}\n  path    {}\n",
        s.name,
        s.source,
        s.pulled_at,
        s.sha256,
        s.path.display()
    );
    for f in &s.files {
        out += &format!("  {}  {:>10}  {}\n", f.sha256.get(..12).unwrap_or_default(), size(f.bytes), f.path);
    }
    out
}
