//! Blocks of strips as tiles of bf16 for the matrix units: row 2g of a tile holds inputs 4g and 4g + 2 of each of the
//! sixteen outputs side by side, row 2g + 1 inputs 4g + 1 and 4g + 3.
//!
//! A weight is made in half precision, d code + m, and the lower bits of its mantissa are cut off: half precision
//! shifted down by three bits *is* bf16 of the number times 2^-112, which the lift of the inputs makes good. Cutting
//! off makes weights smaller by a little over 0.2 % on average; the products are made larger by just that, after which
//! the error is as large as that of rounding.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::amx::TILE;
use super::shape::Shape;
use half::f16;

/// What sums of products of tiles are multiplied by, beside the strips' own unit: 2^112 / 2^96, and the mean of what
/// cutting off takes (3.5 of 1024 steps of a mantissa whose mean inverse is 1 / (2 ln 2)).
pub(super) const UNIT: f32 = 65536.0 * 1.002_466;

/// One block as a tile: the definition.
#[cfg(test)]
fn scalar<S: Shape>(scales: &[u8], quants: &[u8], tile: &mut [u8]) {
    use super::scalar::{code, scale};
    for n in 0..16 {
        for j in 0..32 {
            let half = j / 16;
            let d = f64::from(scale::<S>(scales, half, n));
            let whole = f64::from(super::shape::step::<S>(code::<S>(quants, n, j)));
            let w =
                if S::MINIMA { d * whole + f64::from(scale::<S>(scales, 2 + half, n)) } else { d * whole };
            let bits = f16::from_f64(w).to_bits();
            let bits = ((bits as i16) >> 3) as u16 & 0x8fff;
            let row = 2 * (j / 4) + j % 2;
            tile[64 * row + 4 * n + j % 4 / 2 * 2..][..2].copy_from_slice(&bits.to_le_bytes());
        }
    }
}

/// One block as a tile.
///
/// # Safety
/// AVX-512 with FP16; `S::SCALES` and `S::QUANTS` bytes at the pointers, a tile at a line of the cache to write.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512fp16")]
pub(super) unsafe fn wide<S: Shape>(scales: *const u8, quants: *const u8, tile: *mut u8) {
    use std::arch::x86_64::*;
    debug_assert!(tile.addr().is_multiple_of(64) && TILE == 16 * 64);
    // SAFETY: all loads and stores are within what the contract gives.
    unsafe {
        // Number n twice, for the two inputs of a pair.
        let twice = _mm512_set_epi16(
            15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2,
            1, 1, 0, 0,
        );
        let vector = |v: usize| {
            let x = _mm512_castsi256_si512(_mm256_loadu_si256(scales.add(32 * v).cast()));
            _mm512_castsi512_ph(_mm512_permutexvar_epi16(twice, x))
        };
        let halves = usize::from(S::HALVES);
        let d = [vector(0), vector(halves)];
        let m = if S::MINIMA { [vector(1 + halves), vector(1 + 2 * halves)] } else { d };
        let keep = _mm512_set1_epi16(0x8fffu16.cast_signed());
        let put = |row: usize, w: __m512h| {
            let bits = _mm512_and_si512(_mm512_srai_epi16(_mm512_castph_si512(w), 3), keep);
            _mm512_store_si512(tile.add(64 * row).cast(), bits);
        };
        if S::BITS == 4 {
            // Words are looked up by their five low bits; the fifth belongs to a neighbour and does not matter.
            let table = _mm512_loadu_si512(Steps::<S>::OF.as_ptr().cast());
            let weigh = |half: usize, index: __m512i| {
                let w = _mm512_castsi512_ph(_mm512_permutexvar_epi16(index, table));
                if S::MINIMA { _mm512_fmadd_ph(w, d[half], m[half]) } else { _mm512_mul_ph(w, d[half]) }
            };
            for v in 0..4 {
                let raw = _mm512_loadu_si512(quants.add(64 * v).cast());
                put(2 * v, weigh(0, raw));
                put(2 * v + 1, weigh(0, _mm512_srli_epi16(raw, 8)));
                put(8 + 2 * v, weigh(1, _mm512_srli_epi16(raw, 4)));
                put(9 + 2 * v, weigh(1, _mm512_srli_epi16(raw, 12)));
            }
            return;
        }
        // d (code - zero) + m as one operation.
        let zero = _mm512_set1_ph_of(-S::ZERO);
        let offset = [0, 1]
            .map(|h| if S::MINIMA { _mm512_fmadd_ph(zero, d[h], m[h]) } else { _mm512_mul_ph(zero, d[h]) });
        let low = _mm512_set1_epi16(0xff);
        for (g, w) in super::vnni::unpack::<S>(quants).into_iter().enumerate() {
            let weigh = |x: __m512i| _mm512_fmadd_ph(_mm512_cvtepu16_ph(x), d[g / 4], offset[g / 4]);
            put(2 * g, weigh(_mm512_and_si512(w, low)));
            put(2 * g + 1, weigh(_mm512_srli_epi16(w, 8)));
        }
    }
}

/// A whole number in all lanes, exact up to 2048.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512fp16")]
fn _mm512_set1_ph_of(x: i32) -> std::arch::x86_64::__m512h {
    use std::arch::x86_64::*;
    _mm512_cvtepi16_ph(_mm512_set1_epi16(x as i16))
}

#[cfg(target_arch = "x86_64")]
struct Steps<S>(std::marker::PhantomData<S>);

#[cfg(target_arch = "x86_64")]
impl<S: Shape> Steps<S> {
    /// What the codes of four bits stand for, in half precision, twice over.
    const OF: [u16; 32] = steps::<S>();
}

#[cfg(target_arch = "x86_64")]
const fn steps<S: Shape>() -> [u16; 32] {
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        let value = match S::TABLE {
            Some(table) => table[i % 16] as i32,
            None => (i % 16) as i32,
        } - S::ZERO;
        out[i] = f16::from_f32_const(value as f32).to_bits();
        i += 1;
    }
    out
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::shape::{Kind, with_shape};
    use super::*;
    use crate::kernels::arena::Lines;

    #[test]
    fn both_twins_make_the_same_tiles() {
        if crate::level() < crate::Level::Amx {
            eprintln!("SKIPPED: the processor has no matrix units");
            return;
        }
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for kind in Kind::ALL {
            let mut scales = vec![0; kind.scales()];
            for (i, b) in scales.iter_mut().enumerate() {
                // Half-precision numbers of at most 2^6 in size.
                *b = if i % 2 == 1 { next() & 0xd3 } else { next() };
            }
            let quants: Vec<u8> = (0..kind.quants()).map(|_| next()).collect();
            let mut want = vec![0; TILE];
            let mut got = Lines::zeros(TILE);
            with_shape!(*kind, S => {
                scalar::<S>(&scales, &quants, &mut want);
                // SAFETY: the level says that the processor has it; the sizes are the shape's.
                unsafe { wide::<S>(scales.as_ptr(), quants.as_ptr(), got.bytes_mut().as_mut_ptr()) };
            });
            let words =
                |b: &[u8]| b.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect::<Vec<_>>();
            for (i, (a, b)) in words(&want).into_iter().zip(words(got.bytes())).enumerate() {
                assert!(a == b || (a | b) & 0x7fff == 0, "{kind:?}: {a:x} is not {b:x} at {i}");
            }
        }
    }
}
