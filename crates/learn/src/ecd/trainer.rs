//! The loop: batches in a seeded order, a step each, an evaluation a pass, the best weights kept.
#![allow(clippy::indexing_slicing, reason = "rows stay below the table's length")]

use super::batch::Rows;
use super::network::{Network, Step};
use super::optimizer::{Optimizer, clip};
use super::outputs::Target;
use crate::config::{Decay, EcdTrainer};
use crate::metrics::{Measures, measure_all, rises};
use crate::prepared::{Prepared, Wanted};
use lyceum_core::{Error, FitContext, Result};
use lyceum_data::{Random, Splits};

/// How training went, an entry a pass.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Mean loss of the training rows while they were trained on.
    pub training_loss: Vec<f64>,
    /// All metrics of the validation rows (of the training rows where there are none).
    pub validation: Vec<Measures>,
    /// The pass whose weights were kept.
    pub best: usize,
}

/// What is trained on.
pub struct Stage<'a> {
    /// Inputs of all rows.
    pub data: &'a Rows,
    /// Outputs of all rows.
    pub wanted: &'a [Wanted],
    /// Preprocessing.
    pub prepared: &'a Prepared,
    /// Who trains and who validates.
    pub splits: &'a Splits,
}

/// Trains a network in place.
pub fn train(network: &mut Network, stage: &Stage<'_>, t: &EcdTrainer, cx: &FitContext) -> Result<History> {
    let targets = network.targets(stage.wanted, stage.prepared);
    let mut order = stage.splits.training.clone();
    let judges =
        if stage.splits.validation.is_empty() { &stage.splits.training } else { &stage.splits.validation };
    let steps_a_pass = order.len().div_ceil(t.batch_size);
    let passes = t.train_steps.map_or(t.epochs, |s| s.div_ceil(steps_a_pass));
    let total = t.train_steps.unwrap_or(steps_a_pass * t.epochs);
    let mut run = Run {
        optimizer: Optimizer::new(t.optimizer, t.weight_decay, network.size()),
        grads: vec![0.0; network.size()],
        step: Step::default(),
        random: Random::new(cx.seed, 0xd0),
        done: 0,
        total,
        reduced: 1.0,
    };
    let mut shuffle = Random::new(cx.seed, 0x5f);
    let mut history = History::default();
    let mut best: Option<(f64, Vec<f32>)> = None;
    let mut plateau = Plateau::default();
    cx.progress.begin("training the network", Some(passes as u64));
    for pass in 0..passes {
        if t.shuffle {
            shuffle.shuffle(&mut order);
        }
        let loss = run.pass(network, stage.data, &targets, &order, t, cx)?;
        history.training_loss.push(loss);
        let scores = stage.prepared.finish(network.scores(stage.data, judges));
        let measures = measure_all(stage.prepared, &scores, stage.wanted, judges);
        let metric = measures.get(&t.validation_field).and_then(|m| m.get(&t.validation_metric)).copied();
        let metric = metric.unwrap_or(f64::NAN);
        let signed = if rises(&t.validation_metric) { metric } else { -metric };
        cx.progress.note(&format!(
            "pass {}: loss {loss:.4}, validation {} {metric:.4}",
            pass + 1,
            t.validation_metric
        ));
        history.validation.push(measures);
        if best.as_ref().is_none_or(|(b, _)| signed > *b) {
            best = Some((signed, network.parameters.values.clone()));
            history.best = pass;
        }
        cx.progress.at(pass as u64 + 1);
        if t.early_stop.is_some_and(|patience| patience > 0 && pass - history.best >= patience)
            || run.done >= total
        {
            break;
        }
        plateau.watch(-signed, t, &mut run.reduced);
    }
    cx.progress.end();
    if let Some((_, values)) = best {
        network.parameters.values = values;
    }
    Ok(history)
}

struct Run {
    optimizer: Optimizer,
    grads: Vec<f32>,
    step: Step,
    random: Random,
    done: usize,
    total: usize,
    /// Factor by plateaus.
    reduced: f64,
}

impl Run {
    fn pass(
        &mut self,
        network: &mut Network,
        data: &Rows,
        targets: &[Target],
        order: &[usize],
        t: &EcdTrainer,
        cx: &FitContext,
    ) -> Result<f64> {
        let (mut sum, mut rows) = (0.0, 0);
        for batch in order.chunks(t.batch_size) {
            cx.cx.check()?;
            if self.done >= self.total {
                break;
            }
            self.grads.fill(0.0);
            let loss = network.step(data, targets, batch, &mut self.random, &mut self.grads, &mut self.step);
            if !loss.is_finite() {
                let e = Error::invalid(format!("the loss is {loss} after {} steps", self.done));
                return Err(e.at_key("trainer.learning_rate").hint("lower the learning rate"));
            }
            sum += loss * batch.len() as f64;
            rows += batch.len();
            penalise(&mut self.grads, &network.parameters.values, t);
            clip(&mut self.grads, &t.clipping);
            let rate = rate(t, self.done, self.total) * self.reduced;
            self.optimizer.step(&mut network.parameters.values, &self.grads, rate);
            self.done += 1;
        }
        Ok(sum / rows.max(1) as f64)
    }
}

fn penalise(grads: &mut [f32], values: &[f32], t: &EcdTrainer) {
    if t.l2 > 0.0 || t.l1 > 0.0 {
        let (l1, l2) = (t.l1 as f32, 2.0 * t.l2 as f32);
        grads.iter_mut().zip(values).for_each(|(g, w)| *g += l2 * w + l1 * w.signum());
    }
}

/// The learning rate of a step (from 0) of a run.
fn rate(t: &EcdTrainer, step: usize, total: usize) -> f64 {
    let warmup = t.schedule.warmup_fraction * total as f64;
    let at = step as f64;
    if at < warmup {
        return t.learning_rate * (at + 1.0) / warmup.max(1.0);
    }
    let share = (at - warmup) / (total as f64 - warmup).max(1.0);
    t.learning_rate
        * match t.schedule.decay {
            Decay::None => 1.0,
            Decay::Linear => 1.0 - share,
            Decay::Exponential { rate, steps, staircase } => {
                let power = at / steps as f64;
                rate.powf(if staircase { power.floor() } else { power })
            }
            Decay::Cosine { floor } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
}

#[derive(Default)]
struct Plateau {
    best: Option<f64>,
    since: usize,
    reductions: usize,
}

impl Plateau {
    /// Reduces the rate when the value (less is better) has stood still for long enough.
    fn watch(&mut self, value: f64, t: &EcdTrainer, factor: &mut f64) {
        if self.best.is_none_or(|b| value < b) {
            self.best = Some(value);
            self.since = 0;
            return;
        }
        self.since += 1;
        if self.since >= t.schedule.plateau_patience && self.reductions < t.schedule.reduce_on_plateau {
            *factor *= t.schedule.plateau_rate;
            self.reductions += 1;
            self.since = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ModelConfig};

    fn trainer(yaml: &str) -> EcdTrainer {
        let text = format!(
            "input_features: [{{name: a, type: number}}]\noutput_features: [{{name: b, type: binary}}]\ntrainer: {yaml}\n"
        );
        match Config::parse(&text, None).unwrap().model {
            ModelConfig::Ecd { trainer, .. } => *trainer,
            _ => panic!("not a network"),
        }
    }

    #[test]
    fn rates_follow_their_schedule() {
        let t = trainer("{learning_rate: 1, learning_rate_scheduler: {decay: cosine, warmup_fraction: 0.1}}");
        let rates: Vec<f64> = [0, 9, 10, 55, 99].iter().map(|s| rate(&t, *s, 100)).collect();
        let want = [0.1, 1.0, 1.0, 0.5, 0.5 * (1.0 + (std::f64::consts::PI * 89.0 / 90.0).cos())];
        rates.iter().zip(want).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} for {b}"));
        let t = trainer(
            "{learning_rate: 1, learning_rate_scheduler: {decay: exponential, decay_rate: 0.5, decay_steps: 10, staircase: yes}}",
        );
        assert_eq!([rate(&t, 9, 100), rate(&t, 10, 100), rate(&t, 25, 100)], [1.0, 0.5, 0.25]);
    }
}
