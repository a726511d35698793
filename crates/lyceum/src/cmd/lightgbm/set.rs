//! A training or validation set: a file of rows, one that was read straight into bins, or one that was saved as bins.

use super::data::Loaded;
use super::settings::Settings;
use super::two_round;
use crate::ui::Ui;
use lyceum_core::{Error, FitContext, Result};
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{BoostingParams, Examples, Saved};
use std::path::{Path, PathBuf};

pub(super) enum Set {
    Rows(Box<Loaded>),
    /// Rows that were binned as they came.
    Streamed(Box<Saved<'static>>),
    /// From a file of bins.
    Bins(Box<Saved<'static>>),
}

impl Set {
    /// Reads a set to learn from or to measure on, with `two_round=true` straight into bins. `train` is the training
    /// set where this is another one.
    pub(super) fn read(
        path: &Path,
        settings: &Settings,
        params: &BoostingParams,
        train: Option<&Self>,
        (fit, ui): (&FitContext, &Ui),
    ) -> Result<Self> {
        let is_rows = path.exists() && !Saved::is_one(path)?;
        if is_rows && settings.flag("two_round")? && train.is_none_or(|t| t.saved().is_some()) {
            let like = train.and_then(Self::saved);
            return Ok(Self::Streamed(Box::new(two_round::read(path, settings, params, like, fit)?)));
        }
        Self::whole(path, settings, train.map(Self::width), ui)
    }

    /// Reads a file, or its saved bins (`FILE.bin`) where the file itself is no more: while it is there, it may have
    /// changed, as may which of its columns are what. `width` is that of the training file where this is another set.
    pub(super) fn whole(path: &Path, settings: &Settings, width: Option<usize>, ui: &Ui) -> Result<Self> {
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

    /// The bins, where there are such already.
    pub(super) fn saved(&self) -> Option<&Saved<'static>> {
        match self {
            Self::Rows(_) => None,
            Self::Streamed(saved) | Self::Bins(saved) => Some(saved),
        }
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.rows(),
            Self::Streamed(saved) | Self::Bins(saved) => saved.rows(),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.names.len(),
            Self::Streamed(saved) | Self::Bins(saved) => saved.features.len(),
        }
    }

    pub(super) fn features(&self) -> Features {
        match self {
            Self::Rows(rows) => rows.features(),
            Self::Streamed(saved) | Self::Bins(saved) => saved.features.clone(),
        }
    }

    pub(super) fn examples(&self) -> Result<Examples<'_>> {
        match self {
            Self::Rows(rows) => rows.examples(),
            Self::Streamed(saved) | Self::Bins(saved) => Ok(saved.examples()),
        }
    }
}

/// Where the bins of a data file are saved.
pub(super) fn bins_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".bin");
    name.into()
}
