//! One row at a time through a quadratic discriminant, without allocation.

use super::quadratic_model::{Class, QuadraticModel, probabilities};
use lyceum_core::RowPredictor;

/// Where a used column of the dense matrix comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A number feature.
    Number(usize),
    /// A category feature: 1 where it has this code.
    Code(usize, f64),
}

/// Keeps the room that a row needs.
pub(super) struct OneRow<'a> {
    classes: &'a [Class],
    sources: Vec<Source>,
    cells: Vec<f64>,
    p: Vec<f64>,
}

impl<'a> OneRow<'a> {
    pub(super) fn new(model: &'a QuadraticModel) -> Self {
        let mut wide = Vec::new();
        for (feature, levels) in model.levels.iter().enumerate() {
            match levels {
                None => wide.push(Source::Number(feature)),
                Some(levels) => wide.extend((0..levels.len()).map(|c| Source::Code(feature, c as f64))),
            }
        }
        let sources: Vec<Source> = model.used.iter().filter_map(|j| wide.get(*j).copied()).collect();
        let (cells, p) = (vec![0.0; sources.len()], vec![0.0; model.classes.len()]);
        Self { classes: &model.classes, sources, cells, p }
    }
}

impl RowPredictor for OneRow<'_> {
    /// The probability of the second of two classes, or one probability a class. A hole, or a row that is too far from
    /// every class, gives NaN.
    fn predict(&mut self, row: &[f64], out: &mut [f64]) {
        let value = |feature: usize| row.get(feature).copied().unwrap_or(f64::NAN);
        for (cell, source) in self.cells.iter_mut().zip(&self.sources) {
            *cell = match *source {
                Source::Number(feature) => value(feature),
                Source::Code(feature, code) => f64::from(u8::from(value(feature) == code)),
            };
        }
        if !probabilities(self.classes, &self.cells, &mut self.p) {
            self.p.fill(f64::NAN);
        }
        let from = usize::from(self.p.len() == 2);
        out.iter_mut().zip(self.p.iter().skip(from)).for_each(|(o, p)| *o = *p);
    }
}
