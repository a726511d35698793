//! Sums of gradients and hessians by bin.
//!
//! Layout: `[gradient, hessian]` in f64, bin after bin, feature after feature. A leaf's gradients are gathered once
//! into the order of its rows; then each feature adds them up in that order, so that the sums are the same bits at any
//! number of threads.
#![allow(
    clippy::indexing_slicing,
    reason = "bins stay below the mapper's count, rows below the columns' length"
)]

/// One bin: sums of gradients and hessians.
pub(super) type Cell = [f64; 2];

/// Gradients and hessians of some rows, in their order.
pub(super) fn gather(rows: &[u32], gradients: &[f32], hessians: &[f32], out: &mut Vec<(f32, f32)>) {
    out.clear();
    out.extend(rows.iter().map(|r| (gradients[*r as usize], hessians[*r as usize])));
}

/// The histogram of one feature over some rows.
pub(super) fn build(bins: &[u8], rows: &[u32], gathered: &[(f32, f32)], out: &mut [Cell]) {
    out.fill([0.0; 2]);
    for (row, (g, h)) in rows.iter().zip(gathered) {
        let cell = &mut out[bins[*row as usize] as usize];
        cell[0] += f64::from(*g);
        cell[1] += f64::from(*h);
    }
}

/// Turns a parent's histogram into that of the other child.
pub(super) fn subtract(parent: &mut [Cell], child: &[Cell]) {
    for (p, c) in parent.iter_mut().zip(child) {
        p[0] -= c[0];
        p[1] -= c[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_the_other_child() {
        let bins = [0, 1, 1, 2, 0];
        let gradients: Vec<f32> = (0..5).map(|i| i as f32).collect();
        let hessians = [1.0; 5];
        let hist = |rows: &[u32]| {
            let (mut gathered, mut out) = (Vec::new(), vec![[0.0; 2]; 3]);
            gather(rows, &gradients, &hessians, &mut gathered);
            build(&bins, rows, &gathered, &mut out);
            out
        };
        let mut all = hist(&[0, 1, 2, 3, 4]);
        assert_eq!(all, [[4.0, 2.0], [3.0, 2.0], [3.0, 1.0]]);
        subtract(&mut all, &hist(&[1, 4]));
        assert_eq!(all, hist(&[0, 2, 3]));
    }
}
