//! Partial dependence: the mean prediction when a feature has one value in every row (Friedman 2001), with the lines of
//! some single rows (individual conditional expectation, Goldstein et al. 2015).

use super::look::{Look, brief};
use crate::prepared::{FittedInput, FittedOutput};
use crate::scores::Scores;
use lyceum_core::{Column, Result, Table};
use serde::{Deserialize, Serialize};

/// Rows that the mean is taken over.
const ROWS: usize = 300;
/// Rows whose own line is kept.
const LINES: usize = 40;
/// Values of a number that are tried.
const GRID: usize = 24;
/// Values of a category that are tried, the commonest.
const LEVELS: usize = 12;

/// What is predicted at some values of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Partial {
    /// The feature.
    pub(crate) feature: String,
    /// What is predicted: `probability of CLASS`, or the output's name.
    pub(crate) predicted: String,
    /// Names of the values 0, 1, …; empty for numbers.
    pub(crate) names: Vec<String>,
    /// Values.
    pub(crate) x: Vec<f64>,
    /// Mean prediction.
    pub(crate) mean: Vec<f64>,
    /// Predictions of single rows, a list a row.
    pub(crate) lines: Vec<Vec<f64>>,
    /// Rows that the mean is taken over.
    pub(crate) rows: usize,
}

/// Predicts the sample's first rows at every value of a grid.
pub(super) fn partial(look: &Look<'_>, feature: usize) -> Result<Partial> {
    let rows: Vec<usize> = (0..look.rows.len().min(ROWS)).collect();
    let table = look.table.take(&rows);
    let (mut grid, mut names) = (Vec::new(), Vec::new());
    if let Some(axis) = look.axis(feature) {
        grid = if axis.names.is_empty() {
            spread(axis.at.into_iter().flatten().collect())
        } else {
            (0..axis.names.len().min(LEVELS)).map(|i| i as f64).collect()
        };
        names = axis.names.into_iter().take(LEVELS).collect();
    }
    let mut mean = Vec::new();
    let mut lines = vec![Vec::new(); rows.len().min(LINES)];
    for x in &grid {
        let p = first_score(look.scores(&at(look, &table, feature, *x)?)?);
        mean.push(brief(p.iter().sum::<f64>() / p.len().max(1) as f64));
        lines.iter_mut().zip(&p).for_each(|(line, p)| line.push(brief(*p)));
    }
    let predicted = match look.fitted() {
        FittedOutput::Binary { fitted, .. } => {
            format!("probability of {}", fitted.true_label)
        }
        FittedOutput::Category { fitted, .. } => {
            format!("probability of {}", fitted.levels.first().map_or("", |l| &**l))
        }
        FittedOutput::Number { .. } => look.output_name().to_string(),
    };
    let x = grid.into_iter().map(brief).collect();
    Ok(Partial { feature: look.name(feature), predicted, names, x, mean, lines, rows: rows.len() })
}

/// The values themselves where they are few, else quantiles from the least to the greatest.
fn spread(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let all = values.clone();
    values.dedup();
    if values.len() <= GRID {
        return values;
    }
    let last = all.len() - 1;
    let pick = |i: usize| all.get(i * last / (GRID - 1)).copied();
    let mut out: Vec<f64> = (0..GRID).filter_map(pick).collect();
    out.dedup();
    out
}

/// The table with one value of a feature in every row.
fn at(look: &Look<'_>, table: &Table, feature: usize, x: f64) -> Result<Table> {
    let mut out = Table::default();
    for ((name, column), owner) in table.columns().zip(&look.owners) {
        let column = match (column, *owner == feature) {
            (Column::Number(cells), true) => {
                let fitted = look.inputs().get(feature).map(|f| &f.fitted);
                let x = match fitted {
                    Some(FittedInput::Number(f)) if look.is_scaled() => f.normalize(x),
                    _ => x,
                };
                Column::Number(vec![x; cells.len()])
            }
            (Column::Category { codes, levels }, true) => {
                Column::Category { codes: vec![x as u32; codes.len()], levels: levels.clone() }
            }
            (other, _) => other.clone(),
        };
        out.push(name, column)?;
    }
    Ok(out)
}

/// The number, the probability of true, or that of the commonest class.
fn first_score(scores: Scores) -> Vec<f64> {
    match scores {
        Scores::Number(v) | Scores::Binary(v) => v,
        Scores::Category { p, classes } => p.into_iter().step_by(classes.max(1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_reaches_from_the_least_to_the_greatest_value() {
        assert_eq!(spread(vec![3.0, 1.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        let grid = spread((0..1000).map(f64::from).collect());
        assert_eq!((grid.len(), grid[0], grid[GRID - 1]), (GRID, 0.0, 999.0));
        assert!(spread(Vec::new()).is_empty());
    }
}
