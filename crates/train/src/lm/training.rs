//! The loop: batches in a seeded order, accumulation, clipping, updates, evaluation while training, early stop,
//! checkpoints. What it does at a step depends on the settings, the data and the step alone, so a killed run that
//! goes on from a checkpoint ends where an undisturbed one does.

use super::{Batch, Example, Network};
use crate::{Decay, Optimizer, OptimizerKind, Parameters, Schedule, checkpoint, clip_global_norm};
use lyceum_core::{Context, Error, Map, Progress, Result, Value};
use lyceum_data::Random;
use lyceum_tensor::Pool;
use lyceum_tensor::tape::{Tape, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tokens that go through the network at once; larger batches are cut into several passes whose gradients add up.
const PASS_TOKENS: usize = 2048;
/// Least time between checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(15);

/// Settings of a training, by the names that transformers' trainer and Ludwig share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Steps; 0 takes `epochs`.
    pub steps: u64,
    /// Passes over the examples, where `steps` is 0.
    pub epochs: u64,
    /// Examples a step.
    pub batch_size: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// What follows the warm-up.
    pub decay: Decay,
    /// Share of the steps that warm up, in [0, 1].
    pub warmup_fraction: f64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Largest global norm of the gradients; 0 clips nothing.
    pub max_grad_norm: f32,
    /// Steps between evaluations; 0 evaluates after each epoch.
    pub eval_every: u64,
    /// Evaluations without a better loss after which it stops; 0 never stops early.
    pub early_stop: u64,
    /// Fixes initialisation, order and drop-out.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            steps: 0,
            epochs: 3,
            batch_size: 4,
            learning_rate: 1e-4,
            decay: Decay::Linear,
            warmup_fraction: 0.03,
            optimizer: Optimizer { weight_decay: 0.0, ..Optimizer::new(OptimizerKind::Adamw) },
            max_grad_norm: 1.0,
            eval_every: 0,
            early_stop: 0,
            seed: 42,
        }
    }
}

impl Training {
    /// Fails with the setting's name when it cannot be used.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, what: String| Err(Error::invalid(what).at_key(key));
        if self.steps == 0 && self.epochs == 0 {
            return wrong("epochs", "both steps and epochs are 0".into());
        }
        if self.batch_size == 0 {
            return wrong("batch_size", "is 0, expected at least 1".into());
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", format!("is {}, expected over 0", self.learning_rate));
        }
        if !(0.0..=1.0).contains(&self.warmup_fraction) {
            return wrong("warmup_fraction", format!("is {}, expected from 0 to 1", self.warmup_fraction));
        }
        Ok(())
    }

    fn steps_per_epoch(&self, examples: usize) -> u64 {
        examples.div_ceil(self.batch_size).max(1) as u64
    }

    /// Steps in all.
    pub fn total_steps(&self, examples: usize) -> u64 {
        if self.steps > 0 { self.steps } else { self.epochs * self.steps_per_epoch(examples) }
    }

    fn schedule(&self, total: u64) -> Schedule {
        let warmup = (self.warmup_fraction * total as f64).ceil() as u64;
        Schedule { peak: self.learning_rate, warmup, total, decay: self.decay }
    }
}

/// What a run has seen so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct History {
    /// What the run is about: a checkpoint of another is not taken.
    fingerprint: String,
    step: u64,
    /// Mean loss of each step.
    pub(super) loss: Vec<f32>,
    /// (step, mean loss on the validation examples).
    pub(super) valid: Vec<(u64, f32)>,
    best: Option<(u64, f32)>,
    pub(super) seconds: f64,
    pub(super) tokens: u64,
    /// Fastest step in seconds.
    pub(super) best_step_seconds: f64,
}

/// A run and all that it needs.
pub(super) struct Run<'a> {
    pub(super) pool: &'a Pool,
    pub(super) network: &'a Network,
    pub(super) training: &'a Training,
    pub(super) examples: &'a [Example],
    pub(super) valid: &'a [Example],
    /// Where checkpoints live; a run without one cannot be resumed.
    pub(super) folder: Option<PathBuf>,
    pub(super) fingerprint: String,
    pub(super) progress: &'a Arc<dyn Progress>,
    pub(super) cx: &'a Context,
    /// Called with the parameters after evaluations, for samples.
    pub(super) show: &'a dyn Fn(&Parameters),
}

impl Run<'_> {
    /// Trains to the end, or on from the newest checkpoint of the same run. Leaves the parameters of the best
    /// evaluation (of the last step where nothing is evaluated). When cancelled, the checkpoint is written first.
    pub(super) fn run(&self, parameters: &mut Parameters) -> Result<History> {
        let mut history = self.resume(parameters)?;
        let total = self.training.total_steps(self.examples.len());
        let schedule = self.training.schedule(total);
        let mut saved = Instant::now();
        self.progress.begin("training", Some(total));
        while history.step < total && !self.stops_early(&history) {
            if let Err(e) = self.cx.check() {
                self.save(&history, parameters)?;
                self.progress.end();
                return Err(e);
            }
            let started = Instant::now();
            let step = history.step;
            let (loss, tokens) = self.step(parameters, step, schedule.at(step) as f32);
            let took = started.elapsed().as_secs_f64();
            if !loss.is_finite() {
                return Err(Error::invalid(format!(
                    "the loss is {loss} at step {step}: training has diverged"
                ))
                .hint("lower learning_rate, or raise warmup_fraction"));
            }
            history.loss.push(loss);
            history.step += 1;
            history.tokens += tokens as u64;
            history.seconds += took;
            history.best_step_seconds =
                if history.best_step_seconds == 0.0 { took } else { history.best_step_seconds.min(took) };
            self.progress.at(history.step);
            self.record(&history, total, schedule.at(step), tokens, took);
            self.tell(&history, total);
            if self.evaluates_after(history.step, total) {
                self.evaluate(&mut history, parameters)?;
            }
            if saved.elapsed() >= CHECKPOINT_EVERY {
                self.save(&history, parameters)?;
                saved = Instant::now();
            }
        }
        self.progress.end();
        self.take_best(&history, parameters)?;
        Ok(history)
    }

    /// Removes the checkpoints: for when the result is safe elsewhere.
    pub(super) fn forget(&self) -> Result<()> {
        self.folder.as_deref().map_or(Ok(()), checkpoint::remove)
    }

    fn resume(&self, parameters: &mut Parameters) -> Result<History> {
        let fresh = History { fingerprint: self.fingerprint.clone(), ..History::default() };
        let Some(folder) = &self.folder else { return Ok(fresh) };
        let begun = parameters.clone();
        match checkpoint::load::<History>(folder, parameters) {
            Ok(Some(h)) if h.fingerprint == self.fingerprint => {
                self.progress.note(&format!("going on from step {}", h.step));
                Ok(h)
            }
            Ok(None) => Ok(fresh),
            // Another run's checkpoint, or a broken one: begin anew.
            _ => {
                *parameters = begun;
                checkpoint::remove(folder)?;
                Ok(fresh)
            }
        }
    }

    fn save(&self, history: &History, parameters: &Parameters) -> Result<()> {
        match &self.folder {
            Some(folder) => checkpoint::save(folder, history.step, history, parameters),
            None => Ok(()),
        }
    }

    /// The examples of a step: the epoch's order, cut into batches.
    fn chosen(&self, step: u64) -> Vec<&Example> {
        let per_epoch = self.training.steps_per_epoch(self.examples.len());
        let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
        let mut order: Vec<usize> = (0..self.examples.len()).collect();
        Random::new(self.training.seed, 100 + epoch).shuffle(&mut order);
        let batch = order.chunks(self.training.batch_size).nth(within).unwrap_or_default();
        batch.iter().filter_map(|i| self.examples.get(*i)).collect()
    }

    /// One update; gives the mean loss before it and the tokens read.
    fn step(&self, parameters: &mut Parameters, step: u64, lr: f32) -> (f32, usize) {
        let passes: Vec<Batch> = passes(&self.chosen(step)).into_iter().map(Batch::of).collect();
        let total: f32 = passes.iter().flat_map(|b| &b.weights).sum();
        let mut sums: Vec<Option<Tensor>> = vec![None; parameters.0.len()];
        let (mut loss, mut tokens) = (0.0, 0);
        for batch in &passes {
            let mut tape = Tape::new(self.pool);
            let vars = Network::leaves(&mut tape, parameters);
            let out = self.network.loss(&mut tape, &vars, batch, Some(self.training.seed.wrapping_add(step)));
            let share = out.weight / total;
            loss += share * out.loss.value().data().first().copied().unwrap_or(f32::NAN);
            tokens += batch.tokens();
            let mut grads = tape.backward_from(&out.loss, Tensor::new(vec![1], vec![share]));
            for (sum, var) in sums.iter_mut().zip(&vars) {
                add(sum, grads.take(var));
            }
        }
        clip_global_norm(&mut sums, self.training.max_grad_norm);
        self.training.optimizer.step(parameters, sums, lr, step + 1);
        (loss, tokens)
    }

    /// A step as an event of the run that the training is part of.
    fn record(&self, history: &History, total: u64, lr: f64, tokens: usize, seconds: f64) {
        self.cx.event("step", || {
            let loss = history.loss.last().copied().unwrap_or(f32::NAN);
            event([
                ("step", Value::Int(history.step as i64)),
                ("steps", Value::Int(total as i64)),
                ("loss", Value::Float(f64::from(loss))),
                ("lr", Value::Float(lr)),
                ("tokens", Value::Int(tokens as i64)),
                ("tokens_per_second", Value::Float(tokens as f64 / seconds.max(1e-9))),
            ])
        });
    }

    fn tell(&self, history: &History, total: u64) {
        let every = (total / 20).max(1);
        if history.step.is_multiple_of(every) || history.step == 1 {
            let recent = history.loss.iter().rev().take(every as usize);
            let mean = recent.clone().sum::<f32>() / recent.count().max(1) as f32;
            let speed = history.tokens as f64 / history.seconds.max(1e-9);
            self.progress
                .note(&format!("step {:>5}/{total}  loss {mean:.4}  {speed:.0} tokens/s", history.step));
        }
    }

    fn evaluates_after(&self, step: u64, total: u64) -> bool {
        let every = match self.training.eval_every {
            0 => self.training.steps_per_epoch(self.examples.len()),
            n => n,
        };
        step.is_multiple_of(every) || step == total
    }

    fn evaluate(&self, history: &mut History, parameters: &Parameters) -> Result<()> {
        (self.show)(parameters);
        if self.valid.is_empty() {
            return Ok(());
        }
        let Evaluation { loss, exact } = evaluate(self.pool, self.network, parameters, self.valid, self.cx)?;
        let (step, percent) = (history.step, 100.0 * exact);
        self.progress
            .note(&format!("step {step:>5}  validation loss {loss:.4}, {percent:.0} % word for word"));
        self.cx.event("validation", || {
            let (loss, exact) = (Value::Float(f64::from(loss)), Value::Float(f64::from(exact)));
            event([("step", Value::Int(step as i64)), ("loss", loss), ("exact", exact)])
        });
        history.valid.push((history.step, loss));
        if history.best.is_none_or(|(_, best)| loss < best) {
            history.best = Some((history.step, loss));
            if let Some(folder) = &self.folder {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", e))?;
                parameters.save(&best_path(folder))?;
            }
        }
        Ok(())
    }

    fn stops_early(&self, history: &History) -> bool {
        let since_best =
            history.valid.iter().rev().take_while(|(s, _)| Some(*s) != history.best.map(|b| b.0));
        self.training.early_stop > 0 && since_best.count() as u64 >= self.training.early_stop
    }

    fn take_best(&self, history: &History, parameters: &mut Parameters) -> Result<()> {
        match (&self.folder, history.best) {
            (Some(folder), Some((step, _))) if step != history.step => parameters.load(&best_path(folder)),
            _ => Ok(()),
        }
    }
}

fn event<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().map(|(k, v)| (k.into(), v)).collect::<Map>().into()
}

fn best_path(folder: &Path) -> PathBuf {
    folder.join("best.safetensors")
}

fn add(sum: &mut Option<Tensor>, more: Option<Tensor>) {
    match (sum.as_mut(), more) {
        (None, more) => *sum = more,
        (Some(sum), Some(more)) => sum.data_mut().iter_mut().zip(more.data()).for_each(|(s, m)| *s += m),
        (Some(_), None) => {}
    }
}

/// Examples cut into batches of at most [`PASS_TOKENS`] (one example may be longer).
fn passes<'e>(examples: &[&'e Example]) -> Vec<Vec<&'e Example>> {
    let mut groups: Vec<Vec<&'e Example>> = Vec::new();
    let mut tokens = usize::MAX;
    for e in examples {
        tokens = tokens.saturating_add(e.ids.len());
        if tokens > PASS_TOKENS {
            groups.push(Vec::new());
            tokens = e.ids.len();
        }
        if let Some(last) = groups.last_mut() {
            last.push(e);
        }
    }
    groups
}

/// How a network does on examples.
pub(super) struct Evaluation {
    /// Nats per counted token.
    pub(super) loss: f32,
    /// Share of examples of which every counted token is the likeliest: what greedy decoding would say word for word.
    pub(super) exact: f32,
}

/// Loss and exactness over examples, one forward pass each.
pub(super) fn evaluate(
    pool: &Pool,
    network: &Network,
    parameters: &Parameters,
    examples: &[Example],
    cx: &Context,
) -> Result<Evaluation> {
    let all: Vec<&Example> = examples.iter().collect();
    let vars = Network::constants(parameters);
    let (mut sum, mut weight, mut exact) = (0.0f64, 0.0f64, 0usize);
    for group in passes(&all) {
        cx.check()?;
        let out = network.loss(&mut Tape::new(pool), &vars, &Batch::of(group.iter().copied()), None);
        let mean = out.loss.value().data().first().copied().unwrap_or(f32::NAN);
        sum += f64::from(mean) * f64::from(out.weight);
        weight += f64::from(out.weight);
        let mut hits = out.hits.into_iter();
        for e in group {
            let counted = e.weights.iter().skip(1).filter(|w| **w > 0.0).count();
            exact += usize::from(hits.by_ref().take(counted).filter(|hit| !hit).count() == 0);
        }
    }
    let loss = (sum / weight.max(1e-9)) as f32;
    Ok(Evaluation { loss, exact: exact as f32 / examples.len().max(1) as f32 })
}
