//! The folder of a fitted estimator: the model's own files and, written last, `model.json`: what it is, the columns that
//! it learned from, and the hash of every file beside it.

use super::{Columns, Division, Fitted, KIND, Story, calibrated};
use crate::model::{About, Kind, TabularModel, read_json};
use crate::run::files::{REPORT, SUMMARY};
use lyceum_core::{Error, Prediction, Result, write_atomic};
use lyceum_data::file_hash;
use lyceum_estimators::registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILE: &str = "model.json";

/// What `model.json` says.
#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(flatten)]
    about: About,
    #[serde(flatten)]
    columns: Columns,
    division: Division,
    #[serde(flatten)]
    story: Story,
    /// SHA-256 of the model's own files, by name.
    files: BTreeMap<String, String>,
}

/// Whether a folder holds a fitted estimator.
pub fn is_fitted(folder: &Path) -> bool {
    read_json::<Kind>(&folder.join(FILE)).is_ok_and(|k| k.kind == KIND)
}

/// Fails where a fitted estimator cannot be saved in a folder: it holds something else.
///
/// # Errors
/// A file of that name; a folder whose `model.json` is not one of a fitted estimator.
pub fn check_folder(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::invalid("is a file, not a folder").in_file(folder));
    }
    let file = folder.join(FILE);
    if !file.exists() || is_fitted(folder) {
        return Ok(());
    }
    let of =
        read_json::<Kind>(&file).map_or_else(|_| "something else".into(), |k| format!("a {} model", k.kind));
    let e = Error::new(lyceum_core::ErrorKind::Conflict, format!("holds {of}, which stays as it is"));
    Err(e.in_file(file).hint("name another folder"))
}

/// Writes a model's files into a folder, which is made where it is not there. An earlier fitted model in it gives way at
/// the end, when all of the new one is written.
pub(crate) fn save(about: &About, fitted: &Fitted, folder: &Path) -> Result<()> {
    check_folder(folder)?;
    let part = folder.join(format!(".{}.part", std::process::id()));
    std::fs::create_dir_all(&part).map_err(|e| Error::io(&part, "create folder", e))?;
    let done = fill(about, fitted, folder, &part);
    let _ = std::fs::remove_dir_all(&part);
    done
}

fn fill(about: &About, fitted: &Fitted, folder: &Path, part: &Path) -> Result<()> {
    fitted.model.save(part)?;
    let mut files = BTreeMap::new();
    let entries = std::fs::read_dir(part).map_err(|e| Error::io(part, "list", e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(part, "list", e))?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), file_hash(entry.path())?);
    }
    let saved = Saved {
        about: about.clone(),
        columns: fitted.columns.clone(),
        division: fitted.division,
        story: fitted.story.clone(),
        files,
    };
    let text = serde_json::to_vec_pretty(&saved).map_err(|e| Error::internal(e.to_string()))?;
    let remove = |path: PathBuf| match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, "remove", e)),
        _ => Ok(()),
    };
    // Without its model.json a folder is no model: what lies between two models is not taken for one.
    let before: BTreeMap<String, String> =
        read_json::<Saved>(&folder.join(FILE)).map(|s| s.files).unwrap_or_default();
    remove(folder.join(FILE))?;
    // A report is of the model that was there.
    let reports = [REPORT, SUMMARY].map(String::from);
    for name in before.into_keys().filter(|name| is_plain(name)).chain(reports) {
        remove(folder.join(name))?;
    }
    for name in saved.files.keys() {
        let path = folder.join(name);
        std::fs::rename(part.join(name), &path).map_err(|e| Error::io(&path, "write", e))?;
    }
    write_atomic(folder.join(FILE), &text)
}

/// Whether a name stays within its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.') && name != FILE
}

/// Loads what [`save`] wrote.
///
/// # Errors
/// A file that is missing, was changed or does not go with the others, by its name.
pub(crate) fn load(folder: &Path) -> Result<TabularModel> {
    let file = folder.join(FILE);
    let again = "put back the file that was saved, or fit the model again: `lyceum fit … --output`";
    let saved: Saved = read_json(&file).map_err(|e| e.hint(again))?;
    let entry = registry::entry(&saved.about.model_type).map_err(|e| e.in_file(&file))?;
    let corrupt = |message: String| Error::corrupt(message).in_file(&file).hint(again);
    saved.columns.check().map_err(|e| e.in_file(&file).hint(again))?;
    for (name, hash) in &saved.files {
        if !is_plain(name) {
            return Err(corrupt(format!("\"{name}\" is not the name of a file in this folder")));
        }
        let path = folder.join(name);
        if file_hash(&path).map_err(|e| e.hint(again))? != *hash {
            let message = "is not the file that was saved with this folder's model.json";
            return Err(Error::corrupt(message).in_file(path).hint(again));
        }
    }
    let model = entry.load(folder).map_err(|e| e.hint(again))?;
    let Saved { about, columns, division, story, .. } = saved;
    let fitted = Fitted { entry, columns, division, story, model };
    goes_together(&fitted).map_err(|e| corrupt(format!("does not go with the model: {}", e.message())))?;
    Ok(TabularModel::of_fitted(fitted, about))
}

/// Asks the model about no rows: it must know the columns and say as many classes as there are names.
fn goes_together(fitted: &Fitted) -> Result<()> {
    let none = fitted.columns.features.iter().map(|f| (f.column.as_str(), lyceum_data::Cells::default()));
    let table = fitted.columns.table(&lyceum_data::Raw::new(none)?, None)?;
    let names = fitted.columns.target.classes.len();
    let says = match fitted.model.predict(&table)? {
        Prediction::Numbers(_) => 0,
        Prediction::Probabilities { classes, .. } => classes,
    };
    if says != names {
        return Err(Error::corrupt(format!("it tells {says} classes apart, {names} are named")));
    }
    let decision = calibrated(&*fitted.model).map(|c| &c.decision);
    if names != 2 && decision.is_some_and(|d| d.threshold.is_some()) {
        return Err(Error::corrupt(format!("it has a threshold, which is for two classes, not {names}")));
    }
    Ok(())
}
