//! The tile: up to four rows against one panel of 16 outputs. One definition over [`Lanes`], which is sixteen f32 as an
//! array (the scalar definition), as two registers of AVX2 or as one of AVX-512. A row is summed in the same order
//! whatever rows are beside it.

#![allow(clippy::indexing_slicing, reason = "lanes and rows of arrays of a constant size")]

use super::panels::{Numbers, PANEL, Panels};

/// Sixteen f32.
///
/// # Safety
/// Of every method: the processor has the features of the implementation, and pointers reach 16 numbers.
pub(super) trait Lanes: Copy {
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Sixteen words as two times sixteen bf16, widened: the low halves and the high ones.
    unsafe fn halves(from: *const u32) -> (Self, Self);
    /// self · by + plus.
    unsafe fn times_plus(self, by: Self, plus: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn store(self, to: *mut f32);
}

impl Lanes for [f32; PANEL] {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; PANEL]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: sixteen numbers, as the trait says.
        std::array::from_fn(|i| unsafe { *from.add(i) })
    }

    #[inline(always)]
    unsafe fn halves(from: *const u32) -> (Self, Self) {
        // SAFETY: as above.
        let words: [u32; PANEL] = std::array::from_fn(|i| unsafe { *from.add(i) });
        (words.map(|w| f32::from_bits(w << 16)), words.map(|w| f32::from_bits(w & 0xffff_0000)))
    }

    #[inline(always)]
    unsafe fn times_plus(self, by: Self, plus: Self) -> Self {
        std::array::from_fn(|i| self[i] * by[i] + plus[i])
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, x) in self.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { *to.add(i) = x };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256, __m256);

    // SAFETY (all): the trait's contract.
    impl Lanes for Avx2 {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }

        #[inline(always)]
        unsafe fn halves(from: *const u32) -> (Self, Self) {
            unsafe {
                let (a, b) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast()));
                let low = |w| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(w));
                let high = |w| {
                    _mm256_castsi256_ps(_mm256_and_si256(w, _mm256_set1_epi32(0xffff_0000_u32.cast_signed())))
                };
                (Self(low(a), low(b)), Self(high(a), high(b)))
            }
        }

        #[inline(always)]
        unsafe fn times_plus(self, by: Self, plus: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(self.0, by.0, plus.0), _mm256_fmadd_ps(self.1, by.1, plus.1)) }
        }

        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512);

    // SAFETY (all): the trait's contract.
    impl Lanes for Avx512 {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(x)) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm512_loadu_ps(from)) }
        }

        #[inline(always)]
        unsafe fn halves(from: *const u32) -> (Self, Self) {
            unsafe {
                let w = _mm512_loadu_si512(from.cast());
                let high = _mm512_and_si512(w, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
                (Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(w))), Self(_mm512_castsi512_ps(high)))
            }
        }

        #[inline(always)]
        unsafe fn times_plus(self, by: Self, plus: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(self.0, by.0, plus.0)) }
        }

        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Pairs of inputs that have sums of their own, so that additions need not wait for each other.
const CHAINS: usize = 2;
/// Bytes that are asked for ahead of their use; the processor's own prefetching ends at every page.
const AHEAD: usize = 2048;

/// Rows `x` (the first at `x`, the next `stride` numbers on) against a panel: `each(row, sums)`.
///
/// # Safety
/// Every row has `panels.inputs` numbers, the panel exists, and the processor has `L`'s features.
#[inline(always)]
pub(super) unsafe fn rows<L: Lanes>(
    panels: &Panels,
    panel: usize,
    (x, stride): (*const f32, usize),
    count: usize,
    mut each: impl FnMut(usize, L),
) {
    let mut row = 0;
    // SAFETY: rows below `count`, as the contract says.
    unsafe {
        while row + 4 <= count {
            let sums = some::<L, 4>(panels, panel, std::array::from_fn(|i| x.add((row + i) * stride)));
            sums.into_iter().enumerate().for_each(|(i, s)| each(row + i, s));
            row += 4;
        }
        while row < count {
            let [sum] = some::<L, 1>(panels, panel, [x.add(row * stride)]);
            each(row, sum);
            row += 1;
        }
    }
}

/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn some<L: Lanes, const R: usize>(panels: &Panels, panel: usize, x: [*const f32; R]) -> [L; R] {
    let width = panels.width(panel);
    let padded = panels.inputs.next_multiple_of(2);
    // SAFETY: the panel's numbers begin there, and 16 more follow the last panel.
    unsafe {
        match &panels.numbers {
            Numbers::Single(all) => {
                let from = all.as_ptr().add(panel * PANEL * padded);
                tile::<L, R>(panels.inputs, x, |pair| {
                    let at = from.add(2 * pair * width);
                    ahead(at.cast());
                    (L::load(at), L::load(at.add(width)))
                })
            }
            Numbers::Half(all) => {
                let from = all.as_ptr().add(panel * PANEL * padded / 2);
                tile::<L, R>(panels.inputs, x, |pair| {
                    let at = from.add(pair * width);
                    ahead(at.cast());
                    L::halves(at)
                })
            }
        }
    }
}

#[inline(always)]
fn ahead(_at: *const i8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see and may name any address; every such processor has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(_at.wrapping_add(AHEAD));
    }
}

/// # Safety
/// Every row has `inputs` numbers; `weights(pair)` may be asked for each pair.
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize>(
    inputs: usize,
    x: [*const f32; R],
    weights: impl Fn(usize) -> (L, L),
) -> [L; R] {
    let pairs = inputs / 2;
    // SAFETY: inputs 2 pair and 2 pair + 1 are inside for every pair below `pairs`.
    unsafe {
        let mut sums = [[L::splat(0.0); 2 * CHAINS]; R];
        let mut pair = 0;
        while pair + CHAINS <= pairs {
            for c in 0..CHAINS {
                let (low, high) = weights(pair + c);
                for r in 0..R {
                    let x = x[r].add(2 * (pair + c));
                    sums[r][2 * c] = low.times_plus(L::splat(*x), sums[r][2 * c]);
                    sums[r][2 * c + 1] = high.times_plus(L::splat(*x.add(1)), sums[r][2 * c + 1]);
                }
            }
            pair += CHAINS;
        }
        while pair < pairs {
            let (low, high) = weights(pair);
            for r in 0..R {
                let x = x[r].add(2 * pair);
                sums[r][0] = low.times_plus(L::splat(*x), sums[r][0]);
                sums[r][1] = high.times_plus(L::splat(*x.add(1)), sums[r][1]);
            }
            pair += 1;
        }
        if inputs % 2 == 1 {
            let (low, _) = weights(pair);
            for r in 0..R {
                sums[r][0] = low.times_plus(L::splat(*x[r].add(2 * pair)), sums[r][0]);
            }
        }
        sums.map(|s| s[0].plus(s[2]).plus(s[1].plus(s[3])))
    }
}
