//! One row at a time through a linear model, without allocation.

use super::model::{LinearModel, Link};
use lyceum_core::RowPredictor;

/// Keeps the room that a row needs.
pub(super) struct OneRow<'a> {
    model: &'a LinearModel,
    /// Columns of each feature: 1 for a number, else one a value of the category.
    spans: Vec<Option<usize>>,
    plain: bool,
    wide: Vec<f64>,
    raw: Vec<f64>,
    p: Vec<f64>,
}

impl<'a> OneRow<'a> {
    pub(super) fn new(model: &'a LinearModel) -> Self {
        let spans: Vec<_> = model.features().levels.iter().map(|l| l.as_ref().map(|l| l.len())).collect();
        let width = spans.iter().map(|s| s.unwrap_or(1)).sum();
        let outputs = model.intercept.len();
        let classes = if model.link == Link::Logit { 2 } else { outputs };
        let plain = spans.iter().all(Option::is_none);
        Self { model, spans, plain, wide: vec![0.0; width], raw: vec![0.0; outputs], p: vec![0.0; classes] }
    }

    /// A category's value becomes its column; one that training did not see leaves all of them 0.
    fn widen(&mut self, row: &[f64]) {
        self.wide.fill(0.0);
        let mut rest = &mut self.wide[..];
        for (span, value) in self.spans.iter().zip(row) {
            let (own, after) = rest.split_at_mut(span.unwrap_or(1).min(rest.len()));
            match span {
                None => own.iter_mut().for_each(|o| *o = *value),
                Some(_) if *value >= 0.0 => {
                    if let Some(cell) = own.get_mut(*value as usize) {
                        *cell = 1.0;
                    }
                }
                Some(_) => {}
            }
            rest = after;
        }
    }
}

impl RowPredictor for OneRow<'_> {
    /// Numbers, the probability of the positive class, or one probability a class. A hole gives NaN.
    fn predict(&mut self, row: &[f64], out: &mut [f64]) {
        if self.plain && row.len() == self.wide.len() {
            self.model.outputs(row, &mut self.raw);
        } else {
            self.widen(row);
            self.model.outputs(&self.wide, &mut self.raw);
        }
        let values = match self.model.link {
            Link::Identity => &self.raw[..],
            Link::Log => {
                self.raw.iter_mut().for_each(|z| *z = z.exp());
                &self.raw[..]
            }
            Link::Logit => {
                self.model.probabilities(&self.raw, &mut self.p);
                self.p.get(1..).unwrap_or_default()
            }
            Link::Softmax => {
                self.model.probabilities(&self.raw, &mut self.p);
                &self.p[..]
            }
        };
        out.iter_mut().zip(values).for_each(|(o, v)| *o = *v);
    }
}
