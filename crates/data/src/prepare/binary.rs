//! Truth values, whatever they are called in the file.

use super::{Missing, refuse_all_missing};
use crate::Raw;
use indexmap::IndexMap;
use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A conventional truth value, case aside.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
        "false" | "f" | "no" | "n" | "0" | "0.0" | "-1" | "-1.0" => Some(false),
        _ => None,
    }
}

/// What is to be learned of a binary column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinaryRule {
    /// What stands in for a missing cell.
    pub missing: Missing,
    /// Which of two unconventional values is true.
    pub fallback_true_label: Option<String>,
}

/// What was learned of a binary column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedBinary {
    /// The rule.
    #[serde(flatten)]
    pub rule: BinaryRule,
    /// What a missing cell becomes.
    pub computed_fill_value: bool,
    /// Commonest spelling of false in the training rows.
    pub false_label: String,
    /// Commonest spelling of true in the training rows.
    pub true_label: String,
    /// Training rows that are false and true.
    pub counts: [usize; 2],
}

impl FittedBinary {
    /// Learns from some rows. Two unconventional values are taken too: true is the fallback label or else the
    /// alphabetically last.
    ///
    /// # Errors
    /// More than two values.
    pub fn fit(rule: BinaryRule, raw: &Raw, column: &str, rows: &[usize]) -> Result<Self> {
        let cells = raw.column(column)?;
        let mut spellings: IndexMap<&str, usize> = IndexMap::new();
        for cell in rows.iter().filter_map(|r| cells.get(*r)) {
            *spellings.entry(cell).or_default() += 1;
        }
        refuse_all_missing(raw, column, spellings.len())?;
        let conventional = spellings.keys().all(|s| boolean(s).is_some());
        if !conventional && spellings.len() > 2 {
            let shown: Vec<String> = spellings.keys().take(4).map(|s| format!("\"{s}\"")).collect();
            let e = Error::invalid(format!(
                "{} values where two are expected: {}, …",
                spellings.len(),
                shown.join(", ")
            ))
            .at_key(format!("column \"{column}\""));
            return Err(raw.place(e).hint("declare it `type: category`"));
        }
        let last = spellings.keys().max().copied().unwrap_or_default();
        let truth = rule.fallback_true_label.as_deref().filter(|l| spellings.contains_key(l)).unwrap_or(last);
        let is_true = |s: &str| if conventional { boolean(s) == Some(true) } else { s == truth };
        let label = |want: bool, other: &str| {
            let of = spellings.iter().filter(|(s, _)| is_true(s) == want);
            of.max_by_key(|(_, n)| **n).map_or_else(|| other.to_string(), |(s, _)| (*s).to_string())
        };
        let count = |want| spellings.iter().filter(|(s, _)| is_true(s) == want).map(|(_, n)| n).sum();
        let counts: [usize; 2] = [count(false), count(true)];
        let fill = match rule.missing {
            Missing::FillWithTrue => true,
            Missing::FillWithMode => counts[1] > counts[0],
            _ => false,
        };
        let (false_label, true_label) = (label(false, "False"), label(true, "True"));
        Ok(Self { rule, computed_fill_value: fill, false_label, true_label, counts })
    }

    /// Whether the labels are the words true and false, so that predictions are truth values and not strings.
    pub fn is_boolean(&self) -> bool {
        self.true_label.eq_ignore_ascii_case("true") && self.false_label.eq_ignore_ascii_case("false")
    }

    /// The cells as they are, missing ones absent.
    ///
    /// # Errors
    /// A cell that is neither value, with its place.
    pub fn cells(&self, raw: &Raw, column: &str) -> Result<Vec<Option<bool>>> {
        let conventional =
            boolean(&self.true_label) == Some(true) && boolean(&self.false_label) == Some(false);
        let mut out = Vec::with_capacity(raw.rows());
        for (row, cell) in raw.column(column)?.iter().enumerate() {
            out.push(match cell {
                None => None,
                Some(s) if s == self.true_label => Some(true),
                Some(s) if s == self.false_label => Some(false),
                Some(s) => match boolean(s).filter(|_| conventional) {
                    Some(b) => Some(b),
                    None => {
                        let e = Error::invalid(format!(
                            "\"{s}\" is neither \"{}\" nor \"{}\"",
                            self.false_label, self.true_label
                        ));
                        return Err(raw.place_cell(e, row, column));
                    }
                },
            });
        }
        Ok(out)
    }

    /// Filled.
    pub fn encode(&self, raw: &Raw, column: &str) -> Result<Vec<bool>> {
        Ok(self.rule.missing.fill(self.cells(raw, column)?, &self.computed_fill_value))
    }
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

    fn fit(values: &[&str], truth: Option<&str>) -> Result<FittedBinary> {
        let raw = raw(values);
        let rule = BinaryRule { missing: Missing::FillWithFalse, fallback_true_label: truth.map(Into::into) };
        FittedBinary::fit(rule, &raw, "x", &(0..values.len()).collect::<Vec<_>>())
    }

    #[test]
    fn reads_any_two_values() {
        let f = fit(&["yes", "no", "no", ""], None).unwrap();
        assert_eq!((f.true_label.as_str(), f.false_label.as_str(), f.counts), ("yes", "no", [2, 1]));
        assert_eq!(f.encode(&raw(&["YES", "", "0"]), "x").unwrap(), [true, false, false]);
        assert!(!f.is_boolean() && fit(&["True", "False"], None).unwrap().is_boolean());
        assert_eq!(fit(&["ham", "spam"], None).unwrap().true_label, "spam");
        assert_eq!(fit(&["ham", "spam"], Some("ham")).unwrap().true_label, "ham");
    }

    #[test]
    fn refuses_a_third_value() {
        let e = fit(&["a", "b", "c"], None).unwrap_err().to_string();
        assert!(
            e.starts_with("column \"x\": 3 values where two are expected: \"a\", \"b\", \"c\", …"),
            "{e}"
        );
        let e =
            fit(&["ham", "spam"], None).unwrap().encode(&raw(&["ham", "eggs"]), "x").unwrap_err().to_string();
        assert!(e.starts_with("column \"x\": \"eggs\" is neither \"ham\" nor \"spam\""), "{e}");
    }
}
