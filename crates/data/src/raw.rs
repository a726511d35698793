//! A table whose cells are still text, with what an error needs to name them: the file and each row's line.

use crate::Cells;
use lyceum_core::{Error, Result, Table, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Named columns of text cells.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    files: Vec<PathBuf>,
    names: Vec<Arc<str>>,
    columns: Vec<Arc<Cells>>,
    /// File (an index) and line (from 1) of each row; empty when there is no file.
    origin: Vec<(u32, u32)>,
    rows: usize,
}

impl Raw {
    /// A table of columns. Fails when lengths differ or a name comes twice.
    pub fn new(columns: impl IntoIterator<Item = (impl Into<Arc<str>>, Cells)>) -> Result<Self> {
        let mut out = Self::default();
        for (name, cells) in columns {
            let name = name.into();
            if out.names.contains(&name) {
                return Err(Error::invalid(format!("column \"{name}\" comes twice")));
            }
            if !out.columns.is_empty() && cells.len() != out.rows {
                let (has, want) = (cells.len(), out.rows);
                return Err(Error::invalid(format!(
                    "column \"{name}\" has {has} rows, the table has {want}"
                )));
            }
            out.rows = cells.len();
            out.names.push(name);
            out.columns.push(Arc::new(cells));
        }
        Ok(out)
    }

    /// The same, read from a file; `lines` has the line of each row.
    pub(crate) fn of_file(
        source: &Path,
        names: Vec<Arc<str>>,
        columns: Vec<Cells>,
        lines: Vec<u32>,
    ) -> Result<Self> {
        let mut out = Self::new(names.into_iter().zip(columns)).map_err(|e| e.in_file(source))?;
        out.files = vec![source.to_path_buf()];
        out.origin = lines.into_iter().map(|line| (0, line)).collect();
        Ok(out)
    }

    /// The rows of several tables, one under the other. A column that the first table lacks is left out; one that a
    /// later table lacks is missing there.
    pub fn concat(tables: &[Self]) -> Self {
        let mut out =
            Self { names: tables.first().map(|t| t.names.clone()).unwrap_or_default(), ..Self::default() };
        let mut columns = vec![Cells::default(); out.names.len()];
        for table in tables {
            for (name, cells) in out.names.iter().zip(&mut columns) {
                let own = table.get(name);
                (0..table.rows).for_each(|row| cells.push(own.and_then(|c| c.get(row))));
            }
            let file = out.files.len() as u32;
            out.files.extend(table.files.iter().cloned());
            out.origin.extend(table.origin.iter().map(|(f, line)| (f + file, *line)));
            out.rows += table.rows;
        }
        out.columns = columns.into_iter().map(Arc::new).collect();
        out
    }

    /// Rows given as objects: a list of objects, one object, or a table. Numbers keep their value, lists and objects
    /// become compact JSON. Keys absent in a row are missing cells.
    pub fn from_value(input: &Value) -> Result<Self> {
        let one;
        let rows: &[Value] = match input {
            Value::Table(t) => return Ok(Self::from_table(t)),
            Value::List(rows) => rows,
            Value::Map(_) => {
                one = [input.clone()];
                &one
            }
            other => {
                return Err(Error::invalid(format!(
                    "expected an object of columns, got {}",
                    other.type_name()
                )));
            }
        };
        let mut names: indexmap::IndexSet<Arc<str>> = indexmap::IndexSet::new();
        for row in rows {
            let map = row.as_map().ok_or_else(|| {
                Error::invalid(format!("expected an object of columns, got {}", row.type_name()))
            })?;
            names.extend(map.keys().cloned());
        }
        let mut columns = vec![Cells::default(); names.len()];
        for row in rows {
            for (name, cells) in names.iter().zip(&mut columns) {
                cells.push(row.get(name).and_then(cell_text).as_deref());
            }
        }
        let mut out = Self::new(names.into_iter().zip(columns))?;
        out.rows = rows.len();
        Ok(out)
    }

    fn from_table(table: &Table) -> Self {
        let columns = table.columns().map(|(name, column)| {
            let mut cells = Cells::default();
            for row in 0..table.rows() {
                cells.push(cell_text(&column.value(row)).as_deref());
            }
            (Arc::from(name), Arc::new(cells))
        });
        let (names, columns) = columns.unzip();
        Self { names, columns, rows: table.rows(), ..Self::default() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names, left to right.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The columns, left to right, with their names.
    pub fn columns(&self) -> impl Iterator<Item = (&Arc<str>, &Cells)> {
        self.names.iter().zip(self.columns.iter().map(|c| &**c))
    }

    /// The file that it came from, or the first of several.
    pub fn source(&self) -> Option<&Path> {
        self.files.first().map(PathBuf::as_path)
    }

    /// A column by name, if it is there.
    pub fn get(&self, name: &str) -> Option<&Cells> {
        let i = self.names.iter().position(|n| &**n == name)?;
        self.columns.get(i).map(|c| &**c)
    }

    /// A column by name; the error names the file and the nearest column.
    pub fn column(&self, name: &str) -> Result<&Cells> {
        self.get(name).ok_or_else(|| {
            let have: Vec<&str> = self.names.iter().map(|n| &**n).collect();
            let shown = if have.len() > 20 { format!("{} columns", have.len()) } else { have.join(", ") };
            let e = Error::invalid(format!("no column \"{name}\"; the table has {shown}"));
            self.place(e).did_you_mean(name, have)
        })
    }

    /// The rows of an index, in its order; errors still name the rows' lines.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            files: self.files.clone(),
            names: self.names.clone(),
            columns: self.columns.iter().map(|c| Arc::new(c.take(rows))).collect(),
            origin: rows.iter().filter_map(|r| self.origin.get(*r).copied()).collect(),
            rows: rows.len(),
        }
    }

    /// Names the file in an error.
    pub fn place(&self, e: Error) -> Error {
        match self.files.first() {
            Some(file) => e.in_file(file),
            None => e,
        }
    }

    /// Names the file, the row's line and the column in an error.
    pub fn place_cell(&self, e: Error, row: usize, column: &str) -> Error {
        let e = e.at_key(format!("column \"{column}\""));
        match self.origin.get(row) {
            Some((file, line)) => {
                let e = e.on_line(*line as usize);
                match self.files.get(*file as usize) {
                    Some(file) => e.in_file(file),
                    None => e,
                }
            }
            None if self.rows > 1 => e.hint(format!("in row {} of the input", row + 1)),
            None => e,
        }
    }
}

/// A value as the text that a file would hold; nothing for null and NaN.
pub(crate) fn cell_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Str(s) => Some(s.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Int(i) => Some(i.to_string()),
        Value::Float(x) if x.is_nan() => None,
        Value::Float(x) => Some(x.to_string()),
        other => Some(other.to_json().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_become_rows() {
        let input: Value = serde_json::from_str(r#"[{"a":1,"b":"x"},{"b":null,"c":2.5}]"#).unwrap();
        let raw = Raw::from_value(&input).unwrap();
        assert_eq!(raw.rows(), 2);
        assert_eq!(raw.column("a").unwrap().iter().collect::<Vec<_>>(), [Some("1"), None]);
        assert_eq!(raw.column("c").unwrap().get(1), Some("2.5"));
        let e = raw.column("d").unwrap_err().to_string();
        assert!(e.contains("no column \"d\"; the table has a, b, c"), "{e}");
        assert!(Raw::from_value(&Value::Int(3)).is_err());
    }
}
