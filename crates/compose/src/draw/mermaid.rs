//! Mermaid's flow charts.

use super::{Drawing, Spot};
use std::fmt::Write;

pub(super) fn text(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart TD\n");
    for (i, node) in drawing.nodes.iter().enumerate() {
        let words = quoted(&words(node));
        let _ = match node.kind.as_str() {
            "start" | "end" => writeln!(out, "    n{i}([{words}])"),
            "ask" => writeln!(out, "    n{i}{{{{{words}}}}}"),
            _ => writeln!(out, "    n{i}[{words}]"),
        };
    }
    for edge in &drawing.edges {
        let (Some(from), Some(to)) = (drawing.place(&edge.from), drawing.place(&edge.to)) else { continue };
        let label = edge.label.as_ref().map_or(String::new(), |l| format!("|{}|", quoted(l)));
        let arrow = if edge.conditional { "-.->" } else { "-->" };
        let _ = writeln!(out, "    n{from} {arrow}{label} n{to}");
    }
    out
}

fn words(node: &Spot) -> String {
    match &node.label {
        Some(label) => format!("{}<br/>{}: {label}", node.id, node.kind),
        None => node.words(),
    }
}

/// In quotes, with the characters that Mermaid reads as its own written as its codes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.replace("<br/>", "\n").chars() {
        match c {
            '\n' => out.push_str("<br/>"),
            '"' | '#' | '&' | '<' | '>' | '`' | '|' | '{' | '}' | '[' | ']' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
