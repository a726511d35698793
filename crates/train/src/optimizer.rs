//! Optimisers by the names and defaults of PyTorch. Each is its published update rule, number by number; t counts
//! steps from 1.

use crate::{Parameter, Parameters};
use lyceum_core::{Error, Result};
use lyceum_tensor::tape::Tensor;
use serde::{Deserialize, Serialize};

mod rules;

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent, with momentum, dampening and Nesterov's look-ahead.
    Sgd,
    /// Kingma & Ba 2015; weight decay is added to the gradient.
    Adam,
    /// Loshchilov & Hutter 2019; weight decay apart from the gradient.
    Adamw,
    /// Adam with the infinity norm.
    Adamax,
    /// Adam with Nesterov's momentum (Dozat 2016), momentum decay 0.004.
    Nadam,
    /// Rectified Adam (Liu et al. 2020).
    Radam,
    /// Duchi et al. 2011.
    Adagrad,
    /// Zeiler 2012.
    Adadelta,
    /// Tieleman & Hinton 2012.
    Rmsprop,
    /// Chen et al. 2023.
    Lion,
    /// You et al. 2020, trust ratio not clamped.
    Lamb,
}

impl OptimizerKind {
    /// All names.
    pub const NAMES: [&str; 11] = [
        "sgd", "adam", "adamw", "adamax", "nadam", "radam", "adagrad", "adadelta", "rmsprop", "lion", "lamb",
    ];

    /// By name; the suffix `_8bit` and the prefix `paged_`, memory variants of the same mathematics, are taken too.
    pub fn from_name(name: &str) -> Result<Self> {
        let plain = name.strip_prefix("paged_").unwrap_or(name);
        let plain = plain.strip_suffix("_8bit").unwrap_or(plain);
        serde_json::from_value(serde_json::Value::String(plain.to_string())).map_err(|_| {
            Error::invalid(format!("optimizer `{name}` is not known; known are {}", Self::NAMES.join(", ")))
                .did_you_mean(plain, Self::NAMES)
        })
    }
}

/// An update rule with its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// The rule.
    pub kind: OptimizerKind,
    /// Decay of the mean of gradients (Adam family, Lion), in [0, 1).
    pub beta1: f32,
    /// Decay of the mean of squares; RMSprop's alpha, Adadelta's rho.
    pub beta2: f32,
    /// Added to the denominator.
    pub eps: f32,
    /// Weight decay, from 0.
    pub weight_decay: f32,
    /// Momentum of SGD and RMSprop, in [0, 1).
    pub momentum: f32,
    /// Dampening of SGD's momentum.
    pub dampening: f32,
    /// Nesterov's variant of SGD.
    pub nesterov: bool,
}

impl Optimizer {
    /// The rule with PyTorch's (Lion's and LAMB's authors') default constants.
    pub fn new(kind: OptimizerKind) -> Self {
        use OptimizerKind::*;
        let (beta2, eps) = match kind {
            Lion => (0.99, 0.0),
            Lamb => (0.999, 1e-6),
            Rmsprop => (0.99, 1e-8),
            Adadelta => (0.9, 1e-6),
            Adagrad => (0.0, 1e-10),
            _ => (0.999, 1e-8),
        };
        let weight_decay = if kind == Adamw { 0.01 } else { 0.0 };
        Self { kind, beta1: 0.9, beta2, eps, weight_decay, momentum: 0.0, dampening: 0.0, nesterov: false }
    }

    /// One update of every parameter that has a gradient. `step` counts from 1.
    pub fn step(&self, parameters: &mut Parameters, grads: Vec<Option<Tensor>>, lr: f32, step: u64) {
        for (parameter, grad) in parameters.0.iter_mut().zip(grads) {
            if let Some(grad) = grad {
                self.update(parameter, grad.into_vec(), lr, step as f32);
            }
        }
    }

    fn update(&self, p: &mut Parameter, mut g: Vec<f32>, lr: f32, t: f32) {
        use OptimizerKind::*;
        let decay = if p.decays { self.weight_decay } else { 0.0 };
        let n = p.value.len();
        let memory = match self.kind {
            Sgd => 1,
            Adadelta | Adam | Adamw | Adamax | Nadam | Radam | Lamb | Rmsprop => 2,
            Adagrad | Lion => 1,
        };
        let fresh = p.moments.is_empty();
        p.moments.resize_with(memory, || vec![0.0; n]);
        let w = p.value.data_mut();
        match self.kind {
            Adamw | Lion => w.iter_mut().for_each(|w| *w *= 1.0 - lr * decay),
            Lamb => {}
            _ if decay > 0.0 => g.iter_mut().zip(w.iter()).for_each(|(g, w)| *g += decay * w),
            _ => {}
        }
        match self.kind {
            Sgd => self.sgd(w, &g, &mut p.moments, lr, fresh),
            Adam | Adamw => self.adam(w, &g, &mut p.moments, lr, t),
            Adamax => self.adamax(w, &g, &mut p.moments, lr, t),
            Nadam => self.nadam(w, &g, &mut p.moments, lr, t),
            Radam => self.radam(w, &g, &mut p.moments, lr, t),
            Adagrad => self.adagrad(w, &g, &mut p.moments, lr),
            Adadelta => self.adadelta(w, &g, &mut p.moments, lr),
            Rmsprop => self.rmsprop(w, &g, &mut p.moments, lr),
            Lion => self.lion(w, &g, &mut p.moments, lr),
            Lamb => self.lamb(w, &g, &mut p.moments, lr, t, decay),
        }
    }
}
