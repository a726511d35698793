//! Forgetting a model: its name, and the contents that no other model needs.

use crate::{Home, home};
use lyceum_core::{Error, Result};
use serde::Serialize;

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The name.
    pub name: String,
    /// Bytes that no model needs any more and that were freed.
    pub freed: u64,
}

impl Home {
    /// Removes a pulled model. Files that were linked from elsewhere stay where they are.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        home::check_name(name)?;
        let folder = self.models().join(name);
        if !folder.is_dir() {
            let known: Vec<String> = self.list()?.into_iter().map(|m| m.name).collect();
            let have = if known.is_empty() {
                "nothing is pulled".into()
            } else {
                format!("pulled are {}", known.join(", "))
            };
            return Err(Error::not_found(format!("no pulled model \"{name}\"; {have}"))
                .did_you_mean(name, known.iter().map(String::as_str)));
        }
        // First out of sight, then away: a crash between leaves no half model under the name.
        let doomed = self.models().join(format!(".old-{name}-{}", std::process::id()));
        std::fs::rename(&folder, &doomed).map_err(|e| Error::io(&folder, "remove", e))?;
        std::fs::remove_dir_all(&doomed).map_err(|e| Error::io(&doomed, "remove", e))?;
        Ok(Removed { name: name.into(), freed: self.sweep()? })
    }
}
