//! LibSVM rows: a label, then `column:value` pairs with rising columns.

use super::delimited::short;
use super::{Cells, Lines, number};
use lyceum_core::{Error, Result};

pub(super) fn parse(lines: Lines<'_>) -> Result<Cells> {
    let (mut labels, mut indptr, mut indices, mut values) = (Vec::new(), vec![0], Vec::new(), Vec::new());
    let mut width = 0u32;
    for (line_number, line) in lines {
        let fault = |message: String| Err(Error::invalid(message).on_line(line_number));
        let mut words = line.split_whitespace().peekable();
        if let Some(label) = words.next_if(|w| !w.contains(':')) {
            match number(label) {
                Some(x) => labels.push(x),
                None => return fault(format!("the label is \"{}\", expected a number", short(label))),
            }
        }
        if !labels.is_empty() && labels.len() != indptr.len() {
            return fault("the row has no label, others have one".into());
        }
        let mut last: Option<u32> = None;
        for word in words {
            let pair = word.split_once(':').and_then(|(c, v)| Some((c.parse::<u32>().ok()?, number(v)?)));
            let Some((column, value)) = pair else {
                return fault(format!("\"{}\" is not a pair column:value", short(word)));
            };
            if last.is_some_and(|l| column <= l) {
                return fault(format!("column {column} does not come after the one before it"));
            }
            if column as usize >= 1 << 24 {
                return fault(format!("column {column} is too high, at most {} is read", (1 << 24) - 1));
            }
            last = Some(column);
            width = width.max(column + 1);
            indices.push(column);
            values.push(value);
        }
        indptr.push(indices.len());
    }
    let labels = (!labels.is_empty()).then_some(labels);
    Ok(Cells::Sparse { labels, indptr, indices, values, width: width as usize })
}
