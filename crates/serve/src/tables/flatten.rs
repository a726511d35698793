//! Answers as a table: a key a column, an object inside spread over columns whose names are joined with `_`.

use indexmap::IndexMap;
use lyceum_core::{Column, Error, Result, Table, Value};
use std::sync::Arc;

/// One column a key, in the order in which keys first come. A cell that a row lacks is missing; a list is its JSON.
///
/// # Errors
/// A row that names one column twice, say `a: {b: …}` beside `a_b`.
pub(super) fn table(answers: &[Value]) -> Result<Table> {
    let mut columns: IndexMap<Arc<str>, Vec<Value>> = IndexMap::new();
    for (i, answer) in answers.iter().enumerate() {
        match answer {
            Value::Map(_) => spread(None, answer, i, &mut columns)?,
            other => put("value".into(), other.clone(), i, &mut columns)?,
        }
    }
    let columns = columns.into_iter().map(|(name, mut cells)| {
        cells.resize(answers.len(), Value::Null);
        (name, column(&cells))
    });
    Table::new(columns)
}

fn spread(
    above: Option<&str>,
    value: &Value,
    row: usize,
    columns: &mut IndexMap<Arc<str>, Vec<Value>>,
) -> Result<()> {
    for (key, inner) in value.as_map().into_iter().flatten() {
        let name: Arc<str> = above.map_or_else(|| key.clone(), |above| format!("{above}_{key}").into());
        match inner {
            Value::Map(_) => spread(Some(&name), inner, row, columns)?,
            plain => put(name, plain.clone(), row, columns)?,
        }
    }
    Ok(())
}

fn put(name: Arc<str>, value: Value, row: usize, columns: &mut IndexMap<Arc<str>, Vec<Value>>) -> Result<()> {
    let cells = columns.entry(name).or_default();
    if cells.len() > row {
        return Err(Error::unsupported("two parts of an answer would be one column; ask for JSON"));
    }
    cells.resize(row, Value::Null);
    cells.push(value);
    Ok(())
}

/// Whole numbers up to this size are exact as f64.
const EXACT: u64 = 1 << 53;

fn column(cells: &[Value]) -> Column {
    let number = |v: &Value| match v {
        Value::Int(i) => i.unsigned_abs() <= EXACT,
        Value::Float(_) | Value::Null => true,
        _ => false,
    };
    if cells.iter().all(number) {
        return Column::Number(cells.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect());
    }
    if cells.iter().all(|v| matches!(v, Value::Bool(_) | Value::Null)) {
        return Column::Bool(cells.iter().map(Value::as_bool).collect());
    }
    let text = |v: &Value| match v {
        Value::Null => None,
        Value::Str(s) => Some(s.clone()),
        other => Some(other.to_json().to_string().into()),
    };
    Column::Text(cells.iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_spread_and_gaps_stay() {
        let rows = [
            json!({"y": "a", "c": {"x": 1.5, "z": {"deep": 2}}, "l": [1]}),
            json!({"y": null, "late": true}),
        ];
        let rows = rows.map(Value::from_json);
        let text = lyceum_data::csv_text(&table(&rows).unwrap()).unwrap();
        assert_eq!(text, "y,c_x,c_z_deep,l,late\na,1.5,2,[1],\n,,,,True\n");
        let clash = [Value::from_json(json!({"a": {"b": 1}, "a_b": 2}))];
        assert!(table(&clash).is_err());
        let large = [Value::Int(i64::MAX)];
        assert_eq!(lyceum_data::csv_text(&table(&large).unwrap()).unwrap(), "value\n9223372036854775807\n");
    }
}
