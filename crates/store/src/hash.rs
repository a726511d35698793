//! SHA-256 of bytes and files, as lower-case hex.

use lyceum_core::{Context, Error, NoProgress, Progress, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Smaller files are done before anybody could read a progress bar.
const SLOW: u64 = 16 << 20;

/// Hex of a digest.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read once in pieces; stops when the context is cancelled.
pub fn of_file(path: &Path, progress: &dyn Progress, cx: &Context) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let length = file.metadata().map_err(|e| Error::io(path, "read", e))?.len();
    if length < SLOW {
        return digest(&mut file, path, &NoProgress, cx);
    }
    progress.begin("checking sha256", Some(length));
    let done = digest(&mut file, path, progress, cx);
    progress.end();
    done
}

fn digest(file: &mut File, path: &Path, progress: &dyn Progress, cx: &Context) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    let mut total = 0;
    loop {
        cx.check()?;
        let n = file.read(&mut buffer).map_err(|e| Error::io(path, "read", e))?;
        let Some(piece) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        hasher.update(piece);
        total += n as u64;
        progress.at(total);
    }
    Ok(hex(&hasher.finalize()))
}

/// Whether a text is a SHA-256 in lower-case hex.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_and_with_itself() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes(b"abc"), abc);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(of_file(&path, &NoProgress, &Context::new()).unwrap(), abc);
        assert!(is_sha256(abc) && !is_sha256("ABC"));
    }
}
