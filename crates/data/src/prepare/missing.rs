//! What stands in for a missing cell.

use serde::{Deserialize, Serialize};

/// Strategies, by Ludwig's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A constant.
    FillWithConst,
    /// The commonest training value.
    FillWithMode,
    /// The mean of the training values; numbers only.
    FillWithMean,
    /// False; binary only.
    FillWithFalse,
    /// True; binary only.
    FillWithTrue,
    /// The next cell that is there.
    Bfill,
    /// The last cell that was there.
    Ffill,
    /// A straight line between the neighbours that are there; numbers only.
    Interpolate,
    /// The row is left out of training and evaluation.
    DropRow,
}

impl Missing {
    /// By the name in a configuration.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(name)).ok()
    }

    /// Fills what is missing. `Bfill` and `Ffill` look at neighbours, where there are any; everything else, and what
    /// they leave, becomes `fill`.
    pub(crate) fn fill<T: Clone>(self, cells: Vec<Option<T>>, fill: &T) -> Vec<T> {
        let mut cells = cells;
        match self {
            Self::Ffill => carry(cells.iter_mut()),
            Self::Bfill => carry(cells.iter_mut().rev()),
            _ => {}
        }
        cells.into_iter().map(|c| c.unwrap_or_else(|| fill.clone())).collect()
    }
}

fn carry<'a, T: Clone + 'a>(cells: impl Iterator<Item = &'a mut Option<T>>) {
    let mut last: Option<T> = None;
    for cell in cells {
        match cell {
            Some(v) => last = Some(v.clone()),
            None => cell.clone_from(&last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_or_the_constant() {
        let cells = vec![None, Some(1), None, Some(3), None];
        assert_eq!(Missing::Ffill.fill(cells.clone(), &9), [9, 1, 1, 3, 3]);
        assert_eq!(Missing::Bfill.fill(cells.clone(), &9), [1, 1, 3, 3, 9]);
        assert_eq!(Missing::FillWithConst.fill(cells, &9), [9, 1, 9, 3, 9]);
        assert_eq!(Missing::named("drop_row"), Some(Missing::DropRow));
        assert_eq!(Missing::named("drop"), None);
    }
}
