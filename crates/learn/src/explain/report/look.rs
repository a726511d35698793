//! One output's model, and the rows that it is looked at with.

use crate::explain::Shares;
use crate::fit::Material;
use crate::metrics::{Pairs, pairs};
use crate::model::TabularModel;
use crate::prepared::{EncodedInput, FittedInput, FittedOutput, Named, Scale, Wanted};
use crate::scores::Scores;
use lyceum_core::{Column, Error, Model, Result, Table};
use lyceum_data::Random;
use lyceum_estimators::boosting::Booster;

/// Most rows whose shares are taken, and that are shuffled.
const ROWS: usize = 2_000;

/// One output's model and a sample of the rows.
pub(super) struct Look<'a> {
    model: &'a TabularModel,
    material: &'a Material,
    own: &'a dyn Model,
    output: usize,
    named: &'a Named<FittedOutput>,
    wanted: &'a Wanted,
    /// The sample, in random order.
    pub(super) rows: Vec<usize>,
    /// What the model sees of the sample.
    pub(super) table: Table,
    /// The feature of each column.
    pub(super) owners: Vec<usize>,
    pub(super) seed: u64,
}

/// Where a feature's values lie on a line.
pub(super) struct Axis {
    /// A place for each row of the sample; absent where the value is missing or unknown.
    pub(super) at: Vec<Option<f64>>,
    /// Names of the places 0, 1, …; empty for numbers.
    pub(super) names: Vec<String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        material: &'a Material,
        model: &'a TabularModel,
        output: usize,
        rows: &[usize],
        seed: u64,
    ) -> Result<Self> {
        let mut rows = rows.to_vec();
        Random::new(seed, 0x100c).shuffle(&mut rows);
        rows.truncate(ROWS);
        let (models, table, words) = model.table_of(&material.encoded, &rows)?;
        let lacks = || Error::internal("a model without an output");
        Ok(Self {
            own: &**models.get(output).ok_or_else(lacks)?,
            named: model.prepared.outputs.get(output).ok_or_else(lacks)?,
            wanted: material.wanted.get(output).ok_or_else(lacks)?,
            owners: model.prepared.owners(words),
            model,
            material,
            output,
            rows,
            table,
            seed,
        })
    }

    /// Whether the model sees filled and scaled numbers.
    pub(super) fn is_scaled(&self) -> bool {
        self.model.models().is_some_and(|(_, sees)| sees.scale == Scale::Scaled)
    }

    /// How much each feature matters by the model's own measure, the most first.
    pub(super) fn importance(&self) -> Vec<(String, f64)> {
        self.model.importance(self.output)
    }

    pub(super) fn booster(&self) -> Option<&'a Booster> {
        self.model.booster(self.output)
    }

    pub(super) fn shares(&self) -> Result<Shares> {
        self.model.shares(self.output, self.own, &self.table, &self.owners)
    }

    pub(super) fn scores(&self, table: &Table) -> Result<Scores> {
        let scores = Scores::of_prediction(self.own.predict(table)?, &self.named.fitted);
        Ok(self.named.fitted.finish(scores))
    }

    /// What is said of the sample and what is true.
    pub(super) fn pairs(&self, scores: &Scores) -> Pairs {
        pairs(scores, self.wanted, &self.rows)
    }

    pub(super) fn fitted(&self) -> &'a FittedOutput {
        &self.named.fitted
    }

    pub(super) fn output_name(&self) -> &'a str {
        &self.named.name
    }

    pub(super) fn classes(&self) -> Vec<String> {
        self.model.classes(self.output)
    }

    pub(super) fn inputs(&self) -> &'a [Named<FittedInput>] {
        &self.model.prepared.inputs
    }

    pub(super) fn name(&self, feature: usize) -> String {
        self.inputs().get(feature).map(|f| f.name.clone()).unwrap_or_default()
    }

    /// Whether a feature's values lie on a line: all but text.
    pub(super) fn has_axis(&self, feature: usize) -> bool {
        !matches!(self.inputs().get(feature).map(|f| &f.fitted), None | Some(FittedInput::Text(_)))
    }

    /// The sample's values of a feature; absent for text.
    pub(super) fn axis(&self, feature: usize) -> Option<Axis> {
        let fitted = &self.inputs().get(feature)?.fitted;
        let of = |at: &dyn Fn(usize) -> Option<f64>| self.rows.iter().map(|r| at(*r)).collect();
        match (self.material.encoded.inputs.get(feature)?, fitted) {
            (EncodedInput::Number { raw, .. }, fitted) => {
                let names = match fitted {
                    FittedInput::Binary(b) => vec![b.false_label.clone(), b.true_label.clone()],
                    _ => Vec::new(),
                };
                Some(Axis { at: of(&|r| raw.get(r).copied().filter(|x| !x.is_nan())), names })
            }
            (EncodedInput::Category(codes), FittedInput::Category(fitted)) => {
                let known = |r| codes.get(r).filter(|c| **c != Column::MISSING).map(|c| f64::from(*c));
                Some(Axis { at: of(&known), names: fitted.levels.iter().map(|l| l.to_string()).collect() })
            }
            _ => None,
        }
    }
}

/// Five digits are enough for an eye, and keep the numbers behind a page small.
pub(super) fn brief(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    format!("{x:.4e}").parse().unwrap_or(x)
}
