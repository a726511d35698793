//! Learning rate by step, counted from 0: a linear warm-up, then a decay by name.

use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What follows the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stays.
    Constant,
    /// In a straight line to 0 at the end.
    Linear,
    /// Half a cosine to 0 at the end (Loshchilov & Hutter 2017).
    Cosine,
    /// 1 / √(steps), continuing from the warm-up (Vaswani et al. 2017).
    InverseSqrt,
    /// Stays for the first 80 %, then in a straight line to 0 (warm-up, stable, decay).
    Wsd,
}

impl Decay {
    /// All names.
    pub const NAMES: [&str; 5] = ["constant", "linear", "cosine", "inverse_sqrt", "wsd"];

    /// By name.
    pub fn from_name(name: &str) -> Result<Self> {
        serde_json::from_value(serde_json::Value::String(name.to_string())).map_err(|_| {
            Error::invalid(format!("schedule `{name}` is not known; known are {}", Self::NAMES.join(", ")))
                .did_you_mean(name, Self::NAMES)
        })
    }
}

/// A warm-up and a decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rate that the warm-up reaches.
    pub peak: f64,
    /// Steps of the warm-up; the rate at step s of it is peak · s / warmup.
    pub warmup: u64,
    /// Steps in all.
    pub total: u64,
    /// What follows.
    pub decay: Decay,
}

impl Schedule {
    /// The rate at a step.
    pub fn at(&self, step: u64) -> f64 {
        let (s, warmup) = (step as f64, self.warmup as f64);
        if step < self.warmup {
            return self.peak * s / warmup.max(1.0);
        }
        let through = ((s - warmup) / (self.total as f64 - warmup).max(1.0)).clamp(0.0, 1.0);
        self.peak
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => 1.0 - through,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * through).cos()),
                Decay::InverseSqrt => {
                    let scale = warmup.max(1.0);
                    1.0 / ((s + scale - warmup.min(scale)).max(1.0) / scale).sqrt()
                }
                Decay::Wsd => ((1.0 - through) / 0.2).min(1.0),
            }
    }
}
