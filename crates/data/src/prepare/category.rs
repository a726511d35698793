//! Categories: a vocabulary of the commonest training values; anything else is unknown.

use super::{Missing, refuse_all_missing};
use crate::Raw;
use lyceum_core::{Column, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// What is to be learned of a category column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryRule {
    /// What stands in for a missing cell.
    pub missing: Missing,
    /// The constant of `fill_with_const`; `<UNK>` is the unknown value.
    pub fill_value: String,
    /// Size of the vocabulary at most, at least 1.
    pub most_common: usize,
    /// Whether values are put in lower case.
    pub lowercase: bool,
}

/// What was learned of a category column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedCategory {
    /// The rule.
    #[serde(flatten)]
    pub rule: CategoryRule,
    /// What a missing cell becomes.
    pub computed_fill_value: String,
    /// The vocabulary, commonest first, equals alphabetically.
    pub levels: Vec<Arc<str>>,
    /// Training rows of each.
    pub counts: Vec<usize>,
}

impl FittedCategory {
    /// Learns from some rows.
    pub fn fit(rule: CategoryRule, raw: &Raw, column: &str, rows: &[usize]) -> Result<Self> {
        let cells = raw.column(column)?;
        let mut counts: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let mut gaps = 0;
        for row in rows {
            match cells.get(*row) {
                Some(cell) => *counts.entry(spelling(cell, rule.lowercase)).or_default() += 1,
                None => gaps += 1,
            }
        }
        refuse_all_missing(raw, column, counts.len())?;
        let mode = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(s, _)| s.to_string());
        let fill = match rule.missing {
            Missing::FillWithMode => mode.unwrap_or_default(),
            _ => rule.fill_value.clone(),
        };
        if gaps > 0 && fill != "<UNK>" && rule.missing != Missing::DropRow {
            *counts.entry(Cow::Owned(fill.clone())).or_default() += gaps;
        }
        let mut ranked: Vec<(Cow<'_, str>, usize)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(rule.most_common);
        let (levels, counts) = ranked.into_iter().map(|(s, n)| (Arc::from(&*s), n)).unzip();
        Ok(Self { rule, computed_fill_value: fill, levels, counts })
    }

    /// One code a row into `levels`; unknown and unfilled cells are [`Column::MISSING`].
    pub fn encode(&self, raw: &Raw, column: &str) -> Result<Vec<u32>> {
        let cells = raw.column(column)?;
        let codes: HashMap<&str, u32> = self.levels.iter().zip(0u32..).map(|(s, i)| (&**s, i)).collect();
        let code = |s: &str| codes.get(s).copied().unwrap_or(Column::MISSING);
        let coded = cells.iter().map(|c| c.map(|c| code(&spelling(c, self.rule.lowercase)))).collect();
        let mut fill = code(&self.computed_fill_value);
        if self.rule.missing == Missing::DropRow {
            fill = Column::MISSING;
        }
        Ok(self.rule.missing.fill(coded, &fill))
    }

    /// A category column of a table.
    pub fn column(&self, raw: &Raw, column: &str) -> Result<Column> {
        Ok(Column::Category { codes: self.encode(raw, column)?, levels: self.levels.clone().into() })
    }
}

/// The value of a cell. Whole numbers that pandas would have read as floats (`3.0` among missing cells) stay as
/// they stand in the file.
fn spelling(cell: &str, lowercase: bool) -> Cow<'_, str> {
    if lowercase { Cow::Owned(cell.to_lowercase()) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cells;

    fn raw(values: &[&str]) -> Raw {
        let mut cells = Cells::default();
        values.iter().for_each(|v| cells.push_text(v));
        Raw::new([("x", cells)]).unwrap()
    }

    fn rule(missing: Missing) -> CategoryRule {
        CategoryRule { missing, fill_value: "<UNK>".into(), most_common: 2, lowercase: true }
    }

    #[test]
    fn keeps_the_commonest_and_knows_the_unknown() {
        let raw = raw(&["b", "A", "a", "c", "B", ""]);
        let f = FittedCategory::fit(rule(Missing::FillWithConst), &raw, "x", &[0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(f.levels.iter().map(|s| &**s).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(f.encode(&raw, "x").unwrap(), [1, 0, 0, Column::MISSING, 1, Column::MISSING]);
        let f = FittedCategory::fit(rule(Missing::FillWithMode), &raw, "x", &[0, 1, 2, 5]).unwrap();
        assert_eq!((f.counts.as_slice(), f.encode(&raw, "x").unwrap()[5]), ([3usize, 1].as_slice(), 0));
    }
}
