//! Answers as columns, by Ludwig's names.

use super::{Extractor, Said};
use lyceum_core::{Column, Result, Table};
use std::sync::Arc;

/// One row an answer: `<output>_predictions` (the label, or the text without the blanks around it), `<output>_response`
/// (the text as it came), `<output>_probability` (of the whole response) and `<output>_length` (in tokens).
pub fn prediction_table(output: &str, said: &[Said], extractor: Option<&Extractor>) -> Result<Table> {
    let text = |f: &dyn Fn(&Said) -> Arc<str>| Column::Text(said.iter().map(|s| Some(f(s))).collect());
    let number = |f: &dyn Fn(&Said) -> f64| Column::Number(said.iter().map(f).collect());
    let prediction = |s: &Said| -> Arc<str> {
        match extractor {
            Some(extractor) => extractor.label(&s.text).into(),
            None => s.text.trim().into(),
        }
    };
    Table::new([
        (format!("{output}_predictions"), text(&prediction)),
        (format!("{output}_response"), text(&|s| s.text.as_str().into())),
        (format!("{output}_probability"), number(&|s| s.logprob.exp())),
        (format!("{output}_length"), number(&|s| s.tokens as f64)),
    ])
}
