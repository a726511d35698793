//! The real program, run in a folder of its own: what it prints and how it ends.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program in a folder, with a model folder of its own and without the network.
pub(crate) fn lyceum(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.args(args).current_dir(dir).env("LYCEUM_HOME", dir.join("home")).env("LYCEUM_OFFLINE", "1");
    command.env_remove("OPENAI_API_KEY").env("LYCEUM_THREADS", "2").stdin(Stdio::null());
    command
}

/// Exit code (-1 for a signal) and standard error.
pub(crate) fn end_of(out: &Output) -> (i32, String) {
    let said = String::from_utf8(out.stderr.clone()).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (out.status.code().unwrap_or(-1), said)
}

/// Fails unless the program ends with this code and says this on standard error, and nothing else.
#[track_caller]
pub(crate) fn refused(dir: &Path, args: &[&str], code: i32, says: &str) {
    let out = lyceum(dir, args).output().unwrap();
    let (ended, said) = end_of(&out);
    let said = said.replace(&format!("{}/", dir.display()), "");
    assert_eq!((said.as_str(), ended), (format!("error: {says}\n").as_str(), code), "{args:?}");
}

/// What the program says with `--json`; fails unless it ends well and says nothing else.
#[track_caller]
pub(crate) fn json(dir: &Path, args: &[&str]) -> serde_json::Value {
    let mut all = args.to_vec();
    all.extend(["--json", "-q"]);
    let out = lyceum(dir, &all).output().unwrap();
    assert_eq!(end_of(&out), (0, String::new()), "{args:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A file of the small models that come with the repository.
pub(crate) fn golden(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural");
    here.canonicalize().unwrap().join(name)
}

/// Names of all files below a folder.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let below = |p: PathBuf| if p.is_dir() { files_below(&p) } else { vec![p] };
    let mut all: Vec<PathBuf> = entries.flat_map(|e| below(e.unwrap().path())).collect();
    all.sort();
    all
}
