//! Numbers: parsing with a place for each error, filling, normalisation.

use super::{Missing, refuse_all_missing};
use crate::Raw;
use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A finite number, blanks around it ignored.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|x| x.is_finite())
}

/// How numbers are brought to one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// Less the mean, by the standard deviation.
    Zscore,
    /// To 0 and 1 at the extremes of the training rows.
    Minmax,
    /// ln(1 + x); wants x > -1.
    Log1p,
    /// Less the median, by the distance between the quartiles.
    Iq,
}

/// What is to be learned of a number column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRule {
    /// What stands in for a missing cell.
    pub missing: Missing,
    /// The constant of `fill_with_const`.
    pub fill_value: f64,
    /// The scale; absent leaves numbers as they are.
    pub normalization: Option<Normalization>,
}

/// What was learned of a number column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedNumber {
    /// The rule.
    #[serde(flatten)]
    pub rule: NumberRule,
    /// What a missing cell becomes, before normalisation.
    pub computed_fill_value: f64,
    /// Mean of the training rows, filled.
    pub mean: f64,
    /// Population standard deviation, filled; 1 when all are equal.
    pub std: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// Quartiles.
    pub quartiles: [f64; 3],
}

impl FittedNumber {
    /// Learns from some rows of a column.
    pub fn fit(rule: NumberRule, raw: &Raw, column: &str, rows: &[usize]) -> Result<Self> {
        let cells = parse(raw, column)?;
        let mut there: Vec<f64> = rows.iter().filter_map(|r| cells.get(*r).copied().flatten()).collect();
        refuse_all_missing(raw, column, there.len())?;
        there.sort_by(f64::total_cmp);
        let fill = match rule.missing {
            Missing::FillWithMean | Missing::Interpolate => mean(&there),
            Missing::FillWithMode => mode(&there),
            _ => rule.fill_value,
        };
        let gaps = rows.len() - there.len();
        if gaps > 0 && rule.missing != Missing::DropRow {
            let at = there.partition_point(|x| *x < fill);
            there.splice(at..at, std::iter::repeat_n(fill, gaps));
        }
        let center = mean(&there);
        let variance = there.iter().map(|x| (x - center).powi(2)).sum::<f64>() / there.len() as f64;
        let std = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Ok(Self {
            computed_fill_value: fill,
            mean: center,
            std,
            min: there.first().copied().unwrap_or(0.0),
            max: there.last().copied().unwrap_or(0.0),
            quartiles: [0.25, 0.5, 0.75].map(|q| quantile(&there, q)),
            rule,
        })
    }

    /// Numbers as they are, missing ones NaN; for models that know what to do with them.
    pub fn raw(&self, raw: &Raw, column: &str) -> Result<Vec<f64>> {
        Ok(parse(raw, column)?.into_iter().map(|c| c.unwrap_or(f64::NAN)).collect())
    }

    /// Filled and normalised.
    ///
    /// # Errors
    /// A cell that is not a number, or at most -1 where `log1p` is to be taken.
    pub fn encode(&self, raw: &Raw, column: &str) -> Result<Vec<f64>> {
        let mut cells = parse(raw, column)?;
        if self.rule.missing == Missing::Interpolate {
            interpolate(&mut cells);
        }
        let mut filled = self.rule.missing.fill(cells, &self.computed_fill_value);
        for (row, x) in filled.iter_mut().enumerate() {
            if self.rule.normalization == Some(Normalization::Log1p) && *x <= -1.0 {
                let e = Error::invalid(format!("{x} has no log1p, which wants numbers above -1"));
                return Err(raw.place_cell(e, row, column).hint("use `normalization: zscore`"));
            }
            *x = self.normalize(*x);
        }
        Ok(filled)
    }

    /// One number to the model's scale.
    pub fn normalize(&self, x: f64) -> f64 {
        let [low, middle, high] = self.quartiles;
        match self.rule.normalization {
            None => x,
            Some(Normalization::Zscore) => (x - self.mean) / self.std,
            Some(Normalization::Minmax) => (x - self.min) / span(self.max - self.min),
            Some(Normalization::Log1p) => x.ln_1p(),
            Some(Normalization::Iq) => (x - middle) / span(high - low),
        }
    }

    /// One number back from the model's scale.
    pub fn denormalize(&self, x: f64) -> f64 {
        let [low, middle, high] = self.quartiles;
        match self.rule.normalization {
            None => x,
            Some(Normalization::Zscore) => x * self.std + self.mean,
            Some(Normalization::Minmax) => x * span(self.max - self.min) + self.min,
            Some(Normalization::Log1p) => x.exp_m1(),
            Some(Normalization::Iq) => x * span(high - low) + middle,
        }
    }
}

fn span(x: f64) -> f64 {
    if x > 0.0 { x } else { 1.0 }
}

fn parse(raw: &Raw, column: &str) -> Result<Vec<Option<f64>>> {
    let cells = raw.column(column)?;
    let mut out = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        let parsed = match cell {
            None => None,
            Some(text) => match number(text) {
                Some(x) => Some(x),
                None if text.trim().is_empty() => None,
                None => {
                    let shown: String = text.chars().take(60).collect();
                    let e = Error::invalid(format!("\"{shown}\" is not a number"));
                    return Err(raw
                        .place_cell(e, row, column)
                        .hint("declare it `type: category` or `type: text`"));
                }
            },
        };
        out.push(parsed);
    }
    Ok(out)
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len().max(1) as f64
}

/// The commonest of sorted numbers, the least of equals.
fn mode(sorted: &[f64]) -> f64 {
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.rev().max_by_key(|run| run.len()).and_then(|run| run.first()).copied().unwrap_or(0.0)
}

/// Linear between neighbours of sorted numbers (NumPy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * sorted.len().saturating_sub(1) as f64;
    let low = sorted.get(at.floor() as usize).copied().unwrap_or(0.0);
    let high = sorted.get(at.ceil() as usize).copied().unwrap_or(low);
    low + (high - low) * at.fract()
}

fn interpolate(cells: &mut [Option<f64>]) {
    let known: Vec<(usize, f64)> = cells.iter().enumerate().filter_map(|(i, c)| c.map(|x| (i, x))).collect();
    for (a, b) in known.iter().zip(known.iter().skip(1)) {
        for (row, cell) in cells.iter_mut().enumerate().take(b.0).skip(a.0 + 1) {
            let share = (row - a.0) as f64 / (b.0 - a.0) as f64;
            *cell = Some(a.1 + (b.1 - a.1) * share);
        }
    }
    if let Some((last, x)) = known.last() {
        cells.iter_mut().skip(last + 1).for_each(|c| *c = Some(*x));
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

    fn rule(missing: Missing, normalization: Option<Normalization>) -> NumberRule {
        NumberRule { missing, fill_value: 0.0, normalization }
    }

    #[test]
    fn learns_from_the_training_rows_only() {
        let raw = raw(&["1", "3", "", "100"]);
        let f =
            FittedNumber::fit(rule(Missing::FillWithMean, Some(Normalization::Zscore)), &raw, "x", &[0, 1])
                .unwrap();
        assert_eq!((f.mean, f.std, f.computed_fill_value), (2.0, 1.0, 2.0));
        assert_eq!(f.encode(&raw, "x").unwrap(), [-1.0, 1.0, 0.0, 98.0]);
        assert!(f.raw(&raw, "x").unwrap()[2].is_nan());
    }

    #[test]
    fn every_scale_has_an_inverse() {
        let raw = raw(&["1", "2", "5", "9"]);
        use Normalization::*;
        for n in [None, Some(Zscore), Some(Minmax), Some(Log1p), Some(Iq)] {
            let f = FittedNumber::fit(rule(Missing::FillWithConst, n), &raw, "x", &[0, 1, 2, 3]).unwrap();
            for (x, y) in [1.0, 2.0, 5.0, 9.0].iter().zip(f.encode(&raw, "x").unwrap()) {
                assert!((f.denormalize(y) - x).abs() < 1e-12);
            }
            let back: FittedNumber = serde_json::from_str(&serde_json::to_string(&f).unwrap()).unwrap();
            assert_eq!(back, f);
        }
    }

    #[test]
    fn gaps_and_faults() {
        let gaps = raw(&["1", "", "", "4", ""]);
        let f = FittedNumber::fit(rule(Missing::Interpolate, None), &gaps, "x", &[0, 3]).unwrap();
        assert_eq!(f.encode(&gaps, "x").unwrap(), [1.0, 2.0, 3.0, 4.0, 4.0]);
        let e = FittedNumber::fit(rule(Missing::FillWithConst, None), &gaps, "x", &[1, 2])
            .unwrap_err()
            .to_string();
        assert_eq!(
            e,
            "column \"x\": every cell of the training rows is missing\n  hint: leave the column out of the features"
        );
        let e = FittedNumber::fit(rule(Missing::FillWithConst, None), &raw(&["1", "twelve"]), "x", &[0]);
        assert!(e.unwrap_err().to_string().starts_with("column \"x\": \"twelve\" is not a number"));
        assert_eq!(mode(&[1.0, 2.0, 2.0, 3.0, 3.0]), 2.0);
    }
}
