//! Tables as CSV text, as pandas would write them.

use lyceum_core::{Error, Result, Table, Value};

/// A table as CSV text with a header; missing cells are empty, truth values `True` and `False` as pandas writes them.
pub fn csv_text(table: &Table) -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let bad = |e: csv::Error| Error::internal(format!("cannot write CSV: {e}"));
    out.write_record(table.names().iter().map(|n| &**n)).map_err(bad)?;
    let columns: Vec<_> = table.columns().map(|(_, c)| c).collect();
    for row in 0..table.rows() {
        out.write_record(columns.iter().map(|c| cell(&c.value(row)))).map_err(bad)?;
    }
    let bytes = out.into_inner().map_err(|e| Error::internal(format!("cannot write CSV: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::internal(format!("cannot write CSV: {e}")))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Str(s) => s.to_string(),
        Value::Float(x) => x.to_string(),
        other => other.to_json().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_core::Column;

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(cells in proptest::collection::vec("[a-z,;\"\\r\\n\u{e9} ]{0,12}x", 1..20)) {
            let column = Column::Text(cells.iter().map(|c| Some(c.as_str().into())).collect());
            let text = csv_text(&Table::new([("c", column)]).unwrap()).unwrap();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("t.csv"), text.as_bytes()).unwrap();
            let back = crate::read(dir.path().join("t.csv")).unwrap();
            let got: Vec<_> = back.column("c").unwrap().iter().map(|c| c.unwrap().to_string()).collect();
            proptest::prop_assert_eq!(got, cells);
        }
    }

    #[test]
    fn csv_reads_back() {
        let t = Table::new([
            ("a", Column::Text(vec![Some("x, \"y\"".into()), None])),
            ("b", Column::Number(vec![1.5, f64::NAN])),
        ])
        .unwrap();
        assert_eq!(csv_text(&t).unwrap(), "a,b\n\"x, \"\"y\"\"\",1.5\n,\n");
    }
}
