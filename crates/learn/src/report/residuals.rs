//! What is left of numbers when the prediction is taken away.

use super::axes::{Axes, range};
use crate::run::summary::OutputSummary;

/// True less predicted against predicted.
pub(super) fn residuals(output: &OutputSummary) -> Option<String> {
    let own = output.model.scatter.as_ref()?;
    let left: Vec<f64> = own.x.iter().zip(&own.y).map(|(p, y)| y - p).collect();
    let most = left.iter().filter(|r| r.is_finite()).fold(0.0f64, |m, r| m.max(r.abs()));
    let mut axes = Axes::new(range(own.x.iter()), (-1.05 * most, 1.05 * most));
    axes.level(0.0, "chance");
    axes.dots(&own.x, &left, 2.2, "model-dot");
    Some(axes.finish("residuals", "predicted", "true less predicted"))
}
