//! A training or validation set: a file of rows, or one that was saved as bins.

use super::data::Loaded;
use super::settings::Settings;
use crate::ui::Ui;
use lyceum_core::{Error, Result};
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{Examples, Saved};
use std::path::{Path, PathBuf};

pub(super) enum Set {
    Rows(Box<Loaded>),
    Bins(Box<Saved<'static>>),
}

impl Set {
    /// Reads a file, or its saved bins (`FILE.bin`) where the file itself is no more: while it is there, it may have
    /// changed, as may which of its columns are what. `width` is that of the training file where this is another set.
    pub(super) fn read(path: &Path, settings: &Settings, width: Option<usize>, ui: &Ui) -> Result<Self> {
        let bins = bins_name(path);
        let set = if Saved::is_one(path)? {
            Self::Bins(Box::new(Saved::read(path)?))
        } else if !path.exists() && Saved::is_one(&bins)? {
            ui.note(&format!("reading the saved bins in {}", bins.display()));
            Self::Bins(Box::new(Saved::read(&bins)?))
        } else {
            return Ok(Self::Rows(Box::new(Loaded::read(path, settings, width)?)));
        };
        match width.filter(|w| *w != set.width()) {
            Some(w) => {
                let message = format!("has {} feature columns, the training data {w}", set.width());
                Err(Error::invalid(message).in_file(path))
            }
            None => Ok(set),
        }
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.rows(),
            Self::Bins(saved) => saved.rows(),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.names.len(),
            Self::Bins(saved) => saved.features.len(),
        }
    }

    pub(super) fn features(&self) -> Features {
        match self {
            Self::Rows(rows) => rows.features(),
            Self::Bins(saved) => saved.features.clone(),
        }
    }

    pub(super) fn examples(&self) -> Result<Examples<'_>> {
        match self {
            Self::Rows(rows) => rows.examples(),
            Self::Bins(saved) => Ok(saved.examples()),
        }
    }
}

/// Where the bins of a data file are saved.
pub(super) fn bins_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".bin");
    name.into()
}
