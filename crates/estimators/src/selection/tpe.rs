//! Tree-structured Parzen estimators: of points drawn from a density of the good trials, the one that is
//! likelier there than among the others by the largest factor.
//!
//! Source: Bergstra, Bardenet, Bengio, Kégl, Algorithms for Hyper-Parameter Optimization, 2011; widths of the kernels and
//! share of good trials as Optuna takes them (a tenth, 25 at most; a kernel reaches to its farther neighbour).
#![allow(clippy::indexing_slicing, reason = "dimensions and trials stay below the lengths made here")]

use super::space::{Space, Values};
use lyceum_data::Random;

/// Trials that are drawn at random before any density is.
const FIRST: usize = 10;
/// Points that are compared.
const CANDIDATES: usize = 24;

/// A trial that ended: its point and its loss, less is better; NaN is worst.
pub type Trial = (Vec<f64>, f64);

/// The point of the next trial. The same trials and seed give the same point.
pub fn suggest(space: &Space, trials: &[Trial], seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed, 0x79e ^ (trials.len() as u64) << 16);
    if trials.len() < FIRST {
        return draw(space, &mut random);
    }
    let mut ranked: Vec<&Trial> = trials.iter().collect();
    let loss = |t: &Trial| if t.1.is_nan() { f64::INFINITY } else { t.1 };
    ranked.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    let good = trials.len().div_ceil(10).min(25);
    let (good, bad) = ranked.split_at(good);
    space
        .0
        .iter()
        .enumerate()
        .map(|(d, dimension)| {
            let of = |part: &[&Trial]| part.iter().map(|t| t.0[d]).collect::<Vec<f64>>();
            best(&dimension.values, &of(good), &of(bad), &mut random)
        })
        .collect()
}

/// A point at random.
pub fn draw(space: &Space, random: &mut Random) -> Vec<f64> {
    space.0.iter().map(|_| random.unit()).collect()
}

fn best(values: &Values, good: &[f64], bad: &[f64], random: &mut Random) -> f64 {
    let (for_good, for_bad) = (Density::of(values, good), Density::of(values, bad));
    let mut found = (f64::NEG_INFINITY, 0.5);
    for _ in 0..CANDIDATES {
        let u = for_good.draw(random);
        let gain = for_good.ln(u) - for_bad.ln(u);
        if gain > found.0 {
            found = (gain, u);
        }
    }
    found.1
}

enum Density {
    /// Shares of the choices.
    Choices(Vec<f64>),
    /// Normal kernels on [0, 1]: centre and width.
    Kernels(Vec<(f64, f64)>),
}

impl Density {
    fn of(values: &Values, points: &[f64]) -> Self {
        if let Some(n) = values.choices() {
            // One trial more for each, so that none is out of reach.
            let mut shares = vec![1.0; n];
            points.iter().for_each(|u| shares[((u * n as f64) as usize).min(n - 1)] += 1.0);
            let total: f64 = shares.iter().sum();
            shares.iter_mut().for_each(|s| *s /= total);
            return Self::Choices(shares);
        }
        let mut sorted = points.to_vec();
        sorted.sort_by(f64::total_cmp);
        let least = 1.0 / (sorted.len() as f64 + 1.0).min(100.0);
        let before = |i: usize| if i == 0 { 0.0 } else { sorted[i - 1] };
        let after = |i: usize| sorted.get(i + 1).copied().unwrap_or(1.0);
        let width = |i: usize| (sorted[i] - before(i)).max(after(i) - sorted[i]).clamp(least, 1.0);
        let mut kernels: Vec<(f64, f64)> = (0..sorted.len()).map(|i| (sorted[i], width(i))).collect();
        // The whole range is a kernel, too.
        kernels.push((0.5, 1.0));
        Self::Kernels(kernels)
    }

    fn draw(&self, random: &mut Random) -> f64 {
        match self {
            Self::Choices(shares) => {
                let mut left = random.unit();
                let at = shares.iter().position(|s| {
                    left -= s;
                    left < 0.0
                });
                (at.unwrap_or(shares.len() - 1) as f64 + 0.5) / shares.len() as f64
            }
            Self::Kernels(kernels) => {
                let (centre, width) = kernels[random.below(kernels.len())];
                let inside =
                    (0..100).map(|_| centre + width * random.normal()).find(|u| (0.0..=1.0).contains(u));
                inside.unwrap_or(centre)
            }
        }
    }

    fn ln(&self, u: f64) -> f64 {
        match self {
            Self::Choices(shares) => shares[((u * shares.len() as f64) as usize).min(shares.len() - 1)].ln(),
            Self::Kernels(kernels) => {
                let one = |(centre, width): &(f64, f64)| {
                    let inside = normal((1.0 - centre) / width) - normal(-centre / width);
                    (-0.5 * ((u - centre) / width).powi(2)).exp() / (width * inside)
                };
                kernels.iter().map(one).sum::<f64>().ln() - (kernels.len() as f64).ln()
            }
        }
    }
}

/// Φ by the logistic approximation of Bowling and others, 2009 (error below 1.5e-4): it only weighs kernels.
fn normal(z: f64) -> f64 {
    1.0 / (1.0 + (-0.07056 * z.powi(3) - 1.5976 * z).exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    /// Least 0 at a = 3, b = 0.01, c = "y".
    fn loss(space: &Space, point: &[f64]) -> f64 {
        let p = space.params(point);
        let number = |k: &str| p[k].as_f64().unwrap();
        let c = if p["c"].as_str() == Some("y") { 0.0 } else { 1.0 };
        (number("a") - 3.0).powi(2) / 25.0 + (number("b").ln() - 0.01f64.ln()).powi(2) / 10.0 + c
    }

    fn least(space: &Space, seed: u64, next: impl Fn(&[Trial], u64) -> Vec<f64>) -> f64 {
        let mut trials: Vec<Trial> = Vec::new();
        for _ in 0..60 {
            let point = next(&trials, seed);
            let value = loss(space, &point);
            trials.push((point, value));
        }
        trials.iter().map(|t| t.1).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn finds_more_than_chance() {
        let space = Space::parse(["a=-10.0..10.0", "b=0.0001..10:log", "c=x,y,z"]).unwrap();
        let median = |mut v: Vec<f64>| {
            v.sort_by(f64::total_cmp);
            v[v.len() / 2]
        };
        let tpe = median((0..21).map(|s| least(&space, s, |t, s| suggest(&space, t, s))).collect());
        let chance =
            |trials: &[Trial], seed: u64| draw(&space, &mut Random::new(seed, 0x123 + trials.len() as u64));
        let chance = median((0..21).map(|s| least(&space, s, chance)).collect());
        assert!(tpe < 0.6 * chance, "{tpe} against {chance}");
    }

    #[test]
    fn the_same_trials_give_the_same_point() {
        let space = Space::parse(["a=0..9", "b=u,v"]).unwrap();
        let trials: Vec<Trial> =
            (0..20).map(|i| (vec![f64::from(i) / 20.0, 0.3], f64::from(i % 7))).collect();
        let point = suggest(&space, &trials, 4);
        assert_eq!(point, suggest(&space, &trials, 4));
        assert!(point.iter().all(|u| (0.0..=1.0).contains(u)));
        assert_ne!(point, suggest(&space, &trials, 5));
        let failed: Vec<Trial> = (0..20).map(|i| (vec![f64::from(i) / 20.0, 0.3], f64::NAN)).collect();
        assert!(suggest(&space, &failed, 4).iter().all(|u| (0.0..=1.0).contains(u)));
    }
}
