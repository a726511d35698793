//! What every file keeps: a `//!` line on top, at most 800 lines, no name of a machine or a registry.

use crate::floors;
use crate::sources::{Source, files};

/// Longest file.
const LONGEST: usize = 800;
/// Names of rooms that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "types.rs"];

/// Prints what is wrong; fails when anything is.
pub(crate) fn run() -> Result<(), String> {
    let mut faults = floors::faults()?;
    for file in files(".rs")? {
        faults.extend(of_source(&file));
    }
    for ending in
        [".rs", ".md", ".toml", ".yaml", ".yml", ".py", ".sh", ".json", ".js", ".css", ".html", "run"]
    {
        for file in files(ending)? {
            faults.extend(of_text(&file));
        }
    }
    faults.iter().for_each(|f| eprintln!("{f}"));
    if faults.is_empty() { Ok(()) } else { Err(format!("{} faults", faults.len())) }
}

fn of_source(file: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if file.lines() > LONGEST {
        faults.push(format!("{}: {} lines, at most {LONGEST}: split it by idea", file.path, file.lines()));
    }
    if !file.text.starts_with("//!") {
        faults.push(format!("{}: does not open with `//!`", file.path));
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if !file.is_test() && EMPTY_NAMES.contains(&name) {
        faults.push(format!("{}: the name says nothing of what is in it", file.path));
    }
    faults
}

/// Paths of somebody's machine do not belong into the repository.
fn of_text(file: &Source) -> Vec<String> {
    let marks = [["/ro", "ot/"].concat(), ["/wo", "rk/"].concat(), ["/ho", "me/"].concat()];
    // Within a longer path the words are nobody's machine.
    let begins = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
    let found =
        |line: &str, m: &str| line.match_indices(m).any(|(at, _)| begins(line.get(..at).unwrap_or_default()));
    let hit = |line: &&str| marks.iter().any(|m| found(line, m));
    let lines = file.text.lines().enumerate().filter(|(_, l)| hit(l));
    lines.map(|(i, _)| format!("{}:{}: a path of one machine", file.path, i + 1)).collect()
}
