//! What each pair of input features adds to each raw score of boosted trees, and what each adds alone.

use super::shares::{class_names, unit};
use crate::fitted::bare;
use crate::model::TabularModel;
use crate::prepared::Encoded;
use lyceum_core::{Column, Error, ErrorKind, Map, Model, Result, Table, Value};
use lyceum_estimators::boosting::{Booster, Predict, Transform};
use std::any::Any;
use std::sync::Arc;

/// Most numbers that are held at once: 2 GiB.
const MOST: usize = 1 << 28;

/// The key of the expected value among the features.
const EXPECTED: &str = "expected_value";

/// SHAP interaction values of one output: a symmetric matrix of features a row and score, of which a feature's row sums
/// to its share ([`super::Shares`]); the diagonal is what a feature adds alone.
///
/// Source: Lundberg et al. 2020, on the trees' path-dependent game.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    /// The output.
    pub output: String,
    /// The input features, in the model's order.
    pub features: Vec<String>,
    /// The classes of a category, one a score; empty for outputs of one score.
    pub classes: Vec<String>,
    /// The expected value of each score over the training rows (0 where there are no rows to explain).
    pub expected: Vec<f64>,
    /// Row-major `[rows, scores, features, features]`.
    pub values: Vec<f64>,
}

impl TabularModel {
    /// The interactions of some rows of an encoded table, an entry an output.
    ///
    /// # Errors
    /// A model that is not of trees, trees with linear leaves, more numbers than 2^28.
    pub fn interactions_of(&self, encoded: &Encoded, rows: &[usize]) -> Result<Vec<Interactions>> {
        let (models, table, words) = self.table_of(encoded, rows)?;
        let owners = self.prepared.owners(words);
        models.iter().enumerate().map(|(i, model)| self.pairs(i, &**model, &table, &owners)).collect()
    }

    fn pairs(
        &self,
        output: usize,
        model: &dyn Model,
        table: &Table,
        owners: &[usize],
    ) -> Result<Interactions> {
        let named = self.prepared.outputs.get(output);
        let named = named.ok_or_else(|| Error::internal("a model without an output"))?;
        let any: &dyn Any = bare(model);
        let booster: &Booster = any.downcast_ref().ok_or_else(|| {
            Error::unsupported("only boosted trees tell what pairs of features share")
                .hint("take `--contributions`, or train with `model_type: gbm`")
        })?;
        let features: Vec<String> = self.prepared.inputs.iter().map(|f| f.name.clone()).collect();
        let (scores, n, side) = (booster.per_iteration, features.len(), booster.features.len() + 1);
        let cells = table.rows().saturating_mul(scores).saturating_mul(side.saturating_mul(side));
        if cells > MOST {
            let message =
                format!("{} rows of {} columns have {cells} interactions, too many", table.rows(), side - 1);
            return Err(Error::new(ErrorKind::TooLarge, message).hint("take fewer rows"));
        }
        let matrix = booster.features.matrix(table)?;
        let threads = lyceum_tensor::Pool::global().threads();
        let mut all = booster.interaction_rows(&matrix, &Predict { threads, ..Predict::of(booster) })?;
        let (slope, offset) = unit(&named.fitted, booster.transform == Transform::Identity);
        let averaged = if booster.average_output { booster.iterations().max(1) as f64 } else { 1.0 };
        all.iter_mut().for_each(|x| *x *= slope / averaged);
        let classes = class_names(&named.fitted);
        // One score of two named classes is the log-odds of the second: minus it is that of the first.
        let signs: &[f64] = if scores == 1 && classes.len() == 2 { &[-1.0, 1.0] } else { &[1.0] };
        let mut expected = vec![0.0; scores * signs.len()];
        let mut values = vec![0.0; table.rows() * scores * signs.len() * n * n];
        let blocks = all.chunks_exact(side * side).flat_map(|block| signs.iter().map(move |s| (block, s)));
        for (i, (block, sign)) in blocks.enumerate() {
            let own = values.get_mut(i * n * n..(i + 1) * n * n).unwrap_or_default();
            for (line, a) in block.chunks_exact(side).zip(owners) {
                for (x, b) in line.iter().zip(owners) {
                    if let Some(sum) = own.get_mut(a * n + b) {
                        *sum += sign * x;
                    }
                }
            }
            let at = i % expected.len();
            if let (Some(e), Some(x)) = (expected.get_mut(at), block.last()) {
                *e = sign * x + offset;
            }
        }
        Ok(Interactions { output: named.name.clone(), features, classes, expected, values })
    }
}

impl Interactions {
    /// An object a row: `{"expected_value": number, "FEATURE": {"FEATURE": number, …}, …}`, or such an object for each
    /// class.
    ///
    /// # Errors
    /// A feature that is called `expected_value`.
    pub fn objects(&self) -> Result<Vec<Value>> {
        if self.features.iter().any(|f| f == EXPECTED) {
            let e = Error::unsupported("a feature called \"expected_value\" hides the expected value");
            return Err(e.hint("give the feature another name"));
        }
        let names: Vec<Arc<str>> = self.features.iter().map(|f| f.as_str().into()).collect();
        let n = names.len().max(1);
        let line = |line: &[f64]| {
            let all = names.iter().cloned().zip(line.iter().map(|x| Value::Float(*x)));
            Value::from(all.collect::<Map>())
        };
        let one = |(mean, block): (&f64, &[f64])| {
            let mut out = Map::with_capacity(n + 1);
            out.insert(EXPECTED.into(), Value::Float(*mean));
            out.extend(names.iter().cloned().zip(block.chunks_exact(n).map(line)));
            Value::from(out)
        };
        let row = |row: &[f64]| {
            let mut scores = self.expected.iter().zip(row.chunks_exact(n * n)).map(one);
            if self.classes.is_empty() {
                return scores.next().unwrap_or_default();
            }
            let classes = self.classes.iter().map(|c| Arc::from(c.as_str()));
            Value::from(classes.zip(scores).collect::<Map>())
        };
        Ok(self.values.chunks_exact((self.expected.len() * n * n).max(1)).map(row).collect())
    }

    /// Adds `OUTPUT_interactions` with the objects as JSON text to a table of predictions.
    ///
    /// # Errors
    /// As [`Interactions::objects`]; a column that is there already.
    pub fn add_to(&self, table: &mut Table) -> Result<()> {
        let text = self.objects()?.iter().map(|o| Some(o.to_json().to_string().into())).collect();
        table.push(format!("{}_interactions", self.output), Column::Text(text))
    }
}
