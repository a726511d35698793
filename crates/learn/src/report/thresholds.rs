//! What a binary model is worth at some thresholds, as a table.

use super::axes::{escape, short};
use crate::run::summary::OutputSummary;
use std::fmt::Write;

/// The table; nothing for other outputs.
pub(super) fn thresholds(output: &OutputSummary) -> Option<String> {
    let rows = output.model.thresholds.as_ref().filter(|t| !t.is_empty())?;
    let mut out = String::from("<table class=\"thresholds\"><tr>");
    for name in ["threshold", "called true", "precision", "recall", "specificity", "f1", "accuracy"] {
        let _ = write!(out, "<th class=\"n\">{name}</th>");
    }
    out.push_str("<th></th></tr>");
    for t in rows {
        let class = if t.note.is_empty() { "" } else { " class=\"noted\"" };
        let _ = write!(out, "<tr{class}><td class=\"n\">{}</td>", short(t.at));
        for x in [t.called, t.precision, t.recall, t.specificity, t.f1, t.accuracy] {
            let _ = write!(out, "<td class=\"n\">{x:.3}</td>");
        }
        let _ = write!(out, "<td class=\"soft\">{}</td></tr>", escape(&t.note));
    }
    out.push_str("</table>");
    Some(out)
}
