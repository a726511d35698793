//! Rotary position embedding: the frequencies of every scaling in use.
//! Sources: RoFormer (Su et al. 2021), YaRN (Peng et al. 2023), LongRoPE (Ding et al. 2024), Llama 3.1's model card.

use std::f64::consts::PI;

/// How the frequencies are stretched for longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// Divided by `factor`.
    Linear {
        /// Times the trained context.
        factor: f64,
    },
    /// The base grows with the sequence's length.
    Dynamic {
        /// Times the trained context.
        factor: f64,
    },
    /// Long waves are divided, short ones kept.
    Llama3 {
        /// Times the trained context.
        factor: f64,
        /// Waves longer than `original / low` are divided.
        low: f64,
        /// Waves shorter than `original / high` are kept.
        high: f64,
        /// The trained context.
        original: f64,
    },
    /// Interpolated by a ramp over the dimensions.
    Yarn(Yarn),
    /// A factor for each dimension.
    LongRope(LongRope),
    /// A divisor for each frequency, as GGUF's `rope_freqs` has them.
    Divisors(Vec<f32>),
}

/// Parameters of YaRN.
#[derive(Debug, Clone, PartialEq)]
pub struct Yarn {
    /// Times the trained context.
    pub factor: f64,
    /// The trained context.
    pub original: f64,
    /// Rotations above which a dimension is kept.
    pub beta_fast: f64,
    /// Rotations below which a dimension is interpolated.
    pub beta_slow: f64,
    /// Scale of cos and sin, resolved from the config.
    pub attention_factor: f64,
}

/// Parameters of LongRoPE.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRope {
    /// Divisors up to the trained context.
    pub short: Vec<f64>,
    /// Divisors beyond it.
    pub long: Vec<f64>,
    /// The trained context.
    pub original: f64,
    /// Scale of cos and sin, resolved from the config.
    pub attention_factor: f64,
}

/// Rotary embedding of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeSpec {
    /// Base of the wavelengths.
    pub theta: f64,
    /// Rotated dimensions of a head (all of them, unless partial).
    pub dim: usize,
    /// Longest position of the model.
    pub max_position: usize,
    /// How it is stretched.
    pub scaling: Scaling,
}

/// What rotates: position p turns pair j by the angle `p * inv_freq[j]`; cos and sin are multiplied by
/// `attention_factor`. Pairs are split halves: (x[j], x[j + dim/2]).
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies {
    /// `dim / 2` angular frequencies, radians per position.
    pub inv_freq: Vec<f32>,
    /// Scale of cos and sin; 1 in most models.
    pub attention_factor: f32,
}

impl RopeSpec {
    /// Whether the frequencies depend on the sequence's length.
    pub fn depends_on_length(&self) -> bool {
        matches!(self.scaling, Scaling::Dynamic { .. } | Scaling::LongRope(_))
    }

    /// Frequencies for a sequence of `length` tokens in total.
    pub fn frequencies(&self, length: usize) -> Frequencies {
        let base = self.plain(self.theta);
        let (inv, attention_factor) = match &self.scaling {
            Scaling::None => (base, 1.0),
            Scaling::Linear { factor } => (base.iter().map(|f| f / factor).collect(), 1.0),
            Scaling::Dynamic { factor } => (self.plain(self.dynamic_theta(*factor, length)), 1.0),
            Scaling::Llama3 { factor, low, high, original } => {
                (base.iter().map(|f| llama3(*f, *factor, *low, *high, *original)).collect(), 1.0)
            }
            Scaling::Yarn(y) => (self.yarn(&base, y), y.attention_factor),
            Scaling::LongRope(l) => {
                let divisors = if length as f64 > l.original { &l.long } else { &l.short };
                (base.iter().zip(divisors).map(|(f, d)| f / d).collect(), l.attention_factor)
            }
            Scaling::Divisors(d) => (base.iter().zip(d).map(|(f, d)| f / f64::from(*d)).collect(), 1.0),
        };
        Frequencies {
            inv_freq: inv.iter().map(|f: &f64| *f as f32).collect(),
            attention_factor: attention_factor as f32,
        }
    }

    fn plain(&self, theta: f64) -> Vec<f64> {
        (0..self.dim / 2).map(|j| theta.powf(-2.0 * j as f64 / self.dim as f64)).collect()
    }

    fn dynamic_theta(&self, factor: f64, length: usize) -> f64 {
        let most = self.max_position as f64;
        let length = (length as f64).max(most);
        let d = self.dim as f64;
        self.theta * (factor * length / most - (factor - 1.0)).powf(d / (d - 2.0))
    }

    fn yarn(&self, base: &[f64], y: &Yarn) -> Vec<f64> {
        let d = self.dim as f64;
        let dimension =
            |rotations: f64| d * (y.original / (2.0 * PI * rotations)).ln() / (2.0 * self.theta.ln());
        let low = dimension(y.beta_fast).floor().clamp(0.0, d - 1.0);
        let mut high = dimension(y.beta_slow).ceil().clamp(0.0, d - 1.0);
        if low == high {
            high += 0.001;
        }
        let ramp = |j: usize| ((j as f64 - low) / (high - low)).clamp(0.0, 1.0);
        base.iter().enumerate().map(|(j, f)| f / y.factor * ramp(j) + f * (1.0 - ramp(j))).collect()
    }
}

fn llama3(f: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wave = 2.0 * PI / f;
    if wave < original / high {
        f
    } else if wave > original / low {
        f / factor
    } else {
        let s = (original / wave - low) / (high - low);
        (1.0 - s) * f / factor + s * f
    }
}
