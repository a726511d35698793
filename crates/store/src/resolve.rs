//! From what a person types for a model to a path that exists.

use crate::{Alias, Home, Manifest, Source, aliases, clock, hash, home, sniff};
use lyceum_core::{Context, Error, NoProgress, Result};
use std::path::{Path, PathBuf};

impl Home {
    /// The `.gguf` file or folder of a pulled name, a source that was pulled, or a path. A known name that is not
    /// here yet fails with the code `not_pulled`.
    pub fn resolve(&self, name_or_path: &str) -> Result<PathBuf> {
        if home::check_name(name_or_path).is_ok()
            && let Some(manifest) = self.manifest(name_or_path)?
        {
            return self.checked(&manifest);
        }
        let path = Path::new(name_or_path);
        if path.exists() {
            return usable(path);
        }
        if let Some(alias) = Alias::find(name_or_path) {
            return Err(not_pulled(alias.name));
        }
        match Source::parse(name_or_path) {
            Ok(source @ (Source::Hub { .. } | Source::Pip { .. } | Source::Url(_))) => {
                let text = source.to_string();
                match self.list()?.iter().find(|m| m.source == text) {
                    Some(manifest) => self.checked(manifest),
                    None => Err(not_pulled(name_or_path)),
                }
            }
            _ if name_or_path.contains(['/', '\\']) || name_or_path.ends_with(".gguf") => {
                Err(Error::not_found("no such model file or folder").in_file(path))
            }
            _ => Err(self.unknown(name_or_path)),
        }
    }

    /// The path of a pulled model whose files are all there and unchanged.
    fn checked(&self, m: &Manifest) -> Result<PathBuf> {
        let gone = |what: &str, file: &Path| {
            Error::corrupt(format!("the pulled model {} {what}", m.name))
                .in_file(file)
                .hint(format!("pull it again: `lyceum pull {}`", m.name))
        };
        let path = self.path_of(m);
        for f in &m.files {
            let file = if m.single_file { path.clone() } else { path.join(&f.path) };
            let Ok(meta) = file.metadata() else { return Err(gone("lacks a file", &file)) };
            let modified = meta.modified().map_or(0, clock::unix);
            let same = meta.len() == f.bytes
                && (modified == f.modified
                    || hash::of_file(&file, &NoProgress, &Context::new()).is_ok_and(|h| h == f.sha256));
            if !same {
                return Err(gone("was changed after it was pulled", &file));
            }
        }
        path.canonicalize().map_err(|e| Error::io(&path, "find", e))
    }

    fn unknown(&self, name: &str) -> Error {
        let mut known: Vec<String> = self.list().unwrap_or_default().into_iter().map(|m| m.name).collect();
        known.extend(aliases().iter().map(|a| a.name.to_string()));
        known.sort();
        known.dedup();
        Error::not_found(format!("no model \"{name}\"; known are {}", known.join(", ")))
            .did_you_mean(name, known.iter().map(String::as_str))
            .hint("`lyceum pull` gets others; a path to a .gguf file or a safetensors folder works too")
    }
}

fn not_pulled(name: &str) -> Error {
    Error::not_found(format!("{name} is not on this machine yet"))
        .with_code("not_pulled")
        .hint(format!("get it with `lyceum pull {name}`"))
}

/// A path that is a model from outside: a `.gguf` file, or a folder.
fn usable(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
    if path.is_dir() || name.ends_with(".gguf") {
        return path.canonicalize().map_err(|e| Error::io(path, "open", e));
    }
    if sniff::is_pickle(&name) {
        return Err(sniff::pickle_refused(path));
    }
    let error = Error::unsupported("this is not a model file").in_file(path);
    Err(match path.parent() {
        Some(folder) if name.ends_with(".safetensors") => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            error.hint(format!(
                "name its folder, which has config.json and the tokenizer: {}",
                folder.display()
            ))
        }
        _ => error.hint("a model is a `.gguf` file, or a folder with config.json and .safetensors files"),
    })
}
