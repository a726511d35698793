//! Documents of a folder: which files, how much, and nothing from outside it.

use lyceum_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// What is refused.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 8 << 20, files: 10_000, bytes: 256 << 20 }
    }
}

/// Folders within folders at most.
const DEPTH: usize = 16;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Markdown,
    Text,
    Html,
}

/// A document.
pub(super) struct Document {
    /// Its path from the folder, with `/`.
    pub(super) source: String,
    pub(super) form: Form,
    pub(super) text: String,
}

/// Reads all documents below a folder, by name.
pub(super) fn read(folder: &Path, limits: &Limits) -> Result<Vec<Document>> {
    let root = folder.canonicalize().map_err(|e| Error::io(folder, "open the documents", e))?;
    if !root.is_dir() {
        return Err(Error::invalid("is no folder of documents").in_file(folder));
    }
    let mut paths = Vec::new();
    walk(&root, &root, limits, 0, &mut paths)?;
    paths.sort_by(|a, b| a.0.cmp(&b.0));
    if paths.is_empty() {
        return Err(Error::not_found("no documents (.md, .txt, .html) are in this folder").in_file(folder));
    }
    let mut all = 0;
    let mut documents = Vec::with_capacity(paths.len());
    for (path, form) in paths {
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
        all += bytes.len() as u64;
        if bytes.len() as u64 > limits.file_bytes || all > limits.bytes {
            let message = format!(
                "too large: a document may have {} bytes, all together {}",
                limits.file_bytes, limits.bytes
            );
            return Err(Error::new(ErrorKind::TooLarge, message).in_file(path));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| Error::invalid("is not valid UTF-8").in_file(&path))?;
        let source = path.strip_prefix(&root).unwrap_or(&path);
        let source: Vec<_> = source.iter().map(|p| p.to_string_lossy()).collect();
        documents.push(Document { source: source.join("/"), form, text });
    }
    Ok(documents)
}

fn walk(
    root: &Path,
    folder: &Path,
    limits: &Limits,
    depth: usize,
    found: &mut Vec<(PathBuf, Form)>,
) -> Result<()> {
    if depth > DEPTH {
        return Err(Error::invalid(format!("more than {DEPTH} folders within one another")).in_file(folder));
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "read", e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "read", e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let meta = path.symlink_metadata().map_err(|e| Error::io(&path, "read", e))?;
        if hidden {
            continue;
        }
        if meta.is_symlink() {
            // What it leads to within the folder is found there.
            let target = path.canonicalize().map_err(|e| Error::io(&path, "follow", e))?;
            if !target.starts_with(root) {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    "this link leads out of the folder of documents",
                )
                .in_file(path));
            }
        } else if meta.is_dir() {
            walk(root, &path, limits, depth + 1, found)?;
        } else if let Some(form) = form(&path) {
            if meta.len() > limits.file_bytes {
                let message = format!("{} bytes; a document may have {}", meta.len(), limits.file_bytes);
                return Err(Error::new(ErrorKind::TooLarge, message).in_file(path));
            }
            found.push((path, form));
            if found.len() > limits.files {
                let message = format!("more than {} documents", limits.files);
                return Err(Error::new(ErrorKind::TooLarge, message).in_file(root));
            }
        }
    }
    Ok(())
}

fn form(path: &Path) -> Option<Form> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "md" | "markdown" => Some(Form::Markdown),
        "txt" => Some(Form::Text),
        "html" | "htm" => Some(Form::Html),
        _ => None,
    }
}
