//! The key-value cache and attention over it. Positions lie in blocks of 16; a sequence names its blocks in a table.
//!
//! Layout, per layer: keys `[block][kv head][head_dim][16]`, so that 16 scores grow side by side without a sum across
//! a register; values `[block][kv head][16][head_dim]`. Half precision, or f32 where exactness is wanted.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "offsets within blocks of a constant size"
)]

use super::elementwise::softmax;
use crate::Pool;
use half::f16;
use std::ops::Range;

/// Positions of a block.
pub const BLOCK: usize = 16;

#[derive(Debug)]
enum Numbers {
    Half(Vec<u16>),
    Single(Vec<f32>),
}

/// Keys and values of one layer.
#[derive(Debug)]
pub struct CacheLayer {
    keys: Numbers,
    values: Numbers,
    kv_heads: usize,
    head_dim: usize,
}

/// Keys and values of all layers. Memory is taken from the system when it is first written.
#[derive(Debug)]
pub struct Cache {
    /// One for each layer.
    pub layers: Vec<CacheLayer>,
    block_bytes: usize,
}

impl Cache {
    /// Room for `blocks` blocks in each of `layers` layers; `exact` keeps f32.
    pub fn new(layers: usize, kv_heads: usize, head_dim: usize, blocks: usize, exact: bool) -> Self {
        let n = blocks * BLOCK * kv_heads * head_dim;
        let numbers = || if exact { Numbers::Single(vec![0.0; n]) } else { Numbers::Half(vec![0; n]) };
        let layer = || CacheLayer { keys: numbers(), values: numbers(), kv_heads, head_dim };
        let block_bytes = Self::bytes_of_block(layers, kv_heads, head_dim, exact);
        Self { layers: (0..layers).map(|_| layer()).collect(), block_bytes }
    }

    /// Bytes that one block takes in all layers.
    pub fn bytes_of_block(layers: usize, kv_heads: usize, head_dim: usize, exact: bool) -> usize {
        2 * layers * BLOCK * kv_heads * head_dim * if exact { 4 } else { 2 }
    }

    /// Bytes that one block takes in all layers.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }
}

impl CacheLayer {
    fn at(&self, block: u32, head: usize) -> usize {
        (block as usize * self.kv_heads + head) * BLOCK * self.head_dim
    }

    /// Width of a head.
    pub(super) fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Key heads.
    pub(super) fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// Keys and values, where they are in half precision.
    pub(super) fn halves(&self) -> Option<(&[u16], &[u16])> {
        match (&self.keys, &self.values) {
            (Numbers::Half(keys), Numbers::Half(values)) => Some((keys, values)),
            _ => None,
        }
    }

    /// Writes key and value of one position, all heads, into a slot (0 to 15) of a block.
    pub fn write(&mut self, block: u32, slot: usize, key: &[f32], value: &[f32]) {
        let to = self.writer();
        for head in 0..to.kv_heads {
            // SAFETY: the cache is borrowed for writing.
            unsafe { to.write(head, (block, slot), key, value) };
        }
    }

    /// The same for many positions: row i of `keys` and `values`, `[rows, kv heads · head_dim]`, goes to `places[i]`.
    ///
    /// # Panics
    /// When there are fewer rows than places, or a place is not there.
    pub fn write_all(&mut self, pool: &Pool, places: &[(u32, usize)], keys: &[f32], values: &[f32]) {
        let to = self.writer();
        let width = to.kv_heads * to.head_dim;
        assert!(keys.len().min(values.len()) >= places.len() * width, "rows of keys and values");
        let each = |head: usize| {
            for (i, place) in places.iter().enumerate() {
                // SAFETY: the cache is borrowed for writing, and each task writes one head.
                unsafe { to.write(head, *place, &keys[i * width..], &values[i * width..]) };
            }
        };
        if places.len() < 8 { (0..to.kv_heads).for_each(each) } else { pool.run(to.kv_heads, each) }
    }

    fn writer(&mut self) -> Writer {
        let (kv_heads, head_dim) = (self.kv_heads, self.head_dim);
        let (to, len) = match (&mut self.keys, &mut self.values) {
            (Numbers::Half(k), Numbers::Half(v)) => {
                (Start::Half(k.as_mut_ptr(), v.as_mut_ptr()), k.len().min(v.len()))
            }
            (Numbers::Single(k), Numbers::Single(v)) => {
                (Start::Single(k.as_mut_ptr(), v.as_mut_ptr()), k.len().min(v.len()))
            }
            _ => (Start::Half(std::ptr::null_mut(), std::ptr::null_mut()), 0),
        };
        Writer { to, len, kv_heads, head_dim }
    }
}

/// Where keys and values begin.
enum Start {
    Half(*mut u16, *mut u16),
    Single(*mut f32, *mut f32),
}

/// Writes into a layer that is borrowed for writing, from several threads.
struct Writer {
    to: Start,
    len: usize,
    kv_heads: usize,
    head_dim: usize,
}

// SAFETY: threads write different heads, see `CacheLayer::write_all`.
unsafe impl Sync for Writer {}

impl Writer {
    /// # Safety
    /// The layer must still be borrowed for writing; nobody else writes or reads this head meanwhile.
    unsafe fn write(&self, head: usize, (block, slot): (u32, usize), key: &[f32], value: &[f32]) {
        let dim = self.head_dim;
        let at = (block as usize * self.kv_heads + head) * BLOCK * dim;
        let (k, v) = (&key[head * dim..][..dim], &value[head * dim..][..dim]);
        assert!(slot < BLOCK && at + BLOCK * dim <= self.len, "a slot of a block of the cache");
        for (i, (k, v)) in k.iter().zip(v).enumerate() {
            let (key, value) = (at + slot + i * BLOCK, at + slot * dim + i);
            // SAFETY: slot and dimension are within the block, which is inside as asserted.
            unsafe {
                match self.to {
                    Start::Half(keys, values) => {
                        keys.add(key).write(half_bits(*k));
                        values.add(value).write(half_bits(*v));
                    }
                    Start::Single(keys, values) => {
                        keys.add(key).write(*k);
                        values.add(value).write(*v);
                    }
                }
            }
        }
    }
}

/// f32 to half, to nearest, ties to even; overflow saturates to the largest half. Branch-light, so that loops of it
/// are fast without the processor's own instruction.
#[inline(always)]
fn half_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let size = (bits & 0x7fff_ffff).min(65504f32.to_bits());
    let half = if size < 0x3880_0000 {
        // Subnormal: adding one half puts the wanted bits at the end of the mantissa, rounded.
        ((f32::from_bits(size) + 0.5).to_bits() - 0.5f32.to_bits()) as u16
    } else {
        let odd = size >> 13 & 1;
        (size.wrapping_add(0xc800_0fff + odd) >> 13) as u16
    };
    sign | half
}

/// Attention of the query heads that share key head `head`, for one position: `q` is `[group, head_dim]`, scaled
/// already; keys `range` of the sequence whose blocks are `table`; with a cap, scores s become cap · tanh(s / cap)
/// (Gemma 2); the result goes to `out`, `[group, head_dim]`. `scores` is working memory.
///
/// # Panics
/// When the table has no block for a position of the range.
pub fn attend(
    layer: &CacheLayer,
    head: usize,
    table: &[u32],
    range: Range<usize>,
    (q, cap): (&[f32], Option<f32>),
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let dim = layer.head_dim;
    let group = q.len() / dim;
    let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
    let width = blocks.len() * BLOCK;
    scores.clear();
    scores.resize(group * width, 0.0);
    let base = blocks.start * BLOCK;
    for (i, block) in table[blocks.clone()].iter().enumerate() {
        let at = layer.at(*block, head);
        let scores = &mut scores[i * BLOCK..];
        match &layer.keys {
            Numbers::Half(k) => score(q, &k[at..at + BLOCK * dim], scores, width),
            Numbers::Single(k) => score(q, &k[at..at + BLOCK * dim], scores, width),
        }
    }
    if let Some(cap) = cap {
        scores.iter_mut().for_each(|s| *s = cap * (*s / cap).tanh());
    }
    for scores in scores.chunks_exact_mut(width) {
        softmax(&mut scores[range.start - base..range.end - base]);
    }
    out.fill(0.0);
    for (i, block) in table[blocks].iter().enumerate() {
        let at = layer.at(*block, head);
        let from = range.start.saturating_sub(base + i * BLOCK).min(BLOCK);
        let to = (range.end - (base + i * BLOCK)).min(BLOCK);
        let scores = &scores[i * BLOCK..];
        match &layer.values {
            Numbers::Half(v) => gather(&v[at..at + BLOCK * dim], scores, width, from..to, out),
            Numbers::Single(v) => gather(&v[at..at + BLOCK * dim], scores, width, from..to, out),
        }
    }
}

trait Number: Copy {
    fn widen(self) -> f32;
    /// # Safety
    /// `from` has eight numbers; the processor has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256;
    /// # Safety
    /// `from` has sixteen numbers; the processor has AVX-512 F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512;
}

impl Number for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: as the contract says.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(from) }
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: as the contract says.
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }
}

impl Number for u16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f16::from_bits(self).to_f32()
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: as the contract says.
        unsafe { std::arch::x86_64::_mm256_cvtph_ps(std::arch::x86_64::_mm_loadu_si128(from.cast())) }
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: as the contract says.
        unsafe { std::arch::x86_64::_mm512_cvtph_ps(std::arch::x86_64::_mm256_loadu_si256(from.cast())) }
    }
}

/// `scores[g·width + j] = q[g] · key j` for the 16 keys of a block.
fn score<N: Number>(q: &[f32], keys: &[N], scores: &mut [f32], width: usize) {
    let dim = keys.len() / BLOCK;
    let group = q.len() / dim;
    assert!(scores.len() >= (group - 1) * width + BLOCK);
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        let wide = super::level() >= super::Level::Avx512;
        let mut g = 0;
        while g < group {
            let n = if wide && group - g >= 8 { 8 } else { (group - g).min(4) };
            let (q, to) = (&q[g * dim..], &mut scores[g * width..]);
            // SAFETY: the processor has what the level says; the lengths are asserted above.
            unsafe {
                match n {
                    8 => avx512::score::<N, 8>(q, keys, to, width),
                    4 if wide => avx512::score::<N, 4>(q, keys, to, width),
                    3 if wide => avx512::score::<N, 3>(q, keys, to, width),
                    2 if wide => avx512::score::<N, 2>(q, keys, to, width),
                    1 if wide => avx512::score::<N, 1>(q, keys, to, width),
                    4 => avx2::score::<N, 4>(q, keys, to, width),
                    3 => avx2::score::<N, 3>(q, keys, to, width),
                    2 => avx2::score::<N, 2>(q, keys, to, width),
                    _ => avx2::score::<N, 1>(q, keys, to, width),
                }
            }
            g += n;
        }
        return;
    }
    for g in 0..group {
        let to = &mut scores[g * width..][..BLOCK];
        to.fill(0.0);
        for (q, keys) in q[g * dim..][..dim].iter().zip(keys.chunks_exact(BLOCK)) {
            for (to, k) in to.iter_mut().zip(keys) {
                *to += q * k.widen();
            }
        }
    }
}

/// `out[g] += Σ scores[g·width + j] · value j` for keys `range` of a block.
fn gather<N: Number>(values: &[N], scores: &[f32], width: usize, range: Range<usize>, out: &mut [f32]) {
    let dim = values.len() / BLOCK;
    let group = out.len() / dim;
    assert!(scores.len() >= (group - 1) * width + BLOCK && range.end <= BLOCK);
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 && dim.is_multiple_of(8) {
        let wide = super::level() >= super::Level::Avx512 && dim.is_multiple_of(16);
        let mut g = 0;
        while g < group {
            let n = if wide && group - g >= 8 { 8 } else { (group - g).min(4) };
            let (p, to) = (&scores[g * width..], &mut out[g * dim..]);
            // SAFETY: the processor has what the level says; the lengths are asserted above.
            unsafe {
                match n {
                    8 => avx512::gather::<N, 8>(values, p, width, range.clone(), to, dim),
                    4 if wide => avx512::gather::<N, 4>(values, p, width, range.clone(), to, dim),
                    3 if wide => avx512::gather::<N, 3>(values, p, width, range.clone(), to, dim),
                    2 if wide => avx512::gather::<N, 2>(values, p, width, range.clone(), to, dim),
                    1 if wide => avx512::gather::<N, 1>(values, p, width, range.clone(), to, dim),
                    4 => avx2::gather::<N, 4>(values, p, width, range.clone(), to, dim),
                    3 => avx2::gather::<N, 3>(values, p, width, range.clone(), to, dim),
                    2 => avx2::gather::<N, 2>(values, p, width, range.clone(), to, dim),
                    _ => avx2::gather::<N, 1>(values, p, width, range.clone(), to, dim),
                }
            }
            g += n;
        }
        return;
    }
    for g in 0..group {
        for j in range.clone() {
            let p = scores[g * width + j];
            for (to, v) in out[g * dim..][..dim].iter_mut().zip(&values[j * dim..][..dim]) {
                *to += p * v.widen();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK, Number};
    use std::arch::x86_64::*;
    use std::ops::Range;

    /// # Safety
    /// AVX2, FMA and F16C; `q` has G heads of `keys.len() / 16`, `scores` has 16 numbers at each of G times `width`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn score<N: Number, const G: usize>(
        q: &[f32],
        keys: &[N],
        scores: &mut [f32],
        width: usize,
    ) {
        let dim = keys.len() / BLOCK;
        let mut sums = [[_mm256_setzero_ps(); 2]; G];
        // SAFETY: d < dim, so 16 keys at 16 d are inside; the rest is the contract.
        unsafe {
            for d in 0..dim {
                let k = [N::load8(keys.as_ptr().add(d * BLOCK)), N::load8(keys.as_ptr().add(d * BLOCK + 8))];
                for g in 0..G {
                    let q = _mm256_set1_ps(*q.get_unchecked(g * dim + d));
                    sums[g][0] = _mm256_fmadd_ps(q, k[0], sums[g][0]);
                    sums[g][1] = _mm256_fmadd_ps(q, k[1], sums[g][1]);
                }
            }
            for g in 0..G {
                _mm256_storeu_ps(scores.as_mut_ptr().add(g * width), sums[g][0]);
                _mm256_storeu_ps(scores.as_mut_ptr().add(g * width + 8), sums[g][1]);
            }
        }
    }

    /// # Safety
    /// AVX2, FMA and F16C; `dim` is a multiple of 8, `values` is 16 times `dim`, `scores` has 16 numbers at each of G
    /// times `width`, `out` G times `dim`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn gather<N: Number, const G: usize>(
        values: &[N],
        scores: &[f32],
        width: usize,
        range: Range<usize>,
        out: &mut [f32],
        dim: usize,
    ) {
        for d in (0..dim).step_by(8) {
            // SAFETY: j < 16 and d + 8 <= dim; the rest is the contract.
            unsafe {
                let mut sums = [_mm256_setzero_ps(); G];
                for g in 0..G {
                    sums[g] = _mm256_loadu_ps(out.as_ptr().add(g * dim + d));
                }
                for j in range.clone() {
                    let v = N::load8(values.as_ptr().add(j * dim + d));
                    for g in 0..G {
                        let p = _mm256_set1_ps(*scores.get_unchecked(g * width + j));
                        sums[g] = _mm256_fmadd_ps(p, v, sums[g]);
                    }
                }
                for g in 0..G {
                    _mm256_storeu_ps(out.as_mut_ptr().add(g * dim + d), sums[g]);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK, Number};
    use std::arch::x86_64::*;
    use std::ops::Range;

    /// # Safety
    /// AVX-512 F; as [`super::avx2::score`].
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn score<N: Number, const G: usize>(
        q: &[f32],
        keys: &[N],
        scores: &mut [f32],
        width: usize,
    ) {
        let dim = keys.len() / BLOCK;
        let mut sums = [[_mm512_setzero_ps(); 2]; G];
        // SAFETY: d and d + 1 are below dim, so 16 keys at 16 d are inside; the rest is the contract.
        unsafe {
            for d in (0..dim / 2 * 2).step_by(2) {
                let k =
                    [N::load16(keys.as_ptr().add(d * BLOCK)), N::load16(keys.as_ptr().add((d + 1) * BLOCK))];
                for g in 0..G {
                    let q = q.as_ptr().add(g * dim + d);
                    sums[g][0] = _mm512_fmadd_ps(_mm512_set1_ps(*q), k[0], sums[g][0]);
                    sums[g][1] = _mm512_fmadd_ps(_mm512_set1_ps(*q.add(1)), k[1], sums[g][1]);
                }
            }
            for g in 0..G {
                let mut sum = _mm512_add_ps(sums[g][0], sums[g][1]);
                if dim % 2 == 1 {
                    let k = N::load16(keys.as_ptr().add((dim - 1) * BLOCK));
                    sum = _mm512_fmadd_ps(_mm512_set1_ps(*q.get_unchecked(g * dim + dim - 1)), k, sum);
                }
                _mm512_storeu_ps(scores.as_mut_ptr().add(g * width), sum);
            }
        }
    }

    /// # Safety
    /// AVX-512 F; `dim` is a multiple of 16; otherwise as [`super::avx2::gather`].
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn gather<N: Number, const G: usize>(
        values: &[N],
        scores: &[f32],
        width: usize,
        range: Range<usize>,
        out: &mut [f32],
        dim: usize,
    ) {
        for d in (0..dim).step_by(16) {
            // SAFETY: j < 16 and d + 16 <= dim; the rest is the contract.
            unsafe {
                let mut sums = [_mm512_setzero_ps(); G];
                for g in 0..G {
                    sums[g] = _mm512_loadu_ps(out.as_ptr().add(g * dim + d));
                }
                for j in range.clone() {
                    let v = N::load16(values.as_ptr().add(j * dim + d));
                    for g in 0..G {
                        let p = _mm512_set1_ps(*scores.get_unchecked(g * width + j));
                        sums[g] = _mm512_fmadd_ps(p, v, sums[g]);
                    }
                }
                for g in 0..G {
                    _mm512_storeu_ps(out.as_mut_ptr().add(g * dim + d), sums[g]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_round_as_the_reference() {
        for i in 0..200_000u32 {
            let x = f32::from_bits(i.wrapping_mul(2_654_435_761));
            if x.is_finite() && x.abs() <= 65504.0 {
                assert_eq!(half_bits(x), f16::from_f32(x).to_bits(), "{x}");
            }
        }
        assert_eq!(half_bits(1e9), f16::MAX.to_bits());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn agrees_with_plain_attention(
            group in 1usize..10, eighths in 1usize..5, len in 1usize..60, skip in 0usize..40, exact: bool, seed: u64,
        ) {
            let dim = eighths * 8;
            let heads = 2;
            let mut state = seed | 1;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            };
            let mut cache = Cache::new(1, heads, dim, 8, exact);
            let table = [3u32, 0, 7, 5];
            let layer = &mut cache.layers[0];
            let mut rows = Vec::new();
            for p in 0..len {
                let k: Vec<f32> = (0..heads * dim).map(|_| next()).collect();
                let v: Vec<f32> = (0..heads * dim).map(|_| next()).collect();
                layer.write(table[p / BLOCK], p % BLOCK, &k, &v);
                rows.push((k, v));
            }
            let q: Vec<f32> = (0..group * dim).map(|_| 4.0 * next()).collect();
            let start = skip.min(len - 1);
            let mut out = vec![0.0; group * dim];
            attend(layer, 1, &table, start..len, (&q, None), &mut Vec::new(), &mut out);
            for g in 0..group {
                let q = &q[g * dim..][..dim];
                let mut p: Vec<f64> = rows[start..].iter()
                    .map(|(k, _)| k[dim..].iter().zip(q).map(|(a, b)| f64::from(a * b)).sum::<f64>().exp()).collect();
                let sum: f64 = p.iter().sum();
                p.iter_mut().for_each(|p| *p /= sum);
                for d in 0..dim {
                    let want: f64 = rows[start..].iter().zip(&p).map(|((_, v), p)| p * f64::from(v[dim + d])).sum();
                    let got = f64::from(out[g * dim + d]);
                    prop_assert!((got - want).abs() < if exact { 1e-5 } else { 2e-3 }, "{got} is not {want}");
                }
            }
        }
    }
}
