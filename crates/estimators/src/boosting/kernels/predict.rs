//! One tree for a tile of rows: comparisons clear bits, the lowest bit that is left is the leaf.
#![allow(clippy::indexing_slicing, reason = "features are checked on entry")]

use lyceum_tensor::{Level, level};

/// Rows of a tile.
pub(in crate::boosting) const TILE: usize = 64;

/// A node that compares.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Cut {
    /// Rows with values up to this go left.
    pub(in crate::boosting) threshold: f64,
    /// The same for values in single precision.
    pub(in crate::boosting) single: f32,
    /// The feature.
    pub(in crate::boosting) feature: u32,
    /// The bits that stay when a row goes right.
    pub(in crate::boosting) mask: u64,
}

/// Adds the tree's value to the sum of each of [`TILE`] rows. The values of feature f are at `f * TILE..` of `narrow`, or of
/// `wide` when that is empty. NaN goes left at `lefts` and right at `rights`; `among` has the bits that other nodes left
/// each row; `values` has 64 places.
///
/// # Panics
/// When a slice is too short for its part.
pub(in crate::boosting) fn leaves_of(
    narrow: &[f32],
    wide: &[f64],
    lefts: &[Cut],
    rights: &[Cut],
    among: Option<&[u64; TILE]>,
    values: &[f64],
    sums: &mut [f64],
) {
    assert!(values.len() >= 64 && sums.len() >= TILE);
    #[cfg(target_arch = "x86_64")]
    {
        if level() >= Level::Avx512 {
            let small = among.is_none() && lefts.len() + rights.len() < 32;
            if small && !narrow.is_empty() {
                let fits = |c: &Cut| (c.feature as usize + 1) * TILE <= narrow.len();
                assert!(lefts.iter().chain(rights).all(fits));
                // SAFETY: the level says that the processor can; every feature lies inside `narrow`.
                unsafe { small_tree(narrow, lefts, rights, values, sums) };
                return;
            }
            // SAFETY: the level says that the processor can.
            unsafe { with_512(narrow, wide, lefts, rights, among, values, sums) };
            return;
        }
        if level() >= Level::Avx2 {
            // SAFETY: the level says that the processor can.
            unsafe { with_256(narrow, wide, lefts, rights, among, values, sums) };
            return;
        }
    }
    plain(narrow, wide, lefts, rights, among, values, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
fn with_512(
    narrow: &[f32],
    wide: &[f64],
    lefts: &[Cut],
    rights: &[Cut],
    among: Option<&[u64; TILE]>,
    values: &[f64],
    sums: &mut [f64],
) {
    plain(narrow, wide, lefts, rights, among, values, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1")]
fn with_256(
    narrow: &[f32],
    wide: &[f64],
    lefts: &[Cut],
    rights: &[Cut],
    among: Option<&[u64; TILE]>,
    values: &[f64],
    sums: &mut [f64],
) {
    plain(narrow, wide, lefts, rights, among, values, sums);
}

#[inline(always)]
fn plain(
    narrow: &[f32],
    wide: &[f64],
    lefts: &[Cut],
    rights: &[Cut],
    among: Option<&[u64; TILE]>,
    values: &[f64],
    sums: &mut [f64],
) {
    let mut masks = among.copied().unwrap_or([u64::MAX; TILE]);
    macro_rules! cut {
        ($cuts:ident, $goes_right:expr) => {
            for cut in $cuts {
                let at = cut.feature as usize * TILE;
                if narrow.is_empty() {
                    for (mask, x) in masks.iter_mut().zip(&wide[at..at + TILE]) {
                        *mask &= if $goes_right(*x <= cut.threshold, *x > cut.threshold) {
                            cut.mask
                        } else {
                            u64::MAX
                        };
                    }
                } else {
                    for (mask, x) in masks.iter_mut().zip(&narrow[at..at + TILE]) {
                        *mask &=
                            if $goes_right(*x <= cut.single, *x > cut.single) { cut.mask } else { u64::MAX };
                    }
                }
            }
        };
    }
    cut!(lefts, |_below: bool, above: bool| above);
    cut!(rights, |below: bool, _above: bool| !below);
    for (sum, mask) in sums.iter_mut().zip(&masks) {
        *sum += values[(mask.trailing_zeros() & 63) as usize];
    }
}

/// Trees of at most 32 leaves on values in single precision: 16 rows a register.
///
/// # Safety
/// AVX-512 F, CD; the values of every feature lie inside `narrow`; `values` has 32 places, `sums` [`TILE`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
unsafe fn small_tree(narrow: &[f32], lefts: &[Cut], rights: &[Cut], values: &[f64], sums: &mut [f64]) {
    use std::arch::x86_64::*;
    let mut m = [_mm512_set1_epi32(-1); 4];
    macro_rules! cuts {
        ($cuts:ident, $op:ident) => {
            for cut in $cuts {
                let t = _mm512_set1_ps(cut.single);
                let keep = _mm512_set1_epi32(cut.mask as i32);
                // SAFETY: the feature's 64 values are inside `narrow`, as the contract says.
                unsafe {
                    let p = narrow.as_ptr().add(cut.feature as usize * TILE);
                    for (r, m) in m.iter_mut().enumerate() {
                        let right = _mm512_cmp_ps_mask::<$op>(_mm512_loadu_ps(p.add(r * 16)), t);
                        *m = _mm512_mask_and_epi32(*m, right, *m, keep);
                    }
                }
            }
        };
    }
    cuts!(lefts, _CMP_GT_OQ);
    cuts!(rights, _CMP_NLE_UQ);
    for (r, m) in m.iter().enumerate() {
        let low = _mm512_and_si512(*m, _mm512_sub_epi32(_mm512_setzero_si512(), *m));
        let index = _mm512_sub_epi32(_mm512_set1_epi32(31), _mm512_lzcnt_epi32(low));
        // SAFETY: the lowest bit of a mask is below 32 (its tree has a leaf that no node clears), and `values` has that
        // many; `sums` has 64 places.
        unsafe {
            let p = sums.as_mut_ptr().add(r * 16);
            let index = _mm512_and_si512(index, _mm512_set1_epi32(31));
            let a = _mm512_i32gather_pd::<8>(_mm512_castsi512_si256(index), values.as_ptr());
            let b = _mm512_i32gather_pd::<8>(_mm512_extracti64x4_epi64::<1>(index), values.as_ptr());
            _mm512_storeu_pd(p, _mm512_add_pd(_mm512_loadu_pd(p), a));
            _mm512_storeu_pd(p.add(8), _mm512_add_pd(_mm512_loadu_pd(p.add(8)), b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn every_way_gives_the_same_bits() {
        let mut random = Random::new(1, 0);
        for cuts in [0usize, 1, 5, 30, 31, 63] {
            let narrow: Vec<f32> = (0..4 * TILE)
                .map(|_| if random.below(9) == 0 { f32::NAN } else { random.below(20) as f32 })
                .collect();
            let wide: Vec<f64> = narrow.iter().map(|x| f64::from(*x)).collect();
            let mut cut = || {
                let t = random.below(20) as f64;
                let bit = random.below(cuts.max(1)) as u64;
                Cut { threshold: t, single: t as f32, feature: random.below(4) as u32, mask: !(1 << bit) }
            };
            let lefts: Vec<Cut> = (0..cuts / 2).map(|_| cut()).collect();
            let rights: Vec<Cut> = (0..cuts - cuts / 2).map(|_| cut()).collect();
            let values: Vec<f64> = (0..64).map(f64::from).collect();
            let among = [u64::MAX << 1; TILE];
            for among in [None, Some(&among)] {
                let (mut a, mut b, mut c) = ([0.5; TILE], [0.5; TILE], [0.5; TILE]);
                leaves_of(&narrow, &[], &lefts, &rights, among, &values, &mut a);
                leaves_of(&[], &wide, &lefts, &rights, among, &values, &mut b);
                plain(&narrow, &[], &lefts, &rights, among, &values, &mut c);
                assert_eq!(a, b);
                assert_eq!(a, c);
            }
        }
    }
}
