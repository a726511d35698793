//! `DIR/.lyceum`: what was made of which inputs. Every change is written whole or not at all, so a run that is killed
//! at any moment leaves either the old state or the new one.

use lyceum_core::{Error, Result, sync_folder, write_atomic};
use lyceum_data::content_hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a step was made of: each part by name, with a hash or a version.
pub(crate) type Inputs = BTreeMap<String, String>;

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Made of these.
    pub(crate) inputs: Inputs,
    /// The artefact's folder within the workspace, where the step makes one.
    pub(crate) artefact: Option<String>,
    /// What the step reports: metrics, a gate's result.
    pub(crate) result: serde_json::Value,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    steps: BTreeMap<String, Done>,
}

/// A project's workspace.
pub(crate) struct Workspace {
    root: PathBuf,
    state: State,
}

/// Name of the workspace's folder within the project's.
const FOLDER: &str = ".lyceum";

impl Workspace {
    /// Opens a project's workspace, making it with its own .gitignore if need be.
    pub(crate) fn open(project: &Path) -> Result<Self> {
        let root = project.join(FOLDER);
        std::fs::create_dir_all(&root).map_err(|e| Error::io(&root, "create", e))?;
        let ignore = root.join(".gitignore");
        if !ignore.exists() {
            write_atomic(&ignore, b"*\n")?;
        }
        Self::look(project)
    }

    /// Reads a project's workspace without making anything.
    pub(crate) fn look(project: &Path) -> Result<Self> {
        let root = project.join(FOLDER);
        let path = root.join("state.json");
        let state = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                Error::corrupt(format!("not a state file: {e}"))
                    .in_file(&path)
                    .hint("remove it to begin anew; what was learnt is learnt again")
            })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(e) => return Err(Error::io(&path, "read", e)),
        };
        Ok(Self { root, state })
    }

    /// Where the database of a project is, whether or not it is there.
    pub(crate) fn database_path(project: &Path) -> PathBuf {
        project.join(FOLDER).join("lyceum.db")
    }

    /// The database of a project (threads of graphs); its folder is made.
    pub(crate) fn database(project: &Path) -> Result<PathBuf> {
        Ok(Self::open(project)?.root.join("lyceum.db"))
    }

    /// Where a project's lock lives. Whoever changes the workspace takes it before opening it.
    pub(crate) fn lock_path(project: &Path) -> PathBuf {
        project.join(FOLDER).join("lock")
    }

    /// What is known of a step, if its artefact is still there.
    pub(crate) fn done(&self, step: &str) -> Option<&Done> {
        let done = self.state.steps.get(step)?;
        let there = done.artefact.as_ref().is_none_or(|a| self.root.join(a).is_dir());
        there.then_some(done)
    }

    /// The folder of a done step's artefact.
    pub(crate) fn artefact(&self, step: &str) -> Option<PathBuf> {
        Some(self.root.join(self.done(step)?.artefact.as_ref()?))
    }

    /// The same, relative to the project.
    pub(crate) fn artefact_name(&self, step: &str) -> Option<String> {
        Some(format!("{FOLDER}/{}", self.done(step)?.artefact.as_ref()?))
    }

    /// The folder in which a step works on its artefact; the same inputs come back to the same folder, so that a
    /// killed training goes on from its checkpoint.
    pub(crate) fn work_folder(&self, step: &str, inputs: &Inputs) -> PathBuf {
        self.root.join("work").join(folder_name(step, inputs))
    }

    /// Makes what lies in the work folder the artefact of a step, and records the step.
    pub(crate) fn finish(
        &mut self,
        step: &str,
        inputs: Inputs,
        result: serde_json::Value,
        took: Duration,
    ) -> Result<()> {
        let work = self.work_folder(step, &inputs);
        let mut artefact = None;
        if work.is_dir() {
            let relative = Path::new("artefacts").join(folder_name(step, &inputs));
            let place = self.root.join(&relative);
            remove(&place)?;
            let parent = place.parent().unwrap_or(&self.root);
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, "create", e))?;
            std::fs::rename(&work, &place).map_err(|e| Error::io(&place, "rename the artefact to", e))?;
            sync_folder(parent);
            artefact = Some(relative.display().to_string());
        }
        self.state
            .steps
            .insert(step.to_string(), Done { inputs, artefact, result, seconds: took.as_secs_f64() });
        self.save()
    }

    fn save(&self) -> Result<()> {
        let bytes =
            serde_json::to_vec_pretty(&self.state).map_err(|e| Error::internal(format!("state: {e}")))?;
        write_atomic(self.root.join("state.json"), &bytes)
    }

    /// Removes what no step of `keep` needs: other steps, old artefacts, abandoned work. Gives the bytes freed.
    pub(crate) fn collect_garbage(&mut self, keep: &[String]) -> Result<u64> {
        self.state.steps.retain(|step, _| keep.contains(step));
        self.save()?;
        let wanted: Vec<PathBuf> =
            self.state.steps.values().filter_map(|d| Some(self.root.join(d.artefact.as_ref()?))).collect();
        let mut freed = 0;
        for folder in ["artefacts", "work"] {
            let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else { continue };
            for path in entries.flatten().map(|e| e.path()).filter(|p| !wanted.contains(p)) {
                freed += size(&path);
                remove(&path)?;
            }
        }
        Ok(freed)
    }
}

fn folder_name(step: &str, inputs: &Inputs) -> String {
    let text = serde_json::to_string(inputs).unwrap_or_default();
    let hash: String = content_hash(text.as_bytes()).chars().take(12).collect();
    format!("{}-{hash}", step.replace(['.', '/'], "-"))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, "remove", e)),
        _ => Ok(()),
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return path.metadata().map_or(0, |m| m.len()) };
    entries.flatten().map(|e| size(&e.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_step_survives_and_garbage_goes() {
        let dir = tempfile::tempdir().unwrap();
        let inputs = Inputs::from([("config".to_string(), "1".to_string())]);
        let mut w = Workspace::open(dir.path()).unwrap();
        let work = w.work_folder("learn.a", &inputs);
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(work.join("x"), "12345").unwrap();
        w.finish("learn.a", inputs.clone(), serde_json::json!({}), Duration::from_secs(1)).unwrap();
        let mut again = Workspace::look(dir.path()).unwrap();
        assert_eq!(again.done("learn.a").unwrap().inputs, inputs);
        assert!(again.artefact("learn.a").unwrap().join("x").is_file());
        assert_eq!(again.collect_garbage(&["learn.a".into()]).unwrap(), 0);
        assert_eq!(again.collect_garbage(&[]).unwrap(), 5);
        assert!(again.done("learn.a").is_none());
    }
}
