//! Which of the formats a file of numbers is in.

use super::Lines;
use lyceum_core::{Error, Result};

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Cells with commas between.
    Csv,
    /// Cells with tabs between.
    Tsv,
    /// Cells with blanks between.
    Blanks,
    /// A label, then `column:value` pairs.
    LibSvm,
    /// Parquet or Arrow.
    Columnar,
}

impl Format {
    pub(super) fn separator(self) -> char {
        match self {
            Self::Csv | Self::Columnar => ',',
            Self::Tsv => '\t',
            Self::Blanks | Self::LibSvm => ' ',
        }
    }
}

/// Tells the format from the first lines with something in them.
///
/// # Errors
/// No lines.
pub fn detect(text: &str) -> Result<Format> {
    let first: Vec<&str> = Lines { rest: text, number: 0 }.take(2).map(|(_, line)| line).collect();
    if first.is_empty() {
        return Err(Error::invalid("the file has no rows"));
    }
    let has = |c: char| first.iter().any(|line| line.contains(c));
    let pairs = |line: &&str| {
        line.split_whitespace()
            .skip(1)
            .all(|w| w.split_once(':').is_some_and(|(c, _)| c.parse::<u64>().is_ok()))
    };
    Ok(if has(':') && first.iter().all(pairs) {
        Format::LibSvm
    } else if has('\t') {
        Format::Tsv
    } else if has(',') {
        Format::Csv
    } else {
        Format::Blanks
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told() {
        let of = |text: &str| detect(text).unwrap();
        assert_eq!(of("1,2,3\n4,5,6"), Format::Csv);
        assert_eq!(of("1\t2\n4\t\n"), Format::Tsv);
        assert_eq!(of("1 2\n4 5\n"), Format::Blanks);
        assert_eq!(of("\n1 2:0.5 7:1\n0 1:2"), Format::LibSvm);
        assert_eq!(of("0\n1 2:0.5"), Format::LibSvm);
        assert!(detect("\n \n").is_err());
    }
}
