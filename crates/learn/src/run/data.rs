//! The tables of a run: one that is split, or three that are split already.

use crate::config::Config;
use crate::prepared::usable_rows;
use lyceum_core::{Error, Result};
use lyceum_data::{Random, Raw, Splits, file_hash, read};
use std::path::PathBuf;

/// Where the rows come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataFiles {
    /// One table, split by the configuration's rule.
    pub dataset: Option<PathBuf>,
    /// Rows to learn from.
    pub training_set: Option<PathBuf>,
    /// Rows that decide when to stop.
    pub validation_set: Option<PathBuf>,
    /// Rows to test on.
    pub test_set: Option<PathBuf>,
}

/// A part of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Rows learned from.
    Training,
    /// Rows that decided when to stop.
    Validation,
    /// Rows to test on.
    Test,
    /// All rows.
    Full,
}

impl Part {
    /// Its name in a report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Full => "all",
        }
    }
}

/// A table, its parts and the hashes of its files.
pub(crate) struct Loaded {
    pub(crate) raw: Raw,
    pub(crate) splits: Splits,
    /// File name and SHA-256 of each file.
    pub(crate) files: Vec<(PathBuf, String)>,
}

impl Loaded {
    /// Fails when no row is left to train on.
    pub(crate) fn need_training(&self) -> Result<()> {
        if self.splits.training.is_empty() {
            return Err(self.raw.place(Error::invalid("the split leaves no row to train on")));
        }
        Ok(())
    }
}

impl DataFiles {
    /// One table.
    pub fn one(path: impl Into<PathBuf>) -> Self {
        Self { dataset: Some(path.into()), ..Self::default() }
    }

    /// Reads the files and decides which rows train; rows that cannot be used are left out.
    pub(crate) fn load(&self, config: &Config, seed: u64) -> Result<Loaded> {
        let loaded = self.load_rows(config, seed, |raw| {
            let usable = usable_rows(config, raw)?;
            if usable.is_empty() {
                let names: Vec<String> = config.outputs.iter().map(|o| format!("\"{}\"", o.column)).collect();
                let message = format!("no row has all of {}", names.join(", "));
                return Err(raw.place(Error::invalid(message)));
            }
            Ok(usable)
        })?;
        loaded.need_training()?;
        Ok(loaded)
    }

    /// The same for rows that `usable` chooses; it fails when there are none. Perhaps no row is left to train on.
    pub(crate) fn load_rows(
        &self,
        config: &Config,
        seed: u64,
        usable: impl FnOnce(&Raw) -> Result<Vec<usize>>,
    ) -> Result<Loaded> {
        let (tables, paths) = self.tables()?;
        let files = paths.iter().map(|p| Ok((p.clone(), file_hash(p)?))).collect::<Result<_>>()?;
        let raw = if tables.len() == 1 {
            tables.first().cloned().unwrap_or_default()
        } else {
            Raw::concat(&tables)
        };
        let mut usable = usable(&raw)?;
        if config.sample_ratio < 1.0 {
            let keep = ((usable.len() as f64 * config.sample_ratio).round() as usize).max(1);
            Random::new(seed, 0x5a).shuffle(&mut usable);
            usable.truncate(keep);
            usable.sort_unstable();
        }
        let splits = match self.dataset {
            Some(_) => {
                let kept = raw.take(&usable);
                let within = Splits::divide(&config.split, &kept, seed)?;
                let back = |rows: &[usize]| rows.iter().filter_map(|r| usable.get(*r).copied()).collect();
                let (training, validation) = (back(&within.training), back(&within.validation));
                Splits { training, validation, test: back(&within.test) }
            }
            None => self.given_parts(&tables, &usable),
        };
        Ok(Loaded { raw, splits, files })
    }

    fn tables(&self) -> Result<(Vec<Raw>, Vec<PathBuf>)> {
        let paths: Vec<PathBuf> = match (&self.dataset, &self.training_set) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("give either a dataset or a training set, not both"));
            }
            (Some(one), None) => vec![one.clone()],
            (None, Some(training)) => [Some(training), self.validation_set.as_ref(), self.test_set.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            (None, None) => {
                let e = Error::invalid("no data: neither a dataset nor a training set is given");
                return Err(e.hint("--dataset FILE.csv"));
            }
        };
        Ok((paths.iter().map(read).collect::<Result<_>>()?, paths))
    }

    /// Which rows of tables put under each other belong to which part.
    fn given_parts(&self, tables: &[Raw], usable: &[usize]) -> Splits {
        let mut out = Splits::default();
        let ends: Vec<usize> = tables
            .iter()
            .scan(0, |sum, t| {
                *sum += t.rows();
                Some(*sum)
            })
            .collect();
        let with_validation = self.validation_set.is_some();
        for row in usable {
            match (ends.iter().position(|e| row < e), with_validation) {
                (Some(0), _) => out.training.push(*row),
                (Some(1), true) => out.validation.push(*row),
                _ => out.test.push(*row),
            }
        }
        out
    }
}
