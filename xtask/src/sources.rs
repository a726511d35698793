//! The Rust files of the house, as git knows them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root: the folder above this crate. Cargo says where that is now; a build kept from another clone
/// knows only where it was.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// A source file.
pub(crate) struct Source {
    /// Path from the root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// The crate that it belongs to: `core`, `xtask`.
    pub(crate) fn crate_name(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().unwrap_or_default(),
            Some(first) => first,
            None => "",
        }
    }

    /// Whether it is a test or a benchmark of its own.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.contains("/benches/")
    }

    /// Number of lines.
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// Files that git tracks or would track, by ending.
pub(crate) fn files(ending: &str) -> Result<Vec<Source>, String> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("git: {e}"))?;
    let names = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut files: Vec<Source> = names
        .lines()
        .filter(|p| p.ends_with(ending))
        .filter_map(|p| {
            Some(Source { path: p.to_string(), text: std::fs::read_to_string(root().join(p)).ok()? })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
