//! A first configuration, guessed from a table.

use lyceum_core::{Error, Result};
use lyceum_data::{ColumnType, Raw, infer, read};
use std::fmt::Write;
use std::path::Path;

/// YAML that predicts the targets from every other column that can help: not empty ones, and not those whose values
/// never come again (names, numbers of customers).
pub fn init_config(dataset: &Path, targets: &[String]) -> Result<String> {
    let raw = read(dataset)?;
    if targets.is_empty() {
        return Err(raw.place(Error::invalid("name at least one target column")));
    }
    let mut out = String::from("model_type: gbm\ninput_features:\n");
    let mut left_out = Vec::new();
    let mut inputs = 0;
    for name in raw.names().iter().filter(|n| !targets.iter().any(|t| **t == ***n)) {
        if &**name == "split" {
            continue;
        }
        match (infer(&raw, name)?, is_identifier(&raw, name)) {
            (ColumnType::Empty, _) => left_out.push(format!("{name} (empty)")),
            (_, true) => left_out.push(format!("{name} (every value differs)")),
            (kind, _) => {
                let _ =
                    writeln!(out, "  - {{name: {}, type: {}}}", quoted(name), kind.name().unwrap_or("text"));
                inputs += 1;
            }
        }
    }
    if inputs == 0 {
        return Err(raw.place(Error::invalid("no column is left to predict from")));
    }
    out.push_str("output_features:\n");
    for target in targets {
        let kind = target_type(&raw, target)?;
        let _ = writeln!(out, "  - {{name: {}, type: {kind}}}", quoted(target));
    }
    if raw.get("split").is_some() {
        out.push_str("preprocessing:\n  split: {type: fixed, column: split}\n");
    }
    if !left_out.is_empty() {
        let _ = writeln!(out, "# left out: {}", left_out.join(", "));
    }
    Ok(out)
}

/// A whole-number target of few values is a category only when it is not a measure: two values are binary, text is a
/// category, anything else a number.
fn target_type(raw: &Raw, target: &str) -> Result<&'static str> {
    match infer(raw, target)? {
        ColumnType::Empty => {
            let e = Error::invalid("every cell is missing").at_key(format!("column \"{target}\""));
            Err(raw.place(e))
        }
        ColumnType::Text => Ok("category"),
        kind => Ok(kind.name().unwrap_or("category")),
    }
}

/// Whether the cells are single words (or whole numbers) of which none comes twice among at least 20.
fn is_identifier(raw: &Raw, name: &str) -> bool {
    let Some(cells) = raw.get(name) else { return false };
    let mut seen = std::collections::HashSet::new();
    let mut there = 0;
    for cell in cells.iter().flatten() {
        there += 1;
        if cell.contains([' ', '.', 'e', 'E']) && cell.parse::<f64>().is_ok()
            || cell.split_whitespace().count() > 1
        {
            return false;
        }
        if !seen.insert(cell) {
            return false;
        }
    }
    there >= 20
}

/// A YAML scalar that reads back as this text.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) && !text.is_empty();
    if plain && matches!(crate::yaml::plain(text), crate::yaml::Yaml::Str(_)) && !text.starts_with('-') {
        text.to_string()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
