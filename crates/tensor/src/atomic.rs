//! Whole files or none: written under a temporary name in the same folder, synced, renamed.
//! Knows nothing of what is written.

use lyceum_core::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Calls `fill` with a buffered file of a temporary name beside `path`, syncs it and renames it to `path`.
/// On any error the temporary file is removed and `path` is as it was.
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let temporary = temporary_name(path)?;
    let done = write_and_sync(&temporary, fill).and_then(|()| {
        std::fs::rename(&temporary, path).map_err(|e| Error::io(path, "rename the new file", e))
    });
    if done.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    done
}

fn write_and_sync(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let file = File::create(path).map_err(|e| Error::io(path, "create", e))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    fill(&mut out)?;
    out.flush().map_err(|e| Error::io(path, "write", e))?;
    out.get_ref().sync_all().map_err(|e| Error::io(path, "sync", e))
}

fn temporary_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::invalid("not a file name").in_file(path))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}
