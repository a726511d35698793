//! The page around the pictures.

use super::axes::{escape, short};
use super::bars::{Bar, bars};
use super::style::STYLE;
use super::{charts, explained, residuals, thresholds};
use crate::metrics::rises;
use crate::run::summary::{OutputSummary, Summary};
use std::fmt::Write;

/// The whole page.
pub(crate) fn page(summary: &Summary) -> String {
    let title = escape(&summary.title);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    out.push_str("<table>");
    for (name, value) in &summary.facts {
        let _ = write!(out, "<tr><td class=\"soft\">{}</td><td>{}</td></tr>", escape(name), escape(value));
    }
    out.push_str("</table>");
    for warning in &summary.warnings {
        let _ = write!(out, "<div class=\"warn\">{}</div>", escape(warning));
    }
    for output in &summary.outputs {
        section(&mut out, summary, output);
    }
    learning(&mut out, summary);
    out.push_str("</body></html>\n");
    out
}

/// A picture in its frame; nothing where there is none.
pub(super) fn card(out: &mut String, title: &str, picture: Option<String>) {
    if let Some(svg) = picture {
        let _ = write!(out, "<div class=\"card\"><h3>{}</h3>{svg}</div>", escape(title));
    }
}

fn section(out: &mut String, summary: &Summary, output: &OutputSummary) {
    let _ = write!(
        out,
        "<h2>{} <span class=\"soft\">({} rows)</span></h2>",
        escape(&output.name),
        escape(&summary.measured_on)
    );
    let _ = write!(out, "<p><span class=\"key\">{}</span>", model_name(summary));
    if output.baseline.is_some() {
        let of = if summary.model_type == "llm" { "the base alone" } else { "linear" };
        let _ = write!(out, "<span class=\"key base\">baseline ({of})</span>");
    }
    out.push_str("</p>");
    metrics(out, output);
    out.push_str("<div class=\"grid-of\">");
    card(out, "ROC", charts::roc(output));
    card(out, "Precision and recall", charts::precision_recall(output));
    card(out, "Calibration", charts::calibration(output));
    card(out, "Predicted and true", charts::scatter(output));
    card(out, "Residuals", residuals::residuals(output));
    card(out, "Confusion matrix", charts::confusion(output));
    let own: Vec<Bar<'_>> = output.importance.iter().map(|(n, x)| (n.as_str(), *x, 0.0)).collect();
    let title = format!("Feature importance (by {})", output.importance_of);
    card(out, &title, bars("feature importance", &own));
    for (title, picture) in output.explained.iter().flat_map(explained::importances) {
        card(out, &title, picture);
    }
    if let Some(table) = thresholds::thresholds(output) {
        let _ = write!(out, "<div class=\"card wide\"><h3>Thresholds</h3>{table}</div>");
    }
    out.push_str("</div>");
    if let Some(e) = &output.explained {
        explained::explained(out, e);
    }
}

fn model_name(summary: &Summary) -> &'static str {
    match summary.model_type.as_str() {
        "gbm" => "boosted trees",
        "linear" => "linear model",
        "llm" => "language model",
        "ecd" => "network",
        _ => "model",
    }
}

fn metrics(out: &mut String, output: &OutputSummary) {
    out.push_str("<table><tr><th>metric</th><th class=\"n\">model</th><th class=\"n\">baseline</th></tr>");
    for (name, value) in &output.model.metrics {
        let base = output.baseline.as_ref().and_then(|b| b.metrics.get(name));
        let falls = !rises(name) || matches!(name.as_str(), "brier" | "calibration_error");
        let wins = base.is_some_and(|b| if falls { value < b } else { value > b });
        let class = if wins { "n better" } else { "n" };
        let base = base.map_or_else(|| "–".to_string(), |b| short(*b));
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"{class}\">{}</td><td class=\"n\">{base}</td></tr>",
            escape(name),
            short(*value)
        );
    }
    out.push_str("</table>");
}

/// Curves of the metrics that were watched: losses, and one metric of each output.
fn learning(out: &mut String, summary: &Summary) {
    let mut pictures = Vec::new();
    let outputs: std::collections::BTreeSet<&String> =
        summary.training.keys().chain(summary.validation.keys()).collect();
    for output in outputs {
        let (train, valid) = (summary.training.get(output), summary.validation.get(output));
        let names: std::collections::BTreeSet<&String> =
            train.iter().chain(&valid).flat_map(|m| m.keys()).collect();
        for metric in names {
            let of = |m: Option<&std::collections::BTreeMap<String, Vec<f64>>>| {
                m.and_then(|m| m.get(metric)).cloned().unwrap_or_default()
            };
            let (t, v) = (of(train), of(valid));
            let watched = ["loss", "roc_auc", "accuracy", "mean_squared_error"].contains(&metric.as_str());
            if watched && t.len().max(v.len()) > 1 {
                pictures.push((
                    format!("{output}: {metric}"),
                    charts::learning_curve(metric, &t, &v, summary.best),
                ));
            }
        }
    }
    if pictures.is_empty() {
        return;
    }
    out.push_str("<h2>Learning curves</h2><p><span class=\"key\">validation</span><span class=\"key base\">training</span></p><div class=\"grid-of\">");
    for (title, picture) in pictures {
        card(out, &title, Some(picture));
    }
    out.push_str("</div>");
}
