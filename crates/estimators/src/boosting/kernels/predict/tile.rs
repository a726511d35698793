//! Rows as a tile: each feature's values together, in single precision where that compares the same.
//!
//! A value x and a threshold t in double precision compare as x rounded up and t rounded down to single precision,
//! unless both lie strictly between the same two neighbours there. [`Keys`] knows the thresholds' lower neighbours, so
//! that such a value is seen, and its tile is compared in double precision.
#![allow(clippy::indexing_slicing, reason = "tiles have their places, sources are checked on entry")]

use super::TILE;
use crate::boosting::data::ZERO;
use lyceum_tensor::{Level, level};

/// The largest f32 that is not above `t`: for any f32 x, `x <= t` exactly when `x <= floor32(t)`.
pub(in crate::boosting) fn floor32(t: f64) -> f32 {
    let near = t as f32;
    if f64::from(near) > t { near.next_down() } else { near }
}

fn key(floor: f32) -> u32 {
    (floor + 0.0).to_bits()
}

/// The lower neighbours of a feature's thresholds: a table in which a key has two places.
#[derive(Debug, Clone)]
pub(in crate::boosting) struct Keys {
    /// Keys, or the bits of a NaN; a power of two. Empty where the keys found no places: every value counts as one.
    table: Vec<u32>,
    shift: u32,
}

/// Multipliers of the two places.
const PLACES: [u32; 2] = [0x9e37_79b1, 0x85eb_ca6b];
const FREE: u32 = u32::MAX;
/// Doublings of the table that are tried.
const ROOM: u32 = 4;

impl Keys {
    /// The keys of some thresholds.
    pub(in crate::boosting) fn of(thresholds: &[f64]) -> Self {
        let mut keys: Vec<u32> = thresholds.iter().map(|t| key(floor32(*t))).collect();
        keys.sort_unstable();
        keys.dedup();
        let bits = (keys.len() * 3).next_power_of_two().trailing_zeros().max(4);
        // Keys that need a much larger table were chosen to.
        for bits in bits..(bits + ROOM).min(32) {
            let mut own = Self { table: vec![FREE; 1 << bits], shift: 32 - bits };
            if keys.iter().all(|k| own.insert(*k)) {
                return own;
            }
        }
        Self { table: Vec::new(), shift: 0 }
    }

    fn place(&self, key: u32, which: usize) -> usize {
        (key.wrapping_mul(PLACES[which]) >> self.shift) as usize
    }

    fn insert(&mut self, mut key: u32) -> bool {
        // Who is pushed out goes to its other place.
        for _ in 0..64 {
            for which in 0..2 {
                let at = self.place(key, which);
                if self.table[at] == FREE {
                    self.table[at] = key;
                    return true;
                }
            }
            let at = self.place(key, (key >> 3 & 1) as usize);
            std::mem::swap(&mut self.table[at], &mut key);
        }
        false
    }

    fn has(&self, key: u32) -> bool {
        self.table.is_empty() || (0..2).any(|which| self.table[self.place(key, which)] == key)
    }

    /// The value in single precision that compares with all thresholds as `x` does; nothing where there is none.
    pub(in crate::boosting) fn single(&self, x: f64) -> Option<f32> {
        let floor = floor32(x);
        if f64::from(floor) == x || x.is_nan() {
            return Some(x as f32);
        }
        (!self.has(key(floor))).then(|| floor.next_up())
    }
}

/// What is done to a feature's values before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::boosting) enum Kind {
    /// Nothing: NaN is missing.
    AsIs,
    /// No node knows missing values: NaN counts as 0.
    NanIsZero,
    /// Zero is missing.
    ZeroIsNan,
}

impl Kind {
    /// The value that is compared.
    #[inline(always)]
    pub(in crate::boosting) fn apply(self, x: f64) -> f64 {
        match self {
            Self::NanIsZero if x.is_nan() => 0.0,
            Self::ZeroIsNan if x.abs() <= ZERO => f64::NAN,
            _ => x,
        }
    }
}

/// The values of a feature in single precision.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; TILE]);

/// Rows of a tile, feature by feature.
#[derive(Debug)]
pub(in crate::boosting) struct Tile {
    pub(super) narrow: Vec<Line>,
    pub(super) wide: Vec<[f64; TILE]>,
    /// Whether `narrow` holds the values, else `wide` does.
    pub(super) single: bool,
}

/// Where a feature's values lie: the first, and how far the next row's is from it.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) enum Source<'a> {
    Single(&'a [f32], usize),
    Double(&'a [f64], usize),
}

impl Source<'_> {
    fn step(&self) -> usize {
        match self {
            Self::Single(_, step) | Self::Double(_, step) => *step,
        }
    }
}

impl Tile {
    pub(in crate::boosting) fn new(features: usize) -> Self {
        Self { narrow: vec![Line([0.0; TILE]); features], wide: vec![[0.0; TILE]; features], single: true }
    }

    pub(super) fn features(&self) -> usize {
        self.narrow.len()
    }

    /// Fills the tile with `rows` rows, at most [`TILE`]; `features` says where a feature's values lie, what is done to
    /// them and what they are compared with. What is left of the tile has any value.
    ///
    /// # Panics
    /// When a source has not that many rows.
    pub(in crate::boosting) fn fill<'s>(
        &mut self,
        rows: usize,
        features: impl Iterator<Item = (Source<'s>, Kind, &'s Keys)> + Clone,
    ) {
        self.single = true;
        for ((source, kind, keys), line) in features.clone().zip(&mut self.narrow) {
            if !narrow(source, rows, kind, keys, &mut line.0) {
                self.single = false;
                break;
            }
        }
        if !self.single {
            for ((source, kind, _), out) in features.zip(&mut self.wide) {
                for (i, out) in out.iter_mut().enumerate().take(rows) {
                    *out = kind.apply(match source {
                        Source::Single(values, step) => f64::from(values[i * step]),
                        Source::Double(values, step) => values[i * step],
                    });
                }
            }
        }
    }

    /// A value as it is compared.
    pub(in crate::boosting) fn value(&self, feature: usize, row: usize) -> f64 {
        if self.single { f64::from(self.narrow[feature].0[row]) } else { self.wide[feature][row] }
    }
}

/// The values of a feature in single precision; false where one has no match there.
fn narrow(source: Source<'_>, rows: usize, kind: Kind, keys: &Keys, out: &mut [f32; TILE]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx512 && rows == TILE && source.step() < 1 << 24 {
        let fits = |len: usize, step: usize| len > (TILE - 1) * step;
        // SAFETY: the level says that the processor can, and the 64 values lie inside the slice.
        match source {
            Source::Single(values, step) => {
                assert!(fits(values.len(), step));
                unsafe { singles(values, step, kind, out) };
                return true;
            }
            Source::Double(values, step) => {
                assert!(fits(values.len(), step));
                return unsafe { doubles(values, step, kind, keys, out) };
            }
        }
    }
    plain(source, rows, kind, keys, out)
}

fn plain(source: Source<'_>, rows: usize, kind: Kind, keys: &Keys, out: &mut [f32; TILE]) -> bool {
    match source {
        Source::Single(values, step) => {
            let value = |i: usize| kind.apply(f64::from(values[i * step])) as f32;
            out.iter_mut().enumerate().take(rows).for_each(|(i, out)| *out = value(i));
            true
        }
        Source::Double(values, step) => {
            let single = |i: usize| keys.single(kind.apply(values[i * step]));
            out.iter_mut().enumerate().take(rows).all(|(i, out)| single(i).map(|x| *out = x).is_some())
        }
    }
}

/// # Safety
/// AVX-512 F; `values` has 64 values `step` apart, `step` below 2²⁴.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn singles(values: &[f32], step: usize, kind: Kind, out: &mut [f32; TILE]) {
    use std::arch::x86_64::*;
    let one = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let at = _mm512_mullo_epi32(one, _mm512_set1_epi32(step as i32));
    let (zero, tiny) = (_mm512_setzero_ps(), _mm512_set1_ps(ZERO as f32));
    for (r, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: as the contract says.
        unsafe {
            let from = values.as_ptr().add(r * 16 * step);
            let mut x = if step == 1 { _mm512_loadu_ps(from) } else { _mm512_i32gather_ps::<4>(at, from) };
            match kind {
                Kind::AsIs => {}
                Kind::NanIsZero => {
                    x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_ORD_Q>(x, x), x);
                }
                Kind::ZeroIsNan => {
                    let near = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(_mm512_abs_ps(x), tiny);
                    x = _mm512_mask_add_ps(x, near, zero, _mm512_set1_ps(f32::NAN));
                }
            }
            _mm512_storeu_ps(out.as_mut_ptr(), x);
        }
    }
}

/// # Safety
/// AVX-512 F, DQ; `values` has 64 values `step` apart, `step` below 2²⁴.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn doubles(values: &[f64], step: usize, kind: Kind, keys: &Keys, out: &mut [f32; TILE]) -> bool {
    use std::arch::x86_64::*;
    const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
    const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    let at = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(step as i32));
    let shift = _mm_cvtsi32_si128(keys.shift as i32);
    let (a, b) = (_mm256_set1_epi32(PLACES[0] as i32), _mm256_set1_epi32(PLACES[1] as i32));
    for (r, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: as the contract says; a place is below the length of the table, whose bits are 32 less the shift.
        unsafe {
            let from = values.as_ptr().add(r * 8 * step);
            let mut x = if step == 1 { _mm512_loadu_pd(from) } else { _mm512_i32gather_pd::<8>(at, from) };
            match kind {
                Kind::AsIs => {}
                Kind::NanIsZero => {
                    x = _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_ORD_Q>(x, x), x);
                }
                Kind::ZeroIsNan => {
                    let near = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(_mm512_abs_pd(x), _mm512_set1_pd(ZERO));
                    x = _mm512_mask_mov_pd(x, near, _mm512_set1_pd(f64::NAN));
                }
            }
            let (high, low) = (_mm512_cvt_roundpd_ps::<UP>(x), _mm512_cvt_roundpd_ps::<DOWN>(x));
            _mm256_storeu_ps(out.as_mut_ptr(), high);
            let between = _mm256_cmp_ps_mask::<_CMP_NEQ_OQ>(high, low);
            if between != 0 && keys.table.is_empty() {
                return false;
            }
            if between != 0 {
                let key = _mm256_castps_si256(_mm256_add_ps(low, _mm256_setzero_ps()));
                let table = keys.table.as_ptr().cast();
                let first = _mm256_srl_epi32(_mm256_mullo_epi32(key, a), shift);
                let second = _mm256_srl_epi32(_mm256_mullo_epi32(key, b), shift);
                let found = _mm256_cmpeq_epi32_mask(_mm256_i32gather_epi32::<4>(table, first), key)
                    | _mm256_cmpeq_epi32_mask(_mm256_i32gather_epi32::<4>(table, second), key);
                if found & between != 0 {
                    return false;
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn rounding_down_keeps_every_comparison() {
        let mut random = Random::new(3, 0);
        for _ in 0..2000 {
            let t = random.normal() * 10f64.powi(random.below(60) as i32 - 30);
            let f = floor32(t);
            for x in [f.next_down(), f, f.next_up(), f.next_up().next_up(), 0.0, -0.0] {
                assert_eq!(f64::from(x) <= t, x <= f, "{x} {t}");
            }
        }
        assert_eq!(floor32(f64::INFINITY), f32::INFINITY);
        assert!(Kind::ZeroIsNan.apply(1e-36).is_nan() && Kind::NanIsZero.apply(f64::NAN) == 0.0);
    }

    #[test]
    fn doubles_compare_as_their_singles_or_are_seen() {
        let mut random = Random::new(8, 0);
        let thresholds: Vec<f64> =
            (0..300).map(|_| random.normal()).chain([0.0, ZERO, -ZERO, 1e300]).collect();
        let keys = Keys::of(&thresholds);
        let near = |t: f64| [t, t.next_up(), t.next_down(), t + 1e-9, t - 1e-9, f64::from(floor32(t))];
        let mut values: Vec<f64> = thresholds.iter().flat_map(|t| near(*t)).collect();
        values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-320, -1e-320, 0.0, -0.0, 1e39, -1e39]);
        values.extend((0..3000).map(|_| random.normal()));
        let mut seen = 0;
        for x in &values {
            let Some(single) = keys.single(*x) else {
                seen += 1;
                continue;
            };
            assert_eq!(single.is_nan(), x.is_nan());
            for t in &thresholds {
                assert_eq!(single <= floor32(*t), x <= t, "{x:e} {t:e}");
            }
        }
        assert!((300..2000).contains(&seen), "{seen}");
    }

    /// Whoever writes a model can choose thresholds that want the same places at any size of the table.
    #[test]
    fn keys_without_places_are_met_by_every_value() {
        let top = |key: u32, which: usize| key.wrapping_mul(PLACES[which]) >> 24;
        let first = 1.0f32.to_bits();
        let meets = |k: &u32| (0..2).all(|w| top(*k, w) == top(first, w));
        let same = (first..first + (1 << 22)).filter(meets);
        let thresholds: Vec<f64> = same.take(9).map(|k| f64::from(f32::from_bits(k))).collect();
        assert_eq!(thresholds.len(), 9);
        let keys = Keys::of(&thresholds);
        assert!(keys.table.is_empty());
        assert_eq!((keys.single(0.1), keys.single(0.5)), (None, Some(0.5)));
        let mut out = [0.0; TILE];
        for (x, whole) in [(0.1, false), (0.5, true)] {
            let x = [x; TILE];
            assert_eq!(narrow(Source::Double(&x, 1), TILE, Kind::AsIs, &keys, &mut out), whole);
        }
    }

    #[test]
    fn every_way_fills_alike() {
        let mut random = Random::new(2, 0);
        let thresholds: Vec<f64> = (0..40).map(|_| random.normal()).collect();
        let keys = Keys::of(&thresholds);
        let odd = [f64::NAN, 0.0, 1e-36, -1e-40, f64::INFINITY, 0.1];
        for step in [1, 3] {
            for kind in [Kind::AsIs, Kind::NanIsZero, Kind::ZeroIsNan] {
                for spoilt in [false, true] {
                    let mut x: Vec<f64> = (0..TILE * step)
                        .map(|i| if i % 5 == 0 { odd[random.below(6)] } else { random.normal() })
                        .collect();
                    if spoilt {
                        x[17 * step] = thresholds[3].next_up();
                    }
                    let single: Vec<f32> = x.iter().map(|x| *x as f32).collect();
                    for source in [Source::Double(&x, step), Source::Single(&single, step)] {
                        let (mut a, mut b) = ([0.0; TILE], [0.0; TILE]);
                        let whole = narrow(source, TILE, kind, &keys, &mut a);
                        assert_eq!(whole, plain(source, TILE, kind, &keys, &mut b));
                        assert_eq!(whole, !(spoilt && matches!(source, Source::Double(..))));
                        let bits = |x: [f32; TILE]| x.map(|x| if x.is_nan() { 1 } else { x.to_bits() });
                        assert!(!whole || bits(a) == bits(b));
                    }
                }
            }
        }
    }
}
