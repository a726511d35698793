//! Whole files or none: write beside, flush to the disk, rename. A reader never sees half a file.

use lyceum_core::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes a file in one piece; an older file of that name is replaced, or stays as it was when anything fails.
pub fn write(path: impl AsRef<Path>, contents: &[u8]) -> Result<()> {
    let path = path.as_ref();
    write_with(path, |file| file.write_all(contents).map_err(|e| Error::io(path, "write", e)))
}

/// As [`write`], for contents that are made as they are written.
pub fn write_with(path: impl AsRef<Path>, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let path = path.as_ref();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".writing-")
        .tempfile_in(folder)
        .map_err(|e| Error::io(folder, "create a file in", e))?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all().map_err(|e| Error::io(path, "flush", e))?;
    temporary.persist(path).map_err(|e| Error::io(path, "write", e.error))?;
    sync_folder(folder);
    Ok(())
}

/// Makes a rename durable. Some file systems cannot flush a folder; the rename itself is done by then.
pub(crate) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/a.txt");
        write(&path, b"one").unwrap();
        let failed = write_with(&path, |f| {
            f.write_all(b"half").unwrap();
            Err(Error::invalid("no"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing half-written stays"
        );
    }
}
