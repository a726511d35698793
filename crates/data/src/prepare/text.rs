//! Text to tokens of a vocabulary learned from the training rows.

use super::Missing;
use crate::Raw;
use lyceum_core::Result;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// How text is cut, by Ludwig's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// At blanks.
    Space,
    /// Into runs of letters, digits and `_`, and single other signs; blanks are dropped.
    SpacePunct,
    /// Into characters.
    Characters,
    /// At `_`.
    Underscore,
    /// At `,`.
    Comma,
    /// Not at all.
    Untokenized,
    /// Not at all, blanks around it dropped.
    Stripped,
}

impl Tokenizer {
    /// By the name in a configuration.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(name)).ok()
    }

    /// Calls `each` with every token.
    pub fn cut<'a>(self, text: &'a str, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Space => text.split_whitespace().for_each(each),
            Self::SpacePunct => space_punct(text, each),
            Self::Characters => text.char_indices().for_each(|(i, c)| {
                each(text.get(i..i + c.len_utf8()).unwrap_or_default());
            }),
            Self::Underscore => text.split('_').filter(|t| !t.is_empty()).for_each(each),
            Self::Comma => text.split(',').filter(|t| !t.is_empty()).for_each(each),
            Self::Untokenized => each(text),
            Self::Stripped => each(text.trim()),
        }
    }
}

fn space_punct<'a>(text: &'a str, mut each: impl FnMut(&'a str)) {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut start = None;
    for (i, c) in text.char_indices() {
        if word(c) {
            start.get_or_insert(i);
            continue;
        }
        if let Some(s) = start.take() {
            each(text.get(s..i).unwrap_or_default());
        }
        if !c.is_whitespace() {
            each(text.get(i..i + c.len_utf8()).unwrap_or_default());
        }
    }
    if let Some(s) = start {
        each(text.get(s..).unwrap_or_default());
    }
}

/// What is to be learned of a text column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextRule {
    /// What stands in for a missing cell; other than a dropped row it is the unknown token.
    pub missing: Missing,
    /// How text is cut.
    pub tokenizer: Tokenizer,
    /// Whether text is put in lower case.
    pub lowercase: bool,
    /// Tokens of a row at most; the rest is left out.
    pub max_sequence_length: usize,
    /// Size of the vocabulary at most.
    pub most_common: usize,
}

/// What was learned of a text column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedText {
    /// The rule.
    #[serde(flatten)]
    pub rule: TextRule,
    /// The vocabulary: `<PAD>`, `<UNK>`, then the commonest tokens, equals alphabetically.
    pub vocab: Vec<Arc<str>>,
    /// Training occurrences of each; 0 for the first two.
    pub counts: Vec<usize>,
}

/// Token ids of many rows, end to end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tokens {
    /// The ids; at least one a row.
    pub ids: Vec<u32>,
    /// Where each row ends.
    pub ends: Vec<usize>,
}

impl Tokens {
    /// Ids of one row.
    pub fn row(&self, row: usize) -> &[u32] {
        let start = row.checked_sub(1).and_then(|r| self.ends.get(r)).copied().unwrap_or(0);
        self.ends.get(row).and_then(|end| self.ids.get(start..*end)).unwrap_or_default()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }
}

impl FittedText {
    /// The id of a token outside the vocabulary.
    pub const UNKNOWN: u32 = 1;

    /// Learns from some rows.
    pub fn fit(rule: TextRule, raw: &Raw, column: &str, rows: &[usize]) -> Result<Self> {
        let cells = raw.column(column)?;
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut there = 0;
        for cell in rows.iter().filter_map(|r| cells.get(*r)) {
            there += 1;
            let cell = spelling(cell, rule.lowercase);
            rule.tokenizer.cut(&cell, |token| match counts.get_mut(token) {
                Some(n) => *n += 1,
                None => drop(counts.insert(token.to_string(), 1)),
            });
        }
        super::refuse_all_missing(raw, column, there)?;
        let mut ranked: Vec<(String, usize)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(rule.most_common);
        let special = ["<PAD>", "<UNK>"].map(|s| (Arc::<str>::from(s), 0));
        let (vocab, counts) =
            special.into_iter().chain(ranked.into_iter().map(|(t, n)| (t.into(), n))).unzip();
        Ok(Self { rule, vocab, counts })
    }

    /// Ids of every row; a row without any token is one unknown token.
    pub fn encode(&self, raw: &Raw, column: &str) -> Result<Tokens> {
        let index: HashMap<&str, u32> =
            self.vocab.iter().zip(0u32..).skip(2).map(|(t, i)| (&**t, i)).collect();
        let mut out = Tokens::default();
        for cell in raw.column(column)?.iter() {
            let start = out.ids.len();
            let cell = spelling(cell.unwrap_or_default(), self.rule.lowercase);
            self.rule.tokenizer.cut(&cell, |token| {
                if out.ids.len() - start < self.rule.max_sequence_length {
                    out.ids.push(index.get(token).copied().unwrap_or(Self::UNKNOWN));
                }
            });
            if out.ids.len() == start {
                out.ids.push(Self::UNKNOWN);
            }
            out.ends.push(out.ids.len());
        }
        Ok(out)
    }
}

fn spelling(cell: &str, lowercase: bool) -> Cow<'_, str> {
    if lowercase { Cow::Owned(cell.to_lowercase()) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cells;

    #[test]
    fn cuts_words_and_signs() {
        let mut got = Vec::new();
        Tokenizer::SpacePunct.cut("It's 3.5€, naïve_x!", |t| got.push(t));
        assert_eq!(got, ["It", "'", "s", "3", ".", "5", "€", ",", "naïve_x", "!"]);
    }

    #[test]
    fn ids_follow_frequency() {
        let mut cells = Cells::default();
        ["b a", "a c a", "", "z"].iter().for_each(|v| cells.push_text(v));
        let raw = Raw::new([("x", cells)]).unwrap();
        let rule = TextRule {
            missing: Missing::FillWithConst,
            tokenizer: Tokenizer::Space,
            lowercase: false,
            max_sequence_length: 2,
            most_common: 2,
        };
        let f = FittedText::fit(rule, &raw, "x", &[0, 1]).unwrap();
        assert_eq!(f.vocab.iter().map(|t| &**t).collect::<Vec<_>>(), ["<PAD>", "<UNK>", "a", "b"]);
        let t = f.encode(&raw, "x").unwrap();
        assert_eq!((t.row(0), t.row(1), t.row(2), t.row(3)), (&[3, 2][..], &[2, 1][..], &[1][..], &[1][..]));
    }
}
