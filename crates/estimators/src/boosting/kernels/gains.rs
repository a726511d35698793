//! Gains of all thresholds of a feature at once, in single precision: enough to say which few can be the best.

use super::STRIDE;
use lyceum_tensor::{Level, level};

/// Sums of a leaf and what regularises it, in the units of the packed cells.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Units {
    /// Value of one step of a gradient and of a hessian.
    pub(in crate::boosting) step: (f64, f64),
    /// Sums of the leaf.
    pub(in crate::boosting) total: (f64, f64),
    /// L1 and L2.
    pub(in crate::boosting) l1: f64,
    pub(in crate::boosting) l2: f64,
}

/// For running sums `low[b]` of packed cells, each with `aside` added: `out[b]` = gain of the left side + gain of the right side when bins up to
/// `b` go left (without what the leaf had before). Returns the largest over `range`; minus infinity for an empty one.
pub(in crate::boosting) fn gains(
    low: &[i64; STRIDE],
    aside: i64,
    units: &Units,
    range: std::ops::Range<usize>,
    out: &mut [f32; STRIDE],
) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        if level() >= Level::Avx512 {
            // SAFETY: the level says that the processor can.
            return unsafe { wide(low, aside, units, range, out) };
        }
        if level() >= Level::Avx2 {
            // SAFETY: the level says that the processor can.
            return unsafe { middle(low, aside, units, range, out) };
        }
    }
    plain(low, aside, units, range, out)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn wide(
    low: &[i64; STRIDE],
    aside: i64,
    u: &Units,
    range: std::ops::Range<usize>,
    out: &mut [f32; STRIDE],
) -> f32 {
    plain(low, aside, u, range, out)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn middle(
    low: &[i64; STRIDE],
    aside: i64,
    u: &Units,
    range: std::ops::Range<usize>,
    out: &mut [f32; STRIDE],
) -> f32 {
    plain(low, aside, u, range, out)
}

#[inline(always)]
fn plain(
    low: &[i64; STRIDE],
    aside: i64,
    u: &Units,
    range: std::ops::Range<usize>,
    out: &mut [f32; STRIDE],
) -> f32 {
    let (sg, sh) = (u.step.0 as f32, u.step.1 as f32);
    let (tg, th) = (u.total.0 as f32, u.total.1 as f32);
    let (l1, l2) = (u.l1 as f32, u.l2 as f32);
    let Some((low, out)) = low.get(range.clone()).zip(out.get_mut(range)) else { return f32::NEG_INFINITY };
    if l1 == 0.0 {
        for (cell, out) in low.iter().zip(out.iter_mut()) {
            let cell = cell.wrapping_add(aside);
            let g = (cell >> 32) as i32 as f32 * sg;
            let h = (cell & 0xffff_ffff) as f32 * sh;
            let (rg, rh) = (tg - g, th - h);
            *out = g * g / (h + l2) + rg * rg / (rh + l2);
        }
    } else {
        for (cell, out) in low.iter().zip(out.iter_mut()) {
            let cell = cell.wrapping_add(aside);
            let g = (cell >> 32) as i32 as f32 * sg;
            let h = (cell & 0xffff_ffff) as f32 * sh;
            let (a, b) = ((g.abs() - l1).max(0.0), ((tg - g).abs() - l1).max(0.0));
            *out = a * a / (h + l2) + b * b / ((th - h) + l2);
        }
    }
    // Sixteen maxima side by side, so that the compiler needs no order.
    let mut most = [f32::NEG_INFINITY; 16];
    let mut chunks = out.chunks_exact(16);
    for chunk in &mut chunks {
        for (m, x) in most.iter_mut().zip(chunk) {
            *m = if *x > *m { *x } else { *m };
        }
    }
    chunks.remainder().iter().chain(&most).copied().fold(f32::NEG_INFINITY, |m, x| if x > m { x } else { m })
}

/// The rows of each cell, estimated from its hessian and rounded: ⌊h·factor + ½⌋.
///
/// # Panics
/// When `step` or `factor` is negative.
pub(in crate::boosting) fn estimates(cells: &[i64], step: f64, factor: f64, out: &mut [i64; STRIDE]) {
    #[inline(always)]
    fn plain(cells: &[i64], step: f64, factor: f64, out: &mut [i64; STRIDE]) {
        assert!(step >= 0.0 && factor >= 0.0);
        for (out, cell) in out.iter_mut().zip(cells) {
            let rows = (cell & 0xffff_ffff) as u32 as f64 * step * factor + 0.5;
            // SAFETY: finite and not negative; at most a data set's rows, which fit into 32 bits, and a half each.
            *out = unsafe { rows.min(9e15).to_int_unchecked::<i64>() };
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn wide(cells: &[i64], step: f64, factor: f64, out: &mut [i64; STRIDE]) {
            plain(cells, step, factor, out);
        }
        if level() >= Level::Avx512 {
            // SAFETY: the level says that the processor can.
            return unsafe { wide(cells, step, factor, out) };
        }
    }
    plain(cells, step, factor, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn every_level_gives_the_same_bits() {
        let mut random = Random::new(2, 0);
        for l1 in [0.0, 0.7] {
            let mut low = [0i64; STRIDE];
            let mut sum = 0;
            for cell in &mut low {
                sum += ((random.below(400) as i64 - 200) << 32) + random.below(90) as i64;
                *cell = sum;
            }
            let total = ((sum >> 32) as f64 * 0.01, (sum & 0xffff_ffff) as f64 * 0.02);
            let u = Units { step: (0.01, 0.02), total, l1, l2: 0.5 };
            for (range, aside) in [(0..255, 0), (3..200, -(7 << 32) + 5), (7..8, 0), (5..5, 0)] {
                let (mut a, mut b) = ([0.0; STRIDE], [0.0; STRIDE]);
                let most = gains(&low, aside, &u, range.clone(), &mut a);
                assert_eq!(most.to_bits(), plain(&low, aside, &u, range.clone(), &mut b).to_bits());
                assert_eq!(a, b);
                assert!(a[range].iter().all(|x| *x <= most));
            }
        }
    }
}
