//! `lyceum new`: the scaffold of a project.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, ErrorKind, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Start a project: a folder with lyceum.yaml, its data and a README
#[derive(Args)]
pub(crate) struct New {
    /// Folder to make; must not exist, or be empty
    dir: PathBuf,
    /// Table to copy into the project
    #[arg(long, value_name = "FILE", requires = "target")]
    data: Option<PathBuf>,
    /// Column to predict
    #[arg(long, value_name = "COLUMN", requires = "data")]
    target: Option<String>,
}

#[derive(Serialize)]
struct Made {
    path: PathBuf,
    files: Vec<String>,
}

/// Without data of one's own: enough rows to train on.
const SAMPLE_TARGET: &str = "late";

impl New {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let name = self.dir.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
        if name.is_empty() {
            return Err(Error::invalid("name the folder to make").in_file(&self.dir));
        }
        let is_empty = std::fs::read_dir(&self.dir).map_or(!self.dir.exists(), |mut d| d.next().is_none());
        if !is_empty {
            let e = Error::new(ErrorKind::Conflict, "is there already and not empty").in_file(&self.dir);
            return Err(e.hint("choose another folder"));
        }
        let (file, bytes, target) = self.table()?;
        let make =
            |path: &Path| std::fs::create_dir_all(path).map_err(|e| Error::io(path, "create folder", e));
        make(&self.dir.join("data"))?;
        let data = self.dir.join("data").join(&file);
        lyceum_core::write_atomic(&data, &bytes)?;
        let config = lyceum_learn::init_config(&data, std::slice::from_ref(&target))?;
        let write =
            |name: &str, text: String| lyceum_core::write_atomic(self.dir.join(name), text.as_bytes());
        write("lyceum.yaml", project(&name, &target, &file, &config))?;
        write("README.md", readme(&name, &target))?;
        write(".gitignore", ".lyceum/\nresults/\n".into())?;
        let files =
            vec!["lyceum.yaml".into(), format!("data/{file}"), "README.md".into(), ".gitignore".into()];
        ui.result(&Made { path: self.dir, files }, |m| {
            let dir = m.path.display();
            format!("made {dir}: {}\nnext: lyceum up {dir}", m.files.join(", "))
        })
    }

    /// File name, content and target of the table.
    fn table(&self) -> Result<(String, Vec<u8>, String)> {
        match (&self.data, &self.target) {
            (Some(data), Some(target)) => {
                lyceum_data::read(data)?.column(target)?;
                let bytes = std::fs::read(data).map_err(|e| Error::io(data, "read", e))?;
                let file = data.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                Ok((file, bytes, target.clone()))
            }
            _ => Ok(("parcels.csv".into(), sample().into_bytes(), SAMPLE_TARGET.into())),
        }
    }
}

/// Four hundred made-up parcels; heavy ones sent far on a Friday come late.
fn sample() -> String {
    let mut random = lyceum_data::Random::new(7, 0);
    let mut out = String::from("weight_kg,distance_km,day,express,late\n");
    for _ in 0..400 {
        let (weight, distance) = (0.1 + 20.0 * random.unit(), 5.0 + 900.0 * random.unit());
        let day = ["mon", "tue", "wed", "thu", "fri"].get(random.below(5)).copied().unwrap_or("mon");
        let express = random.unit() < 0.3;
        let score = 0.08 * weight + 0.003 * distance - 2.2 + if day == "fri" { 1.0 } else { 0.0 };
        let score = score - if express { 1.5 } else { 0.0 } + 0.7 * random.normal();
        let word = |b: bool| if b { "yes" } else { "no" };
        out.push_str(&format!("{weight:.1},{distance:.0},{day},{},{}\n", word(express), word(score > 0.0)));
    }
    out
}

fn project(name: &str, target: &str, file: &str, config: &str) -> String {
    let learned = key(target);
    let body: String = config.lines().map(|l| format!("    {l}\n")).collect();
    format!("name: {}\nlearn:\n  {learned}:\n    data: data/{file}\n{body}", key(name))
}

/// Letters, digits and `_` only, so that it is a plain YAML key and a URL's part; `base` means the base model.
fn key(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let key: String = text.to_lowercase().chars().take(60).map(plain).collect();
    if key.starts_with(|c: char| c.is_ascii_alphabetic()) && key != "base" { key } else { format!("p_{key}") }
}

fn readme(name: &str, target: &str) -> String {
    format!(
        "# {name}\n\nLearns to predict `{target}`. `lyceum.yaml` says from what and how.\n\n\
         - `lyceum up .` trains what is stale, checks the gates and serves.\n\
         - `lyceum up . --dry-run` shows the plan.\n\
         - `lyceum check lyceum.yaml` checks the file.\n"
    )
}
