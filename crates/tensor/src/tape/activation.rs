//! Activations by name: the scalar definition of each and its derivative, and their operation on the tape.

use super::elementwise::zip_pieces;
use super::{Tape, Var};
use lyceum_core::{Error, Result};

/// A function applied to each number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// x.
    Linear,
    /// max(0, x).
    Relu,
    /// Between 0 and 6.
    Relu6,
    /// x, or slope · x below zero. A learned slope (PReLU) begins at 0.25.
    LeakyRelu(f32),
    /// x, or a (e^x - 1) below zero (Clevert et al. 2016).
    Elu(f32),
    /// x, or a (e^(x/a) - 1) below zero (Barron 2017).
    Celu(f32),
    /// 1.0507 · ELU with a = 1.6733 (Klambauer et al. 2017).
    Selu,
    /// tanh x.
    Tanh,
    /// x - tanh x.
    Tanhshrink,
    /// Between -1 and 1.
    Hardtanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// ln sigmoid(x).
    LogSigmoid,
    /// (x + 3) / 6 between 0 and 1.
    HardSigmoid,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// x · hard_sigmoid(x) (Howard et al. 2019).
    HardSwish,
    /// x tanh(softplus x) (Misra 2019).
    Mish,
    /// x Φ(x), by the error function (Hendrycks & Gimpel 2016).
    Gelu,
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluTanh,
    /// x · sigmoid(1.702 x).
    QuickGelu,
    /// ln(1 + e^(βx)) / β.
    Softplus(f32),
    /// x / (1 + |x|).
    Softsign,
    /// x, or 0 within ±λ.
    Hardshrink(f32),
    /// x moved towards 0 by λ, 0 within ±λ.
    Softshrink(f32),
}

/// The constants of SELU.
const SELU: (f32, f32) = (1.050_701, 1.673_263_2);

impl Activation {
    /// Names that [`Activation::from_name`] takes, besides a few other spellings.
    pub const NAMES: [&str; 23] = [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "tanh",
        "tanhshrink",
        "hardtanh",
        "sigmoid",
        "logsigmoid",
        "hard_sigmoid",
        "silu",
        "hard_swish",
        "mish",
        "gelu",
        "gelu_tanh",
        "quick_gelu",
        "softplus",
        "softsign",
        "hardshrink",
        "softshrink",
    ];

    /// By the name that PyTorch, Hugging Face or Ludwig give it, with PyTorch's constants.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "linear" | "identity" | "none" => Self::Linear,
            "relu" => Self::Relu,
            "relu6" => Self::Relu6,
            "leaky_relu" | "leakyRelu" => Self::LeakyRelu(0.01),
            "elu" => Self::Elu(1.0),
            "celu" => Self::Celu(1.0),
            "selu" => Self::Selu,
            "tanh" => Self::Tanh,
            "tanhshrink" => Self::Tanhshrink,
            "hardtanh" => Self::Hardtanh,
            "sigmoid" => Self::Sigmoid,
            "logsigmoid" | "logSigmoid" => Self::LogSigmoid,
            "hard_sigmoid" | "hardsigmoid" => Self::HardSigmoid,
            "silu" | "swish" => Self::Silu,
            "hard_swish" | "hardswish" => Self::HardSwish,
            "mish" => Self::Mish,
            "gelu" | "gelu_erf" => Self::Gelu,
            "gelu_tanh" | "gelu_new" | "gelu_pytorch_tanh" => Self::GeluTanh,
            "quick_gelu" => Self::QuickGelu,
            "softplus" => Self::Softplus(1.0),
            "softsign" => Self::Softsign,
            "hardshrink" => Self::Hardshrink(0.5),
            "softshrink" => Self::Softshrink(0.5),
            _ => {
                let known = Self::NAMES.join(", ");
                return Err(Error::invalid(format!("activation `{name}` is not known; known are {known}"))
                    .did_you_mean(name, Self::NAMES));
            }
        })
    }

    /// Its value.
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Linear => x,
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu(slope) => x.max(0.0) + slope * x.min(0.0),
            Self::Elu(a) => x.max(0.0) + a * x.min(0.0).exp_m1(),
            Self::Celu(a) => x.max(0.0) + a * (x.min(0.0) / a).exp_m1(),
            Self::Selu => SELU.0 * (x.max(0.0) + SELU.1 * x.min(0.0).exp_m1()),
            Self::Tanh => x.tanh(),
            Self::Tanhshrink => x - x.tanh(),
            Self::Hardtanh => x.clamp(-1.0, 1.0),
            Self::Sigmoid => sigmoid(x),
            Self::LogSigmoid => -softplus(-x),
            Self::HardSigmoid => hard_sigmoid(x),
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => x * hard_sigmoid(x),
            Self::Mish => x * softplus(x).tanh(),
            Self::Gelu => x * normal_cdf(x),
            Self::GeluTanh => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
            Self::QuickGelu => x * sigmoid(1.702 * x),
            Self::Softplus(beta) => softplus(beta * x) / beta,
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Hardshrink(lambda) => x * one_if(x.abs() > lambda),
            Self::Softshrink(lambda) => x - x.clamp(-lambda, lambda),
        }
    }

    /// Its derivative at x; at a kink, that of the flat or left side, as PyTorch has it.
    pub fn slope(self, x: f32) -> f32 {
        let (up, down) = (one_if(x > 0.0), one_if(x <= 0.0));
        match self {
            Self::Linear => 1.0,
            Self::Relu => up,
            Self::Relu6 => one_if(x > 0.0 && x < 6.0),
            Self::LeakyRelu(slope) => up + down * slope,
            Self::Elu(a) => up + down * a * x.min(0.0).exp(),
            Self::Celu(a) => up + down * (x.min(0.0) / a).exp(),
            Self::Selu => SELU.0 * (up + down * SELU.1 * x.min(0.0).exp()),
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Tanhshrink => x.tanh().powi(2),
            Self::Hardtanh => one_if(x > -1.0 && x < 1.0),
            Self::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Self::LogSigmoid => sigmoid(-x),
            Self::HardSigmoid => one_if(x > -3.0 && x < 3.0) / 6.0,
            Self::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Self::HardSwish => one_if(x >= 3.0) + one_if(x > -3.0 && x < 3.0) * (x / 3.0 + 0.5),
            Self::Mish => {
                let t = softplus(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            Self::Gelu => normal_cdf(x) + x * INVERSE_ROOT_TAU * (-0.5 * x * x).exp(),
            Self::GeluTanh => {
                let t = gelu_inner(x).tanh();
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * GELU_C * (1.0 + 3.0 * 0.044715 * x * x)
            }
            Self::QuickGelu => {
                let s = sigmoid(1.702 * x);
                s * (1.0 + 1.702 * x * (1.0 - s))
            }
            Self::Softplus(beta) => sigmoid(beta * x),
            Self::Softsign => 1.0 / (1.0 + x.abs()).powi(2),
            Self::Hardshrink(lambda) | Self::Softshrink(lambda) => one_if(x.abs() > lambda),
        }
    }
}

/// √(2/π).
const GELU_C: f32 = 0.797_884_6;
/// 1 / √(2π), the normal density at 0.
const INVERSE_ROOT_TAU: f32 = 0.398_942_3;

fn gelu_inner(x: f32) -> f32 {
    GELU_C * (x + 0.044715 * x * x * x)
}

fn one_if(condition: bool) -> f32 {
    f32::from(u8::from(condition))
}

/// 1 / (1 + e^-x).
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + e^x), without overflow.
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn hard_sigmoid(x: f32) -> f32 {
    ((x + 3.0) / 6.0).clamp(0.0, 1.0)
}

/// Φ(x) by a rational Chebyshev approximation of erfc with relative error below 1.2e-7 (Press et al., Numerical
/// Recipes, section 6.2), in f64.
fn normal_cdf(x: f32) -> f32 {
    let z = f64::from(x).abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    const C: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let poly = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let half_erfc = 0.5 * t * (-z * z + poly).exp();
    (if x < 0.0 { half_erfc } else { 1.0 - half_erfc }) as f32
}

impl Tape<'_> {
    /// f(x), number by number.
    pub fn activate(&mut self, x: &Var, f: Activation) -> Var {
        let mut y = x.value.clone();
        zip_pieces(self.pool, y.data_mut(), x.value.data(), |y, x| {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = f.value(*x));
        });
        let (node, x) = (x.node, x.value.clone());
        self.record(y, &[node], move |mut dy, grads| {
            zip_pieces(grads.pool, dy.data_mut(), x.data(), |dy, x| {
                dy.iter_mut().zip(x).for_each(|(dy, x)| *dy *= f.slope(*x));
            });
            grads.add(node, dy);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_of_smooth_ones() {
        use Activation::*;
        let all = [
            Linear,
            Elu(1.0),
            Celu(1.5),
            Tanh,
            Tanhshrink,
            Sigmoid,
            LogSigmoid,
            HardSigmoid,
            Silu,
            HardSwish,
            Mish,
            Gelu,
            GeluTanh,
            QuickGelu,
            Softplus(1.0),
            Softplus(2.0),
            Softsign,
        ];
        for f in all {
            gradients(&[random(&[2, 6], 3)], |tape, v| tape.activate(&v[0], f));
        }
    }

    #[test]
    fn every_name_is_taken_and_an_unknown_one_gets_the_nearest() {
        for name in Activation::NAMES {
            assert!(Activation::from_name(name).is_ok(), "{name}");
        }
        let e = Activation::from_name("gelu_tan").unwrap_err().to_string();
        assert!(e.contains("did you mean `gelu_tanh`?"), "{e}");
    }
}
