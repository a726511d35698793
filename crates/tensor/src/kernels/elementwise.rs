//! What runs once an element: norms, activations, softmax, rotation. f32 throughout.

#![allow(clippy::indexing_slicing, reason = "lanes of arrays of a constant size")]

use super::wherever;

const LANES: usize = 16;

/// e^x with a relative error under 3e-7, by 2^n times a polynomial of the rest; 0 below -87, finite above 88.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let t = x * std::f32::consts::LOG2_E + ROUND;
    let n = t - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = (t.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32 - 127) << 23;
    f32::from_bits(power as u32) * p
}

#[inline(always)]
fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for c in chunks {
        for i in 0..LANES {
            lanes[i] += f(c[i]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| f(*x)).sum::<f32>()
}

#[inline(always)]
fn dot_of(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

#[inline(always)]
fn max_of(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for c in chunks {
        for i in 0..LANES {
            lanes[i] = if c[i] > lanes[i] { c[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

wherever! {
    /// The largest number; minus infinity of none.
    pub fn max(x: &[f32]) -> f32 {
        max_of(x)
    }
}

wherever! {
    /// `out = w · x · s` with s = 1 / √(mean x² + eps), which is returned.
    pub fn rms_norm(x: &[f32], w: &[f32], eps: f32, out: &mut [f32]) -> f32 {
        let mean = sum_of(x, |x| x * x) / x.len() as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for ((o, x), w) in out.iter_mut().zip(x).zip(w) {
            *o = x * scale * w;
        }
        scale
    }
}

wherever! {
    /// `out += x`.
    pub fn add(out: &mut [f32], x: &[f32]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o += x;
        }
    }
}

wherever! {
    /// `out += s · x`.
    pub fn add_scaled(out: &mut [f32], s: f32, x: &[f32]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o += s * x;
        }
    }
}

wherever! {
    /// `gate = silu(gate) · up`, with silu(x) = x / (1 + e^-x).
    pub fn silu_times(gate: &mut [f32], up: &[f32]) {
        for (g, u) in gate.iter_mut().zip(up) {
            *g = *g / (1.0 + exp(-*g)) * u;
        }
    }
}

/// tanh x as (1 - e^(-2|x|)) / (1 + e^(-2|x|)) with the sign of x.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

wherever! {
    /// `gate = gelu(gate) · up`, with gelu(x) = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 (Hendrycks and Gimpel 2016).
    pub fn gelu_tanh_times(gate: &mut [f32], up: &[f32]) {
        for (g, u) in gate.iter_mut().zip(up) {
            let x = *g;
            *g = 0.5 * x * (1.0 + tanh(0.797_884_6 * (x + 0.044_715 * x * x * x))) * u;
        }
    }
}

wherever! {
    /// `x = cap · tanh(x / cap)`.
    pub fn soft_cap(x: &mut [f32], cap: f32) {
        for x in x {
            *x = cap * tanh(*x / cap);
        }
    }
}

wherever! {
    /// The gradients of [`silu_times`]: with the gradient `d` of its output, `d = d · up · silu'(gate)` (towards the
    /// gate) and `du = d · silu(gate)` (towards up).
    pub fn silu_times_back(gate: &[f32], up: &[f32], d: &mut [f32], du: &mut [f32]) {
        for (((g, u), d), du) in gate.iter().zip(up).zip(d).zip(du) {
            let s = 1.0 / (1.0 + exp(-*g));
            *du = *d * g * s;
            *d *= u * s * (1.0 + g * (1.0 - s));
        }
    }
}

wherever! {
    /// The backward of one row of softmax attention: with scores `p`, their log-sum, the gradient `ds` of the
    /// probabilities and δ = Σ p ds: `p = e^(p · scale - sum)`, `ds = p (ds - δ) · scale`.
    pub fn softmax_back(p: &mut [f32], ds: &mut [f32], scale: f32, sum: f32, delta: f32) {
        for (p, ds) in p.iter_mut().zip(ds) {
            *p = exp(*p * scale - sum);
            *ds = *p * (*ds - delta) * scale;
        }
    }
}

wherever! {
    /// `x = c · softmax(s · x)`; the logarithm of the sum of e^(s · x) is returned.
    pub fn softmax_scaled(x: &mut [f32], s: f32, c: f32) -> f32 {
        let most = max_of(x) * s;
        for x in x.iter_mut() {
            *x = exp(*x * s - most);
        }
        let sum = sum_of(x, |x| x);
        let by = c / sum;
        for x in x.iter_mut() {
            *x *= by;
        }
        most + sum.ln()
    }
}

wherever! {
    /// The backward of [`rms_norm`] for one row: with h = x · scale and g = dy · w: `dy = scale (g - h mean(g h))`,
    /// `dw += dy · h`. Returns nothing else; `scale` is 1 / √(mean x² + ε).
    pub fn rms_norm_back(x: &[f32], w: &[f32], scale: f32, dy: &mut [f32], dw: &mut [f32]) {
        for (((g, x), w), dw) in dy.iter_mut().zip(x).zip(w).zip(dw) {
            *dw += *g * x * scale;
            *g *= w;
        }
        let pull = dot_of(dy, x) * scale * scale / x.len() as f32;
        for (g, x) in dy.iter_mut().zip(x) {
            *g = scale * (*g - x * pull);
        }
    }
}

wherever! {
    /// `x = e^(x - shift)`; their sum is returned.
    pub fn exp_all(x: &mut [f32], shift: f32) -> f32 {
        for x in x.iter_mut() {
            *x = exp(*x - shift);
        }
        sum_of(x, |x| x)
    }
}

/// `x = softmax(x)`; minus infinity becomes 0.
pub fn softmax(x: &mut [f32]) {
    let most = max(x);
    if most == f32::NEG_INFINITY {
        return;
    }
    let sum = exp_all(x, most);
    scale(x, 1.0 / sum);
}

wherever! {
    /// `x *= s`.
    fn scale(x: &mut [f32], s: f32) {
        for x in x.iter_mut() {
            *x *= s;
        }
    }
}

wherever! {
    /// ln Σ e^x.
    pub fn log_sum_exp(x: &[f32]) -> f32 {
        let most = max_of(x);
        most + sum_of(x, |x| exp(x - most)).ln()
    }
}

/// Index of the largest number, the lowest of equals; 0 of none.
pub fn argmax(x: &[f32]) -> usize {
    let most = max(x);
    x.iter().position(|x| *x >= most).unwrap_or(0)
}

wherever! {
    /// Rotates pairs of split halves: with halves (a, b), (a cos - b sin, b cos + a sin). `x` holds heads of `head`
    /// numbers, of which the first `2 · cos.len()` are rotated.
    pub fn rotate_halves(x: &mut [f32], head: usize, cos: &[f32], sin: &[f32]) {
        for x in x.chunks_exact_mut(head) {
            let (a, b) = x.split_at_mut(cos.len());
            for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                let (u, v) = (*a, *b);
                *a = u * cos - v * sin;
                *b = v * cos + u * sin;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got - want).abs() <= 3e-7 * want, "{x}: {got} is not {want}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(200.0).is_finite());
    }

    #[test]
    fn softmax_and_its_logarithm_agree() {
        let x: Vec<f32> = (0..1001).map(|i| ((i * 37) % 101) as f32 / 7.0).collect();
        let mut p = x.clone();
        softmax(&mut p);
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let z = log_sum_exp(&x);
        assert!((p[3].ln() - (x[3] - z)).abs() < 1e-4);
        assert_eq!(argmax(&x), x.iter().position(|v| *v == max(&x)).unwrap());
    }
}
