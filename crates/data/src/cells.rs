//! One column of cells as they stand in the file: text end to end in one buffer, missing cells marked.

/// Text of a column's cells. A missing cell is one that is empty or reads as one of pandas' missing markers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells {
    text: String,
    ends: Vec<usize>,
    missing: Vec<bool>,
}

/// What pandas reads as missing by default.
const MISSING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan",
];

/// Whether a cell's text means that there is nothing.
fn is_missing(text: &str) -> bool {
    text.len() <= 8 && (MISSING.contains(&text) || text == "null")
}

impl Cells {
    /// Appends a cell as read from a text file.
    pub fn push_text(&mut self, text: &str) {
        let missing = is_missing(text);
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.missing.push(missing);
    }

    /// Appends a cell that is known to be there or not.
    pub fn push(&mut self, cell: Option<&str>) {
        self.text.push_str(cell.unwrap_or_default());
        self.ends.push(self.text.len());
        self.missing.push(cell.is_none());
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One cell; nothing when missing or past the end.
    pub fn get(&self, row: usize) -> Option<&str> {
        if *self.missing.get(row)? {
            return None;
        }
        let start = row.checked_sub(1).and_then(|r| self.ends.get(r)).copied().unwrap_or(0);
        self.text.get(start..*self.ends.get(row)?)
    }

    /// All cells, top to bottom.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The cells of an index, in its order.
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut out = Self::default();
        for row in rows {
            out.push(self.get(*row));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_text_and_knows_what_is_missing() {
        let mut c = Cells::default();
        for cell in ["a", "", "nan", "NaN x", "é"] {
            c.push_text(cell);
        }
        c.push(Some(""));
        let got: Vec<_> = c.iter().collect();
        assert_eq!(got, [Some("a"), None, None, Some("NaN x"), Some("é"), Some("")]);
        assert_eq!(c.take(&[4, 1]).iter().collect::<Vec<_>>(), [Some("é"), None]);
        assert_eq!(c.get(9), None);
    }
}
