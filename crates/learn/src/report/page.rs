//! The page around the pictures.

use super::axes::{escape, short};
use super::charts;
use crate::metrics::rises;
use crate::run::summary::{OutputSummary, Summary};
use std::fmt::Write;

pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1d2433;--soft:#667085;--line:#e3e7ee;--card:#f8f9fb;--model:#2457d6;--base:#d97706}
@media(prefers-color-scheme:dark){:root{--bg:#12151c;--fg:#e6e9f0;--soft:#98a2b3;--line:#2a3040;--card:#191e29;--model:#7aa2ff;--base:#f5b14c}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}h3{font-size:14px;margin:0 0 6px;color:var(--soft);font-weight:600}
table{border-collapse:collapse;margin:8px 0;font-variant-numeric:tabular-nums}td,th{padding:4px 14px 4px 0;text-align:left;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}.better{font-weight:600}.soft{color:var(--soft)}.warn{background:var(--card);border-left:3px solid var(--base);padding:8px 12px;margin:8px 0}
.grid-of{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:16px}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg .grid{stroke:var(--line)}svg .tick{fill:var(--soft)}svg .label{fill:var(--fg)}
svg polyline{fill:none;stroke-width:2}svg .model{stroke:var(--model)}svg .base{stroke:var(--base)}svg .chance,svg .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}
svg .model-dot{fill:var(--model);fill-opacity:.75}svg .base-dot{fill:var(--base);fill-opacity:.45}svg .bar,svg .cell{fill:var(--model)}svg .count.on{fill:#fff}svg .count.off{fill:var(--fg)}
@media(prefers-color-scheme:dark){svg .count.on{fill:#12151c}}
.key:before{content:'';display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle;background:var(--model)}.key.base:before{background:var(--base)}.key{margin-right:16px}
";

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
    card(out, "Confusion matrix", charts::confusion(output));
    card(out, &format!("Feature importance (by {})", output.importance_of), charts::importance(output));
    out.push_str("</div>");
}

fn model_name(summary: &Summary) -> &'static str {
    match summary.model_type.as_str() {
        "gbm" => "boosted trees",
        "linear" => "linear model",
        "llm" => "language model",
        _ => "network",
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
