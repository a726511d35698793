//! How an answer follows one feature: shares against values, and predictions when the value is set.

use super::axes::{Axes, range};
use crate::explain::report::{Dependence, Partial};

/// A dot's place beside its category: spread by its number, so that the same page is drawn again.
fn beside(x: f64, i: usize) -> f64 {
    x + (((i * 7919) % 101) as f64 / 100.0 - 0.5) * 0.5
}

/// A little more than a range, so that no dot lies on the edge.
fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let more = 0.03 * (high - low);
    (low - more, high + more)
}

fn axes(x: &[f64], y: (f64, f64), names: &[String]) -> Axes {
    if names.is_empty() {
        return Axes::new(range(x.iter()), y);
    }
    Axes::new((-0.5, names.len() as f64 - 0.5), y).with_names(names.to_vec())
}

/// Share against value, one dot a row.
pub(super) fn dependence(d: &Dependence) -> Option<String> {
    if d.x.is_empty() {
        return None;
    }
    let x: Vec<f64> = if d.names.is_empty() {
        d.x.clone()
    } else {
        d.x.iter().enumerate().map(|(i, x)| beside(*x, i)).collect()
    };
    let mut axes = axes(&x, padded(range(d.y.iter().chain(&[0.0]))), &d.names);
    axes.level(0.0, "chance");
    axes.cloud(&x, &d.y, "dots one");
    Some(axes.finish("share against value", &d.feature, "share"))
}

/// Mean prediction against value, and the lines of some rows.
pub(super) fn partial(p: &Partial) -> Option<String> {
    if p.x.is_empty() {
        return None;
    }
    let mut axes = axes(&p.x, padded(range(p.mean.iter().chain(p.lines.iter().flatten()))), &p.names);
    for (i, line) in p.lines.iter().enumerate() {
        if p.names.is_empty() {
            axes.line(&p.x, line, "single");
        } else {
            let x: Vec<f64> = p.x.iter().map(|x| beside(*x, i)).collect();
            axes.cloud(&x, line, "dots few");
        }
    }
    if p.names.is_empty() {
        axes.line(&p.x, &p.mean, "model");
    } else {
        for (x, y) in p.x.iter().zip(&p.mean) {
            axes.line(&[x - 0.3, x + 0.3], &[*y, *y], "model");
        }
    }
    Some(axes.finish("partial dependence", &p.feature, &p.predicted))
}
