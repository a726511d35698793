//! Rows from CSV text: the header line names the columns, cells are quoted as RFC 4180 says.

use csv::{ByteRecord, ReaderBuilder};
use lyceum_core::{Error, ErrorKind, Map, Result, Schema, Value};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;

/// Reads at most `most` rows of comma-separated text, each as a map. An empty cell is null. A cell is text, unless the
/// model's input schema says that its column takes numbers or truth values and no text.
///
/// # Errors
/// No header, a name twice, a ragged row, bytes that are not UTF-8, a cell of the wrong type; with the line. Too many
/// rows or columns.
pub(crate) fn read(body: &[u8], input: &Schema, most: usize) -> Result<Vec<Value>> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        reader.read_byte_record(record).map_err(|e| Error::invalid(format!("the body is not CSV: {e}")))
    };
    if !next(&mut record)? {
        return Err(Error::invalid("the body is empty; expected CSV with a header line"));
    }
    let names = header(&record)?;
    let kinds: Vec<Kind> = names.iter().map(|name| Kind::of(input, name)).collect();
    let mut rows = Vec::new();
    while next(&mut record)? {
        let line = record.position().map_or(0, |p| p.line());
        if rows.len() == most {
            let text = format!("more than {most} rows, at most {most} are taken");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if record.len() != names.len() {
            let (has, want) = (record.len(), names.len());
            return Err(Error::invalid(format!("line {line} has {has} fields, the header has {want}"))
                .hint("quote a cell that holds a comma or a line break"));
        }
        let mut row = Map::with_capacity(names.len());
        for ((name, kind), cell) in names.iter().zip(&kinds).zip(record.iter()) {
            let text = utf8(cell, line)?;
            let value = kind.read(text).ok_or_else(|| {
                let what = kind.word();
                Error::invalid(format!("line {line}: column \"{name}\": \"{text}\" is not {what}"))
                    .at_key(&**name)
            })?;
            row.insert(name.clone(), value);
        }
        rows.push(row.into());
    }
    Ok(rows)
}

fn header(record: &ByteRecord) -> Result<Vec<Arc<str>>> {
    let (has, most) = (record.len(), lyceum_data::MAX_COLUMNS);
    if has > most {
        let text = format!("the header has {has} columns, at most {most} are taken");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let mut seen = HashSet::new();
    let mut names: Vec<Arc<str>> = Vec::with_capacity(has);
    for cell in record {
        let name = utf8(cell, 1)?;
        if !seen.insert(name) {
            return Err(Error::invalid(format!("the header names column \"{name}\" twice")));
        }
        names.push(name.into());
    }
    Ok(names)
}

fn utf8(cell: &[u8], line: u64) -> Result<&str> {
    std::str::from_utf8(cell).map_err(|_| Error::invalid(format!("line {line} is not UTF-8")))
}

/// What a column's cells are read as.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Truth,
}

impl Kind {
    fn of(input: &Schema, name: &str) -> Self {
        let declared = input.0.get("properties").and_then(|p| p.get(name)).and_then(|c| c.get("type"));
        let has = |word: &str| match declared {
            Some(Json::String(one)) => one == word,
            Some(Json::Array(all)) => all.iter().any(|t| t == word),
            _ => false,
        };
        match (has("string"), has("number") || has("integer"), has("boolean")) {
            (false, true, false) => Self::Number,
            (false, false, true) => Self::Truth,
            _ => Self::Text,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Truth => "true or false",
        }
    }

    fn read(self, cell: &str) -> Option<Value> {
        if cell.is_empty() {
            return Some(Value::Null);
        }
        match self {
            Self::Text => Some(cell.into()),
            Self::Number => match cell.trim().parse::<i64>() {
                Ok(whole) => Some(Value::Int(whole)),
                Err(_) => cell.trim().parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::Float),
            },
            Self::Truth => match cell {
                "true" | "True" | "TRUE" => Some(Value::Bool(true)),
                "false" | "False" | "FALSE" => Some(Value::Bool(false)),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_schema_says() {
        let schema = Schema::object([("n", Schema::of("number")), ("t", Schema::of("boolean"))]);
        let rows =
            read(b"\xef\xbb\xbfn,t,s\r\n1,True,\"a, \"\"b\"\"\nc\"\r\n,false,2\r\n", &schema, 9).unwrap();
        let json: Json = rows.iter().map(Value::to_json).collect();
        assert_eq!(
            json,
            serde_json::json!([{"n": 1, "t": true, "s": "a, \"b\"\nc"}, {"n": null, "t": false, "s": "2"}])
        );
        let fault = |text: &[u8]| read(text, &schema, 1).unwrap_err().message().to_string();
        assert!(fault(b"").contains("empty"));
        assert!(fault(b"n,n\n1,2\n").contains("twice"));
        assert!(fault(b"n,s\n1\n").contains("line 2 has 1 fields, the header has 2"));
        assert!(fault(b"n\nx\n").contains("line 2: column \"n\": \"x\" is not a number"));
        assert!(fault(b"s\n\xff\n").contains("line 2 is not UTF-8"));
        assert!(fault(b"s\n1\n2\n").contains("at most 1 are taken"));
    }
}
