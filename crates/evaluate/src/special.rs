//! The few special functions that intervals need: the normal and Student distributions, to about 1e-12.

/// Φ(x), the standard normal distribution function.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    // Φ(x) = P(1/2, x²/2) folded at 0, through the incomplete gamma function.
    let tail = 0.5 * upper_gamma_half(x * x / 2.0);
    if x >= 0.0 { 1.0 - tail } else { tail }
}

/// Q(1/2, x) = erfc(√x): series below 1.5, continued fraction (modified Lentz) above.
fn upper_gamma_half(x: f64) -> f64 {
    let a = 0.5;
    let scale = (-x).exp() * x.sqrt() / std::f64::consts::PI.sqrt();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return 1.0 - sum * scale;
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
    let mut h = d;
    for i in 1..500 {
        let an = -f64::from(i) * (f64::from(i) - a);
        b += 2.0;
        d = 1.0 / nonzero(an * d + b);
        c = nonzero(b + an / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    scale * h
}

fn nonzero(x: f64) -> f64 {
    if x.abs() < 1e-300 { 1e-300 } else { x }
}

/// Φ⁻¹(p) for p in (0, 1); infinite at the ends.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    invert(p, normal_cdf)
}

/// The quantile of Student's t with `df` degrees of freedom.
pub(crate) fn student_quantile(p: f64, df: f64) -> f64 {
    invert(p, |t| student_cdf(t, df))
}

fn student_cdf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t));
    if t >= 0.0 { 1.0 - tail } else { tail }
}

/// Bisection of a rising distribution function.
fn invert(p: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let (mut low, mut high) = (-1.0, 1.0);
    while cdf(low) > p {
        low *= 2.0;
    }
    while cdf(high) < p {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// I_x(a, b), the regularised incomplete beta function: continued fraction (DLMF 8.17.22, modified Lentz).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast on the left of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..1000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for step in [even, odd] {
            d = 1.0 / nonzero(1.0 + step * d);
            c = nonzero(1.0 + step / c);
            h *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * h
}

/// ln Γ(x) for x > 0: Stirling's series after shifting x above 10.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * (1.0 / 1680.0 - y / 1188.0)))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_tables() {
        // SciPy 1.17: norm.cdf, norm.ppf, t.ppf.
        for (x, p) in [(0.0, 0.5), (1.0, 0.841_344_746_068_542_9), (-2.5, 0.006_209_665_325_776_132)] {
            assert!((normal_cdf(x) - p).abs() < 1e-13, "{x}");
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        for (df, t) in [(1.0, 12.706_204_736_174_7), (9.0, 2.262_157_162_798_2), (299.0, 1.967_929_669_0)] {
            assert!((student_quantile(0.975, df) - t).abs() < 1e-8, "{df}: {}", student_quantile(0.975, df));
        }
    }
}
