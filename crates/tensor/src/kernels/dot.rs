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
