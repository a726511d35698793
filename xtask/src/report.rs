//! Sizes and documentation by crate: what to look at before the house grows crooked.

use crate::sources::{Source, files};
use std::collections::BTreeMap;

/// Prints a table: files, lines, median, 90th percentile and longest file, tests' share, documented public items.
pub(crate) fn run() -> Result<(), String> {
    let mut crates: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for file in files(".rs")? {
        crates.entry(file.crate_name().to_string()).or_default().push(file);
    }
    println!(
        "{:<12} {:>5} {:>7} {:>7} {:>5} {:>8} {:>7} {:>6}",
        "crate", "files", "lines", "median", "p90", "longest", "tests", "docs"
    );
    for (name, files) in &crates {
        println!("{}", line(name, files));
    }
    let all: Vec<Source> = crates.into_values().flatten().collect();
    println!("{}", line("all", &all));
    Ok(())
}

fn line(name: &str, files: &[Source]) -> String {
    let (tests, sources): (Vec<&Source>, Vec<&Source>) = files.iter().partition(|f| f.is_test());
    let mut sizes: Vec<usize> = sources.iter().map(|f| f.lines()).collect();
    sizes.sort_unstable();
    let at =
        |share: f64| sizes.get(((sizes.len() as f64 - 1.0).max(0.0) * share) as usize).copied().unwrap_or(0);
    let inside: usize = sources.iter().map(|f| f.lines() - before_tests(f)).sum();
    let total: usize = sizes.iter().sum::<usize>() - inside;
    let tests: usize = tests.iter().map(|f| f.lines()).sum::<usize>() + inside;
    let (documented, public) = sources.iter().map(|f| docs(f)).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    format!(
        "{name:<12} {:>5} {total:>7} {:>7} {:>5} {:>8} {:>6.2}x {:>5.0}%",
        sizes.len(),
        at(0.5),
        at(0.9),
        sizes.last().copied().unwrap_or(0),
        tests as f64 / total.max(1) as f64,
        100.0 * documented as f64 / public.max(1) as f64,
    )
}

/// Lines before the module of unit tests.
fn before_tests(file: &Source) -> usize {
    file.text.lines().position(|l| l.trim() == "#[cfg(test)]").unwrap_or(file.lines())
}

/// (documented, all) public items.
fn docs(file: &Source) -> (usize, usize) {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let public = |l: &str| {
        ["pub fn", "pub struct", "pub enum", "pub trait", "pub const", "pub async fn"]
            .iter()
            .any(|p| l.starts_with(p))
    };
    let mut counts = (0, 0);
    for (i, _) in lines.iter().enumerate().filter(|(_, l)| public(l)) {
        counts.1 += 1;
        let above = lines.get(..i).unwrap_or_default();
        let doc = above.iter().rev().find(|l| !l.starts_with("#[")).is_some_and(|l| l.starts_with("///"));
        counts.0 += usize::from(doc);
    }
    counts
}
