//! `task=save_binary`, and `save_binary=true` beside `task=train`: sets as bins, each in a file beside its own.

use super::set::{Set, bins_name};
use super::settings::Settings;
use crate::ui::Ui;
use lyceum_core::{Error, FitContext, Result};
use lyceum_estimators::boosting::{BoostingParams, Saved};
use lyceum_tensor::Pool;
use std::path::{Path, PathBuf};

pub(super) fn run(settings: &Settings, fit: &FitContext, ui: &Ui) -> Result<()> {
    let params = BoostingParams::from_params(&settings.learner)?;
    params.check_files()?;
    let path = settings.file("data", "the rows to save as bins")?;
    let train = Set::read(&path, settings, &params, None, (fit, ui))?;
    let valid_files = settings.files("valid");
    let valid = valid_files
        .iter()
        .map(|p| Ok((p.as_path(), Set::read(p, settings, &params, Some(&train), (fit, ui))?)))
        .collect::<Result<Vec<_>>>()?;
    let files = save((&path, &train), &valid, &params, fit)?;
    let report = serde_json::json!({
        "task": "save_binary", "rows": train.rows(), "features": train.width(), "files": files
    });
    ui.result(&report, |_| {
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        format!("{} rows of {} columns saved as bins: {}\n", train.rows(), train.width(), names.join(", "))
    })
}

/// Saves the bins of all sets; gives the files' names.
pub(super) fn save(
    (path, train): (&Path, &Set),
    valid: &[(&Path, Set)],
    params: &BoostingParams,
    fit: &FitContext,
) -> Result<Vec<PathBuf>> {
    let pool = Pool::new(fit.threads);
    let rows = |path: &Path, set: &Set| match set {
        Set::Rows(_) | Set::Streamed(_) => Ok(()),
        Set::Bins(_) => Err(Error::invalid("is saved as bins already").in_file(path)),
    };
    rows(path, train)?;
    valid.iter().try_for_each(|(path, set)| rows(path, set))?;
    params.check()?;
    let mut files = vec![bins_name(path)];
    let made;
    let saved = match train {
        Set::Streamed(saved) => saved,
        _ => {
            made = Saved::fit(train.features(), &train.examples()?, params, &pool)?;
            &made
        }
    };
    saved.write(bins_name(path))?;
    for (path, set) in valid {
        fit.cx.check()?;
        match set {
            Set::Streamed(own) => own.write(bins_name(path))?,
            _ => saved.like(&set.examples()?, &pool)?.write(bins_name(path))?,
        }
        files.push(bins_name(path));
    }
    Ok(files)
}
