//! Shares as cells of an answer or of a table of predictions.

use super::Shares;
use lyceum_core::{Column, Error, Map, Result, Table, Value};
use std::sync::Arc;

/// The key of the expected value among the shares.
const EXPECTED: &str = "expected_value";

impl Shares {
    /// An object a row: `{"expected_value": number, "FEATURE": number, …}`, or such an object for each class.
    ///
    /// # Errors
    /// A feature that is called `expected_value`.
    pub fn objects(&self) -> Result<Vec<Value>> {
        if self.features.iter().any(|f| f == EXPECTED) {
            let e = Error::unsupported("a feature called \"expected_value\" hides the expected value");
            return Err(e.hint("give the feature another name and keep its column with `column:`"));
        }
        let expected: Arc<str> = EXPECTED.into();
        let names: Vec<Arc<str>> = self.features.iter().map(|f| f.as_str().into()).collect();
        let classes: Vec<Arc<str>> = self.classes.iter().map(|c| c.as_str().into()).collect();
        let one = |mean: &f64, shares: &[f64]| {
            let mut out = Map::with_capacity(names.len() + 1);
            out.insert(expected.clone(), Value::Float(*mean));
            out.extend(names.iter().cloned().zip(shares.iter().map(|s| Value::Float(*s))));
            Value::from(out)
        };
        let row = |row: &[f64]| {
            let mut scores = self.expected.iter().zip(row.chunks_exact(names.len().max(1)));
            if classes.is_empty() {
                return scores.next().map_or(Value::Null, |(mean, shares)| one(mean, shares));
            }
            let all = classes.iter().cloned().zip(scores.map(|(mean, shares)| one(mean, shares)));
            Value::from(all.collect::<Map>())
        };
        Ok(self.rows().map(row).collect())
    }

    /// The key of the objects beside an output's predictions.
    pub fn key(&self) -> String {
        format!("{}_contributions", self.output)
    }

    /// Adds columns to a table of predictions: `OUTPUT_contributions` with the objects as JSON text and, for outputs of
    /// one score, `OUTPUT_contributions_expected_value` and `OUTPUT_contributions_FEATURE` with numbers.
    ///
    /// # Errors
    /// As [`Shares::objects`]; a column that is there already.
    pub fn add_to(&self, table: &mut Table) -> Result<()> {
        let key = self.key();
        let objects = self.objects()?;
        let text = objects.iter().map(|o| Some(o.to_json().to_string().into())).collect();
        table.push(key.as_str(), Column::Text(text))?;
        if let ([mean], true) = (&*self.expected, self.classes.is_empty()) {
            let rows = self.rows().len();
            table.push(format!("{key}_{EXPECTED}"), Column::Number(vec![*mean; rows]))?;
            for (i, feature) in self.features.iter().enumerate() {
                let column = self.score(0).map(|row| row.get(i).copied().unwrap_or(f64::NAN)).collect();
                table.push(format!("{key}_{feature}"), Column::Number(column))?;
            }
        }
        Ok(())
    }
}
