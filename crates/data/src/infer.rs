//! What a column of text cells most likely is. Used where nobody has said it.

use crate::Raw;
use crate::prepare::{boolean, number};
use lyceum_core::{Column, Result, Table};
use std::collections::HashSet;
use std::sync::Arc;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers.
    Number,
    /// Two values that read as true and false, or any two values.
    Binary,
    /// Few values that come again.
    Category,
    /// Free text.
    Text,
    /// Nothing: every cell is missing.
    Empty,
}

impl ColumnType {
    /// The name that a configuration uses; an empty column has none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Number => Some("number"),
            Self::Binary => Some("binary"),
            Self::Category => Some("category"),
            Self::Text => Some("text"),
            Self::Empty => None,
        }
    }
}

/// Rows that are looked at.
const LOOK: usize = 50_000;

/// Guesses a column's type from its first 50,000 rows. Two distinct values are binary; numbers are numbers unless they
/// are few whole values that look like codes; otherwise values that come again are categories, the rest is text.
pub fn infer(raw: &Raw, name: &str) -> Result<ColumnType> {
    let cells = raw.column(name)?;
    let mut distinct: HashSet<&str> = HashSet::new();
    let (mut there, mut numbers, mut words) = (0usize, 0usize, 0usize);
    for cell in cells.iter().take(LOOK).flatten() {
        there += 1;
        numbers += usize::from(number(cell).is_some());
        words += cell.split_whitespace().count();
        distinct.insert(cell);
    }
    if there == 0 {
        return Ok(ColumnType::Empty);
    }
    let all_boolean = distinct.iter().all(|v| boolean(v).is_some());
    let mean_words = words as f64 / there as f64;
    Ok(if distinct.len() == 2 && (all_boolean || numbers == 0) && mean_words < 3.0 {
        ColumnType::Binary
    } else if numbers == there {
        ColumnType::Number
    } else if mean_words < 3.0 && distinct.len() <= there.div_ceil(2).max(10) {
        ColumnType::Category
    } else {
        ColumnType::Text
    })
}

/// A table with guessed types: numbers become numbers, two boolean values truth values, all else stays text.
pub fn infer_table(raw: &Raw) -> Result<Table> {
    let mut table = Table::default();
    for (name, cells) in raw.columns() {
        let column = match infer(raw, name)? {
            ColumnType::Number => {
                let cells: Option<Vec<f64>> =
                    cells.iter().map(|c| c.map_or(Some(f64::NAN), number)).collect();
                cells.map(Column::Number)
            }
            ColumnType::Binary => {
                let cells: Option<Vec<Option<bool>>> =
                    cells.iter().map(|c| c.map_or(Some(None), |c| boolean(c).map(Some))).collect();
                cells.map(Column::Bool)
            }
            _ => None,
        };
        let text = || Column::Text(cells.iter().map(|c| c.map(Arc::from)).collect());
        table.push(name.clone(), column.unwrap_or_else(text))?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cells;

    fn of(values: &[&str]) -> ColumnType {
        let mut cells = Cells::default();
        values.iter().for_each(|v| cells.push_text(v));
        infer(&Raw::new([("c", cells)]).unwrap(), "c").unwrap()
    }

    #[test]
    fn guesses_as_a_person_would() {
        assert_eq!(of(&["1", "2.5", "", "-3e2"]), ColumnType::Number);
        assert_eq!(of(&["yes", "no", "", "yes"]), ColumnType::Binary);
        assert_eq!(of(&["0", "1", "1"]), ColumnType::Binary);
        assert_eq!(of(&["3", "7", "3"]), ColumnType::Number);
        assert_eq!(of(&["red", "green", "blue", "red", "green", "blue"]), ColumnType::Category);
        assert_eq!(of(&["the cat sat here", "a dog ran off", "birds fly over us"]), ColumnType::Text);
        assert_eq!(of(&["", "NA"]), ColumnType::Empty);
    }
}
