//! The columns that an estimator learns from: what each was taken as, and how any table's rows become its features.

use super::target::TargetColumn;
use crate::prepared::{FittedInput, Named};
use lyceum_core::{Column, Error, Result, Table};
use lyceum_data::Raw;
use lyceum_data::prepare::{
    BinaryRule, CategoryRule, FittedBinary, FittedCategory, FittedNumber, Missing, NumberRule,
};
use lyceum_estimators::registry::Entry;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Features in the table's order, and the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// The target.
    pub target: TargetColumn,
    /// What is learned from.
    pub features: Vec<Feature>,
}

/// A column that is learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name.
    pub column: String,
    /// What it was taken as.
    #[serde(flatten)]
    pub kind: ColumnKind,
}

/// What a column was taken as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Truth values, 0 and 1 to the model, with their commonest spellings.
    Boolean {
        /// Of false.
        false_label: String,
        /// Of true.
        true_label: String,
    },
    /// Text: each value has a code, its place among the levels. A value that is none of them is unknown.
    Category {
        /// The values, rising.
        levels: Vec<Arc<str>>,
    },
}

impl Columns {
    /// What the columns of a table are, by `table`, which is `raw` with guessed types. Columns of `aside` are no features.
    ///
    /// # Errors
    /// A missing target, or one that the estimator does not learn (see [`TargetColumn::learn`]).
    pub fn learn(raw: &Raw, table: &Table, target: &str, aside: &[&str], entry: &Entry) -> Result<Self> {
        let target = TargetColumn::learn(raw, table, target, entry)?;
        let mut features = Vec::new();
        for (name, column) in table.columns().filter(|(n, _)| *n != target.column && !aside.contains(n)) {
            let kind = match column {
                Column::Number(_) => ColumnKind::Number,
                Column::Bool(_) => {
                    let [false_label, true_label] = labels(raw, name)?;
                    ColumnKind::Boolean { false_label, true_label }
                }
                Column::Category { levels, .. } => ColumnKind::Category { levels: levels.to_vec() },
                Column::Text(cells) => {
                    let mut levels: Vec<Arc<str>> = cells.iter().flatten().cloned().collect();
                    levels.sort();
                    levels.dedup();
                    ColumnKind::Category { levels }
                }
            };
            features.push(Feature { column: name.into(), kind });
        }
        Ok(Self { target, features })
    }

    /// The features of every row. `known`: the same table with guessed types, so that numbers are not read twice.
    ///
    /// # Errors
    /// A missing column, a cell that is not what its column is, with its place.
    pub fn table(&self, raw: &Raw, known: Option<&Table>) -> Result<Table> {
        let mut table = Table::default();
        for named in self.inputs() {
            let name = &named.column;
            let column = match (&named.fitted, known.and_then(|k| k.get(name))) {
                (FittedInput::Number(_), Some(Column::Number(cells))) => Column::Number(cells.clone()),
                (FittedInput::Number(n), _) => Column::Number(n.raw(raw, name)?),
                (FittedInput::Binary(b), _) => {
                    let number = |b: Option<bool>| b.map_or(f64::NAN, |b| f64::from(u8::from(b)));
                    Column::Number(b.cells(raw, name)?.into_iter().map(number).collect())
                }
                (FittedInput::Category(c), _) => c.column(raw, name)?,
                (FittedInput::Text(_), _) => return Err(Error::internal("no feature is cut into words")),
            };
            table.push(name.as_str(), column)?;
        }
        Ok(table)
    }

    /// The features as preprocessing knows them.
    pub(super) fn inputs(&self) -> Vec<Named<FittedInput>> {
        let named = |f: &Feature| Named {
            name: f.column.clone(),
            column: f.column.clone(),
            fitted: match &f.kind {
                ColumnKind::Number => FittedInput::Number(number()),
                ColumnKind::Boolean { false_label, true_label } => {
                    FittedInput::Binary(binary(false_label, true_label))
                }
                ColumnKind::Category { levels } => FittedInput::Category(category(levels.clone())),
            },
        };
        self.features.iter().map(named).collect()
    }

    /// Fails where a column or a value comes twice, or the target is a feature.
    pub(super) fn check(&self) -> Result<()> {
        let mut seen = HashSet::from([self.target.column.as_str()]);
        if let Some(f) = self.features.iter().find(|f| !seen.insert(&f.column)) {
            return Err(Error::corrupt(format!("the column \"{}\" comes twice", f.column)));
        }
        for f in &self.features {
            if let ColumnKind::Category { levels } = &f.kind {
                let mut seen = HashSet::new();
                if let Some(level) = levels.iter().find(|l| !seen.insert(&***l)) {
                    let message = format!("the value \"{level}\" of \"{}\" comes twice", f.column);
                    return Err(Error::corrupt(message));
                }
            }
        }
        self.target.check()
    }
}

/// The commonest spellings of false and true in a column.
pub(super) fn labels(raw: &Raw, column: &str) -> Result<[String; 2]> {
    let rule = BinaryRule { missing: Missing::DropRow, fallback_true_label: None };
    let fitted = FittedBinary::fit(rule, raw, column, &(0..raw.rows()).collect::<Vec<_>>())?;
    Ok([fitted.false_label, fitted.true_label])
}

/// Numbers as they are.
pub(super) fn number() -> FittedNumber {
    FittedNumber {
        rule: NumberRule { missing: Missing::DropRow, fill_value: 0.0, normalization: None },
        computed_fill_value: 0.0,
        mean: 0.0,
        std: 1.0,
        min: 0.0,
        max: 0.0,
        quartiles: [0.0; 3],
    }
}

/// Two values, the second true.
pub(super) fn binary(false_label: &str, true_label: &str) -> FittedBinary {
    FittedBinary {
        rule: BinaryRule { missing: Missing::DropRow, fallback_true_label: None },
        computed_fill_value: false,
        false_label: false_label.into(),
        true_label: true_label.into(),
        counts: [0; 2],
    }
}

/// Values in the order of their codes; a missing cell has none.
pub(super) fn category(levels: Vec<Arc<str>>) -> FittedCategory {
    FittedCategory {
        rule: CategoryRule {
            missing: Missing::DropRow,
            fill_value: "<UNK>".into(),
            most_common: levels.len().max(1),
            lowercase: false,
        },
        computed_fill_value: "<UNK>".into(),
        counts: vec![0; levels.len()],
        levels,
    }
}
