//! Which rows train, which validate, which test: decided once, by a seed, a column or a hash.

use crate::prepare::number;
use crate::{Random, Raw, content_hash};
use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learned from.
    Training,
    /// Decides when to stop.
    Validation,
    /// Only looked at in the end.
    Test,
}

/// How rows are divided. Probabilities are of training, validation and test; they sum to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SplitRule {
    /// At random.
    Random {
        /// Shares of the three parts.
        probabilities: [f64; 3],
    },
    /// By a column that says 0, 1 or 2.
    Fixed {
        /// The column.
        column: String,
    },
    /// At random, with the shares kept within each value of a column.
    Stratify {
        /// The column.
        column: String,
        /// Shares of the three parts.
        probabilities: [f64; 3],
    },
    /// By a hash of a column's text, so that equal values stay together, whatever else is in the table.
    Hash {
        /// The column.
        column: String,
        /// Shares of the three parts.
        probabilities: [f64; 3],
    },
    /// By time, oldest first. Dates are ISO 8601 or numbers.
    Datetime {
        /// The column.
        column: String,
        /// Shares of the three parts.
        probabilities: [f64; 3],
    },
}

impl Default for SplitRule {
    fn default() -> Self {
        Self::Random { probabilities: [0.7, 0.1, 0.2] }
    }
}

/// Row numbers of the three parts, ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Splits {
    /// Rows to learn from.
    pub training: Vec<usize>,
    /// Rows that decide when to stop.
    pub validation: Vec<usize>,
    /// Rows to test on.
    pub test: Vec<usize>,
}

impl Splits {
    /// Divides a table. Fails when no row is left to train on, a column is missing, or a fixed split holds anything
    /// but 0, 1 and 2.
    pub fn new(rule: &SplitRule, raw: &Raw, seed: u64) -> Result<Self> {
        let parts = Self::divide(rule, raw, seed)?;
        if parts.training.is_empty() {
            return Err(raw.place(Error::invalid("the split leaves no row to train on")));
        }
        Ok(parts)
    }

    /// The same for whoever does not train: the training part may be empty.
    pub fn divide(rule: &SplitRule, raw: &Raw, seed: u64) -> Result<Self> {
        let rows: Vec<usize> = (0..raw.rows()).collect();
        let parts = match rule {
            SplitRule::Random { probabilities } => shuffled(rows, probabilities, &mut Random::new(seed, 1)),
            SplitRule::Fixed { column } => fixed(raw, column)?,
            SplitRule::Stratify { column, probabilities } => stratified(raw, column, probabilities, seed)?,
            SplitRule::Hash { column, probabilities } => hashed(raw, column, probabilities)?,
            SplitRule::Datetime { column, probabilities } => by_time(raw, column, probabilities)?,
        };
        Ok(parts.sorted())
    }

    /// The rows of one part.
    pub fn rows(&self, part: Split) -> &[usize] {
        match part {
            Split::Training => &self.training,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    fn sorted(mut self) -> Self {
        for part in [&mut self.training, &mut self.validation, &mut self.test] {
            part.sort_unstable();
        }
        self
    }

    fn push(&mut self, row: usize, part: Split) {
        match part {
            Split::Training => self.training.push(row),
            Split::Validation => self.validation.push(row),
            Split::Test => self.test.push(row),
        }
    }
}

/// The first shares of an order; the counts are rounded, so that the parts have the sizes asked for.
fn cut(order: &[usize], p: &[f64; 3]) -> Splits {
    let n = order.len();
    let train = ((n as f64 * p[0]).round() as usize).min(n);
    let valid = ((n as f64 * p[1]).round() as usize).min(n - train);
    let valid = if p[2] == 0.0 { n - train } else { valid };
    let part = |from: usize, to: usize| order.get(from..to).unwrap_or_default().to_vec();
    Splits { training: part(0, train), validation: part(train, train + valid), test: part(train + valid, n) }
}

fn shuffled(mut rows: Vec<usize>, p: &[f64; 3], random: &mut Random) -> Splits {
    random.shuffle(&mut rows);
    cut(&rows, p)
}

fn fixed(raw: &Raw, column: &str) -> Result<Splits> {
    let mut out = Splits::default();
    for (row, cell) in raw.column(column)?.iter().enumerate() {
        let part = match cell.and_then(number) {
            Some(0.0) => Split::Training,
            Some(1.0) => Split::Validation,
            Some(2.0) => Split::Test,
            _ => {
                let shown = cell.unwrap_or("a missing cell");
                let e = Error::invalid(format!(
                    "\"{shown}\" is no split: expected 0 (train), 1 (validation) or 2 (test)"
                ));
                return Err(raw.place_cell(e, row, column));
            }
        };
        out.push(row, part);
    }
    Ok(out)
}

fn stratified(raw: &Raw, column: &str, p: &[f64; 3], seed: u64) -> Result<Splits> {
    let mut strata: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (row, cell) in raw.column(column)?.iter().enumerate() {
        strata.entry(cell).or_default().push(row);
    }
    let mut random = Random::new(seed, 2);
    let mut out = Splits::default();
    for rows in strata.into_values() {
        let part = shuffled(rows, p, &mut random);
        out.training.extend(part.training);
        out.validation.extend(part.validation);
        out.test.extend(part.test);
    }
    Ok(out)
}

fn hashed(raw: &Raw, column: &str, p: &[f64; 3]) -> Result<Splits> {
    let mut out = Splits::default();
    for (row, cell) in raw.column(column)?.iter().enumerate() {
        let digest = content_hash(cell.unwrap_or_default().as_bytes());
        let head = digest.get(..13).and_then(|h| u64::from_str_radix(h, 16).ok()).unwrap_or(0);
        let at = head as f64 / (1u64 << 52) as f64;
        let part = if at < p[0] {
            Split::Training
        } else if at < p[0] + p[1] {
            Split::Validation
        } else {
            Split::Test
        };
        out.push(row, part);
    }
    Ok(out)
}

fn by_time(raw: &Raw, column: &str, p: &[f64; 3]) -> Result<Splits> {
    let cells = raw.column(column)?;
    let mut keyed = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        let text = cell.unwrap_or_default();
        let looks_iso =
            text.len() >= 10 && text.bytes().take(4).all(|b| b.is_ascii_digit()) && text.contains('-');
        let as_number = number(text);
        if !looks_iso && as_number.is_none() {
            let e =
                Error::invalid(format!("\"{text}\" is no date: expected YYYY-MM-DD[ hh:mm:ss] or a number"));
            return Err(raw.place_cell(e, row, column));
        }
        keyed.push((as_number.unwrap_or(f64::NAN), text, row));
    }
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)).then(a.2.cmp(&b.2)));
    let order: Vec<usize> = keyed.into_iter().map(|(_, _, row)| row).collect();
    Ok(cut(&order, p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cells;

    fn table(values: impl Iterator<Item = String>) -> Raw {
        let mut cells = Cells::default();
        values.for_each(|v| cells.push_text(&v));
        Raw::new([("c", cells)]).unwrap()
    }

    #[test]
    fn random_parts_have_the_sizes_and_follow_the_seed() {
        let raw = table((0..1000).map(|i| i.to_string()));
        let a = Splits::new(&SplitRule::default(), &raw, 42).unwrap();
        assert_eq!((a.training.len(), a.validation.len(), a.test.len()), (700, 100, 200));
        assert_eq!(a, Splits::new(&SplitRule::default(), &raw, 42).unwrap());
        assert_ne!(a, Splits::new(&SplitRule::default(), &raw, 43).unwrap());
    }

    #[test]
    fn strata_keep_their_shares() {
        let raw = table((0..1000).map(|i| if i % 10 == 0 { "rare".into() } else { "common".into() }));
        let rule = SplitRule::Stratify { column: "c".into(), probabilities: [0.7, 0.1, 0.2] };
        let s = Splits::new(&rule, &raw, 1).unwrap();
        assert_eq!(s.test.iter().filter(|r| **r % 10 == 0).count(), 20);
        assert_eq!(s.test.len(), 200);
    }

    #[test]
    fn equal_values_hash_together() {
        let raw = table((0..1000).map(|i| format!("customer {}", i % 50)));
        let rule = SplitRule::Hash { column: "c".into(), probabilities: [0.7, 0.1, 0.2] };
        let s = Splits::new(&rule, &raw, 1).unwrap();
        let test: std::collections::BTreeSet<usize> = s.test.iter().map(|r| r % 50).collect();
        assert!(s.training.iter().all(|r| !test.contains(&(r % 50))) && !test.is_empty());
    }

    #[test]
    fn a_fixed_split_is_checked_and_time_runs_forward() {
        let raw = table(["0", "2", "1", "0"].iter().map(|s| s.to_string()));
        let s = Splits::new(&SplitRule::Fixed { column: "c".into() }, &raw, 1).unwrap();
        assert_eq!((s.training, s.validation, s.test), (vec![0, 3], vec![2], vec![1]));
        let raw = table(["0", "3"].iter().map(|s| s.to_string()));
        let e = Splits::new(&SplitRule::Fixed { column: "c".into() }, &raw, 1).unwrap_err().to_string();
        assert!(e.contains("\"3\" is no split: expected 0 (train), 1 (validation) or 2 (test)"), "{e}");
        let raw = table(["2024-03-01", "2024-01-01", "2023-12-31 10:00:00"].iter().map(|s| s.to_string()));
        let rule = SplitRule::Datetime { column: "c".into(), probabilities: [0.34, 0.33, 0.33] };
        let s = Splits::new(&rule, &raw, 1).unwrap();
        assert_eq!((s.training, s.validation, s.test), (vec![2], vec![1], vec![0]));
    }
}
