//! Contents by their hash: each is kept once, however many models share it.

use crate::clock;
use crate::manifest::FileEntry;
use crate::pull::Staged;
use crate::{Home, hash, sniff};
use lyceum_core::{Context, Error, Progress, Result, write_atomic_with};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

impl Home {
    /// The blob of a hash.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        self.blobs().join(format!("sha256-{sha256}"))
    }

    /// Puts a staged file among the blobs: moved if it is ours, otherwise linked, or copied where links do not reach.
    pub(crate) fn keep(&self, staged: &Staged, progress: &dyn Progress, cx: &Context) -> Result<FileEntry> {
        sniff::check(&staged.relative, &staged.path)?;
        let sha256 = hash::of_file(&staged.path, progress, cx)?;
        let meta = staged.path.metadata().map_err(|e| Error::io(&staged.path, "read", e))?;
        let blob = self.blob(&sha256);
        if blob.metadata().map_or(true, |m| m.len() != meta.len()) {
            std::fs::create_dir_all(self.blobs()).map_err(|e| Error::io(self.blobs(), "create folder", e))?;
            place(staged, &blob)?;
        }
        let written = blob.metadata().and_then(|m| m.modified()).map_err(|e| Error::io(&blob, "read", e))?;
        let modified = clock::unix(written);
        Ok(FileEntry { path: staged.relative.clone(), sha256, bytes: meta.len(), modified })
    }

    /// Removes blobs that no model needs any more, and tells how many bytes that freed.
    pub(crate) fn sweep(&self) -> Result<u64> {
        let needed: HashSet<String> =
            self.list()?.into_iter().flat_map(|m| m.files).map(|f| format!("sha256-{}", f.sha256)).collect();
        let Ok(entries) = std::fs::read_dir(self.blobs()) else { return Ok(0) };
        let mut freed = 0;
        for entry in entries.flatten() {
            if !needed.contains(entry.file_name().to_string_lossy().as_ref()) {
                freed += entry.metadata().map_or(0, |m| m.len());
                std::fs::remove_file(entry.path()).map_err(|e| Error::io(entry.path(), "remove", e))?;
            }
        }
        Ok(freed)
    }
}

fn place(staged: &Staged, blob: &Path) -> Result<()> {
    let moved = staged.ours && std::fs::rename(&staged.path, blob).is_ok();
    if moved {
        return Ok(());
    }
    let _ = std::fs::remove_file(blob);
    link(&staged.path, blob)
}

/// A hard link, or a copy where none can be made.
pub(crate) fn link(from: &Path, to: &Path) -> Result<()> {
    let from = from.canonicalize().map_err(|e| Error::io(from, "open", e))?;
    if std::fs::hard_link(&from, to).is_ok() {
        return Ok(());
    }
    write_atomic_with(to, |out| {
        let mut file = std::fs::File::open(&from).map_err(|e| Error::io(&from, "open", e))?;
        std::io::copy(&mut file, out).map(drop).map_err(|e| Error::io(to, "copy", e))
    })
}
