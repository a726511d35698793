//! Tails of the normal, Student's t and F distributions, by continued fractions (DLMF 8.9.2 and 8.17.22).

use std::f64::consts::PI;

/// ln Γ(x) for x above 0, by Stirling's series after moving x to 10 and beyond.
fn ln_gamma(mut x: f64) -> f64 {
    let mut moved = 0.0;
    while x < 10.0 {
        moved -= x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = 1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)));
    moved + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series / x
}

/// Evaluates b0 + a1/(b1 + a2/(b2 + …)) by Lentz's method; `term` gives (aₙ, bₙ) from n = 1.
fn continued(b0: f64, term: impl Fn(f64) -> (f64, f64)) -> f64 {
    const TINY: f64 = 1e-300;
    let whole = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut value = whole(b0);
    let (mut c, mut d) = (value, 0.0);
    for n in 1..10_000 {
        let (a, b) = term(f64::from(n));
        d = 1.0 / whole(b + a * d);
        c = whole(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// The regularised incomplete beta function I_x(a, b).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return f64::from(x >= 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let term = |n: f64| {
        let m = ((n - 1.0) / 2.0).floor();
        // Odd places of the fraction are -(a+m)(a+b+m)x/…, even ones m(b-m)x/…; the first place is m = 0.
        let even = n % 2.0 == 0.0;
        let m = if even { n / 2.0 } else { m };
        let top = if even { m * (b - m) * x } else { -(a + m) * (a + b + m) * x };
        let under =
            if even { (a + 2.0 * m - 1.0) * (a + 2.0 * m) } else { (a + 2.0 * m) * (a + 2.0 * m + 1.0) };
        (top / under, 1.0)
    };
    front.exp() / a / continued(1.0, term)
}

/// P(|Z| > z) of a standard normal Z.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    let x = 0.5 * z * z;
    if x < 1.5 {
        // The lower incomplete gamma function of ½ as a series.
        let mut term = 2.0;
        let mut sum = term;
        for n in 1..200 {
            term *= x / (0.5 + f64::from(n));
            sum += term;
        }
        return 1.0 - sum * (x / PI).sqrt() * (-x).exp();
    }
    let fraction = continued(x + 0.5, |n| (-n * (n - 0.5), x + 2.0 * n + 0.5));
    (x / PI).sqrt() * (-x).exp() / fraction
}

/// P(|T| > t) of Student's t with `df` degrees of freedom.
pub(super) fn t_two_sided(t: f64, df: f64) -> f64 {
    beta(df / (df + t * t), 0.5 * df, 0.5)
}

/// P(F > f) with `d1` and `d2` degrees of freedom.
pub(super) fn f_tail(f: f64, d1: f64, d2: f64) -> f64 {
    beta(d2 / (d2 + d1 * f.max(0.0)), 0.5 * d2, 0.5 * d1)
}

/// The value that a two-sided tail exceeds with probability `p`, by bisection of a falling `tail`.
pub(super) fn critical(p: f64, tail: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while tail(high) > p && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if tail(middle) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The standard normal quantile of `p`, above 0 and below 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let size = critical(2.0 * p.min(1.0 - p), normal_two_sided);
    if p < 0.5 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-11 * b.abs().max(1e-3), "{a} {b}");
        near(ln_gamma(0.5), 0.5 * PI.ln());
        near(ln_gamma(6.0), 120f64.ln());
        // Of one degree of freedom: Cauchy's distribution; of two: closed forms.
        near(t_two_sided(1.0, 1.0), 0.5);
        near(t_two_sided(2.0, 2.0), 1.0 - 2.0 / 6f64.sqrt());
        near(f_tail(3.0, 2.0, 2.0), 0.25);
        near(normal_two_sided(1.0), 0.317_310_507_862_914_1);
        near(normal_two_sided(1.959_963_984_540_054), 0.05);
        near(normal_two_sided(3.0), 0.002_699_796_063_260_189);
        near(critical(0.05, normal_two_sided), 1.959_963_984_540_054);
        near(critical(0.5, |t| t_two_sided(t, 1.0)), 1.0);
    }
}
