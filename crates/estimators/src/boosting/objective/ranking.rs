//! Learning to rank: LambdaRank with NDCG (Burges 2010) and the cross-entropy bound of NDCG (Bruch 2021), as LightGBM
//! computes them.
#![allow(clippy::indexing_slicing, reason = "rows of a query stay below its length")]

use super::loss::Rows;
use super::{Loss, Objective};
use lyceum_core::Result;
use lyceum_data::Random;
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Queries as ranges of rows.
fn queries(rows: &Rows<'_>) -> Vec<Range<usize>> {
    let mut at = 0;
    let one = |size: &usize| {
        at += size;
        at - size..at
    };
    rows.group.unwrap_or_default().iter().map(one).collect()
}

/// Runs `task(query, gradients, hessians)` for every query, then applies the weights.
fn by_query(
    rows: &Rows<'_>,
    queries: &[Range<usize>],
    g: &mut [f32],
    h: &mut [f32],
    pool: &Pool,
    task: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let mut parts = Vec::with_capacity(queries.len());
    let (mut g_rest, mut h_rest) = (g, h);
    for query in queries {
        let (g, after) = g_rest.split_at_mut(query.len());
        let (h, h_after) = h_rest.split_at_mut(query.len());
        parts.push(Mutex::new((g, h)));
        (g_rest, h_rest) = (after, h_after);
    }
    pool.run(parts.len(), |q| {
        let mut part = parts[q].lock().unwrap_or_else(PoisonError::into_inner);
        let (g, h) = &mut *part;
        task(q, g, h);
        if rows.weight.is_some() {
            for (i, row) in queries[q].clone().enumerate() {
                let w = rows.weight(row) as f32;
                g[i] *= w;
                h[i] *= w;
            }
        }
    });
}

pub(super) struct Lambdarank<'a> {
    objective: Objective,
    rows: Rows<'a>,
    queries: Vec<Range<usize>>,
    /// 1 / the best DCG of each query; 0 where no row is relevant.
    best: Vec<f64>,
}

impl<'a> Lambdarank<'a> {
    pub(super) fn new(objective: &Objective, rows: Rows<'a>) -> Result<Self> {
        let queries = queries(&rows);
        let best = queries.iter().map(|q| {
            let mut labels: Vec<usize> = rows.y[q.clone()].iter().map(|y| *y as usize).collect();
            labels.sort_unstable_by(|a, b| b.cmp(a));
            labels.truncate(objective.lambdarank_truncation_level);
            let dcg: f64 = labels.iter().enumerate().map(|(i, l)| objective.gain(*l) * discount(i)).sum();
            if dcg > 0.0 { 1.0 / dcg } else { 0.0 }
        });
        let best = best.collect();
        Ok(Self { objective: objective.clone(), rows, queries, best })
    }

    fn query(&self, q: usize, score: &[f64], g: &mut [f32], h: &mut [f32]) {
        let o = &self.objective;
        let y = &self.rows.y[self.queries[q].clone()];
        let n = y.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
        let (mut lambda, mut curve) = (vec![0.0f64; n], vec![0.0f64; n]);
        let spread = order.first().zip(order.last()).is_some_and(|(a, b)| score[*a] != score[*b]);
        let mut sum = 0.0;
        for i in 0..n.saturating_sub(1).min(o.lambdarank_truncation_level) {
            for j in i + 1..n {
                let (a, b) = (order[i], order[j]);
                if y[a] == y[b] {
                    continue;
                }
                let (high, low) = if y[a] > y[b] { (a, b) } else { (b, a) };
                let apart = score[high] - score[low];
                let gap = o.gain(y[high] as usize) - o.gain(y[low] as usize);
                let mut change = gap * (discount(i) - discount(j)).abs() * self.best[q];
                if o.lambdarank_norm && spread {
                    change /= 0.01 + apart.abs();
                }
                let p = 1.0 / (1.0 + (o.sigmoid * apart).exp());
                let pull = o.sigmoid * change * p;
                let bend = o.sigmoid * o.sigmoid * change * p * (1.0 - p);
                lambda[high] -= pull;
                lambda[low] += pull;
                curve[high] += bend;
                curve[low] += bend;
                sum += 2.0 * pull;
            }
        }
        let norm = if o.lambdarank_norm && sum > 0.0 { (1.0 + sum).log2() / sum } else { 1.0 };
        for i in 0..n {
            g[i] = (lambda[i] * norm) as f32;
            h[i] = (curve[i] * norm) as f32;
        }
    }
}

/// The discount of a place, from 0.
fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

impl Loss for Lambdarank<'_> {
    fn start(&self) -> Vec<f64> {
        vec![0.0]
    }

    fn gradients(&self, _: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        by_query(&self.rows, &self.queries, g, h, pool, |q, g, h| {
            self.query(q, &score[self.queries[q].clone()], g, h);
        });
    }
}

pub(super) struct Xendcg<'a> {
    seed: u64,
    rows: Rows<'a>,
    queries: Vec<Range<usize>>,
}

impl<'a> Xendcg<'a> {
    pub(super) fn new(objective: &Objective, rows: Rows<'a>) -> Result<Self> {
        Ok(Self { seed: objective.objective_seed, queries: queries(&rows), rows })
    }
}

impl Loss for Xendcg<'_> {
    fn start(&self) -> Vec<f64> {
        vec![0.0]
    }

    fn gradients(&self, iteration: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        by_query(&self.rows, &self.queries, g, h, pool, |q, g, h| {
            let range = self.queries[q].clone();
            let n = range.len();
            if n <= 1 {
                g.fill(0.0);
                h.fill(0.0);
                return;
            }
            let mut random = Random::new(self.seed ^ (iteration as u64) << 32, q as u64);
            let mut rho = score[range.clone()].to_vec();
            crate::boosting::model::softmax(&mut rho);
            let phi: Vec<f64> = self.rows.y[range].iter().map(|y| y.exp2() - random.unit()).collect();
            let total = phi.iter().sum::<f64>().max(1e-15);
            let over = |i: usize| (1.0 - rho[i]).max(1e-15);
            let first: Vec<f64> = (0..n).map(|i| rho[i] - phi[i] / total).collect();
            let a: Vec<f64> = (0..n).map(|i| first[i] / over(i)).collect();
            let a_sum: f64 = a.iter().sum();
            let second: Vec<f64> = (0..n).map(|i| rho[i] * (a_sum - a[i])).collect();
            let b: Vec<f64> = (0..n).map(|i| second[i] / over(i)).collect();
            let b_sum: f64 = b.iter().sum();
            for i in 0..n {
                g[i] = (first[i] + second[i] + rho[i] * (b_sum - b[i])) as f32;
                h[i] = (rho[i] * (1.0 - rho[i])) as f32;
            }
        });
    }
}
