//! A small columnar table: what readers give and estimators take.
//!
//! Layout: one vector a column, all of one length. Numbers are f64 with NaN for missing; text and categories share
//! their strings.

use crate::{Error, Map, Result, Value};
use std::sync::Arc;

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing.
    Number(Vec<f64>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
    /// Free text.
    Text(Vec<Option<Arc<str>>>),
    /// Codes into `levels`; [`Column::MISSING`] is missing.
    Category {
        /// One code a row.
        codes: Vec<u32>,
        /// The distinct values.
        levels: Arc<[Arc<str>]>,
    },
}

impl Column {
    /// The code of a missing category.
    pub const MISSING: u32 = u32::MAX;

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One cell; `Null` when missing or past the end.
    pub fn value(&self, row: usize) -> Value {
        match self {
            Self::Number(v) => v.get(row).filter(|x| !x.is_nan()).map_or(Value::Null, |x| Value::Float(*x)),
            Self::Bool(v) => v.get(row).copied().flatten().map_or(Value::Null, Value::Bool),
            Self::Text(v) => v.get(row).cloned().flatten().map_or(Value::Null, Value::Str),
            Self::Category { codes, levels } => codes
                .get(row)
                .and_then(|c| levels.get(*c as usize))
                .map_or(Value::Null, |s| Value::Str(s.clone())),
        }
    }

    /// The numbers, if it is a number column.
    pub fn as_numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Number(v) => Some(v),
            _ => None,
        }
    }

    /// The rows of an index, in its order. Indices past the end are missing cells.
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(v) => {
                Self::Number(rows.iter().map(|r| v.get(*r).copied().unwrap_or(f64::NAN)).collect())
            }
            Self::Bool(v) => Self::Bool(rows.iter().map(|r| v.get(*r).copied().flatten()).collect()),
            Self::Text(v) => Self::Text(rows.iter().map(|r| v.get(*r).cloned().flatten()).collect()),
            Self::Category { codes, levels } => Self::Category {
                codes: rows.iter().map(|r| codes.get(*r).copied().unwrap_or(Self::MISSING)).collect(),
                levels: levels.clone(),
            },
        }
    }
}

/// Named columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    names: Vec<Arc<str>>,
    columns: Vec<Arc<Column>>,
    rows: usize,
}

impl Table {
    /// A table of columns. Fails when lengths differ or a name comes twice.
    pub fn new(columns: impl IntoIterator<Item = (impl Into<Arc<str>>, Column)>) -> Result<Self> {
        let mut table = Self::default();
        for (name, column) in columns {
            table.push(name, column)?;
        }
        Ok(table)
    }

    /// Adds a column at the right.
    pub fn push(&mut self, name: impl Into<Arc<str>>, column: Column) -> Result<()> {
        let name = name.into();
        if self.names.contains(&name) {
            return Err(Error::invalid(format!("column \"{name}\" comes twice")));
        }
        if self.columns.is_empty() {
            self.rows = column.len();
        } else if column.len() != self.rows {
            let (has, want) = (column.len(), self.rows);
            return Err(Error::invalid(format!("column \"{name}\" has {has} rows, the table has {want}")));
        }
        self.names.push(name);
        self.columns.push(Arc::new(column));
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The names, left to right.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The columns, left to right, with their names.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.names.iter().map(|n| &**n).zip(self.columns.iter().map(|c| &**c))
    }

    /// A column by name, if it is there.
    pub fn get(&self, name: &str) -> Option<&Column> {
        let i = self.names.iter().position(|n| &**n == name)?;
        self.columns.get(i).map(|c| &**c)
    }

    /// A column by name; the error names the nearest column.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.get(name).ok_or_else(|| {
            let have: Vec<&str> = self.names.iter().map(|n| &**n).collect();
            Error::not_found(format!("no column \"{name}\"; the table has {}", have.join(", ")))
                .did_you_mean(name, have.iter().copied())
        })
    }

    /// One row as a map.
    pub fn row(&self, row: usize) -> Value {
        let map: Map = self.names.iter().cloned().zip(self.columns.iter().map(|c| c.value(row))).collect();
        map.into()
    }

    /// The rows of an index, in its order.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            columns: self.columns.iter().map(|c| Arc::new(c.take(rows))).collect(),
            rows: rows.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_ragged_and_double_columns() {
        let mut t = Table::new([("a", Column::Number(vec![1.0, f64::NAN]))]).unwrap();
        assert!(t.push("a", Column::Number(vec![1.0, 2.0])).is_err());
        assert!(t.push("b", Column::Bool(vec![None])).is_err());
        assert_eq!(t.row(1), Value::from(Map::from_iter([("a".into(), Value::Null)])));
        assert_eq!(t.take(&[1, 0]).column("a").unwrap().value(1), Value::Float(1.0));
        assert!(t.column("aa").unwrap_err().to_string().contains("did you mean `a`"));
    }
}
