//! The page of a search: who was best, how the best became better, and what each parameter did.

use super::axes::{Axes, escape, short};
use super::page::card;
use super::style::STYLE;
use crate::config::Hyperopt;
use lyceum_estimators::selection::{Dimension, Ended, Values};
use std::fmt::Write;

/// Lines of the leaderboard.
const SHOWN: usize = 25;

/// The whole page: all trials in their order, and ranked.
pub(crate) fn page(search: &Hyperopt, all: &[Ended], ranked: &[Ended]) -> String {
    let title = format!("{} trials by {} of {}", all.len(), search.metric, search.output_feature);
    let title = escape(&title);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    let failed = all.iter().filter(|e| e.error.is_some()).count();
    if failed > 0 {
        let _ = write!(
            out,
            "<div class=\"warn\">{failed} trials failed: hyperopt_statistics.json says why.</div>"
        );
    }
    leaderboard(&mut out, search, ranked);
    out.push_str("<h2>What the trials show</h2><div class=\"grid-of\">");
    card(&mut out, "Best so far", progress(search, all));
    let value = |e: &Ended| e.measures.get(&search.metric).map(|m| m.0);
    // Trials with the same resource can be compared.
    let most = ranked.first().and_then(|e| e.resource);
    let alike: Vec<&Ended> = match search.method {
        lyceum_estimators::selection::Method::Halving(_) => {
            let least = all.iter().filter_map(|e| e.resource).min();
            all.iter().filter(|e| e.resource == least && least <= most).collect()
        }
        _ => all.iter().collect(),
    };
    for (i, d) in search.space.0.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            alike.iter().filter_map(|e| Some((place(d, *e.point.get(i)?)?, value(e)?))).collect();
        card(&mut out, &d.name, Some(one(d, &points, &search.metric)));
    }
    out.push_str("</div></body></html>\n");
    out
}

fn leaderboard(out: &mut String, search: &Hyperopt, ranked: &[Ended]) {
    let by_resource = ranked.iter().any(|e| e.resource.is_some());
    let heads: String = search.space.0.iter().map(|d| format!("<th>{}</th>", escape(&d.name))).collect();
    let resource = if by_resource { "<th class=\"n\">resource</th>" } else { "" };
    let metric = escape(&search.metric);
    let _ = write!(out, "<table><tr><th></th><th class=\"n\">{metric}</th>{resource}{heads}</tr>");
    for (i, e) in ranked.iter().take(SHOWN).enumerate() {
        let score = e.measures.get(&search.metric).map_or(f64::NAN, |m| m.0);
        let resource = e.resource.map(|r| format!("<td class=\"n\">{r}</td>")).unwrap_or_default();
        let cells: String = search
            .space
            .0
            .iter()
            .map(|d| {
                let value = e.params.get(&d.name).cloned().unwrap_or_default();
                let text = match value.as_f64() {
                    Some(x) if !value.is_i64() => short(x),
                    _ => value.as_str().map_or_else(|| value.to_string(), str::to_string),
                };
                format!("<td>{}</td>", escape(&text))
            })
            .collect();
        let class = if i == 0 { "n better" } else { "n" };
        let _ = write!(
            out,
            "<tr><td class=\"soft\">{}</td><td class=\"{class}\">{score:.5}</td>{resource}{cells}</tr>",
            i + 1
        );
    }
    out.push_str("</table>");
}

/// The metric of each trial, and the best until then.
fn progress(search: &Hyperopt, all: &[Ended]) -> Option<String> {
    let values: Vec<f64> =
        all.iter().map(|e| e.measures.get(&search.metric).map_or(f64::NAN, |m| m.0)).collect();
    let better = |a: f64, b: f64| if search.maximize { a > b } else { a < b };
    let mut best = f64::NAN;
    let best: Vec<f64> = values
        .iter()
        .map(|v| {
            if v.is_finite() && (best.is_nan() || better(*v, best)) {
                best = *v;
            }
            best
        })
        .collect();
    let x: Vec<f64> = (1..=values.len()).map(|i| i as f64).collect();
    let mut axes = Axes::new((1.0, x.len().max(2) as f64), bounds(&values)?);
    axes.dots(&x, &values, 2.4, "base-dot");
    axes.line(&x, &best, "model");
    Some(axes.finish("best so far", "trial", &search.metric))
}

/// The metric against one parameter.
fn one(d: &Dimension, points: &[(f64, f64)], metric: &str) -> String {
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (label, range) = match &d.values {
        Values::Range { low, high, log: true, .. } => {
            (format!("{} (power of ten)", d.name), (low.log10(), high.log10()))
        }
        Values::Range { low, high, .. } => (d.name.clone(), (*low, *high)),
        Values::Normal { .. } => (d.name.clone(), bounds(&x).unwrap_or((0.0, 1.0))),
        Values::Choice(all) | Values::Grid(all) => {
            let names: Vec<String> = all
                .iter()
                .enumerate()
                .map(|(i, v)| format!("{i}: {}", v.to_json().to_string().trim_matches('"')))
                .collect();
            (names.join(", ").chars().take(60).collect(), (-0.5, all.len() as f64 - 0.5))
        }
    };
    let mut axes = Axes::new(range, bounds(&y).unwrap_or((0.0, 1.0)));
    axes.dots(&x, &y, 3.0, "model-dot");
    axes.finish(&d.name, &label, metric)
}

/// Where a point lies on its parameter's axis.
fn place(d: &Dimension, u: f64) -> Option<f64> {
    match &d.values {
        Values::Choice(all) | Values::Grid(all) => {
            Some(((u * all.len() as f64) as usize).min(all.len() - 1) as f64)
        }
        Values::Range { log: true, .. } => d.values.at(u).as_f64().map(f64::log10),
        _ => d.values.at(u).as_f64(),
    }
}

/// The range of what is finite.
fn bounds(values: &[f64]) -> Option<(f64, f64)> {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    (low <= high).then_some((low, high))
}
