//! Activations by name, and the gated unit silu(gate) · up of Llama's MLP (Shazeer 2020) as one operation.

use super::elementwise::{GRAIN, zip_pieces};
use super::{Tape, Tensor, Var};
use crate::kernels;

/// A function applied to each number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x, or slope · x below zero.
    LeakyRelu(f32),
    /// x, or e^x - 1 below zero.
    Elu,
    /// tanh x.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// x Φ(x), by the error function.
    Gelu,
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluTanh,
    /// ln(1 + e^x).
    Softplus,
}

impl Activation {
    /// By the name that PyTorch, Hugging Face or Ludwig give it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "relu" => Self::Relu,
            "leakyRelu" | "leaky_relu" => Self::LeakyRelu(0.01),
            "elu" => Self::Elu,
            "tanh" => Self::Tanh,
            "sigmoid" => Self::Sigmoid,
            "silu" | "swish" => Self::Silu,
            "gelu" => Self::Gelu,
            "gelu_tanh" | "gelu_new" | "gelu_pytorch_tanh" => Self::GeluTanh,
            "softplus" => Self::Softplus,
            _ => return None,
        })
    }

    /// Its value.
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Self::Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Silu => x * sigmoid(x),
            Self::Gelu => x * normal_cdf(x),
            Self::GeluTanh => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        }
    }

    /// Its derivative at x (at a kink, that of the left side).
    pub fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Self::Elu => {
                if x > 0.0 {
                    1.0
                } else {
                    x.exp()
                }
            }
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Self::Silu => silu_slope(x),
            Self::Gelu => {
                let density = (-0.5 * x * x).exp()
                    * (0.5 * std::f32::consts::FRAC_2_SQRT_PI / std::f32::consts::SQRT_2);
                normal_cdf(x) + x * density
            }
            Self::GeluTanh => {
                let t = gelu_inner(x).tanh();
                let inner = GELU_C * (1.0 + 3.0 * 0.044715 * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
            }
            Self::Softplus => sigmoid(x),
        }
    }
}

/// √(2/π).
const GELU_C: f32 = 0.797_884_6;

fn gelu_inner(x: f32) -> f32 {
    GELU_C * (x + 0.044715 * x * x * x)
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
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

    /// silu(gate) · up, of one shape.
    pub fn silu_gate(&mut self, gate: &Var, up: &Var) -> Var {
        let mut y = gate.value.clone();
        zip_pieces(self.pool, y.data_mut(), up.value.data(), kernels::silu_times);
        let (g_node, u_node, gate, up) = (gate.node, up.node, gate.value.clone(), up.value.clone());
        self.record(y, &[g_node, u_node], move |mut dy, grads| {
            let mut du = vec![0.0; dy.len()];
            let inputs: Vec<_> = gate.data().chunks(GRAIN).zip(up.data().chunks(GRAIN)).collect();
            let outputs = dy.data_mut().chunks_mut(GRAIN).zip(du.chunks_mut(GRAIN));
            let outputs: Vec<_> = outputs.map(std::sync::Mutex::new).collect();
            grads.pool.run(inputs.len(), |i| {
                if let (Some((gate, up)), Some(Ok(mut out))) =
                    (inputs.get(i), outputs.get(i).map(|o| o.lock()))
                {
                    let (d, du) = &mut *out;
                    kernels::silu_times_back(gate, up, d, du);
                }
            });
            drop(outputs);
            grads.add(u_node, Tensor::new(dy.shape().to_vec(), du));
            grads.add(g_node, dy);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_of_all() {
        use Activation::*;
        for f in [LeakyRelu(0.1), Elu, Tanh, Sigmoid, Silu, Gelu, GeluTanh, Softplus] {
            gradients(&[random(&[2, 6], 3)], |tape, v| tape.activate(&v[0], f));
        }
        gradients(&[random(&[2, 6], 3), random(&[2, 6], 4)], |tape, v| tape.silu_gate(&v[0], &v[1]));
    }
}
