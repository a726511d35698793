//! A drawing area with axes: numbers to pixels, ticks at round numbers.

use std::fmt::Write;

/// Width of a picture.
pub(super) const WIDTH: f64 = 420.0;
/// Height of a picture.
pub(super) const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;

/// A drawing area.
pub(super) struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    /// Names of the places 0, 1, … across; empty for numbers.
    names: Vec<String>,
    body: String,
}

impl Axes {
    /// An area that holds these ranges; a range without extent is widened.
    pub(super) fn new(x: (f64, f64), y: (f64, f64)) -> Self {
        let wide = |(a, b): (f64, f64)| {
            if b - a > 1e-12 * (a.abs() + b.abs()) { (a, b) } else { (a - 0.5, b + 0.5) }
        };
        Self { x: wide(x), y: wide(y), names: Vec::new(), body: String::new() }
    }

    /// With names in place of numbers across, at 0, 1, ….
    pub(super) fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |v: f64, (a, b): (f64, f64)| (v - a) / (b - a);
        let px = LEFT + share(x, self.x) * (WIDTH - LEFT - RIGHT);
        let py = HEIGHT - BOTTOM - share(y, self.y) * (HEIGHT - TOP - BOTTOM);
        (px, py)
    }

    /// A line through points; `class` names its colour.
    pub(super) fn line(&mut self, x: &[f64], y: &[f64], class: &str) {
        let finite = x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite());
        let points: Vec<String> = finite
            .map(|(x, y)| {
                let (px, py) = self.at(*x, *y);
                format!("{px:.1},{py:.1}")
            })
            .collect();
        let _ = write!(self.body, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    /// A level line across, where it is within the area.
    pub(super) fn level(&mut self, y: f64, class: &str) {
        if self.y.0 <= y && y <= self.y.1 {
            let (from, to) = self.x;
            self.line(&[from, to], &[y, y], class);
        }
    }

    /// Many points as one path: a point is a line without length whose ends are round.
    pub(super) fn cloud(&mut self, x: &[f64], y: &[f64], class: &str) {
        let _ = write!(self.body, "<path class=\"{class}\" d=\"");
        for (x, y) in x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let (px, py) = self.at(*x, *y);
            let _ = write!(self.body, "M{px:.1} {py:.1}h0");
        }
        self.body.push_str("\"/>");
    }

    /// Points of one size.
    pub(super) fn dots(&mut self, x: &[f64], y: &[f64], radius: f64, class: &str) {
        for (x, y) in x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let (px, py) = self.at(*x, *y);
            let _ =
                write!(self.body, "<circle class=\"{class}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"{radius}\"/>");
        }
    }

    /// The finished picture.
    pub(super) fn finish(self, title: &str, x_label: &str, y_label: &str) -> String {
        let mut out = open(title, HEIGHT);
        let room = ((WIDTH - LEFT - RIGHT) / self.names.len().max(1) as f64 / 6.0) as usize;
        let named = self.names.iter().enumerate().map(|(i, n)| (i as f64, cut(n, room.max(2))));
        let marks: Vec<(f64, String)> = if self.names.is_empty() {
            ticks(self.x).into_iter().map(|t| (t, tick_text(t))).collect()
        } else {
            named.collect()
        };
        for (tick, text) in marks {
            let (px, _) = self.at(tick, self.y.0);
            let (top, bottom) = (TOP, HEIGHT - BOTTOM);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{px:.1}\" x2=\"{px:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
            );
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{px:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 15.0,
                escape(&text)
            );
        }
        for tick in ticks(self.y) {
            let (_, py) = self.at(self.x.0, tick);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{py:.1}\" y2=\"{py:.1}\"/>",
                WIDTH - RIGHT
            );
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                py + 4.0,
                tick_text(tick)
            );
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        let _ = write!(
            out,
            "<text class=\"label\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 10.0,
            escape(&cut(x_label, 50))
        );
        let down = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        let _ = write!(
            out,
            "<text class=\"label\" transform=\"translate(13 {down}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(&cut(y_label, 36))
        );
        out.push_str(&self.body);
        out.push_str("</svg>");
        out
    }
}

/// The start of a picture.
pub(super) fn open(title: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(title))
}

/// Text that is safe within HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A name of at most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The least and the greatest of the finite values; 0 and 1 where there are none.
pub(super) fn range<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let widen = |(a, b): (f64, f64), v: &f64| (a.min(*v), b.max(*v));
    let (low, high) = values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), widen);
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// About five round numbers within a range.
pub(super) fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..first + 12).map(|i| i as f64 * step).take_while(|t| *t <= high + step * 1e-9).collect()
}

/// A tick's number; of large ones thousands, millions and so on.
fn tick_text(x: f64) -> String {
    let units = [(1e4, 1e3, "k"), (1e6, 1e6, "M"), (1e9, 1e9, "G"), (1e12, 1e12, "T")];
    let unit = units.iter().rev().find(|(from, _, _)| x.abs() >= *from && x.abs() < 1e15);
    unit.map_or_else(|| short(x), |(_, one, name)| format!("{}{name}", short(x / one)))
}

/// A number in few characters.
pub(crate) fn short(x: f64) -> String {
    let a = x.abs();
    if x == 0.0 {
        "0".into()
    } else if !(1e-3..1e6).contains(&a) {
        format!("{x:.1e}")
    } else {
        let digits = if a >= 100.0 {
            0
        } else if a >= 10.0 {
            1
        } else {
            4
        };
        let text = format!("{x:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks((0.0, 1.0)), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks((3.0, 97.0)), [20.0, 40.0, 60.0, 80.0]);
        assert_eq!(
            [short(0.25), short(1234.0), short(1e-9), short(12.34)],
            ["0.25", "1234", "1.0e-9", "12.3"]
        );
        assert_eq!(
            [4000.0, -25_000.0, 600_000.0, 2.5e6, 3e16].map(tick_text),
            ["4000", "-25k", "600k", "2.5M", "3.0e16"]
        );
    }
}
