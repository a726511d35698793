//! The pictures of a report.

use super::axes::{Axes, WIDTH, cut, escape, open, range};
use crate::run::summary::{OutputSummary, Points, View};
use std::fmt::Write;

/// Loss or metric over the passes, training and validation, with the pass that was kept.
pub(super) fn learning_curve(metric: &str, training: &[f64], validation: &[f64], best: usize) -> String {
    let (low, high) = range(training.iter().chain(validation));
    let longest = training.len().max(validation.len());
    let mut axes = Axes::new((1.0, longest.max(2) as f64), (low, high));
    let steps = |n: usize| (1..=n).map(|i| i as f64).collect::<Vec<_>>();
    axes.line(&[best as f64 + 1.0; 2], &[low, high], "mark");
    axes.line(&steps(training.len()), training, "base");
    axes.line(&steps(validation.len()), validation, "model");
    axes.finish(&format!("learning curve: {metric}"), "pass", metric)
}

fn unit_square(pairs: [Option<&Points>; 2], diagonal: bool, labels: [&str; 3]) -> String {
    let mut axes = Axes::new((0.0, 1.0), (0.0, 1.0));
    if diagonal {
        axes.line(&[0.0, 1.0], &[0.0, 1.0], "chance");
    }
    for (points, class) in pairs.into_iter().zip(["base", "model"]) {
        if let Some(points) = points {
            axes.line(&points.x, &points.y, class);
        }
    }
    axes.finish(labels[0], labels[1], labels[2])
}

/// ROC of baseline and model.
pub(super) fn roc(output: &OutputSummary) -> Option<String> {
    let base = output.baseline.as_ref().and_then(|b| b.roc.as_ref());
    let own = output.model.roc.as_ref()?;
    Some(unit_square([base, Some(own)], true, ["ROC", "false positive rate", "true positive rate"]))
}

/// Precision and recall of baseline and model.
pub(super) fn precision_recall(output: &OutputSummary) -> Option<String> {
    let base = output.baseline.as_ref().and_then(|b| b.precision_recall.as_ref());
    let own = output.model.precision_recall.as_ref()?;
    Some(unit_square([base, Some(own)], false, ["precision and recall", "recall", "precision"]))
}

/// Predicted against observed share of baseline and model; a dot's size is its rows.
pub(super) fn calibration(output: &OutputSummary) -> Option<String> {
    let mut axes = Axes::new((0.0, 1.0), (0.0, 1.0));
    axes.line(&[0.0, 1.0], &[0.0, 1.0], "chance");
    let mut draw = |view: &View, class: &str, dot: &str| -> Option<()> {
        let (points, counts) = view.calibration.as_ref()?;
        let most = counts.iter().max().copied().unwrap_or(1).max(1) as f64;
        axes.line(&points.x, &points.y, class);
        for ((x, y), n) in points.x.iter().zip(&points.y).zip(counts) {
            axes.dots(&[*x], &[*y], 2.0 + 5.0 * (*n as f64 / most).sqrt(), dot);
        }
        Some(())
    };
    if let Some(base) = &output.baseline {
        draw(base, "base", "base-dot");
    }
    draw(&output.model, "model", "model-dot")?;
    Some(axes.finish("calibration", "predicted probability", "observed share"))
}

/// Predicted against true numbers.
pub(super) fn scatter(output: &OutputSummary) -> Option<String> {
    let own = output.model.scatter.as_ref()?;
    let (low, high) = range(own.x.iter().chain(&own.y));
    let mut axes = Axes::new((low, high), (low, high));
    axes.line(&[low, high], &[low, high], "chance");
    if let Some(base) = output.baseline.as_ref().and_then(|b| b.scatter.as_ref()) {
        axes.dots(&base.x, &base.y, 1.8, "base-dot");
    }
    axes.dots(&own.x, &own.y, 2.2, "model-dot");
    Some(axes.finish("predicted and true", "predicted", "true"))
}

/// Rows by true (down) and predicted (across) class.
pub(super) fn confusion(output: &OutputSummary) -> Option<String> {
    let counts = output.model.confusion.as_ref()?;
    let n = counts.len();
    let most = counts.iter().flatten().max().copied().unwrap_or(1).max(1) as f64;
    let (left, top, side) = (110.0, 16.0, ((WIDTH - 120.0) / n as f64).min(70.0));
    let height = top + side * n as f64 + 52.0;
    let mut out = open("confusion matrix", height);
    let name = |i: usize| {
        let full = output.classes.get(i).map_or("", String::as_str);
        escape(&cut(full, 15))
    };
    for (t, row) in counts.iter().enumerate() {
        let y = top + side * t as f64;
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + side / 2.0 + 4.0,
            name(t)
        );
        for (p, count) in row.iter().enumerate() {
            let (x, share) = (left + side * p as f64, *count as f64 / most);
            let (gap, middle) = (side - 2.0, side / 2.0);
            let _ = write!(
                out,
                "<rect class=\"cell\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{gap:.1}\" height=\"{gap:.1}\" fill-opacity=\"{:.3}\"/>",
                0.06 + 0.94 * share
            );
            let strong = if share > 0.55 { "on" } else { "off" };
            let _ = write!(
                out,
                "<text class=\"count {strong}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                x + middle - 1.0,
                y + middle + 4.0
            );
        }
    }
    let below = top + side * n as f64;
    for p in 0..n.min(12) {
        let x = left + side * (p as f64 + 0.5);
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            below + 15.0,
            name(p)
        );
    }
    let _ = write!(
        out,
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">predicted</text>",
        left + side * n as f64 / 2.0,
        below + 36.0
    );
    let _ = write!(
        out,
        "<text class=\"label\" transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">true</text></svg>",
        top + side * n as f64 / 2.0
    );
    Some(out)
}
