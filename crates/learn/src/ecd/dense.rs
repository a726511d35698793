//! Dense layers: `y = dropout(f(x W + b))`, and their gradients.
#![allow(clippy::indexing_slicing, reason = "all slices have the shapes that the layer was made with")]

use super::parameters::{Parameters, Slot};
use crate::config::FcStack;
use lyceum_data::Random;
use lyceum_tensor::tape::Activation;
use lyceum_tensor::{Pool, View, gemm};

/// One layer; `x` is `[rows, inputs]`, `W` `[inputs, outputs]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dense {
    weight: Slot,
    bias: Slot,
    inputs: usize,
    pub(super) outputs: usize,
    activation: Activation,
    dropout: f64,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    x: Vec<f32>,
    /// Before the activation.
    z: Vec<f32>,
    /// 0 where dropped, else 1 / (1 - dropout); empty without dropout.
    mask: Vec<f32>,
}

impl Dense {
    /// A layer with Glorot's uniform weights and no bias.
    pub(super) fn new(
        p: &mut Parameters,
        name: &str,
        inputs: usize,
        fc: &FcStack,
        random: &mut Random,
    ) -> Self {
        let bound = (6.0 / (inputs + fc.size) as f64).sqrt();
        Self {
            weight: p.add(&format!("{name}.weight"), inputs, fc.size, bound, random),
            bias: p.add(&format!("{name}.bias"), 1, fc.size, 0.0, random),
            inputs,
            outputs: fc.size,
            activation: fc.activation,
            dropout: fc.dropout,
        }
    }

    /// Outputs of some rows. With a generator, rows are being trained on: dropout applies and a trace is kept.
    pub(super) fn forward(
        &self,
        p: &Parameters,
        x: Vec<f32>,
        training: Option<(&mut Random, &mut Trace)>,
    ) -> Vec<f32> {
        let rows = x.len() / self.inputs.max(1);
        let mut z = vec![0.0f32; rows * self.outputs];
        let bias = p.of(&self.bias);
        z.chunks_exact_mut(self.outputs).for_each(|row| row.copy_from_slice(bias));
        let w = View::new(p.of(&self.weight), self.outputs);
        let shape = (rows, self.outputs, self.inputs);
        gemm(Pool::global(), shape, View::new(&x, self.inputs), w, &mut z, self.outputs, true);
        let mut y = z.clone();
        y.iter_mut().for_each(|v| *v = self.activation.value(*v));
        if let Some((random, trace)) = training {
            trace.mask.clear();
            if self.dropout > 0.0 {
                let kept = (1.0 / (1.0 - self.dropout)) as f32;
                trace.mask.extend(y.iter().map(|_| if random.unit() < self.dropout { 0.0 } else { kept }));
                y.iter_mut().zip(&trace.mask).for_each(|(y, m)| *y *= m);
            }
            trace.x = x;
            trace.z = z;
        }
        y
    }

    /// Adds this layer's gradients to `grads` and gives the gradient of its inputs.
    pub(super) fn backward(
        &self,
        p: &Parameters,
        trace: &Trace,
        mut dy: Vec<f32>,
        grads: &mut [f32],
    ) -> Vec<f32> {
        let rows = trace.x.len() / self.inputs.max(1);
        if !trace.mask.is_empty() {
            dy.iter_mut().zip(&trace.mask).for_each(|(d, m)| *d *= m);
        }
        dy.iter_mut().zip(&trace.z).for_each(|(d, z)| *d *= self.activation.slope(*z));
        let bias = &mut grads[self.bias.range()];
        for row in dy.chunks_exact(self.outputs) {
            bias.iter_mut().zip(row).for_each(|(b, d)| *b += d);
        }
        let (x, d) = (View::new(&trace.x, self.inputs).t(), View::new(&dy, self.outputs));
        let weight = &mut grads[self.weight.range()];
        gemm(Pool::global(), (self.inputs, self.outputs, rows), x, d, weight, self.outputs, true);
        let mut dx = vec![0.0f32; rows * self.inputs];
        let w = View::new(p.of(&self.weight), self.outputs).t();
        gemm(Pool::global(), (rows, self.inputs, self.outputs), d, w, &mut dx, self.inputs, false);
        dx
    }
}

/// Layers one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Stack(pub(super) Vec<Dense>);

impl Stack {
    pub(super) fn new(
        p: &mut Parameters,
        name: &str,
        inputs: usize,
        fc: &FcStack,
        random: &mut Random,
    ) -> Self {
        let mut layers = Vec::new();
        for i in 0..fc.layers {
            let width = if i == 0 { inputs } else { fc.size };
            layers.push(Dense::new(p, &format!("{name}.{i}"), width, fc, random));
        }
        Self(layers)
    }

    /// Width of what comes out for a width that goes in.
    pub(super) fn outputs(&self, inputs: usize) -> usize {
        self.0.last().map_or(inputs, |l| l.outputs)
    }

    pub(super) fn forward(
        &self,
        p: &Parameters,
        x: Vec<f32>,
        training: Option<(&mut Random, &mut Vec<Trace>)>,
    ) -> Vec<f32> {
        match training {
            None => self.0.iter().fold(x, |x, layer| layer.forward(p, x, None)),
            Some((random, traces)) => {
                traces.resize_with(self.0.len(), Trace::default);
                self.0
                    .iter()
                    .zip(traces)
                    .fold(x, |x, (layer, trace)| layer.forward(p, x, Some((&mut *random, trace))))
            }
        }
    }

    pub(super) fn backward(
        &self,
        p: &Parameters,
        traces: &[Trace],
        dy: Vec<f32>,
        grads: &mut [f32],
    ) -> Vec<f32> {
        self.0.iter().zip(traces).rev().fold(dy, |dy, (layer, trace)| layer.backward(p, trace, dy, grads))
    }
}
