//! Rows and answers as CSV (RFC 4180): a line of names, then a line a row.

use lyceum_core::{Error, Map, Result, Value};
use std::sync::Arc;

/// Columns of a body at most.
const MOST_COLUMNS: usize = 100_000;

/// The rows of a body, at most `most`; an empty cell is null.
///
/// # Errors
/// Text that is not UTF-8, a line with another number of cells than the first (the line is named), a name twice, no row.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::invalid(format!("the body is not UTF-8 (byte {})", e.valid_up_to() + 1)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let broken = |e: csv::Error| Error::invalid(format!("the body is not CSV: {e}"));
    let names: Vec<Arc<str>> = reader.headers().map_err(broken)?.iter().map(Arc::from).collect();
    if names.len() > MOST_COLUMNS {
        return Err(Error::invalid(format!("{} columns, at most {MOST_COLUMNS} are taken", names.len())));
    }
    let mut sorted: Vec<&Arc<str>> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find_map(|w| w.first().filter(|a| w.last() == Some(a))) {
        return Err(Error::invalid(format!("the column \"{twice}\" comes twice")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        if record.len() != names.len() {
            let line = record.position().map_or(0, csv::Position::line);
            let message = format!("line {line} has {} cells, the first line {}", record.len(), names.len());
            return Err(Error::invalid(message));
        }
        if rows.len() == most {
            let message = format!("more than {most} rows are not taken");
            return Err(Error::new(lyceum_core::ErrorKind::TooLarge, message));
        }
        let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        rows.push(names.iter().cloned().zip(record.iter().map(cell)).collect::<Map>().into());
    }
    if rows.is_empty() {
        return Err(Error::invalid("the body has no row below its line of names"));
    }
    Ok(rows)
}

/// Answers as text; objects within become columns called `outer_inner`, lists are JSON.
pub(super) fn write(answers: &[Value]) -> Result<String> {
    let flat: Vec<Vec<(String, String)>> = answers.iter().map(flat).collect();
    let mut names: Vec<&str> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for (name, _) in flat.iter().flatten() {
        known.entry(name.as_str()).or_insert_with(|| {
            names.push(name);
            names.len() - 1
        });
    }
    let mut out = csv::Writer::from_writer(Vec::new());
    let broken = |e: &dyn std::fmt::Display| Error::internal(format!("cannot write CSV: {e}"));
    out.write_record(&names).map_err(|e| broken(&e))?;
    for row in &flat {
        let mut cells = vec![""; names.len()];
        for (name, text) in row {
            if let Some(cell) = known.get(name.as_str()).and_then(|i| cells.get_mut(*i)) {
                *cell = text;
            }
        }
        out.write_record(&cells).map_err(|e| broken(&e))?;
    }
    let bytes = out.into_inner().map_err(|e| broken(&e))?;
    String::from_utf8(bytes).map_err(|e| broken(&e))
}

fn flat(answer: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut open: Vec<(String, &Value)> = vec![(String::new(), answer)];
    while let Some((name, value)) = open.pop() {
        match value {
            Value::Map(map) => {
                let inner =
                    |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}_{key}") };
                // The last one is taken first.
                let all: Vec<_> = map.iter().map(|(k, v)| (inner(k), v)).collect();
                open.extend(all.into_iter().rev());
            }
            Value::Null => out.push((name, String::new())),
            other => {
                let text = other.as_str().map_or_else(|| other.to_json().to_string(), str::to_string);
                out.push((name, text));
            }
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let rows = read(b"\xef\xbb\xbfa,b c\r\n1,\"x, \"\"y\"\"\"\r\n,z\r\n", 9).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.first().unwrap().get("b c"), Some(&Value::from("x, \"y\"")));
        assert_eq!(rows.last().unwrap().get("a"), Some(&Value::Null));
        assert_eq!(write(&rows).unwrap(), "a,b c\n1,\"x, \"\"y\"\"\"\n,z\n");
        let nested =
            Value::from_json(serde_json::json!({"p": 0.5, "why": {"a": 1.5, "b": [1, 2]}, "none": null}));
        assert_eq!(write(&[nested]).unwrap(), "p,why_a,why_b,none\n0.5,1.5,\"[1,2]\",\n");
    }

    #[test]
    fn faults_name_their_place() {
        let fault = |bytes: &[u8]| read(bytes, 2).unwrap_err().to_string();
        assert_eq!(fault(b"a,b\n1,2\n3\n"), "line 3 has 1 cells, the first line 2");
        assert_eq!(fault(b"a,a\n1,2\n"), "the column \"a\" comes twice");
        assert_eq!(fault(b"a,b\n"), "the body has no row below its line of names");
        assert_eq!(fault(b"a\n\xff\n"), "the body is not UTF-8 (byte 3)");
        assert_eq!(fault(b"a\n1\n2\n3\n"), "more than 2 rows are not taken");
    }
}
