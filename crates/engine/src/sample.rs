//! Choosing a token from logits: penalties, temperature, the filters, one draw.

use crate::random::uniform;
use lyceum_core::Sampling;
use lyceum_tensor::kernels;
use std::collections::HashMap;

/// The sampler of one request: its settings and what it has seen.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    /// Ids of prompt and output.
    seen: HashMap<u32, ()>,
    /// Counts in the output.
    output: HashMap<u32, u32>,
}

impl Sampler {
    /// A sampler that has seen the prompt.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let seen = prompt.iter().map(|id| (*id, ())).collect();
        Self { sampling, seen, output: HashMap::new() }
    }

    /// Takes note of a generated token.
    pub fn saw(&mut self, id: u32) {
        self.seen.insert(id, ());
        *self.output.entry(id).or_default() += 1;
    }

    /// Whether the choice is the plain maximum of the raw logits.
    pub fn is_plain_greedy(&self) -> bool {
        let s = &self.sampling;
        let penalties =
            s.repetition_penalty != 1.0 || s.frequency_penalty != 0.0 || s.presence_penalty != 0.0;
        s.temperature == 0.0 && !penalties && s.logit_bias.is_empty()
    }

    /// Penalties and biases on raw logits. Repetition r: l > 0 ? l / r : l · r for each seen id, once. Frequency and
    /// presence: l - count · f - p over the output.
    pub fn penalise(&self, logits: &mut [f32]) {
        let s = &self.sampling;
        if s.repetition_penalty != 1.0 {
            for id in self.seen.keys() {
                if let Some(l) = logits.get_mut(*id as usize) {
                    *l = if *l > 0.0 { *l / s.repetition_penalty } else { *l * s.repetition_penalty };
                }
            }
        }
        if s.frequency_penalty != 0.0 || s.presence_penalty != 0.0 {
            for (id, count) in &self.output {
                if let Some(l) = logits.get_mut(*id as usize) {
                    *l -= *count as f32 * s.frequency_penalty + s.presence_penalty;
                }
            }
        }
        for (id, bias) in &s.logit_bias {
            if let Some(l) = logits.get_mut(*id as usize) {
                *l += bias.clamp(-100.0, 100.0);
            }
        }
    }

    /// Chooses a token; `position` (the place in the output) and the seed fix the draw. The logits are used up.
    pub fn choose(&self, logits: &mut [f32], position: u64) -> u32 {
        let s = &self.sampling;
        if !self.is_plain_greedy() {
            self.penalise(logits);
        }
        if s.temperature == 0.0 {
            return kernels::argmax(logits) as u32;
        }
        let mut candidates = Candidates::of(logits, s.temperature);
        if let Some(k) = s.top_k.filter(|k| *k > 0) {
            candidates.top_k(k);
        }
        if s.top_p < 1.0 {
            candidates.top_p(s.top_p, 1);
        }
        if s.min_p > 0.0 {
            candidates.min_p(s.min_p);
        }
        if s.typical_p < 1.0 {
            candidates.typical(s.typical_p);
        }
        candidates.draw(uniform(s.seed, position))
    }
}

/// Tokens that may still be chosen, by id, with their logits after temperature.
#[derive(Debug, Clone)]
pub struct Candidates {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

impl Candidates {
    /// All tokens.
    pub fn of(logits: &[f32], temperature: f32) -> Self {
        let logits = logits.iter().map(|l| l / temperature).collect::<Vec<_>>();
        Self { ids: (0..logits.len() as u32).collect(), logits }
    }

    /// Ids that are left, ascending.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Probabilities of those that are left.
    pub fn probabilities(&self) -> Vec<f32> {
        let mut p = self.logits.clone();
        kernels::softmax(&mut p);
        p
    }

    fn keep(&mut self, stays: impl Fn(f32) -> bool) {
        let kept = self.ids.iter().zip(&self.logits).filter(|(_, l)| stays(**l));
        let (ids, logits) = kept.map(|(i, l)| (*i, *l)).unzip();
        (self.ids, self.logits) = (ids, logits);
    }

    /// Keeps the k best and ties with the k-th.
    pub fn top_k(&mut self, k: usize) {
        if k == 0 || k >= self.logits.len() {
            return;
        }
        let mut copy = self.logits.clone();
        let (_, least, _) = copy.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let least = *least;
        self.keep(|l| l >= least);
    }

    /// Keeps the smallest set from the top whose mass reaches p, and at least `min_keep`.
    pub fn top_p(&mut self, p: f32, min_keep: usize) {
        let most = kernels::max(&self.logits);
        let mut shares = self.logits.clone();
        let total = kernels::exp_all(&mut shares, most);
        let goal = f64::from(p) * f64::from(total);
        let mut n = 256.min(self.logits.len());
        // The nucleus is small as a rule: sort only the best few, and more when they are not enough.
        loop {
            let mut best = self.logits.clone();
            if n < best.len() {
                best.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a));
                best.truncate(n);
            }
            best.sort_unstable_by(|a, b| b.total_cmp(a));
            let mut mass = 0.0;
            for (i, l) in best.iter().enumerate() {
                mass += f64::from((l - most).exp());
                if mass >= goal && i + 1 >= min_keep {
                    let least = *l;
                    return self.keep(|l| l >= least);
                }
            }
            if n >= self.logits.len() {
                return;
            }
            n = (n * 8).min(self.logits.len());
        }
    }

    /// Drops those below `m` times the best probability.
    pub fn min_p(&mut self, m: f32) {
        let least = kernels::max(&self.logits) + m.ln();
        self.keep(|l| l >= least);
    }

    /// Keeps those whose surprise is closest to the entropy until their mass reaches p (Meister et al. 2023).
    pub fn typical(&mut self, p: f32) {
        let z = kernels::log_sum_exp(&self.logits);
        let entropy: f32 =
            self.logits.iter().map(|l| -(l - z) * (l - z).exp()).filter(|h| h.is_finite()).sum();
        let mut order: Vec<(f32, f32)> = self
            .logits
            .iter()
            .map(|l| ((-(l - z) - entropy).abs(), *l))
            .filter(|(s, _)| s.is_finite())
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut mass = 0.0;
        let crossing = order.iter().find(|(_, l)| {
            mass += (l - z).exp();
            mass >= p
        });
        if let Some((least, _)) = crossing.copied() {
            self.keep(|l| (-(l - z) - entropy).abs() <= least);
        }
    }

    /// The token at which the cumulative mass passes `u` in [0, 1).
    pub fn draw(&self, u: f64) -> u32 {
        let p = self.probabilities();
        let total: f64 = p.iter().map(|p| f64::from(*p)).sum();
        let mut left = u * total;
        for (id, p) in self.ids.iter().zip(&p) {
            left -= f64::from(*p);
            if left < 0.0 {
                return *id;
            }
        }
        let possible = self.ids.iter().zip(&p).rev().find(|(_, p)| **p > 0.0);
        possible.or(self.ids.iter().zip(&p).next()).map_or(0, |(id, _)| *id)
    }
}
