//! Pickled weights run code when they are loaded: they are refused, by name and by content.

use lyceum_core::{Error, Result};
use std::io::Read;
use std::path::Path;

const NAMES: [&str; 6] = ["bin", "pt", "pth", "pkl", "pickle", "ckpt"];

/// Fails, saying what to do instead, when the file is a pickle: by its extension, or by how it begins (a PyTorch zip
/// archive or a bare pickle).
pub fn refuse_pickle(path: &Path) -> Result<()> {
    let by_name = path
        .extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| NAMES.iter().any(|name| name.eq_ignore_ascii_case(e)));
    if by_name || begins_as_pickle(path) {
        return Err(Error::unsupported(
            "this is a pickle file, which could run any code when loaded; it is not read",
        )
        .in_file(path)
        .hint("use a .safetensors or .gguf file of the same model"));
    }
    Ok(())
}

fn begins_as_pickle(path: &Path) -> bool {
    let mut start = [0u8; 4];
    let read = std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut start));
    read.is_ok() && (start == *b"PK\x03\x04" || (start[0] == 0x80 && (2..=5).contains(&start[1])))
}
