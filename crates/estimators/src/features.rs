//! The columns that a model was trained on, and how any table is brought to them.

use crate::boosting::Matrix;
use lyceum_core::{Column, Error, Result, Table};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The values of a category's codes.
pub(crate) type Levels = Arc<[Arc<str>]>;

/// Names of the features in training order; category features keep the values of their codes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// One name a feature.
    pub names: Vec<Arc<str>>,
    /// For category features the value of each code.
    pub levels: Vec<Option<Levels>>,
}

impl Features {
    /// The columns of a training table.
    ///
    /// # Errors
    /// A text column, or a number column with an infinite cell.
    pub fn of(table: &Table) -> Result<Self> {
        let mut out = Self::default();
        for (name, column) in table.columns() {
            let levels = match column {
                Column::Number(_) | Column::Bool(_) => None,
                Column::Category { levels, .. } => Some(levels.clone()),
                Column::Text(_) => {
                    let e = Error::invalid("trees take numbers and categories, not text");
                    return Err(e.at_key(format!("column \"{name}\"")));
                }
            };
            out.names.push(name.into());
            out.levels.push(levels);
        }
        Ok(out)
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The columns as numbers, in training order: codes as floats, missing as NaN.
    ///
    /// # Errors
    /// A missing column, or one of another kind than in training.
    pub fn columns<'a>(&self, table: &'a Table) -> Result<Vec<Cow<'a, [f64]>>> {
        let one = |(name, levels): (&Arc<str>, &Option<Levels>)| {
            numbers(table.column(name)?, name, levels.as_ref())
        };
        self.names.iter().zip(&self.levels).map(one).collect()
    }

    /// As [`Features::columns`], as one matrix; number columns are borrowed.
    ///
    /// # Errors
    /// As [`Features::columns`].
    pub fn matrix<'a>(&self, table: &'a Table) -> Result<Matrix<'a>> {
        self.columns(table).map(Matrix::Columns)
    }
}

fn numbers<'a>(column: &'a Column, name: &str, levels: Option<&Levels>) -> Result<Cow<'a, [f64]>> {
    let own: Vec<f64> = match (column, levels) {
        (Column::Number(v), _) => return Ok(Cow::Borrowed(v)),
        (Column::Bool(v), None) => v.iter().map(|b| b.map_or(f64::NAN, |b| f64::from(u8::from(b)))).collect(),
        (Column::Category { codes, levels: theirs }, Some(ours)) if theirs == ours => {
            codes.iter().map(|c| if *c == Column::MISSING { f64::NAN } else { f64::from(*c) }).collect()
        }
        (Column::Category { codes, levels: theirs }, Some(ours)) => {
            let index: HashMap<&str, f64> =
                ours.iter().zip(0u32..).map(|(s, i)| (&**s, f64::from(i))).collect();
            let map: Vec<f64> = theirs.iter().map(|s| index.get(&**s).copied().unwrap_or(f64::NAN)).collect();
            codes.iter().map(|c| map.get(*c as usize).copied().unwrap_or(f64::NAN)).collect()
        }
        (Column::Category { codes, .. }, None) => {
            codes.iter().map(|c| if *c == Column::MISSING { f64::NAN } else { f64::from(*c) }).collect()
        }
        (Column::Bool(_), Some(_)) | (Column::Text(_), _) => {
            return Err(Error::invalid("expected numbers or categories, as in training")
                .at_key(format!("column \"{name}\"")));
        }
    };
    Ok(own.into())
}
