//! Encoders → side by side → combiner → decoders: built from a configuration and its fitted preprocessing.
#![allow(
    clippy::indexing_slicing,
    reason = "columns and rows stay within the shapes that the network was built with"
)]

use super::batch::{Feature, Rows};
use super::dense::{Dense, Stack, Trace};
use super::outputs::{Head, Target};
use super::parameters::{Parameters, Slot};
use crate::config::{CategoryEncoder, Combiner, Config, FcStack, InputKind, OutputKind};
use crate::prepared::{FittedInput, FittedOutput, Prepared, Wanted};
use crate::scores::Scores;
use lyceum_core::{Error, Result};
use lyceum_data::Random;
use lyceum_tensor::tape::{Activation, Loss};
use std::path::Path;

/// How one input becomes columns.
#[derive(Debug, Clone, PartialEq)]
enum Encoder {
    /// The number itself, or through layers.
    Number(Stack),
    /// A learned vector.
    Embed { table: Slot },
    /// A 1 in the code's place; unknown is all 0.
    OneHot,
    /// Learned vectors put together.
    Bag { table: Slot, mean: bool, dropout: f64 },
}

/// The network with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(super) parameters: Parameters,
    encoders: Vec<(Encoder, usize)>,
    combiner: Stack,
    decoders: Vec<(Stack, Dense)>,
    heads: Vec<Head>,
    weights: Vec<f32>,
    width: usize,
}

/// What one training step keeps between its two passes.
#[derive(Default)]
pub(super) struct Step {
    encoders: Vec<Vec<Trace>>,
    masks: Vec<Vec<f32>>,
    combiner: Vec<Trace>,
    decoders: Vec<(Vec<Trace>, Trace)>,
}

impl Network {
    /// A network with fresh weights.
    pub fn new(config: &Config, combiner: &Combiner, prepared: &Prepared, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed, 0xecd);
        let mut p = Parameters::default();
        let mut encoders = Vec::new();
        for (input, fitted) in config.inputs.iter().zip(&prepared.inputs) {
            encoders.push(encoder(&mut p, &input.name, &input.kind, &fitted.fitted, &mut random)?);
        }
        let width: usize = encoders.iter().map(|(_, w)| w).sum();
        let combined = Stack::new(&mut p, "combiner", width, &combiner.fc, &mut random);
        let hidden = combined.outputs(width);
        let (mut decoders, mut heads, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (output, fitted) in config.outputs.iter().zip(&prepared.outputs) {
            let name = format!("decoders.{}", output.name);
            let stack = Stack::new(&mut p, &name, hidden, &output.decoder, &mut random);
            let head = head(&output.kind, &fitted.fitted)?;
            let last =
                FcStack { layers: 1, size: head.width(), activation: Activation::Linear, dropout: 0.0 };
            let last = Dense::new(&mut p, &format!("{name}.out"), stack.outputs(hidden), &last, &mut random);
            decoders.push((stack, last));
            heads.push(head);
            weights.push(output.weight as f32);
        }
        Ok(Self { parameters: p, encoders, combiner: combined, decoders, heads, weights, width })
    }

    /// Number of parameters.
    pub fn size(&self) -> usize {
        self.parameters.values.len()
    }

    /// Writes the weights.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.parameters.save(path)
    }

    /// Fills the weights from a file.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        self.parameters.load(path)
    }

    /// Targets in the network's scale; rows without one get a 0 that must not be trained on.
    pub fn targets(&self, wanted: &[Wanted], prepared: &Prepared) -> Vec<Target> {
        let one = |((head, wanted), fitted): ((&Head, &Wanted), &FittedOutput)| match (head, wanted, fitted) {
            (Head::Number { center, spread, .. }, Wanted::Number(y), FittedOutput::Number { fitted, .. }) => {
                let scaled = |y: f64| ((fitted.normalize(y) - center) / spread) as f32;
                Target::Number(y.iter().map(|y| y.map_or(0.0, scaled)).collect())
            }
            (_, Wanted::Binary(y), _) => {
                Target::Binary(y.iter().map(|y| f32::from(u8::from(*y == Some(true)))).collect())
            }
            (_, Wanted::Category(y), _) => Target::Category(y.iter().map(|c| c.unwrap_or(0)).collect()),
            _ => Target::Number(Vec::new()),
        };
        self.heads.iter().zip(wanted).zip(prepared.outputs.iter().map(|o| &o.fitted)).map(one).collect()
    }

    /// Predictions of some rows, an entry an output.
    pub fn scores(&self, data: &Rows, rows: &[usize]) -> Vec<Scores> {
        let mut raw: Vec<Vec<f32>> = vec![Vec::new(); self.heads.len()];
        for part in rows.chunks(1024) {
            let hidden = self.combiner.forward(&self.parameters, self.encode(data, part, None), None);
            for (raw, (stack, last)) in raw.iter_mut().zip(&self.decoders) {
                let x = stack.forward(&self.parameters, hidden.clone(), None);
                raw.extend(last.forward(&self.parameters, x, None));
            }
        }
        self.heads.iter().zip(raw).map(|(head, raw)| head.scores(raw)).collect()
    }

    /// Every row of a table.
    pub fn scores_of_all(&self, data: &Rows) -> Vec<Scores> {
        self.scores(data, &(0..data.rows).collect::<Vec<_>>())
    }

    /// Mean weighted loss of some rows; adds its gradient to `grads`.
    pub(super) fn step(
        &self,
        data: &Rows,
        targets: &[Target],
        rows: &[usize],
        random: &mut Random,
        grads: &mut [f32],
        step: &mut Step,
    ) -> f64 {
        let p = &self.parameters;
        let x = self.encode(data, rows, Some((random, step)));
        let hidden = self.combiner.forward(p, x, Some((random, &mut step.combiner)));
        step.decoders.resize_with(self.decoders.len(), Default::default);
        let mut d_hidden = vec![0.0f32; hidden.len()];
        let mut loss = 0.0;
        for (i, (stack, last)) in self.decoders.iter().enumerate() {
            let (traces, last_trace) = &mut step.decoders[i];
            let x = stack.forward(p, hidden.clone(), Some((random, traces)));
            let mut raw = last.forward(p, x, Some((random, last_trace)));
            let weight = self.weights[i];
            loss += f64::from(weight) * self.heads[i].loss(&mut raw, &targets[i], rows, weight);
            let dx = stack.backward(p, traces, last.backward(p, last_trace, raw, grads), grads);
            d_hidden.iter_mut().zip(dx).for_each(|(d, x)| *d += x);
        }
        let dx = self.combiner.backward(p, &step.combiner, d_hidden, grads);
        self.encode_backward(data, rows, &dx, step, grads);
        loss
    }

    /// The inputs of some rows as `[rows, width]`.
    fn encode(
        &self,
        data: &Rows,
        rows: &[usize],
        mut training: Option<(&mut Random, &mut Step)>,
    ) -> Vec<f32> {
        let mut out = vec![0.0f32; rows.len() * self.width];
        if let Some((_, step)) = &mut training {
            step.encoders.resize_with(self.encoders.len(), Vec::new);
            step.masks.resize_with(self.encoders.len(), Vec::new);
        }
        let mut at = 0;
        for (i, ((encoder, width), feature)) in self.encoders.iter().zip(&data.features).enumerate() {
            let place = |row: usize| row * self.width + at..row * self.width + at + width;
            match (encoder, feature) {
                (Encoder::Number(stack), Feature::Number(v)) => {
                    let x: Vec<f32> = rows.iter().map(|r| v[*r]).collect();
                    let keep = training.as_mut().map(|(random, step)| (&mut **random, &mut step.encoders[i]));
                    let y = stack.forward(&self.parameters, x, keep);
                    y.chunks_exact(*width).enumerate().for_each(|(r, y)| out[place(r)].copy_from_slice(y));
                }
                (Encoder::OneHot, Feature::Category(codes)) => {
                    for (r, row) in rows.iter().enumerate() {
                        if let Some(code) = codes[*row].checked_sub(1) {
                            out[place(r)][code as usize] = 1.0;
                        }
                    }
                }
                (Encoder::Embed { table }, Feature::Category(codes)) => {
                    let table = self.parameters.of(table);
                    for (r, row) in rows.iter().enumerate() {
                        let code = codes[*row] as usize;
                        out[place(r)].copy_from_slice(&table[code * width..(code + 1) * width]);
                    }
                }
                (Encoder::Bag { table, mean, dropout }, Feature::Text(tokens)) => {
                    let table = self.parameters.of(table);
                    for (r, row) in rows.iter().enumerate() {
                        let ids = tokens.row(*row);
                        let share = if *mean { 1.0 / ids.len() as f32 } else { 1.0 };
                        let sum = &mut out[place(r)];
                        for id in ids {
                            let vector = &table[*id as usize * width..(*id as usize + 1) * width];
                            sum.iter_mut().zip(vector).for_each(|(s, v)| *s += share * v);
                        }
                    }
                    if let Some((random, step)) = training.as_mut().filter(|_| *dropout > 0.0) {
                        let mask = &mut step.masks[i];
                        mask.clear();
                        let kept = (1.0 / (1.0 - dropout)) as f32;
                        mask.extend(
                            (0..rows.len() * width)
                                .map(|_| if random.unit() < *dropout { 0.0 } else { kept }),
                        );
                        for (r, mask) in mask.chunks_exact(*width).enumerate() {
                            out[place(r)].iter_mut().zip(mask).for_each(|(x, m)| *x *= m);
                        }
                    }
                }
                _ => {}
            }
            at += width;
        }
        out
    }

    fn encode_backward(&self, data: &Rows, rows: &[usize], dx: &[f32], step: &Step, grads: &mut [f32]) {
        let mut at = 0;
        for (i, ((encoder, width), feature)) in self.encoders.iter().zip(&data.features).enumerate() {
            let part = |r: usize| &dx[r * self.width + at..r * self.width + at + width];
            match (encoder, feature) {
                (Encoder::Number(stack), _) if !stack.0.is_empty() => {
                    let dy: Vec<f32> = (0..rows.len()).flat_map(part).copied().collect();
                    stack.backward(&self.parameters, &step.encoders[i], dy, grads);
                }
                (Encoder::Embed { table }, Feature::Category(codes)) => {
                    let grads = &mut grads[table.range()];
                    for (r, row) in rows.iter().enumerate() {
                        let code = codes[*row] as usize;
                        add(&mut grads[code * width..(code + 1) * width], part(r), 1.0);
                    }
                }
                (Encoder::Bag { table, mean, dropout }, Feature::Text(tokens)) => {
                    let grads = &mut grads[table.range()];
                    for (r, row) in rows.iter().enumerate() {
                        let ids = tokens.row(*row);
                        let share = if *mean { 1.0 / ids.len() as f32 } else { 1.0 };
                        let mut d = part(r).to_vec();
                        if *dropout > 0.0 {
                            let mask = &step.masks[i][r * width..(r + 1) * width];
                            d.iter_mut().zip(mask).for_each(|(d, m)| *d *= m);
                        }
                        for id in ids {
                            add(&mut grads[*id as usize * width..(*id as usize + 1) * width], &d, share);
                        }
                    }
                }
                _ => {}
            }
            at += width;
        }
    }
}

fn add(to: &mut [f32], from: &[f32], share: f32) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += share * f);
}

/// An encoder with the width of what it gives.
fn encoder(
    p: &mut Parameters,
    name: &str,
    kind: &InputKind,
    fitted: &FittedInput,
    random: &mut Random,
) -> Result<(Encoder, usize)> {
    let name = format!("encoders.{name}");
    Ok(match (kind, fitted) {
        (InputKind::Number(_, dense) | InputKind::Binary(_, dense), _) => {
            let none = FcStack { layers: 0, size: 1, activation: Activation::Linear, dropout: 0.0 };
            let stack = Stack::new(p, &name, 1, dense.as_ref().unwrap_or(&none), random);
            let width = stack.outputs(1);
            (Encoder::Number(stack), width)
        }
        (InputKind::Category(_, CategoryEncoder::OneHot), FittedInput::Category(f)) => {
            (Encoder::OneHot, f.levels.len())
        }
        (InputKind::Category(_, CategoryEncoder::Dense(size)), FittedInput::Category(f)) => {
            let values = f.levels.len() + 1;
            let width = (*size).min(values);
            let table = p.add(&format!("{name}.embedding"), values, width, 0.1, random);
            (Encoder::Embed { table }, width)
        }
        (InputKind::Text(_, text), FittedInput::Text(f)) => {
            let width = text.embedding_size;
            let table = p.add(&format!("{name}.embedding"), f.vocab.len(), width, 0.1, random);
            (Encoder::Bag { table, mean: text.mean, dropout: text.dropout }, width)
        }
        _ => return Err(Error::internal(format!("{name}: configuration and preprocessing differ in type"))),
    })
}

fn head(kind: &OutputKind, fitted: &FittedOutput) -> Result<Head> {
    Ok(match (kind, fitted) {
        (OutputKind::Number(o), FittedOutput::Number { fitted, .. }) => {
            // Numbers are always learned in standard units, whatever scale the output keeps.
            let ends = [fitted.mean - fitted.std, fitted.mean + fitted.std].map(|x| fitted.normalize(x));
            let center = fitted.normalize(fitted.mean);
            let spread = (ends[1] - ends[0]).abs() / 2.0;
            let spread = if spread.is_finite() && spread > 0.0 { spread } else { 1.0 };
            Head::Number { loss: o.loss, center, spread }
        }
        (OutputKind::Binary(o), FittedOutput::Binary { .. }) => {
            Head::Binary(Loss::BceLogits { pos_weight: o.positive_weight as f32 })
        }
        (OutputKind::Category(_), FittedOutput::Category { fitted, .. }) => {
            Head::Category { classes: fitted.levels.len() }
        }
        _ => return Err(Error::internal("configuration and preprocessing of an output differ in type")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Raw;

    const CONFIG: &str = "
input_features:
  - {name: x, type: number, encoder: {type: dense, output_size: 3, activation: tanh}}
  - {name: k, type: category, encoder: {embedding_size: 2}}
  - {name: t, type: text, encoder: {type: embed, embedding_size: 4, reduce_output: mean}}
output_features:
  - {name: b, type: binary}
  - {name: c, type: category, loss: {weight: 0.5}, decoder: {num_fc_layers: 1, fc_output_size: 5, fc_activation: tanh}}
  - {name: n, type: number}
combiner: {type: concat, num_fc_layers: 2, output_size: 6, activation: tanh}
";

    /// The hand-written backward pass against differences of the loss, for every parameter.
    #[test]
    fn gradients_are_slopes() {
        let config = Config::parse(CONFIG, None).unwrap();
        let rows: Vec<lyceum_core::Value> = (0..12)
            .map(|i| {
                let (k, t, c) =
                    (["p", "q", "r"][i % 3], ["a b", "b c a", "c"][i % 3], ["u", "v", "w"][i * 5 % 3]);
                let (x, n) = ((i * 7 % 5) as f64, i as f64);
                let json = serde_json::json!({ "x": x, "k": k, "t": t, "b": i % 2 == 0, "c": c, "n": n });
                lyceum_core::Value::from_json(json)
            })
            .collect();
        let raw = Raw::from_value(&rows.into()).unwrap();
        let all: Vec<usize> = (0..12).collect();
        let prepared = Prepared::fit(&config, &raw, &all).unwrap();
        let crate::config::ModelConfig::Ecd { combiner, .. } = &config.model else { panic!() };
        let mut network = Network::new(&config, combiner, &prepared, 3).unwrap();
        let data = Rows::new(&prepared.encode(&raw).unwrap());
        let targets = network.targets(&prepared.wanted(&raw).unwrap(), &prepared);
        let loss = |n: &Network, grads: &mut [f32]| {
            n.step(&data, &targets, &all, &mut Random::new(1, 1), grads, &mut Step::default())
        };
        let mut grads = vec![0.0; network.size()];
        loss(&network, &mut grads);
        let mut unused = vec![0.0; network.size()];
        for (i, grad) in grads.iter().enumerate() {
            let old = network.parameters.values[i];
            let mut at = |x: f32| {
                network.parameters.values[i] = x;
                loss(&network, &mut unused)
            };
            let slope = (at(old + 1e-2) - at(old - 1e-2)) / 2e-2;
            network.parameters.values[i] = old;
            assert!((f64::from(*grad) - slope).abs() < 2e-3, "parameter {i}: {grad} for {slope}");
        }
    }
}
