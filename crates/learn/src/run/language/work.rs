//! The place of a run in the making: a hidden folder within the results folder, locked while somebody works in it.
//! A run that was stopped leaves it there, and the same command goes on from it.

use crate::llm::Taught;
use crate::model::read_json;
use crate::run::files::{results_folder, run_folders, write_json};
use crate::run::train::TrainOptions;
use lyceum_core::{Error, ErrorKind, Progress, Result, write_atomic};
use std::fs::File;
use std::path::{Path, PathBuf};

const FOLDER: &str = ".training";
const INPUTS: &str = "inputs";
const TAUGHT: &str = "taught.json";
const WEIGHTS: &str = "weights";

/// A run in the making.
pub(super) struct Work {
    results: PathBuf,
    folder: PathBuf,
    /// Held until the run ends, however it ends.
    _lock: File,
}

impl Work {
    /// The stopped run of these inputs (a hash), or a new one in a new results folder.
    pub(super) fn claim(options: &TrainOptions<'_>, inputs: &str, progress: &dyn Progress) -> Result<Self> {
        let (output, names) = (&options.output_directory, (&options.experiment_name, &options.model_name));
        for results in run_folders(output, names.0, names.1)?.take_while(|f| f.exists()) {
            let folder = results.join(FOLDER);
            let same = std::fs::read_to_string(folder.join(INPUTS)).is_ok_and(|i| i == inputs);
            if same && let Some(lock) = lock(&folder)? {
                progress.note(&format!("going on with the run in {}", results.display()));
                return Ok(Self { results, folder, _lock: lock });
            }
        }
        let results = results_folder(output, names.0, names.1)?;
        let folder = results.join(FOLDER);
        create(&folder)?;
        let busy = || Error::new(ErrorKind::Conflict, "somebody else works here").in_file(&folder);
        let lock = lock(&folder)?.ok_or_else(busy)?;
        write_atomic(folder.join(INPUTS), inputs.as_bytes())?;
        Ok(Self { results, folder, _lock: lock })
    }

    /// The results folder.
    pub(super) fn results(&self) -> &Path {
        &self.results
    }

    /// The folder that the adapter is made in.
    pub(super) fn weights(&self) -> Result<PathBuf> {
        let folder = self.folder.join(WEIGHTS);
        create(&folder)?;
        Ok(folder)
    }

    /// What came of teaching, if that has ended.
    pub(super) fn taught(&self) -> Option<Taught> {
        read_json(&self.folder.join(TAUGHT)).ok()
    }

    /// Remembers that teaching has ended.
    pub(super) fn keep_taught(&self, taught: &Taught) -> Result<()> {
        write_json(&self.folder.join(TAUGHT), taught)
    }

    /// The run is done.
    pub(super) fn finish(self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).map_err(|e| Error::io(&self.folder, "remove", e))
    }

    /// The run has failed: what it can go on from stays if the failure may pass, and the error says so.
    pub(super) fn fail(self, e: Error) -> Error {
        let passes = matches!(
            e.kind(),
            ErrorKind::Cancelled | ErrorKind::Timeout | ErrorKind::Exhausted | ErrorKind::Io
        );
        let begun = self.folder.join(WEIGHTS).join("checkpoints").is_dir() || self.taught().is_some();
        if passes && begun {
            return e.hint("the same command goes on from where it stopped");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        // Only an empty folder goes.
        let _ = std::fs::remove_dir(&self.results);
        e
    }
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))
}

/// The folder's lock, unless somebody holds it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| Error::io(&path, "open", e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::io(&path, "lock", e)),
    }
}
