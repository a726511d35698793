//! The summary of shares: one line a feature, one dot a row, stacked where they are dense, coloured by the value.

use super::axes::{cut, escape, short, ticks};
use crate::explain::report::{Swarm, SwarmFeature};
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 24.0;
const ROW: f64 = 34.0;
/// Width of a column of stacked dots.
const COLUMN: f64 = 3.5;
/// Colours between the least and the greatest value.
pub(super) const SHADES: usize = 7;

/// The picture; nothing where no feature has a share.
pub(super) fn swarm(s: &Swarm) -> Option<String> {
    let all = s.features.iter().flat_map(|f| &f.shares);
    let (low, high) = all.fold((0.0f64, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
    if low == high {
        return None;
    }
    let margin = 0.03 * (high - low);
    let (low, high) = (low - margin, high + margin);
    let at = |x: f64| LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let bottom = TOP + ROW * s.features.len() as f64;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"shares of the features\">",
        bottom + 40.0
    );
    for tick in ticks((low, high)) {
        let x = at(tick);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"tick\" \
             x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 15.0,
            short(tick)
        );
    }
    let zero = at(0.0);
    let _ = write!(
        out,
        "<line class=\"zero\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"tick\" \
         x=\"{}\" y=\"14\" text-anchor=\"end\">mean |share|</text>",
        WIDTH - 4.0
    );
    for (i, feature) in s.features.iter().enumerate() {
        let middle = TOP + ROW * (i as f64 + 0.5);
        let _ = write!(
            out,
            "<text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text class=\"tick\" x=\"{}\" \
             y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            middle + 4.0,
            escape(&cut(&feature.name, 20)),
            WIDTH - 4.0,
            middle + 4.0,
            short(feature.mean),
        );
        dots(&mut out, feature, middle, at);
    }
    let _ = write!(
        out,
        "<text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">share in the raw score (expected value {})</text></svg>",
        LEFT + (WIDTH - LEFT - RIGHT) / 2.0,
        bottom + 34.0,
        short(s.expected)
    );
    Some(out)
}

/// The dots of a feature, one path a colour; a dot is a line without length whose ends are round.
fn dots(out: &mut String, feature: &SwarmFeature, middle: f64, at: impl Fn(f64) -> f64) {
    let columns: Vec<i64> = feature.shares.iter().map(|x| (at(*x) / COLUMN).round() as i64).collect();
    let mut counts = std::collections::HashMap::<i64, usize>::new();
    for c in &columns {
        *counts.entry(*c).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(1) as f64;
    let step = (0.5 * (ROW - 6.0) / (most / 2.0)).min(3.0);
    let mut seen = std::collections::HashMap::<i64, usize>::new();
    let mut paths = vec![String::new(); SHADES + 1];
    for ((x, column), shade) in feature.shares.iter().zip(&columns).zip(&feature.shade) {
        let n = seen.entry(*column).or_default();
        // 0, up 1, down 1, up 2, …
        let lift = n.div_ceil(2) as f64 * if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        *n += 1;
        let class = shade.map_or(SHADES, |s| ((s * SHADES as f64) as usize).min(SHADES - 1));
        if let Some(path) = paths.get_mut(class) {
            let _ = write!(path, "M{:.1} {:.1}h0", at(*x), middle + lift * step);
        }
    }
    for (class, path) in paths.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
        let _ = write!(out, "<path class=\"dots s{class}\" d=\"{path}\"/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_dot_and_names_are_text() {
        let feature = SwarmFeature {
            name: "<b>".into(),
            mean: 0.5,
            shares: vec![0.5, 0.5, -0.5],
            shade: vec![Some(1.0), Some(0.0), None],
        };
        let s = Swarm { class: None, expected: 0.1, rows: 3, features: vec![feature] };
        let svg = swarm(&s).unwrap();
        assert_eq!(svg.matches("h0").count(), 3);
        assert!(svg.contains("dots s0") && svg.contains("dots s6") && svg.contains("dots s7"));
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
        let flat = Swarm { features: Vec::new(), ..s };
        assert_eq!(swarm(&flat), None);
    }
}
