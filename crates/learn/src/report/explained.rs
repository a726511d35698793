//! The part of a page that tells why a model says what it says.

use super::axes::escape;
use super::{bars, dependence, swarm, tree};
use crate::explain::report::{DrawnTree, Explained, Swarm};
use std::fmt::Write;

/// Cards of importance by split count and by permutation.
pub(super) fn importances(e: &Explained) -> Vec<(String, Option<String>)> {
    let splits: Vec<bars::Bar<'_>> = e.splits.iter().map(|(n, x)| (n.as_str(), *x, 0.0)).collect();
    let mut out = vec![("Feature importance (number of splits)".into(), bars::bars("splits", &splits))];
    if let Some(p) = &e.permutation {
        let all: Vec<bars::Bar<'_>> = p.features.iter().map(|(n, x, e)| (n.as_str(), *x, *e)).collect();
        let title = format!("Importance (loss of {}, shuffled {} times)", p.metric, p.repeats);
        out.push((title, bars::bars("importance by permutation", &all)));
    }
    out
}

/// Shares, dependence and trees, each under its own heading.
pub(super) fn explained(out: &mut String, e: &Explained) {
    if !e.swarms.is_empty() {
        out.push_str("<h3 class=\"part\">Shares of the features in the raw score</h3><p class=\"soft\">Each dot is a row: at the right of 0 the feature raised its score, at the left it lowered it.</p><p class=\"shades\">value <span>low</span><i></i><span>high</span><b></b><span>category, text or missing</span></p>");
        for s in &e.swarms {
            wide(out, &swarm_title(s), swarm::swarm(s));
        }
    }
    let cards: Vec<(String, Option<String>)> = e
        .dependence
        .iter()
        .map(|d| {
            let mut title = format!("{}: share against value", d.feature);
            if let Some(class) = &d.class {
                let _ = write!(title, " (class {class})");
            }
            if let Some((rows, mean)) = d.missing {
                // Less than rounding is nothing.
                let mean = if mean.abs() < 1e-9 { 0.0 } else { mean };
                let _ = write!(title, "; {rows} missing, mean share {}", super::short(mean));
            }
            (title, dependence::dependence(d))
        })
        .collect();
    grid(out, cards);
    let cards: Vec<(String, Option<String>)> = e
        .partial
        .iter()
        .map(|p| (format!("{}: partial dependence ({} rows)", p.feature, p.rows), dependence::partial(p)))
        .collect();
    if !cards.is_empty() {
        out.push_str("<h3 class=\"part\">Partial dependence</h3><p class=\"soft\">What is predicted when a feature has one value in every row: the mean, and thin lines (or dots) for single rows.</p>");
        grid(out, cards);
    }
    for t in &e.trees {
        drawn(out, t);
    }
}

fn swarm_title(s: &Swarm) -> String {
    let of = s.class.as_ref().map(|c| format!("class {c}, ")).unwrap_or_default();
    format!("Summary ({of}{} rows)", s.rows)
}

fn grid(out: &mut String, cards: Vec<(String, Option<String>)>) {
    if cards.is_empty() {
        return;
    }
    out.push_str("<div class=\"grid-of\">");
    for (title, picture) in cards {
        super::page::card(out, &title, picture);
    }
    out.push_str("</div>");
}

fn wide(out: &mut String, title: &str, picture: Option<String>) {
    if let Some(svg) = picture {
        let _ = write!(out, "<div class=\"card wide\"><h3>{}</h3>{svg}</div>", escape(title));
    }
}

fn drawn(out: &mut String, t: &DrawnTree) {
    let of = t.class.as_ref().map(|c| format!(", class {}", escape(c))).unwrap_or_default();
    let cut = if t.root.is_cut() { " Its lower nodes are left out." } else { "" };
    let _ = write!(
        out,
        "<h3 class=\"part\">Tree {} (of {}, counted from 0{of})</h3><p class=\"soft\">Where the rule holds, rows go up, else down; rows that lack the value follow a dotted line. A leaf's number is added to the raw score; red leaves lie above the tree's mean, blue ones below.{cut}</p><div class=\"card wide scroll\">{}</div>",
        t.index,
        t.of,
        tree::tree(t)
    );
}
