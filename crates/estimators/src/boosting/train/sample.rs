//! Which rows and features a tree sees: bagging, one-sided sampling by gradient, shares of features. Every draw is
//! fixed by seed and iteration, so that a run that goes on from a snapshot draws what it would have drawn.
//!
//! One-sided sampling (GOSS): Ke et al. 2017; as in LightGBM it starts after 1 / learning_rate iterations.
#![allow(clippy::indexing_slicing, reason = "rows stay below the gradients' length")]

use crate::boosting::params::BoostingParams;
use lyceum_data::Random;

pub(super) struct Sampler<'a> {
    params: &'a BoostingParams,
    seed: u64,
    rows: usize,
    /// The rows drawn last, ascending; absent is all.
    taken: Option<Vec<u32>>,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(params: &'a BoostingParams, seed: u64, rows: usize) -> Self {
        Self { params, seed: params.sample.seed.unwrap_or(seed), rows, taken: None }
    }

    /// A generator for a purpose's own seed and an iteration.
    pub(super) fn random(&self, own: u64, iteration: usize) -> Random {
        Random::new(self.seed ^ own.rotate_left(40), iteration as u64 + 1)
    }

    /// Draws the rows of an iteration; gradients of rows that stand for others grow.
    pub(super) fn draw(&mut self, iteration: usize, y: &[f64], g: &mut [f32], h: &mut [f32]) {
        let s = &self.params.sample;
        if s.goss {
            let starts = (1.0 / self.params.stop.learning_rate) as usize;
            self.taken = (iteration >= starts).then(|| self.goss(iteration, g, h));
            return;
        }
        let by_class = s.pos_bagging_fraction < 1.0 || s.neg_bagging_fraction < 1.0;
        if s.bagging_freq == 0 || (s.bagging_fraction >= 1.0 && !by_class) {
            return;
        }
        // The last iteration that draws: all in between keep its rows.
        let drawn_at = iteration - iteration % s.bagging_freq;
        if self.taken.is_some() && drawn_at != iteration {
            return;
        }
        let mut random = self.random(s.bagging_seed, drawn_at);
        self.taken = Some(if by_class {
            let mut all = self.share(&mut random, s.pos_bagging_fraction, |r| y[r] > 0.0);
            all.extend(self.share(&mut random, s.neg_bagging_fraction, |r| y[r] <= 0.0));
            all.sort_unstable();
            all
        } else {
            self.share(&mut random, s.bagging_fraction, |_| true)
        });
    }

    /// The rows of the iteration.
    pub(super) fn rows(&self) -> Option<&[u32]> {
        self.taken.as_deref()
    }

    /// A share of the rows that pass, without putting back, at least one.
    fn share(&self, random: &mut Random, fraction: f64, passes: impl Fn(usize) -> bool) -> Vec<u32> {
        let all: Vec<u32> = (0..self.rows as u32).filter(|r| passes(*r as usize)).collect();
        let mut wanted = ((all.len() as f64 * fraction) as usize).max(1);
        let mut out = Vec::with_capacity(wanted);
        for (i, row) in all.iter().enumerate() {
            if random.below(all.len() - i) < wanted {
                out.push(*row);
                wanted -= 1;
            }
        }
        out
    }

    fn goss(&self, iteration: usize, g: &mut [f32], h: &mut [f32]) -> Vec<u32> {
        let (s, n) = (&self.params.sample, self.rows);
        let size = |r: usize| -> f32 { (r..g.len()).step_by(n).map(|i| (g[i] * h[i]).abs()).sum() };
        let sizes: Vec<f32> = (0..n).map(size).collect();
        let top = ((n as f64 * s.top_rate) as usize).clamp(1, n);
        let others = (n as f64 * s.other_rate) as usize;
        let mut order = sizes.clone();
        let (_, least, _) = order.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
        let least = *least;
        let grow = if others > 0 { (n - top) as f32 / others as f32 } else { 1.0 };
        let mut random = self.random(s.bagging_seed, iteration);
        let (mut taken, mut big) = (Vec::with_capacity(top + others), 0);
        let mut wanted = others;
        for r in 0..n {
            if sizes[r] >= least {
                taken.push(r as u32);
                big += 1;
                continue;
            }
            // Rows yet to come that are not among the top ones.
            let rest = (n - r).saturating_sub(top.saturating_sub(big));
            if random.below(rest.max(1)) < wanted {
                taken.push(r as u32);
                wanted -= 1;
                for i in (r..g.len()).step_by(n) {
                    g[i] *= grow;
                    h[i] *= grow;
                }
            }
        }
        taken
    }

    /// The features of a tree, ascending.
    pub(super) fn features(&self, iteration: usize, class: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        let fraction = self.params.sample.feature_fraction;
        if fraction < 1.0 && count > 0 {
            let own = self.params.sample.feature_fraction_seed ^ (class as u64) << 20;
            self.random(own ^ 0xfea, iteration).shuffle(&mut all);
            all.truncate(((count as f64 * fraction).round() as usize).max(1));
            all.sort_unstable();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_have_their_size_and_stay_for_their_time() {
        let mut params = BoostingParams::default();
        (params.sample.bagging_fraction, params.sample.bagging_freq) = (0.5, 2);
        let mut s = Sampler::new(&params, 1, 100);
        let y = [0.0; 100];
        let draw = |s: &mut Sampler<'_>, i| {
            s.draw(i, &y, &mut [], &mut []);
            s.rows().map(<[u32]>::to_vec)
        };
        let bags: Vec<_> = (0..4).map(|i| draw(&mut s, i)).collect();
        assert_eq!(bags[0].as_ref().map(Vec::len), Some(50));
        assert_eq!(bags[0], bags[1]);
        assert_ne!(bags[1], bags[2]);
        let mut late = Sampler::new(&params, 1, 100);
        assert_eq!(draw(&mut late, 3), bags[3], "a run that goes on draws the same");
    }

    #[test]
    fn one_sided_sampling_keeps_the_large_and_the_sum() {
        let mut params = BoostingParams::default();
        params.sample.goss = true;
        let mut s = Sampler::new(&params, 1, 1000);
        let mut g: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0).collect();
        let mut h = vec![1.0; 1000];
        s.draw(9, &[0.0; 1000], &mut g, &mut h);
        assert_eq!(s.rows(), None, "too early");
        s.draw(10, &[0.0; 1000], &mut g, &mut h);
        let rows = s.rows().unwrap_or_default();
        assert_eq!(rows.len(), 300);
        assert!((800..1000).all(|r| rows.contains(&r)));
        let mass: f32 = rows.iter().map(|r| h[*r as usize]).sum();
        assert!((mass - 1000.0).abs() < 1.0, "{mass}");
    }
}
