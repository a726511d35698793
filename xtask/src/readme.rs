//! The README's console blocks, run as a reader would: every line that begins with `$ `.
//!
//! A block whose fence says `console norun` is shown only (it asks for a person, or for minutes).

use crate::sources::root;
use std::path::Path;
use std::process::Command;

/// Runs the blocks in a folder that is thrown away, `lyceum` being the given program.
pub(crate) fn run(program: &Path, envs: &[(String, String)]) -> Result<(), String> {
    let text = std::fs::read_to_string(root().join("README.md")).map_err(|e| format!("README.md: {e}"))?;
    let folder = std::env::temp_dir().join(format!("lyceum-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let done = blocks(&text).into_iter().try_for_each(|script| block(&script, program, &folder, envs));
    let _ = std::fs::remove_dir_all(&folder);
    done
}

fn block(script: &str, program: &Path, folder: &Path, envs: &[(String, String)]) -> Result<(), String> {
    eprintln!("README: {}", script.lines().next().unwrap_or_default());
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = program.parent().unwrap_or(Path::new("."));
    let status = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("LYCEUM_REPO", root())
        .envs(envs.iter().cloned())
        .status()
        .map_err(|e| format!("bash: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("README block failed ({status}):\n{script}")) }
}

/// Scripts of the console blocks that are to be run.
fn blocks(text: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut now: Option<String> = None;
    for line in text.lines() {
        match (&mut now, line) {
            (None, "```console") => now = Some(String::new()),
            (Some(script), "```") => {
                scripts.push(std::mem::take(script));
                now = None;
            }
            (Some(script), line) => {
                if let Some(command) = line.strip_prefix("$ ").or(line.strip_prefix("> ")) {
                    script.push_str(command);
                    script.push('\n');
                }
            }
            _ => {}
        }
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_commands_and_leaves_output() {
        let text = "```console\n$ lyceum ls\nNAME\n$ echo a \\\n> b\n```\n```console norun\n$ rm -r x\n```\n";
        assert_eq!(blocks(text), ["lyceum ls\necho a \\\nb\n"]);
    }
}
