//! A picture of a laid-out graph.

use super::layout::{Bent, Layout, Put};
use std::fmt::Write;

/// Room around it.
const MARGIN: f64 = 16.0;

pub(super) fn text(layout: &Layout) -> String {
    let (w, h) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{}</title>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" \
         refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\"/>\
         </marker></defs>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n",
        escaped(&layout.name)
    );
    layout.edges.iter().for_each(|e| edge(e, layout, &mut out));
    layout.nodes.iter().for_each(|n| node(n, &mut out));
    out.push_str("</g>\n</svg>\n");
    out
}

fn edge(bent: &Bent, layout: &Layout, out: &mut String) {
    let dashes = if bent.edge.conditional { " stroke-dasharray=\"5 4\"" } else { "" };
    let path = match bent.points.split_first() {
        Some(((x, y), rest)) => {
            let mut path = format!("M{x:.1} {y:.1}");
            for (x, y) in rest {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
            path
        }
        None => match layout.nodes.iter().find(|n| n.node.id == bent.edge.from) {
            Some(n) => {
                let (x, y) = (n.x + n.width, n.y + n.height / 2.0);
                format!("M{x:.1} {:.1}c24 -8 24 24 0 16", y - 8.0)
            }
            None => return,
        },
    };
    let _ =
        writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#tip)\"{dashes}/>");
    if let (Some(label), Some((x, y)), Some((x2, y2))) =
        (&bent.edge.label, bent.points.first(), bent.points.get(1))
    {
        let (x, y) = ((x + x2) / 2.0 + 4.0, (y + y2) / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"11\" fill=\"#555\">{}</text>",
            escaped(label)
        );
    }
}

fn node(put: &Put, out: &mut String) {
    let (round, fill) = match put.node.kind.as_str() {
        "start" | "end" => (put.height / 2.0, "#eee"),
        "ask" => (6.0, "#fdeec4"),
        "model" => (6.0, "#dcebfb"),
        _ => (6.0, "#fff"),
    };
    let title = put.node.label.as_ref().map_or(String::new(), |l| format!("<title>{}</title>", escaped(l)));
    let _ = writeln!(
        out,
        "<g><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round}\" fill=\"{fill}\" stroke=\"#333\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>{title}</g>",
        put.x,
        put.y,
        put.width,
        put.height,
        put.x + put.width / 2.0,
        put.y + put.height / 2.0 + 4.5,
        escaped(&put.words)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
