//! A first configuration, guessed from a table.

use lyceum_core::{Error, Result};
use lyceum_data::{ColumnType, Raw, infer, read};
use std::fmt::Write;
use std::path::Path;

/// YAML that predicts the targets from every other column that can help: not empty ones, and not those that only name
/// their rows (keys, running numbers).
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
            (_, true) => left_out.push(format!("{name} (names its row)")),
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

/// Whether a column only names its rows: at least 20 cells, single words of which none comes twice, or a running number.
fn is_identifier(raw: &Raw, name: &str) -> bool {
    let Some(cells) = raw.get(name) else { return false };
    let mut seen = std::collections::HashSet::new();
    let mut numbers: Vec<i64> = Vec::new();
    for cell in cells.iter().flatten() {
        if cell.split_whitespace().count() > 1 || !seen.insert(cell) {
            return false;
        }
        numbers.extend(cell.parse::<i64>());
    }
    let all_text = cells.iter().flatten().all(|c| c.parse::<f64>().is_err());
    let (low, high) = (numbers.iter().min(), numbers.iter().max());
    let running = low.zip(high).is_some_and(|(l, h)| h.abs_diff(*l) + 1 == seen.len() as u64);
    seen.len() >= 20 && (all_text || (numbers.len() == seen.len() && running))
}

/// A YAML scalar that reads back as this text.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) && !text.is_empty();
    if plain
        && matches!(lyceum_data::yaml::plain(text), lyceum_data::yaml::Yaml::Str(_))
        && !text.starts_with('-')
    {
        text.to_string()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
