//! Rows of cells with a separator between.

use super::{Cells, Lines, number};
use lyceum_core::{Error, Result};

/// Reads rows of `width` cells; 0 is as many as the first one has.
pub(super) fn parse(lines: Lines<'_>, separator: char, mut width: usize) -> Result<Cells> {
    let mut values = Vec::with_capacity(lines.rest.len() / 8);
    for (line_number, line) in lines {
        let before = values.len();
        let mut push = |cell: &str| match number(cell) {
            Some(x) => {
                values.push(x);
                Ok(())
            }
            None => {
                let message =
                    format!("cell {} is \"{}\", expected a number", values.len() - before + 1, short(cell));
                Err(Error::invalid(message).on_line(line_number))
            }
        };
        if separator == ' ' {
            line.split_whitespace().try_for_each(&mut push)?;
        } else {
            line.split(separator).try_for_each(&mut push)?;
        }
        let cells = values.len() - before;
        if width == 0 {
            width = cells;
            if width > crate::MAX_COLUMNS {
                let message = format!("the row has {width} cells, at most {} are read", crate::MAX_COLUMNS);
                return Err(Error::invalid(message).on_line(line_number));
            }
        } else if cells != width {
            let message = format!("the row has {cells} cells, the first one has {width}");
            return Err(Error::invalid(message).on_line(line_number));
        }
    }
    Ok(Cells::Dense { values, width })
}

/// The beginning of a cell, for a message.
pub(super) fn short(cell: &str) -> String {
    let cell = cell.trim();
    let head: String = cell.chars().take(40).collect();
    if head.len() < cell.len() { format!("{head}…") } else { head }
}
