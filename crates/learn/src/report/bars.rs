//! Bars, one a feature, with whiskers of an error where there is one.

use super::axes::{cut, escape, open, short};
use std::fmt::Write;

/// Most bars.
const BARS: usize = 15;
const STEP: f64 = 22.0;
/// Where bars begin (values above 0) and the width of the longest: with an error its number wants more room.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 190.0;
const LONGEST_WITH_ERROR: f64 = 150.0;

/// A bar: name, value, error (0 for none).
pub(super) type Bar<'a> = (&'a str, f64, f64);

/// Bars in their order; nothing where no value is above 0. Values below 0 get a bar of no length.
pub(super) fn bars(title: &str, all: &[Bar<'_>]) -> Option<String> {
    let shown = all.get(..all.len().min(BARS))?;
    let most = shown.iter().map(|b| b.1.max(0.0) + b.2).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let longest = if shown.iter().any(|b| b.2 > 0.0) { LONGEST_WITH_ERROR } else { LONGEST };
    let mut out = open(title, 10.0 + STEP * shown.len() as f64);
    for (i, (name, value, error)) in shown.iter().enumerate() {
        let y = 6.0 + STEP * i as f64;
        let scale = longest / most;
        let width = scale * value.max(0.0);
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><rect class=\"bar\" x=\"{LEFT}\" \
             y=\"{y:.1}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>",
            LEFT - 8.0,
            y + 13.0,
            escape(&cut(name, 20)),
        );
        let mut end = width;
        let mut text = short(*value);
        if *error > 0.0 {
            let (from, to) = ((width - scale * error).max(0.0), width + scale * error);
            end = to;
            let middle = y + 8.0;
            let _ = write!(
                out,
                "<path class=\"whisker\" d=\"M{:.1} {middle:.1}H{:.1}M{:.1} {:.1}v8M{:.1} {:.1}v8\"/>",
                LEFT + from,
                LEFT + to,
                LEFT + from,
                middle - 4.0,
                LEFT + to,
                middle - 4.0,
            );
            text = format!("{text} ± {}", short(*error));
        }
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
            LEFT + 6.0 + end,
            y + 13.0
        );
    }
    out.push_str("</svg>");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values_and_names_are_text() {
        let svg = bars("x", &[("a<b", 2.0, 0.0), ("c", 1.0, 0.0), ("d", -1.0, 0.0)]).unwrap();
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
        assert!(
            svg.contains("width=\"190.0\"")
                && svg.contains("width=\"95.0\"")
                && svg.contains("width=\"0.0\"")
        );
        assert!(!svg.contains("whisker"));
        assert!(bars("x", &[("a", 2.0, 0.5)]).unwrap().contains("2 ± 0.5"));
        assert_eq!(bars("x", &[("a", 0.0, 0.0)]), None);
        assert_eq!(bars("x", &[]), None);
    }
}
