//! The `preprocessing` section: which rows are used and how they are divided.

use super::section::Section;
use lyceum_data::SplitRule;
use lyceum_data::yaml::Yaml;

/// Reads the split and the share of rows that is used.
pub(super) fn read(s: &mut Section<'_>) -> (SplitRule, f64) {
    let rule = s.section("split", split);
    let ratio = s.number("sample_ratio", 1.0, 1e-6..=1.0);
    for key in ["oversample_minority", "undersample_majority", "sample_size"] {
        if let Some(node) = s.take(key) {
            s.issues().unsupported(node, &s.path(key), "is not supported yet");
        }
    }
    s.finish(&["preprocessing"], &["global_max_sequence_length"]);
    (rule, ratio)
}

fn split(s: &mut Section<'_>) -> SplitRule {
    let names = ["random", "fixed", "stratify", "datetime", "hash"];
    let kind = s.choice("type", "random", &names, "");
    let rule = match kind {
        "fixed" => SplitRule::Fixed { column: s.text("column").unwrap_or_else(|| "split".into()) },
        "random" => SplitRule::Random { probabilities: probabilities(s) },
        named => {
            let column = s.text("column").unwrap_or_default();
            if column.is_empty() {
                s.issues().missing(
                    s.node(),
                    &s.path("column"),
                    format!("a split by `{named}` needs a column"),
                );
            }
            let probabilities = probabilities(s);
            match named {
                "stratify" => SplitRule::Stratify { column, probabilities },
                "hash" => SplitRule::Hash { column, probabilities },
                _ => SplitRule::Datetime { column, probabilities },
            }
        }
    };
    s.finish(&[&format!("split.{kind}")], &[]);
    rule
}

fn probabilities(s: &mut Section<'_>) -> [f64; 3] {
    let default = [0.7, 0.1, 0.2];
    let Some(node) = s.take("probabilities") else {
        s.render("probabilities", default.to_vec());
        return default;
    };
    let number = |n: &lyceum_data::yaml::Node| match n.value {
        Yaml::Int(i) => Some(i as f64),
        Yaml::Float(x) => Some(x),
        _ => None,
    };
    let given: Option<Vec<f64>> = match &node.value {
        Yaml::List(items) => items.iter().map(number).collect(),
        _ => None,
    };
    match given.as_deref() {
        Some([a, b, c]) if [a, b, c].iter().all(|p| **p >= 0.0) && (a + b + c - 1.0).abs() < 1e-6 => {
            s.render("probabilities", vec![*a, *b, *c]);
            [*a, *b, *c]
        }
        _ => {
            let path = s.path("probabilities");
            s.issues().wrong(node, &path, "expected three numbers from 0 that sum to 1");
            default
        }
    }
}
