//! Whole files or none: written under a temporary name in the same folder, flushed to the disk, renamed. A reader
//! sees the old content or the new, never a part. Knows nothing of what is written.

use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file in one piece. Its folder must exist; an older file of that name is replaced, or stays as it was when
/// anything fails.
///
/// # Errors
/// Whatever the operating system refuses; a full disk is [`crate::ErrorKind::Exhausted`]. Nothing half-written stays.
pub fn write_atomic(path: impl AsRef<Path>, contents: &[u8]) -> Result<()> {
    let path = path.as_ref();
    write_atomic_with(path, |out| out.write_all(contents).map_err(|e| Error::io(path, "write", e)))
}

/// As [`write_atomic`], for contents that are made as they are written.
pub fn write_atomic_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let temporary = temporary_name(path)?;
    let done = write_and_sync(path, &temporary, fill)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(|e| Error::io(path, "write", e)));
    match done {
        Ok(()) => sync_folder(folder_of(path)),
        Err(_) => drop(std::fs::remove_file(&temporary)),
    }
    done
}

/// Makes a rename within a folder durable. Some file systems cannot flush a folder; the rename itself is done by then.
pub fn sync_folder(folder: impl AsRef<Path>) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn write_and_sync(
    path: &Path,
    temporary: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    // Messages name the file that was asked for, not the temporary one.
    let io = |e| Error::io(path, "write", e);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(temporary).map_err(io)?);
    if let Err(e) = fill(&mut out) {
        // Dropped as it is, the writer would try once more to write what it still holds.
        drop(out.into_parts());
        return Err(e);
    }
    let file = out.into_inner().map_err(|e| io(e.into_error()))?;
    file.sync_all().map_err(io)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Hidden, and of no other writer: neither of this process nor of another.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::invalid("is not a file name").in_file(path))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        // Larger than the buffer, so that parts reach the disk before the end.
        let large = vec![7u8; 3 << 20];
        write_atomic_with(&path, |out| {
            let written = large.chunks(1000).try_for_each(|c| out.write_all(c));
            assert_eq!(std::fs::read(&path).unwrap(), b"one", "the old content until the end");
            assert_eq!(names(dir.path()).len(), 2, "the new one grows beside it");
            written.map_err(|e| Error::io(&path, "write", e))
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), large);
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        let failed = write_atomic_with(&path, |out| {
            out.write_all(b"half").unwrap();
            Err(Error::invalid("no"))
        });
        assert_eq!(failed.unwrap_err().message(), "no");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn what_cannot_be_a_file_is_told_by_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        std::fs::write(taken.join("x"), "x").unwrap();
        let e = write_atomic(&taken, b"new").unwrap_err();
        assert_eq!(e.at().file.as_deref(), Some(taken.as_path()));
        assert_eq!(names(dir.path()), ["taken"]);
        let e = write_atomic(dir.path().join("none/a.txt"), b"new").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert_eq!(write_atomic("..", b"x").unwrap_err().message(), "is not a file name");
    }

    #[test]
    fn many_writers_of_one_file_leave_one_whole_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        std::thread::scope(|scope| {
            for i in 0..8u8 {
                let path = &path;
                scope.spawn(move || write_atomic(path, &[i; 5000]).unwrap());
            }
        });
        let content = std::fs::read(&path).unwrap();
        assert!(content.len() == 5000 && content.windows(2).all(|w| w[0] == w[1]));
        assert_eq!(names(dir.path()), ["a.txt"]);
    }
}
