//! Gradients and hessians as integers, two to a word.
#![allow(clippy::indexing_slicing, reason = "rows and features stay below the lengths made here")]

use lyceum_data::Random;
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

/// Value of one step of the integers that stand for gradients and hessians.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Steps {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
}

/// How gradients are rounded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rounding {
    /// As finely as sums of all rows fit into 32 bits.
    Fine,
    /// To so many steps, at random (a seed) or to the nearest.
    Coarse { steps: usize, seed: Option<u64> },
}

/// Rows of a task.
const CHUNK: usize = 32_768;

/// Packs the gradients and hessians of all rows: the gradient in the high half of an i64, the hessian in the low half.
/// The sums of all rows fit.
pub(super) fn pack(g: &[f32], h: &[f32], rounding: Rounding, out: &mut [i64], pool: &Pool) -> Steps {
    let most = largest(g, h, pool);
    let rows = g.len().max(1) as f64;
    // Rounded up by half a step, a row adds at most one more.
    // A little less, since single precision rounds the levels themselves.
    let fits = ((f64::from(i32::MAX) * (1.0 - 1e-6) - rows) / rows).clamp(1.0, f64::from(1 << 30));
    let (for_g, for_h) = match rounding {
        Rounding::Fine => (fits, fits),
        Rounding::Coarse { steps, .. } => ((steps / 2) as f64, steps as f64),
    };
    let step = |most: f32, levels: f64| if most > 0.0 { f64::from(most) / levels.min(fits) } else { 1.0 };
    let steps = Steps { gradient: step(most.0, for_g), hessian: step(most.1, for_h) };
    let (ig, ih) = ((1.0 / steps.gradient) as f32, (1.0 / steps.hessian) as f32);
    let parts: Vec<Mutex<&mut [i64]>> = out.chunks_mut(CHUNK).map(Mutex::new).collect();
    pool.run_near(parts.len(), |i| {
        let mut part = parts[i].lock().unwrap_or_else(PoisonError::into_inner);
        let from = i * CHUNK;
        let (g, h) = (&g[from..from + part.len()], &h[from..from + part.len()]);
        match rounding {
            Rounding::Coarse { seed: Some(seed), .. } => {
                let mut random = Random::new(seed, i as u64);
                for ((out, g), h) in part.iter_mut().zip(g).zip(h) {
                    let draw = random.next_u64();
                    let (a, b) =
                        ((draw >> 40) as f32 / 16_777_216.0, (draw & 0xff_ffff) as f32 / 16_777_216.0);
                    *out = join((g * ig + a).floor() as i32, (h * ih + b).floor() as i32);
                }
            }
            _ => {
                for ((out, g), h) in part.iter_mut().zip(g).zip(h) {
                    *out = join(nearest(g * ig), nearest(h * ih));
                }
            }
        }
    });
    steps
}

/// Halves away from zero; compiles to wide instructions, which `round` does not.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    (x + f32::copysign(0.499_999_97, x)) as i32
}

fn join(g: i32, h: i32) -> i64 {
    (i64::from(g) << 32) + i64::from(h.max(0))
}

/// The two sums of a cell.
pub(super) fn split(cell: i64) -> (i64, i64) {
    (cell >> 32, cell & 0xffff_ffff)
}

fn largest(g: &[f32], h: &[f32], pool: &Pool) -> (f32, f32) {
    let parts: Vec<Mutex<(f32, f32)>> = g.chunks(CHUNK).map(|_| Mutex::new((0.0, 0.0))).collect();
    let most = |x: &[f32]| {
        let mut lanes = [0.0f32; 16];
        let chunks = x.chunks_exact(16);
        let rest = chunks.remainder().iter().map(|x| x.abs()).fold(0.0, f32::max);
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(m, x)| *m = if x.abs() > *m { x.abs() } else { *m });
        }
        lanes.iter().copied().fold(rest, f32::max)
    };
    pool.run_near(parts.len(), |i| {
        let own = i * CHUNK..((i + 1) * CHUNK).min(g.len());
        *parts[i].lock().unwrap_or_else(PoisonError::into_inner) = (most(&g[own.clone()]), most(&h[own]));
    });
    let all = parts.into_iter().map(|p| p.into_inner().unwrap_or_else(PoisonError::into_inner));
    all.fold((0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_integers_are_near_the_sums() {
        let mut random = Random::new(8, 0);
        let g: Vec<f32> = (0..50_000).map(|_| random.normal() as f32).collect();
        let h: Vec<f32> = (0..50_000).map(|_| random.unit() as f32 * 0.25).collect();
        let pool = Pool::new(2);
        let mut out = vec![0; g.len()];
        for (rounding, tolerance) in [
            (Rounding::Fine, 0.05),
            (Rounding::Coarse { steps: 64, seed: Some(1) }, 60.0),
            (Rounding::Coarse { steps: 64, seed: None }, 60.0),
        ] {
            let steps = pack(&g, &h, rounding, &mut out, &pool);
            let (sg, sh) = split(out.iter().sum());
            let (g, h): (f64, f64) =
                (g.iter().map(|x| f64::from(*x)).sum(), h.iter().map(|x| f64::from(*x)).sum());
            assert!((sg as f64 * steps.gradient - g).abs() < tolerance, "{rounding:?}");
            assert!((sh as f64 * steps.hessian - h).abs() < tolerance, "{rounding:?}");
        }
    }

    #[test]
    fn the_largest_sums_fit() {
        let pool = Pool::new(1);
        for rows in [1usize, 7, 100_000] {
            let (g, h) = (vec![-3.0f32; rows], vec![2.0f32; rows]);
            let mut out = vec![0; rows];
            let steps = pack(&g, &h, Rounding::Fine, &mut out, &pool);
            let (sg, sh) = split(out.iter().sum());
            assert!((sg as f64 * steps.gradient + 3.0 * rows as f64).abs() < 1e-3 * rows as f64);
            assert!((sh as f64 * steps.hessian - 2.0 * rows as f64).abs() < 1e-3 * rows as f64);
            assert!(sh <= i64::from(u32::MAX) && sg >= i64::from(i32::MIN));
        }
    }
}
