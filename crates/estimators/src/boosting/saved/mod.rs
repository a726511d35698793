//! A data set that has been binned, in a file: reading it saves parsing and binning. The file is this program's own
//! (LightGBM's binary files change with its memory layout and are not read).
//!
//! It is read whole, not mapped: every bin is checked once, and kernels rely on that.

mod bytes;
mod read;
mod write;

use super::data::{BinRule, Dataset};
use super::params::BoostingParams;
use super::train::{Examples, Source};
use crate::features::Features;
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How files begin; the digits are the format's version.
const MAGIC: &[u8; 16] = b"lyceum bins 0001";
/// How many bytes of it are the same in all versions.
const MAGIC_NAME: usize = 12;
/// How LightGBM's own begin.
const FOREIGN: &[u8] = b"______LightGBM_Binary_File_Token______";

/// Binned rows with their labels and all else that is known of them.
pub struct Saved<'a> {
    /// Names of the columns, and which are categories.
    pub features: Features,
    data: Dataset,
    made: Made,
    rest: Targets<'a>,
}

/// What the bins were made by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Made {
    rule: BinRule,
    min_data_in_leaf: usize,
}

/// Everything of [`Examples`] but the features.
pub struct Targets<'a> {
    /// One label a row.
    pub y: Cow<'a, [f64]>,
    /// Weight of each row.
    pub weight: Option<Cow<'a, [f64]>>,
    /// Rows of each query in order.
    pub group: Option<Cow<'a, [usize]>>,
    /// Raw scores to start from, as in [`Examples`].
    pub init_score: Option<Cow<'a, [f64]>>,
}

impl<'a> Saved<'a> {
    /// Bins rows as training with these parameters would.
    ///
    /// # Errors
    /// As [`Dataset::fit`]; rows that are bins already.
    pub fn fit(
        features: Features,
        rows: &Examples<'a>,
        params: &BoostingParams,
        pool: &Pool,
    ) -> Result<Self> {
        let made = Made {
            rule: params.rule(&features)?.into_owned(),
            min_data_in_leaf: params.tree.min_data_in_leaf,
        };
        let data = Dataset::fit(numbers(rows)?, &features, &made.rule, made.min_data_in_leaf, pool)?;
        Ok(Self { features, data, made, rest: Targets::of(rows) })
    }

    /// Rows that are bins already, made by the parameters' rule.
    ///
    /// # Errors
    /// Names for another number of columns, labels for another number of rows.
    pub fn of(features: Features, data: Dataset, rest: Targets<'a>, params: &BoostingParams) -> Result<Self> {
        let made = Made { rule: params.bins.clone(), min_data_in_leaf: params.tree.min_data_in_leaf };
        Self { features, data, made, rest }.sound()
    }

    /// Rows that were binned as these were.
    ///
    /// # Errors
    /// As [`Saved::of`].
    pub fn with<'b>(&self, data: Dataset, rest: Targets<'b>) -> Result<Saved<'b>> {
        let (features, made) = (self.features.clone(), self.made.clone());
        Saved { features, data, made, rest }.sound()
    }

    /// The bins.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    fn sound(self) -> Result<Self> {
        let (columns, names) = (self.data.width(), self.features.names.len());
        let (rows, labels) = (self.data.rows(), self.rest.y.len());
        if columns != names || rows != labels {
            let message = format!("{names} names and {labels} labels for {columns} columns of {rows} rows");
            return Err(Error::invalid(message));
        }
        Ok(self)
    }

    /// Bins other rows as these were.
    ///
    /// # Errors
    /// As [`Saved::fit`].
    pub fn like<'b>(&self, rows: &Examples<'b>, pool: &Pool) -> Result<Saved<'b>> {
        let data = self.data.like(numbers(rows)?, pool)?;
        Ok(Saved { features: self.features.clone(), data, made: self.made.clone(), rest: Targets::of(rows) })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.rows()
    }

    /// The rows to train on or to measure on.
    pub fn examples(&self) -> Examples<'_> {
        let rest = &self.rest;
        Examples {
            x: Source::Bins(&self.data),
            y: Cow::Borrowed(&rest.y),
            weight: rest.weight.as_deref().map(Cow::Borrowed),
            group: rest.group.as_deref().map(Cow::Borrowed),
            init_score: rest.init_score.as_deref().map(Cow::Borrowed),
        }
    }

    /// Fails when one of the parameters that were given, by main name, asks for other bins than these.
    ///
    /// # Errors
    /// The first parameter that differs, with both values.
    pub fn check(&self, params: &BoostingParams, given: impl Fn(&str) -> bool) -> Result<()> {
        let (own, want) = (&self.made.rule, &params.bins);
        let whole = |x: usize| x.to_string();
        let list = |all: &[usize]| all.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let pairs = [
            ("max_bin", whole(own.max_bin), whole(want.max_bin)),
            ("max_bin_by_feature", list(&own.max_bin_by_feature), list(&want.max_bin_by_feature)),
            ("min_data_in_bin", whole(own.min_data_in_bin), whole(want.min_data_in_bin)),
            ("bin_construct_sample_cnt", whole(own.sample), whole(want.sample)),
            ("use_missing", own.use_missing.to_string(), want.use_missing.to_string()),
            ("zero_as_missing", own.zero_as_missing.to_string(), want.zero_as_missing.to_string()),
            ("feature_pre_filter", own.feature_pre_filter.to_string(), want.feature_pre_filter.to_string()),
        ];
        let fault = |key: &str, own: &str, want: &str| {
            let message = format!("the data set was saved with {own}, not {want}: save it again");
            Err(Error::invalid(message).at_key(key))
        };
        if let Some((key, own, want)) = pairs.iter().find(|(key, own, want)| given(key) && own != want) {
            return fault(key, own, want);
        }
        let empty = |all: &[Vec<f64>]| all.iter().all(Vec::is_empty);
        let (own, want) = (&own.forced_bounds, &params.rule(&self.features)?.forced_bounds);
        if given("forcedbins_filename") && own != want && !(empty(own) && empty(want)) {
            let message = "the data set was saved with other bounds of bins: save it again";
            return Err(Error::invalid(message).at_key("forcedbins_filename"));
        }
        let (own, want) = (self.made.min_data_in_leaf, params.tree.min_data_in_leaf);
        if self.made.rule.feature_pre_filter && want < own {
            return fault("min_data_in_leaf", &format!("{own} or more"), &whole(want));
        }
        Ok(())
    }
}

impl<'a> Targets<'a> {
    fn of(rows: &Examples<'a>) -> Self {
        let Examples { x: _, y, weight, group, init_score } = rows.clone();
        Self { y, weight, group, init_score }
    }
}

fn numbers<'r>(rows: &'r Examples<'_>) -> Result<&'r super::Matrix<'r>> {
    rows.x.numbers().ok_or_else(|| Error::invalid("the data set is saved as bins already"))
}

/// The description at the head of a file. Lengths are numbers of entries, not of bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    rows: usize,
    made: Made,
    columns: Vec<ColumnHead>,
    weight: bool,
    /// Number of queries.
    group: Option<usize>,
    /// Initial scores a row.
    init_score: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct ColumnHead {
    name: std::sync::Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    levels: Option<Vec<std::sync::Arc<str>>>,
    /// Absent for a column that cannot be split.
    #[serde(skip_serializing_if = "Option::is_none")]
    bins: Option<BinsHead>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BinsHead {
    Number { bounds: usize, missing: super::data::MissingKind },
    Category { categories: usize },
}
