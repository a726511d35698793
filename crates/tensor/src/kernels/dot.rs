//! One strip against some rows of whole-number inputs: sixteen outputs for each row.
//!
//! Σ over blocks of d_w d_x (Σ (code - zero) (256 h + l)) + m_w s_x; where halves of a block have scales of their own,
//! for each half. Every row is computed in the same order however many there are.

use super::activations::Quantised;
use super::shape::{STRIP, Shape};

/// Most rows that a strip is read for at once.
pub(super) const ROWS: usize = 4;

/// Sixteen outputs for each of up to [`ROWS`] rows from `first` on; `out` has a place for each.
pub(super) fn strip<S: Shape>(
    (scales, quants): (&[u8], &[u8]),
    x: &Quantised,
    first: usize,
    out: &mut [[f32; STRIP]],
) {
    let blocks = quants.len() / S::QUANTS;
    assert!(
        scales.len() >= blocks * S::SCALES && blocks == x.blocks && first + out.len() <= x.rows(),
        "a strip and its inputs"
    );
    #[cfg(target_arch = "x86_64")]
    match super::vectors() {
        // SAFETY (both): the processor has what the module needs, and the lengths are asserted above.
        super::Vectors::Wide => return unsafe { super::vnni::strip::<S>(scales, quants, x, first, out) },
        super::Vectors::Narrow => return unsafe { super::avx2::strip::<S>(scales, quants, x, first, out) },
        super::Vectors::None => {}
    }
    super::scalar::strip::<S>(scales, quants, x, first, out);
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::shape::{Kind, with_shape};
    use super::*;
    use crate::kernels::Activations;
    use crate::{Level, Pool, level};

    /// Each twin that the processor has gives the sums of the definition, for every shape and number of rows.
    #[test]
    fn all_twins_agree() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let blocks = 3;
        for kind in Kind::ALL {
            let mut scales: Vec<u8> = (0..blocks * kind.scales()).map(|_| next()).collect();
            // Half-precision numbers of at most 1 in size.
            scales.iter_mut().skip(1).step_by(2).for_each(|b| *b &= 0xbb);
            let quants: Vec<u8> = (0..blocks * kind.quants()).map(|_| next()).collect();
            for rows in [1, 2, 3, 4, 17] {
                let mut x = Activations::default();
                x.reset(rows, 32 * blocks);
                x.rows_mut().iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32 * 0.61).sin());
                x.quantise_whole(&Pool::new(1));
                let x = &x.quantised;
                let n = rows.min(ROWS);
                let mut want = vec![[0.0; STRIP]; n];
                with_shape!(*kind, S => super::super::scalar::strip::<S>(&scales, &quants, x, rows - n, &mut want));
                let check = |name: &str, got: &[[f32; STRIP]]| {
                    for (got, want) in got.as_flattened().iter().zip(want.as_flattened()) {
                        assert!(
                            (got - want).abs() <= 1e-2 + 1e-4 * want.abs(),
                            "{kind:?} {name} {rows}: {got} is not {want}"
                        );
                    }
                };
                let mut got = want.clone();
                if level() >= Level::Avx2 {
                    // SAFETY: the level says that the processor has AVX2; the sizes are the shape's.
                    with_shape!(*kind, S => unsafe { super::super::avx2::strip::<S>(&scales, &quants, x, rows - n, &mut got) });
                    check("avx2", &got);
                }
                if level() >= Level::Avx512 && is_x86_feature_detected!("avx512vnni") {
                    // SAFETY: as above.
                    with_shape!(*kind, S => unsafe { super::super::vnni::strip::<S>(&scales, &quants, x, rows - n, &mut got) });
                    check("vnni", &got);
                }
            }
        }
    }
}
