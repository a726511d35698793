//! What a table's bytes were when something was learned from them.

use lyceum_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// SHA-256 of some bytes, in hexadecimal.
pub fn content_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, in hexadecimal.
pub fn file_hash(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut file = std::fs::File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::io(path, "read", e))?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}

/// Hashes of files that are asked for again and again: a file is read anew only when the file system says that it may
/// have changed. For one run of a program; nothing is kept beyond it.
#[derive(Debug)]
pub struct FileHashes {
    known: Mutex<HashMap<PathBuf, (Stamp, String)>>,
    /// Clocks of file systems are coarse: a file that was written this shortly before it was read may be written
    /// again without showing it.
    coarse: Duration,
}

impl Default for FileHashes {
    fn default() -> Self {
        Self { known: Mutex::default(), coarse: Duration::from_secs(2) }
    }
}

impl FileHashes {
    /// SHA-256 of a file, in hexadecimal.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(&self, path: impl AsRef<Path>) -> Result<String> {
        self.of_with(path.as_ref(), |p| file_hash(p))
    }

    fn of_with(&self, path: &Path, hash: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
        let (stamp, now) = (Stamp::of(&meta), SystemTime::now());
        if let Some((_, hash)) = self.lock().get(path).filter(|(known, _)| *known == stamp) {
            return Ok(hash.clone());
        }
        let hash = hash(path)?;
        // The stamp is of before the reading: a change meanwhile shows the next time.
        if stamp.changed.is_some_and(|t| now.duration_since(t).is_ok_and(|age| age > self.coarse)) {
            self.lock().insert(path.to_path_buf(), (stamp, hash.clone()));
        }
        Ok(hash)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stamp, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes whenever a file's content does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    /// When content (on Unix: content, name or rights) last changed.
    changed: Option<SystemTime>,
    modified: Option<SystemTime>,
    /// Which file it is: a renamed one takes its number along.
    inode: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let modified = meta.modified().ok();
        let (inode, changed) = identity(meta).unwrap_or((0, modified));
        Self { bytes: meta.len(), changed, modified, inode }
    }
}

/// Number and time of change, which no program can set back, where the system has them.
#[cfg(unix)]
fn identity(meta: &Metadata) -> Option<(u64, Option<SystemTime>)> {
    use std::os::unix::fs::MetadataExt;
    let since = Duration::new(u64::try_from(meta.ctime()).ok()?, u32::try_from(meta.ctime_nsec()).ok()?);
    Some((meta.ino(), SystemTime::UNIX_EPOCH.checked_add(since)))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, Option<SystemTime>)> {
    None
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_hashes_as_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_hash(&path).unwrap(), known);
        assert_eq!(content_hash(b"abc"), known);
    }

    /// Reads until the file is old enough to be remembered.
    fn settled(memo: &FileHashes, path: &Path) -> usize {
        let mut reads = 0;
        loop {
            let before = reads;
            memo.of_with(path, |p| {
                reads += 1;
                file_hash(p)
            })
            .unwrap();
            if reads == before {
                return reads;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn an_unchanged_file_is_read_once_and_a_changed_one_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"abc").unwrap();
        let memo = FileHashes { coarse: Duration::from_millis(50), ..FileHashes::default() };
        assert!(settled(&memo, &path) >= 1);
        let unread = |_: &Path| -> Result<String> { panic!("the file was read again") };
        assert_eq!(memo.of_with(&path, unread).unwrap(), content_hash(b"abc"));

        // As long as before, and dated back: still noticed.
        let date = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, b"abd").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(date).unwrap();
        if cfg!(unix) {
            assert_eq!(memo.of(&path).unwrap(), content_hash(b"abd"));
        }
        // Changed the moment after it was written: a young file is not trusted.
        std::fs::write(&path, b"abe").unwrap();
        assert_eq!(memo.of(&path).unwrap(), content_hash(b"abe"));
        std::fs::write(&path, b"abf").unwrap();
        assert_eq!(memo.of(&path).unwrap(), content_hash(b"abf"));
        // Another file under the same name.
        settled(&memo, &path);
        std::fs::write(dir.path().join("y"), b"abg").unwrap();
        std::fs::rename(dir.path().join("y"), &path).unwrap();
        assert_eq!(memo.of(&path).unwrap(), content_hash(b"abg"));
    }
}
