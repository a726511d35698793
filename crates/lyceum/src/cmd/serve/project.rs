//! What a project serves: `DIR/.lyceum/serve.json`, which `lyceum up` writes once its gates are judged. Paths in it
//! are absolute or relative to DIR.

use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Models by name, adapters and tabular models by name and folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Served {
    /// Pulled names or paths.
    pub(crate) models: Vec<String>,
    /// Of the first model that generates.
    pub(crate) adapters: BTreeMap<String, PathBuf>,
    /// Folders of trained models.
    pub(crate) tabular: BTreeMap<String, PathBuf>,
}

impl Served {
    /// Where a project keeps it.
    pub(crate) fn file(project: &Path) -> PathBuf {
        project.join(".lyceum/serve.json")
    }

    /// Keeps it with a project.
    pub(crate) fn write(&self, project: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::internal(e.to_string()))?;
        lyceum_core::write_atomic(Self::file(project), &text)
    }

    /// What a project serves.
    pub(crate) fn of_project(project: &Path) -> Result<Self> {
        let path = Self::file(project);
        let text = std::fs::read(&path).map_err(|e| {
            let hint = format!("make it with `lyceum up {}`", project.display());
            if e.kind() == std::io::ErrorKind::NotFound {
                Error::not_found("this project has nothing to serve yet").in_file(project).hint(hint)
            } else {
                Error::io(&path, "read", e)
            }
        })?;
        let mut served: Self =
            serde_json::from_slice(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(&path))?;
        for folder in served.adapters.values_mut().chain(served.tabular.values_mut()) {
            *folder = project.join(&folder);
        }
        Ok(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_read_or_explained() {
        let dir = tempfile::tempdir().unwrap();
        let e = Served::of_project(dir.path()).unwrap_err().to_string();
        assert!(e.contains("nothing to serve yet") && e.contains("lyceum up"), "{e}");
        std::fs::create_dir(dir.path().join(".lyceum")).unwrap();
        std::fs::write(Served::file(dir.path()), r#"{"models":["m"],"adapters":{"a":".lyceum/a"}}"#).unwrap();
        let served = Served::of_project(dir.path()).unwrap();
        assert_eq!(
            (served.models, &served.adapters["a"]),
            (vec!["m".to_string()], &dir.path().join(".lyceum/a"))
        );
    }
}
