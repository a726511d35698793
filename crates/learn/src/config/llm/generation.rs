//! The `generation` section: how answers are made.

use super::super::issue::Issues;
use super::super::section::Section;
use lyceum_core::{Error, Result, Sampling};
use lyceum_data::yaml::{Yaml, parse};
use serde_json::{Map, Value as Json};
use std::path::Path;

/// How answers are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Most tokens of an answer, where the configuration says.
    pub max_new_tokens: Option<usize>,
    /// How tokens are chosen; temperature 0 where `do_sample` is false.
    pub sampling: Sampling,
}

/// Keys that change how fast or with what bookkeeping an answer is made, not which.
const HARMLESS: [&str; 8] = [
    "use_cache",
    "early_stopping",
    "length_penalty",
    "pad_token_id",
    "bos_token_id",
    "remove_invalid_values",
    "renormalize_logits",
    "prompt_lookup_num_tokens",
];

pub(super) fn read(s: &mut Section<'_>) -> Generation {
    let max_new_tokens = s.take("max_new_tokens").is_some().then(|| s.count("max_new_tokens", 32, 1));
    let samples = s.truth("do_sample", true);
    let temperature = s.number("temperature", 0.1, 0.0..=100.0) as f32;
    let top_k = match s.peek("top_k") {
        Some(node) if node.value == Yaml::Null => {
            s.render("top_k", serde_json::Value::Null);
            None
        }
        _ => Some(s.count("top_k", 50, 0)),
    };
    let sampling = Sampling {
        temperature: if samples { temperature } else { 0.0 },
        top_k: top_k.filter(|k| *k > 0),
        top_p: share(s, "top_p"),
        typical_p: share(s, "typical_p"),
        repetition_penalty: s.number("repetition_penalty", 1.0, 1e-3..=100.0) as f32,
        ..Sampling::default()
    };
    s.finish(&["llm.generation"], &HARMLESS);
    Generation { max_new_tokens, sampling }
}

/// The keys of a file (YAML or JSON) that holds such a section alone, checked.
///
/// # Errors
/// An unknown key or a wrong value, with its line.
pub fn generation_file(path: &Path) -> Result<Map<String, Json>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::invalid("the file is not valid UTF-8").in_file(path))?;
    let root = parse(&text).map_err(|e| e.in_file(path))?;
    let issues = Issues::default();
    read(&mut Section::new(Some(&root), "generation", &issues));
    match issues.into_parts().0.first() {
        Some(issue) => Err(issue.to_error(Some(path))),
        None => Ok(root.to_json().as_object().cloned().unwrap_or_default()),
    }
}

/// A share of probability; Ludwig takes 0 to 1, where 0 would leave only the likeliest token.
fn share(s: &mut Section<'_>, key: &str) -> f32 {
    s.number(key, 1.0, 0.0..=1.0).max(1e-6) as f32
}
