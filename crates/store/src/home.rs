//! Where pulled models live, and the layout of that folder:
//! `models/NAME/manifest.json` and `models/NAME/NAME/…` (links), `blobs/sha256-…` (each content once),
//! `partial/` (downloads under way), `lyceum.db` (API keys; later runs and traces).

use crate::Manifest;
use lyceum_core::{Error, Result};
use std::path::{Path, PathBuf};

/// The user's model folder.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
    offline: bool,
}

impl Home {
    /// `LYCEUM_HOME`, or else `lyceum` in the user's data folder (`XDG_DATA_HOME`, by default `~/.local/share`).
    /// Nothing is created before something is pulled. `LYCEUM_OFFLINE=1` or `HF_HUB_OFFLINE=1` keep it offline.
    pub fn open() -> Result<Self> {
        let root = match (set("LYCEUM_HOME"), set("XDG_DATA_HOME"), set("HOME").or(set("USERPROFILE"))) {
            (Some(home), _, _) => home,
            (None, Some(data), _) if data.is_absolute() => data.join("lyceum"),
            (None, _, Some(user)) => user.join(".local/share/lyceum"),
            _ => return Err(Error::not_found("no home folder is known").hint("set LYCEUM_HOME to a folder")),
        };
        let offline = ["LYCEUM_OFFLINE", "HF_HUB_OFFLINE"]
            .iter()
            .any(|key| std::env::var(key).is_ok_and(|v| !matches!(v.as_str(), "" | "0" | "false" | "no")));
        Ok(Self::at(root).offline(offline))
    }

    /// A home in a folder of the caller's choice.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), offline: false }
    }

    /// With the network forbidden, or not.
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Whether the network is forbidden.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database file (API keys).
    pub fn database(&self) -> PathBuf {
        self.root.join("lyceum.db")
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn partial(&self) -> Result<PathBuf> {
        let folder = self.root.join("partial");
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "create folder", e))?;
        Ok(folder)
    }

    pub(crate) fn manifest_path(&self, name: &str) -> PathBuf {
        self.models().join(name).join("manifest.json")
    }

    /// The pulled model of that name, if there is one. Fails when its manifest cannot be read.
    pub fn manifest(&self, name: &str) -> Result<Option<Manifest>> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let path = self.manifest_path(name);
        if path.is_file() { Manifest::read(&path).map(Some) } else { Ok(None) }
    }

    /// All pulled models, by name. A broken manifest is left out of the list, `show` tells about it.
    pub fn list(&self) -> Result<Vec<Manifest>> {
        let folder = self.models();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(&folder, "list", e)),
        };
        let mut found: Vec<Manifest> = entries
            .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
            .filter_map(|name| self.manifest(&name).ok().flatten())
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The path of a pulled model: its `.gguf` file, or its folder.
    pub fn path_of(&self, manifest: &Manifest) -> PathBuf {
        let files = self.models().join(&manifest.name).join(&manifest.name);
        match manifest.files.as_slice() {
            [one] if manifest.single_file => files.join(&one.path),
            _ => files,
        }
    }
}

/// A model's name: letters, digits, `.`, `_`, `-`; begins with a letter or digit; at most 128 characters.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fine && name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Error::invalid(format!("\"{name}\" cannot be a model's name")).hint(
        "a name has letters, digits, `.`, `_`, `-`, begins with a letter or digit, and is at most 128 long",
    ))
}

fn set(key: &str) -> Option<PathBuf> {
    std::env::var_os(key).filter(|v| !v.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_folder() {
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-flag", "ä"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name("smollm2-135m.Q4_1").is_ok());
        assert!(Home::at("/nowhere").manifest("../x").unwrap().is_none());
        assert!(Home::at("/nowhere").list().unwrap().is_empty());
    }
}
