//! The one input and the one output of a language model.

use super::super::section::Section;
use crate::llm::{Extraction, Pattern, compile};
use lyceum_data::yaml::{Node, Yaml};

/// A column under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmFeature {
    /// The name, which predictions and metrics bear.
    pub name: String,
    /// The column.
    pub column: String,
    /// Tokens at most, where given.
    pub max_length: Option<usize>,
}

/// What an answer becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It stays text.
    Text,
    /// A label is looked for in it.
    Category(Extraction),
}

/// Keys of a decoder that change nothing where text is generated.
const DECODER: [&str; 14] = [
    "tokenizer",
    "input_size",
    "pretrained_model_name_or_path",
    "vocab_file",
    "str2idx",
    "num_fc_layers",
    "fc_layers",
    "fc_output_size",
    "fc_use_bias",
    "fc_weights_initializer",
    "fc_bias_initializer",
    "fc_norm",
    "fc_norm_params",
    "fc_activation",
];

/// Reads the input.
pub(super) fn input(top: &mut Section<'_>) -> Option<LlmFeature> {
    let item = one(top, "input_features")?;
    let mut s = Section::new(Some(item), "input_features[0]", top.issues());
    let (name, column) = names(&mut s);
    s.choice("type", "text", &["text"], "input.types");
    let max_length = preprocessing(&mut s, |_| ());
    s.finish(&["input.text"], &["encoder"]);
    Some(LlmFeature { name, column, max_length })
}

/// Reads the output and what becomes of its answers.
pub(super) fn output(top: &mut Section<'_>) -> Option<(LlmFeature, Answer)> {
    let item = one(top, "output_features")?;
    let mut s = Section::new(Some(item), "output_features[0]", top.issues());
    let (name, column) = names(&mut s);
    let is_category = s.choice("type", "text", &["text", "category"], "output.types") == "category";
    let mut extraction = Extraction::default();
    s.section("decoder", |s| decoder(s, is_category, &mut extraction));
    let max_length = preprocessing(&mut s, |s| {
        if let Some(label) = s.text("fallback_label").filter(|l| !l.is_empty()) {
            extraction.fallback = Some(label);
        }
        if let Some(Yaml::List(labels)) = s.take("vocab").map(|n| &n.value) {
            extraction.labels = labels.iter().map(scalar).collect();
        }
    });
    let own = if is_category { "llm.output.category" } else { "llm.output.text" };
    s.finish(&["input.text", own], &["loss"]);
    let answer = if is_category { Answer::Category(extraction) } else { Answer::Text };
    Some((LlmFeature { name, column, max_length }, answer))
}

/// The one entry of a list of features.
fn one<'a>(top: &mut Section<'a>, key: &str) -> Option<&'a Node> {
    let node = top.take(key);
    let items: &[Node] = match node.map(|n| &n.value) {
        Some(Yaml::List(items)) => items,
        _ => &[],
    };
    let [item] = items else {
        top.issues().missing(node.or(top.node()), key, "a language model has exactly one feature here");
        return None;
    };
    top.render(key, vec![item.to_json()]);
    Some(item)
}

fn names(s: &mut Section<'_>) -> (String, String) {
    let name = s.text("name").unwrap_or_default();
    if name.is_empty() {
        s.issues().missing(s.node(), &s.path("name"), "a feature needs a name");
    }
    let column = s.text("column").unwrap_or_else(|| name.clone());
    (name, column)
}

fn preprocessing<'a>(s: &mut Section<'a>, more: impl FnOnce(&mut Section<'a>)) -> Option<usize> {
    s.section("preprocessing", |s| {
        let limit = s.take("max_sequence_length").is_some().then(|| s.count("max_sequence_length", 256, 1));
        more(s);
        s.finish(&["input.text.preprocessing", "output.text.preprocessing"], &["tokenizer"]);
        limit
    })
}

fn decoder(s: &mut Section<'_>, is_category: bool, extraction: &mut Extraction) {
    let own = if is_category { "category_extractor" } else { "text_extractor" };
    s.choice("type", own, &[own], "");
    s.choice("match_strategy", "contains", &["contains"], "");
    if is_category {
        extraction.fallback = s.text("fallback_label").filter(|l| !l.is_empty());
        if let Some(node) = s.take("match") {
            extraction.patterns = patterns(s, node);
        }
        if s.truth("constrain_to_vocabulary", false)
            && let Some(node) = s.take("constrain_to_vocabulary")
        {
            s.issues().unsupported(node, &s.path("constrain_to_vocabulary"), "is not supported yet");
        }
    }
    s.finish(&[], &[&DECODER[..], &["max_new_tokens", "fc_dropout"]].concat());
}

/// `match`: label to `{type, value}`, in the order of the file.
fn patterns(s: &Section<'_>, node: &Node) -> Vec<(String, Pattern)> {
    let mut out = Vec::new();
    for entry in node.entries() {
        let path = format!("{}.{}", s.path("match"), entry.key);
        let mut one = Section::new(Some(&entry.node), path, s.issues());
        let kind = one.choice("type", "contains", &["contains", "regex", "json_schema"], "");
        let value_node = one.peek("value");
        let value = one.text("value");
        one.finish(&[], &[]);
        let Some(value) = value else {
            s.issues().missing(Some(&entry.node), &one.path("value"), "a pattern needs a `value`");
            continue;
        };
        if kind == "regex"
            && let (Some(node), Err(e)) = (value_node, compile(&value))
        {
            s.issues().wrong(node, &one.path("value"), e.message());
        }
        let pattern = match kind {
            "regex" => Pattern::Regex(value),
            "json_schema" => Pattern::Json(value),
            _ => Pattern::Contains(value),
        };
        out.push((entry.key.clone(), pattern));
    }
    if out.is_empty() {
        s.issues().wrong(node, &s.path("match"), "expected labels with `type` and `value`");
    }
    out
}

fn scalar(node: &Node) -> String {
    node.as_str().map_or_else(|| node.to_json().to_string(), str::to_string)
}
