//! Where the reference numbers of others are, when they are there.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::Value as Json;
use std::path::PathBuf;

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

pub(crate) fn json(path: &str) -> Option<Json> {
    Some(serde_json::from_str(&std::fs::read_to_string(shared(path)?).unwrap()).unwrap())
}

/// Numbers; null is NaN, and infinities are strings.
pub(crate) fn floats(j: &Json) -> Vec<f64> {
    let one = |x: &Json| x.as_f64().unwrap_or_else(|| x.as_str().map_or(f64::NAN, |s| s.parse().unwrap()));
    j.as_array().unwrap().iter().map(one).collect()
}

/// Rows of a file of numbers; the delimiter is a comma or a tab.
pub(crate) fn numbers(path: &str, header: bool) -> Option<Vec<Vec<f64>>> {
    let text = std::fs::read_to_string(shared(path)?).unwrap();
    let rows = text.lines().skip(usize::from(header)).filter(|l| !l.is_empty());
    let cell = |c: &str| c.trim().parse().unwrap_or(f64::NAN);
    Some(rows.map(|l| l.split([',', '\t']).map(cell).collect()).collect())
}
