//! An estimator of the house, fitted to a table: what `lyceum fit` learns, its folder, and how any table's rows come
//! to it. Loaded, it is a [`TabularModel`](crate::model::TabularModel) as any other.
//!
//! Columns are taken as they are: numbers unscaled, truth values 0 and 1, text as categories; nothing is filled in.

mod columns;
mod division;
mod folder;
mod target;

pub use crate::explain::note_means;
use crate::model::About;
use crate::prepared::{Encoded, EncodedInput, Prepared};
pub use columns::{ColumnKind, Columns, Feature};
pub use division::Division;
pub use folder::{check_folder, is_fitted};
pub(crate) use folder::{load, save};
use lyceum_core::{Error, Model, Result};
use lyceum_data::Raw;
use lyceum_estimators::calibration::CalibratedModel;
use lyceum_estimators::registry::Entry;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
pub use target::{Labels, TargetColumn};

/// What `model.json` calls a model of `lyceum fit`.
pub(crate) const KIND: &str = "fit";
/// The version of the folder's format that is written and read.
pub(crate) const FORMAT: u32 = 1;

/// A fitted estimator with what it needs to be asked.
pub struct Fitted {
    /// Which estimator.
    pub entry: &'static Entry,
    /// The columns that it learned from.
    pub columns: Columns,
    /// How the rows were divided.
    pub division: Division,
    /// How it was fitted and what it is worth.
    pub story: Story,
    /// The model, with its calibration and threshold where it has them.
    pub model: Box<dyn Model>,
}

/// How an estimator was fitted, for people to read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The estimator's parameters as set.
    pub params: serde_json::Value,
    /// Rows (`training`, `test`, `cross_validation`) to metric to value.
    pub scores: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a fitted estimator's folder says of how it was made. `data`: name and SHA-256 of each file; `rows`: learned from,
/// kept for calibration and threshold, held out.
pub fn about(fitted: &Fitted, data: Vec<(String, String)>, rows: [usize; 3], seed: u64) -> About {
    let (data, data_sha256) = data.into_iter().unzip();
    let scores = &fitted.story.scores;
    let measured = ["test", "cross_validation", "training"].iter().find_map(|part| scores.get(*part));
    About {
        kind: KIND.into(),
        model_type: fitted.entry.name.into(),
        format: FORMAT,
        made_by: env!("CARGO_PKG_VERSION").into(),
        data,
        data_sha256,
        rows,
        seed,
        metrics: measured.map(|m| (fitted.columns.target.column.clone(), m.clone())).into_iter().collect(),
    }
}

impl Fitted {
    /// From which probability of the second of two classes a row is called of it; absent where it is half.
    pub fn threshold(&self) -> Option<f64> {
        calibrated(&*self.model).and_then(|c| c.decision.threshold)
    }

    /// Preprocessing in the form of every model of tables.
    pub(crate) fn prepared(&self) -> Prepared {
        Prepared {
            inputs: self.columns.inputs(),
            outputs: vec![self.columns.target.output(self.threshold().unwrap_or(0.5))],
        }
    }

    /// Fails at the first cell that is missing, where the estimator wants complete numbers.
    pub(crate) fn complete(&self, prepared: &Prepared, encoded: &Encoded, raw: &Raw) -> Result<()> {
        if self.entry.takes_missing {
            return Ok(());
        }
        for (named, input) in prepared.inputs.iter().zip(&encoded.inputs) {
            let EncodedInput::Number { raw: cells, .. } = input else { continue };
            if let Some(row) = cells.iter().position(|x| x.is_nan()) {
                let message =
                    format!("the cell is missing, and `{}` wants complete numbers", self.entry.name);
                let e = raw.place_cell(Error::invalid(message), row, &named.column);
                return Err(e.hint("fill it in, or fit `gradient_boosting`, which takes missing cells"));
            }
        }
        Ok(())
    }
}

/// A model with what was learnt on top of it.
pub(crate) fn calibrated(model: &dyn Model) -> Option<&CalibratedModel> {
    let any: &dyn Any = model;
    any.downcast_ref()
}

/// The model below calibration and threshold: the one that adds up raw scores.
pub(crate) fn bare(model: &dyn Model) -> &dyn Model {
    calibrated(model).map_or(model, CalibratedModel::model)
}
