//! From a language model's answer to one of some labels: the configuration's own patterns in their order, otherwise
//! the labels themselves.

use fancy_regex::Regex;
use lyceum_core::{Error, Result};
use serde_json::Value as Json;

/// How a label is recognised.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// The answer holds this text.
    Contains(String),
    /// The answer holds a match of this regular expression.
    Regex(String),
    /// The answer is JSON whose `label`, `value`, `category` or first value is this text, case aside.
    Json(String),
}

/// How answers become labels, as configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extraction {
    /// Labels with their patterns, the first that matches wins; empty goes by the labels themselves.
    pub patterns: Vec<(String, Pattern)>,
    /// Labels that are named without the data.
    pub labels: Vec<String>,
    /// The label of an answer in which none is found.
    pub fallback: Option<String>,
}

/// The label of an answer in which none is found, where none is configured.
pub const UNKNOWN: &str = "<UNK>";

/// Finds labels in answers.
pub struct Extractor {
    patterns: Vec<(String, Compiled)>,
    labels: Vec<String>,
    fallback: String,
}

enum Compiled {
    Contains(String),
    Regex(Box<Regex>),
    Json(String),
}

/// A regular expression, or what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| Error::invalid(format!("not a regular expression: {e}")))
}

impl Extraction {
    /// Ready to be used; `labels` are those of the training rows, for a configuration that names none.
    pub fn extractor(&self, labels: &[String]) -> Result<Extractor> {
        let ready = |(label, pattern): &(String, Pattern)| {
            let pattern = match pattern {
                Pattern::Contains(text) => Compiled::Contains(text.clone()),
                Pattern::Regex(text) => Compiled::Regex(Box::new(compile(text)?)),
                Pattern::Json(text) => Compiled::Json(text.to_lowercase()),
            };
            Ok((label.clone(), pattern))
        };
        let own = if self.labels.is_empty() { labels } else { &self.labels };
        Ok(Extractor {
            patterns: self.patterns.iter().map(ready).collect::<Result<_>>()?,
            labels: own.to_vec(),
            fallback: self.fallback.clone().unwrap_or_else(|| UNKNOWN.into()),
        })
    }
}

impl Extractor {
    /// The label of an answer.
    pub fn label(&self, answer: &str) -> &str {
        let found = if self.patterns.is_empty() { self.by_name(answer) } else { self.by_pattern(answer) };
        found.unwrap_or(&self.fallback)
    }

    fn by_pattern(&self, answer: &str) -> Option<&str> {
        let matches = |pattern: &Compiled| match pattern {
            Compiled::Contains(text) => answer.contains(text.as_str()),
            // A pattern that gives up on an answer does not match it.
            Compiled::Regex(regex) => regex.is_match(answer).unwrap_or(false),
            Compiled::Json(want) => json_label(answer).is_some_and(|l| l.to_lowercase() == *want),
        };
        self.patterns.iter().find(|(_, p)| matches(p)).map(|(label, _)| label.as_str())
    }

    /// The label that the answer is, or else the one that it names first (of two at one place the longer), case aside.
    fn by_name(&self, answer: &str) -> Option<&str> {
        let answer = answer.to_lowercase();
        let whole = answer.trim().trim_matches(|c: char| c.is_ascii_punctuation());
        let places = self.labels.iter().filter(|l| !l.is_empty()).filter_map(|label| {
            let small = label.to_lowercase();
            let at = if small == whole || small == answer.trim() { Some(0) } else { answer.find(&small) };
            Some((at?, small != whole, std::cmp::Reverse(small.len()), label))
        });
        places.min().map(|(.., label)| label.as_str())
    }
}

/// The label in a JSON answer, with or without a code fence around it.
fn json_label(answer: &str) -> Option<String> {
    let text = answer.trim();
    let inner = text.strip_prefix("```").map_or(text, |t| t.trim_start_matches(char::is_alphanumeric));
    let text = inner.trim().strip_suffix("```").unwrap_or(inner);
    let value: Json = serde_json::from_str(text.trim()).ok()?;
    let value = match &value {
        Json::Object(map) => {
            ["label", "value", "category"].iter().find_map(|k| map.get(*k)).or(map.values().next())?
        }
        other => other,
    };
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| n.to_string()).collect()
    }

    #[test]
    fn labels_are_found_by_name() {
        let e = Extraction::default().extractor(&labels(&["billing", "bill", "crash"])).unwrap();
        assert_eq!(e.label("Billing."), "billing");
        assert_eq!(e.label(" bill\n"), "bill");
        assert_eq!(e.label("It is a CRASH, not billing"), "crash");
        assert_eq!(e.label("the billing desk"), "billing");
        assert_eq!(e.label("no idea"), UNKNOWN);
    }

    #[test]
    fn the_first_pattern_that_matches_wins() {
        let patterns = vec![
            ("good".into(), Pattern::Contains("positive".into())),
            ("bad".into(), Pattern::Regex(r"(?i)\bneg\w*".into())),
            ("odd".into(), Pattern::Json("Odd".into())),
        ];
        let extraction = Extraction { patterns, fallback: Some("neutral".into()), ..Extraction::default() };
        let e = extraction.extractor(&[]).unwrap();
        assert_eq!(e.label("negative or positive"), "good");
        assert_eq!(e.label("Negative!"), "bad");
        assert_eq!(e.label("```json\n{\"label\": \"odd\"}\n```"), "odd");
        assert_eq!(e.label("Positive"), "neutral", "`contains` minds the case, as Ludwig's does");
        assert!(compile("(").unwrap_err().to_string().contains("not a regular expression"));
    }
}
