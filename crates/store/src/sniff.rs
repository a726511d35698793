//! Whether a file is what its name says, told from its first bytes; and which files are never taken.

use lyceum_core::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest header of a safetensors file, as its authors limit it.
const SAFETENSORS_HEADER: u64 = 100_000_000;

/// Endings of formats whose loading runs code that the file carries.
const UNSAFE: [&str; 8] = ["bin", "pt", "pth", "ckpt", "pkl", "pickle", "joblib", "npy"];

/// Whether a file of this name is (or may be) a pickle.
pub(crate) fn is_pickle(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| UNSAFE.contains(&end.to_ascii_lowercase().as_str()))
}

/// The refusal of pickles.
pub(crate) fn pickle_refused(path: &Path) -> Error {
    Error::unsupported("pickle files can run any code when they are loaded, and are never read")
        .in_file(path)
        .hint("convert it to safetensors, or take the GGUF or safetensors version of the model")
}

/// Checks the first bytes of a model file by its ending; files of other endings pass.
pub(crate) fn check(name: &str, path: &Path) -> Result<()> {
    if is_pickle(name) {
        return Err(pickle_refused(Path::new(name)));
    }
    let wrong = |what: &str| Err(Error::corrupt(format!("this is not a {what} file")).in_file(name));
    if name.ends_with(".gguf") {
        return if head(path)?.0.starts_with(b"GGUF") { Ok(()) } else { wrong("GGUF") };
    }
    if name.ends_with(".safetensors") {
        let (first, length) = head(path)?;
        let header = u64::from_le_bytes(first.first_chunk::<8>().copied().unwrap_or([0; 8]));
        let fits = (2..=SAFETENSORS_HEADER).contains(&header) && header.saturating_add(8) <= length;
        return if fits && first.get(8) == Some(&b'{') { Ok(()) } else { wrong("safetensors") };
    }
    Ok(())
}

fn head(path: &Path) -> Result<(Vec<u8>, u64)> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let length = file.metadata().map_err(|e| Error::io(path, "read", e))?.len();
    let mut first = Vec::new();
    file.take(16).read_to_end(&mut first).map_err(|e| Error::io(path, "read", e))?;
    Ok((first, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_formats_by_their_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let judged = |name: &str, bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            check(name, &path).map_err(|e| e.to_string())
        };
        assert!(judged("a.gguf", b"GGUF\x03\0\0\0").is_ok());
        assert!(judged("a.gguf", b"<html>").unwrap_err().contains("not a GGUF file"));
        assert!(judged("a.safetensors", b"\x02\0\0\0\0\0\0\0{}").is_ok());
        assert!(judged("a.safetensors", b"\xff\xff\xff\xff\0\0\0\0{}").is_err());
        assert!(judged("a.safetensors", b"").is_err());
        assert!(judged("pytorch_model.bin", b"PK").unwrap_err().contains("pickle"));
        assert!(judged("config.json", b"anything").is_ok());
    }
}
