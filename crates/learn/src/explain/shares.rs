//! What each input feature adds to each raw score of a model.

use super::linear;
use crate::fitted::bare;
use crate::model::TabularModel;
use crate::prepared::{Encoded, FittedOutput, Scale};
use lyceum_core::{Error, Model, Result, Table};
use lyceum_data::Raw;
use lyceum_data::prepare::Normalization;
use lyceum_estimators::boosting::{Booster, Transform};
use lyceum_estimators::linear::LinearModel;
use std::any::Any;

/// Shares of the input features in the raw scores of one output.
///
/// A raw score is what the model adds up: the log-odds of true (by the objective's `sigmoid`, 1 unless it was set), one
/// score a class before the softmax, a number in the unit of its column (in the model's own scale where that is no
/// straight line: `log1p`, or an objective with a logarithmic link). The shares of a row and the expected value sum to
/// its raw score. Numbers are not clipped here.
///
/// Sources: trees by the path-dependent game of TreeSHAP (Lundberg, Erion, Lee 2018); linear models by
/// coefficient × (value − mean of the training rows), the Shapley value of independent features. Of a calibrated model
/// they are in the score before calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// The output.
    pub output: String,
    /// The input features, in the configuration's order.
    pub features: Vec<String>,
    /// The classes of a category, one a score; empty for outputs of one score.
    pub classes: Vec<String>,
    /// The expected value of each score over the training rows (0 where there are no rows to explain).
    pub expected: Vec<f64>,
    /// The shares, row-major `[rows, scores, features]`.
    pub values: Vec<f64>,
}

impl Shares {
    /// The rows, each with its scores' shares one after another.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.row_width().max(1))
    }

    /// The shares of one score, a slice of `features` a row.
    pub fn score(&self, score: usize) -> impl Iterator<Item = &[f64]> {
        let n = self.features.len();
        self.rows().map(move |row| row.get(score * n..(score + 1) * n).unwrap_or_default())
    }

    fn row_width(&self) -> usize {
        self.features.len() * self.expected.len()
    }
}

/// What a model sees of the features.
#[derive(Clone, Copy)]
pub(crate) struct Sees {
    /// Which numbers.
    pub(crate) scale: Scale,
    /// How many tokens of a text.
    pub(crate) words: usize,
}

/// Shares of a model's columns, before they are added up by feature: row-major `[rows, scores, columns + 1]`, the
/// expected value last.
pub(super) struct Parts {
    pub(super) values: Vec<f64>,
    pub(super) scores: usize,
    pub(super) columns: usize,
}

impl TabularModel {
    /// What each input feature adds to each raw score of every row, an entry an output.
    ///
    /// # Errors
    /// A network, a quadratic discriminant, trees with linear leaves, a linear model of a folder that does not have the
    /// means of its columns; a missing column or a cell of the wrong type.
    pub fn contributions(&self, raw: &Raw) -> Result<Vec<Shares>> {
        let encoded = self.encode(raw)?;
        self.contributions_of(&encoded, &(0..encoded.rows).collect::<Vec<_>>())
    }

    /// The same of some rows of an encoded table.
    ///
    /// # Errors
    /// As [`TabularModel::contributions`].
    pub fn contributions_of(&self, encoded: &Encoded, rows: &[usize]) -> Result<Vec<Shares>> {
        let (models, table, words) = self.table_of(encoded, rows)?;
        let owners = self.prepared.owners(words);
        models.iter().enumerate().map(|(i, model)| self.shares(i, &**model, &table, &owners)).collect()
    }

    /// The models of the outputs, the table that they see and how many words of a text it has.
    ///
    /// # Errors
    /// A network.
    pub(crate) fn table_of(
        &self,
        encoded: &Encoded,
        rows: &[usize],
    ) -> Result<(&[Box<dyn Model>], Table, usize)> {
        let (models, sees) = self.models().ok_or_else(|| {
            let e = Error::unsupported("a network does not tell the shares of its features");
            e.hint("train with `model_type: gbm` or `model_type: linear`")
        })?;
        Ok((models, self.prepared.table(encoded, rows, sees.scale, sees.words)?, sees.words))
    }

    pub(super) fn shares(
        &self,
        output: usize,
        model: &dyn Model,
        table: &Table,
        owners: &[usize],
    ) -> Result<Shares> {
        let named = self.prepared.outputs.get(output);
        let named = named.ok_or_else(|| Error::internal("a model without an output"))?;
        // Calibration and threshold come after the raw score.
        let any: &dyn Any = bare(model);
        let (mut parts, is_sum) = match (any.downcast_ref::<Booster>(), any.downcast_ref::<LinearModel>()) {
            (Some(booster), _) => (trees(booster, table)?, booster.transform == Transform::Identity),
            (_, Some(linear)) => (linear::parts(linear, table)?, true),
            _ => {
                let e = Error::unsupported("this model does not tell the shares of its features");
                return Err(e.hint("boosted trees and linear models do"));
            }
        };
        let classes = class_names(&named.fitted);
        if parts.scores == 1 && classes.len() == 2 {
            parts = both_classes(&parts);
        }
        let (slope, offset) = unit(&named.fitted, is_sum);
        parts.rescale(slope, offset);
        let features: Vec<String> = self.prepared.inputs.iter().map(|f| f.name.clone()).collect();
        let (expected, values) = parts.by_feature(owners, features.len());
        Ok(Shares { output: named.name.clone(), features, classes, expected, values })
    }
}

/// Slope and offset from a model's scores to the unit of the output's column, where a straight line leads there.
pub(super) fn unit(output: &FittedOutput, is_sum: bool) -> (f64, f64) {
    match output {
        FittedOutput::Number { fitted, .. }
            if is_sum && fitted.rule.normalization != Some(Normalization::Log1p) =>
        {
            let zero = fitted.denormalize(0.0);
            (fitted.denormalize(1.0) - zero, zero)
        }
        _ => (1.0, 0.0),
    }
}

/// The classes of a category; none of other outputs.
pub(super) fn class_names(output: &FittedOutput) -> Vec<String> {
    match output {
        FittedOutput::Category { fitted, .. } => fitted.levels.iter().map(|l| l.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn trees(booster: &Booster, table: &Table) -> Result<Parts> {
    let all =
        booster.contributions(table).ok_or_else(|| Error::internal("trees without contributions"))??;
    let mut values = all.values;
    if booster.average_output {
        let n = booster.iterations().max(1) as f64;
        values.iter_mut().for_each(|v| *v /= n);
    }
    Ok(Parts { values, scores: booster.per_iteration, columns: booster.features.len() })
}

/// The log-odds of the second of two classes as the log-odds of either.
fn both_classes(parts: &Parts) -> Parts {
    let width = (parts.columns + 1).max(1);
    let values = parts.values.chunks_exact(width).flat_map(|row| {
        let first = row.iter().map(|x| -x);
        first.chain(row.iter().copied()).collect::<Vec<_>>()
    });
    Parts { values: values.collect(), scores: 2, columns: parts.columns }
}

impl Parts {
    /// `slope · score + offset` instead of each score.
    fn rescale(&mut self, slope: f64, offset: f64) {
        for row in self.values.chunks_exact_mut(self.columns + 1) {
            row.iter_mut().for_each(|x| *x *= slope);
            if let Some(expected) = row.last_mut() {
                *expected += offset;
            }
        }
    }

    /// Expected values, and the columns of one feature added up; `owners` has the feature of each column.
    fn by_feature(&self, owners: &[usize], features: usize) -> (Vec<f64>, Vec<f64>) {
        let rows = self.values.len() / ((self.columns + 1) * self.scores).max(1);
        let mut values = vec![0.0; rows * self.scores * features];
        let mut expected = vec![0.0; self.scores];
        let own = self.values.chunks_exact(self.columns + 1);
        for (i, (own, sums)) in own.zip(values.chunks_exact_mut(features.max(1))).enumerate() {
            for (value, owner) in own.iter().zip(owners) {
                if let Some(sum) = sums.get_mut(*owner) {
                    *sum += value;
                }
            }
            if let (Some(e), Some(value)) = (expected.get_mut(i), own.last()) {
                *e = *value;
            }
        }
        (expected, values)
    }
}
