//! One tree for a tile of rows.
#![allow(clippy::indexing_slicing, reason = "a forest is checked when it is made")]

use super::tile::Tile;
use super::{Forest, One, TILE, WORD};
use lyceum_tensor::{Level, level};

impl Forest {
    /// Adds a tree's values to the sums of the rows of a tile. `right` has for each node that splits by a set the rows
    /// that go right, a bit each.
    ///
    /// # Panics
    /// When the tile has other features, there is no such tree, or `right` is too short.
    pub(in crate::boosting) fn add(&self, tree: usize, tile: &Tile, right: &[u64], sums: &mut [f64; TILE]) {
        let one = &self.parts.trees[tree];
        assert!(tile.features() >= self.features && right.len() >= one.sets);
        #[cfg(target_arch = "x86_64")]
        {
            if level() >= Level::Avx512 {
                // SAFETY: the level says that the processor can; the forest was checked when it was made, and the tile
                // has its features.
                unsafe {
                    if tile.single {
                        self.wide::<true>(one, tile, right, sums)
                    } else {
                        self.wide::<false>(one, tile, right, sums)
                    }
                }
                return;
            }
            if level() >= Level::Avx2 {
                // SAFETY: as above.
                unsafe {
                    if tile.single {
                        self.middle::<true>(one, tile, right, sums);
                    } else {
                        self.middle::<false>(one, tile, right, sums);
                    }
                }
                return;
            }
        }
        self.plain(one, tile, right, sums);
    }

    fn plain(&self, one: &One, tile: &Tile, right: &[u64], sums: &mut [f64; TILE]) {
        let p = &self.parts;
        let mut leaf = [u32::MAX; TILE];
        for (w, word) in p.words[one.words.0..one.words.1].iter().enumerate() {
            let mut masks = [u32::MAX; TILE];
            let (start, middle, end) = word.cuts;
            macro_rules! cuts {
                ($range:expr, $goes_right:expr) => {
                    for i in $range {
                        let (cut, exact) = (&p.cuts[i], p.exact[i]);
                        let feature = cut.feature as usize;
                        if tile.single {
                            for (mask, x) in masks.iter_mut().zip(&tile.narrow[feature].0) {
                                *mask &= if $goes_right(*x > cut.threshold, *x <= cut.threshold) {
                                    cut.keep
                                } else {
                                    u32::MAX
                                };
                            }
                        } else {
                            for (mask, x) in masks.iter_mut().zip(&tile.wide[feature]) {
                                *mask &=
                                    if $goes_right(*x > exact, *x <= exact) { cut.keep } else { u32::MAX };
                            }
                        }
                    }
                };
            }
            cuts!(start..middle, |above: bool, _below: bool| above);
            cuts!(middle..end, |_above: bool, below: bool| !below);
            self.settle(one, w, &mut masks, right, &mut leaf);
        }
        self.sum(one, &leaf, sums);
    }

    /// What is left of a word's masks after its sets, and the leaves of the rows that have one here.
    #[inline(always)]
    fn settle(&self, one: &One, w: usize, masks: &mut [u32; TILE], right: &[u64], leaf: &mut [u32; TILE]) {
        let word = &self.parts.words[one.words.0 + w];
        for (set, keep) in &self.parts.among[word.among.0..word.among.1] {
            for (row, mask) in masks.iter_mut().enumerate() {
                *mask &= if right[*set as usize] >> row & 1 == 1 { *keep } else { u32::MAX };
            }
        }
        for (leaf, mask) in leaf.iter_mut().zip(masks) {
            let own = (w * WORD) as u32 + mask.trailing_zeros();
            *leaf = if *leaf == u32::MAX && *mask != 0 { own } else { *leaf };
        }
    }

    #[inline(always)]
    fn sum(&self, one: &One, leaf: &[u32; TILE], sums: &mut [f64; TILE]) {
        for (sum, leaf) in sums.iter_mut().zip(leaf) {
            *sum += self.parts.values.get(one.values + *leaf as usize).copied().unwrap_or_default();
        }
    }

    /// # Safety
    /// AVX2; the forest was checked; the tile has its features; `right` has the tree's sets.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn middle<const SINGLE: bool>(
        &self,
        one: &One,
        tile: &Tile,
        right: &[u64],
        sums: &mut [f64; TILE],
    ) {
        use std::arch::x86_64::*;
        let p = &self.parts;
        let zero = _mm256_setzero_si256();
        let (mut leaf, mut open) = ([zero; TILE / 8], [_mm256_set1_epi32(-1); TILE / 8]);
        for (w, word) in p.words[one.words.0..one.words.1].iter().enumerate() {
            let mut m = [_mm256_set1_epi32(-1); TILE / 8];
            let (start, middle, end) = word.cuts;
            macro_rules! cuts {
                ($range:expr, $op:ident) => {
                    for i in $range {
                        // SAFETY: the forest's cuts and features were checked when it was made; a feature of a tile has
                        // 64 values.
                        unsafe {
                            let cut = p.cuts.get_unchecked(i);
                            let gone = _mm256_set1_epi32(!cut.keep as i32);
                            if SINGLE {
                                let t = _mm256_set1_ps(cut.threshold);
                                let x = tile.narrow.get_unchecked(cut.feature as usize).0.as_ptr();
                                for (r, m) in m.iter_mut().enumerate() {
                                    let right = _mm256_cmp_ps::<$op>(_mm256_load_ps(x.add(r * 8)), t);
                                    let gone = _mm256_and_si256(_mm256_castps_si256(right), gone);
                                    *m = _mm256_andnot_si256(gone, *m);
                                }
                            } else {
                                let t = _mm256_set1_pd(*p.exact.get_unchecked(i));
                                let x = tile.wide.get_unchecked(cut.feature as usize).as_ptr();
                                for (r, m) in m.iter_mut().enumerate() {
                                    let a = _mm256_cmp_pd::<$op>(_mm256_loadu_pd(x.add(r * 8)), t);
                                    let b = _mm256_cmp_pd::<$op>(_mm256_loadu_pd(x.add(r * 8 + 4)), t);
                                    // The low halves of all eight comparisons, in the order of the rows.
                                    let (a, b) = (_mm256_castpd_ps(a), _mm256_castpd_ps(b));
                                    let both = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(a, b));
                                    let right = _mm256_castpd_si256(_mm256_permute4x64_pd::<0xd8>(both));
                                    *m = _mm256_andnot_si256(_mm256_and_si256(right, gone), *m);
                                }
                            }
                        }
                    }
                };
            }
            cuts!(start..middle, _CMP_GT_OQ);
            cuts!(middle..end, _CMP_NLE_UQ);
            for (set, keep) in &p.among[word.among.0..word.among.1] {
                let gone = _mm256_set1_epi32(!*keep as i32);
                let lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
                for (r, m) in m.iter_mut().enumerate() {
                    let rows = _mm256_set1_epi32((right[*set as usize] >> (r * 8)) as i32);
                    let right = _mm256_cmpeq_epi32(_mm256_and_si256(rows, lanes), lanes);
                    *m = _mm256_andnot_si256(_mm256_and_si256(right, gone), *m);
                }
            }
            // The place of the lowest bit is the exponent of what is left with it alone.
            let base = _mm256_set1_epi32((w * WORD) as i32 - 127);
            let mut left = zero;
            for ((m, leaf), open) in m.iter().zip(&mut leaf).zip(&mut open) {
                let low = _mm256_and_si256(*m, _mm256_sub_epi32(zero, *m));
                let bits = _mm256_castps_si256(_mm256_cvtepi32_ps(low));
                let place = _mm256_and_si256(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(0xff));
                let none = _mm256_cmpeq_epi32(*m, zero);
                let take = _mm256_andnot_si256(none, *open);
                *leaf = _mm256_blendv_epi8(*leaf, _mm256_add_epi32(place, base), take);
                *open = _mm256_and_si256(*open, none);
                left = _mm256_or_si256(left, *open);
            }
            if _mm256_testz_si256(left, left) == 1 {
                break;
            }
        }
        for (r, leaf) in leaf.iter().enumerate() {
            // SAFETY: a leaf is below 32 times the tree's words, and the forest has that many values from the tree's
            // first on; `sums` has 64 places.
            unsafe {
                let values = p.values.as_ptr().add(one.values);
                let sums = sums.as_mut_ptr().add(r * 8);
                let a = _mm256_i32gather_pd::<8>(values, _mm256_castsi256_si128(*leaf));
                let b = _mm256_i32gather_pd::<8>(values, _mm256_extracti128_si256::<1>(*leaf));
                _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), a));
                _mm256_storeu_pd(sums.add(4), _mm256_add_pd(_mm256_loadu_pd(sums.add(4)), b));
            }
        }
    }

    /// # Safety
    /// AVX-512 F, BW, DQ, VL, CD; the forest was checked; the tile has its features; `right` has the tree's sets.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
    unsafe fn wide<const SINGLE: bool>(&self, one: &One, tile: &Tile, right: &[u64], sums: &mut [f64; TILE]) {
        use std::arch::x86_64::*;
        let p = &self.parts;
        let zero = _mm512_setzero_si512();
        let (mut leaf, mut open) = ([zero; 4], [u16::MAX; 4]);
        for (w, word) in p.words[one.words.0..one.words.1].iter().enumerate() {
            let mut m = [_mm512_set1_epi32(-1); 4];
            let (start, middle, end) = word.cuts;
            macro_rules! cuts {
                ($range:expr, $op:ident) => {
                    for i in $range {
                        // SAFETY: the forest's cuts and features were checked when it was made; a feature of a tile has
                        // 64 values.
                        unsafe {
                            let cut = p.cuts.get_unchecked(i);
                            let keep = _mm512_set1_epi32(cut.keep as i32);
                            if SINGLE {
                                let t = _mm512_set1_ps(cut.threshold);
                                let x = tile.narrow.get_unchecked(cut.feature as usize).0.as_ptr();
                                for (r, m) in m.iter_mut().enumerate() {
                                    let right = _mm512_cmp_ps_mask::<$op>(_mm512_load_ps(x.add(r * 16)), t);
                                    *m = _mm512_mask_and_epi32(*m, right, *m, keep);
                                }
                            } else {
                                let t = _mm512_set1_pd(*p.exact.get_unchecked(i));
                                let x = tile.wide.get_unchecked(cut.feature as usize).as_ptr();
                                for (r, m) in m.iter_mut().enumerate() {
                                    let a = _mm512_cmp_pd_mask::<$op>(_mm512_loadu_pd(x.add(r * 16)), t);
                                    let b = _mm512_cmp_pd_mask::<$op>(_mm512_loadu_pd(x.add(r * 16 + 8)), t);
                                    let right = u16::from(a) | u16::from(b) << 8;
                                    *m = _mm512_mask_and_epi32(*m, right, *m, keep);
                                }
                            }
                        }
                    }
                };
            }
            cuts!(start..middle, _CMP_GT_OQ);
            cuts!(middle..end, _CMP_NLE_UQ);
            for (set, keep) in &p.among[word.among.0..word.among.1] {
                let keep = _mm512_set1_epi32(*keep as i32);
                for (r, m) in m.iter_mut().enumerate() {
                    let right = (right[*set as usize] >> (r * 16)) as u16;
                    *m = _mm512_mask_and_epi32(*m, right, *m, keep);
                }
            }
            let (top, base) = (_mm512_set1_epi32(31), _mm512_set1_epi32((w * WORD) as i32));
            for ((m, leaf), open) in m.iter().zip(&mut leaf).zip(&mut open) {
                let low = _mm512_and_si512(*m, _mm512_sub_epi32(zero, *m));
                let bit = _mm512_sub_epi32(top, _mm512_lzcnt_epi32(low));
                let here = _mm512_test_epi32_mask(*m, *m);
                *leaf = _mm512_mask_add_epi32(*leaf, here & *open, bit, base);
                *open &= !here;
            }
            if open == [0; 4] {
                break;
            }
        }
        for (r, leaf) in leaf.iter().enumerate() {
            // SAFETY: a leaf is below 32 times the tree's words, and the forest has that many values from the tree's
            // first on; `sums` has 64 places.
            unsafe {
                let values = p.values.as_ptr().add(one.values);
                let sums = sums.as_mut_ptr().add(r * 16);
                let a = _mm512_i32gather_pd::<8>(_mm512_castsi512_si256(*leaf), values);
                let b = _mm512_i32gather_pd::<8>(_mm512_extracti64x4_epi64::<1>(*leaf), values);
                _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), a));
                _mm512_storeu_pd(sums.add(8), _mm512_add_pd(_mm512_loadu_pd(sums.add(8)), b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cut, Parts, Word};
    use super::*;
    use lyceum_data::Random;

    /// A tree of some words with random cuts, each sparing the last leaf.
    fn forest(cuts: usize, words: usize, features: usize, sets: usize, random: &mut Random) -> Forest {
        let mut parts = Parts::default();
        for w in 0..words {
            let start = parts.cuts.len();
            for _ in 0..cuts {
                let threshold = random.below(20) as f64;
                let spare = if w + 1 == words { 1u32 << 31 } else { 0 };
                let keep = random.next_u64() as u32 | spare;
                parts.cuts.push(Cut {
                    threshold: threshold as f32,
                    keep,
                    feature: random.below(features) as u32,
                });
                parts.exact.push(threshold);
            }
            let among = parts.among.len();
            parts.among.extend((0..sets as u32).map(|s| (s, u32::MAX << 1)));
            let end = parts.cuts.len();
            let word = Word { cuts: (start, start + cuts / 3, end), among: (among, parts.among.len()) };
            parts.words.push(word);
        }
        parts.values = (0..words * WORD).map(|v| v as f64).collect();
        parts.trees.push(One { words: (0, words), values: 0, sets });
        Forest::new(parts, features)
    }

    #[test]
    fn every_way_gives_the_same_bits() {
        let mut random = Random::new(1, 0);
        for (cuts, words, sets) in [(0, 1, 0), (1, 1, 1), (30, 1, 0), (31, 2, 0), (12, 8, 2)] {
            let forest = forest(cuts, words, 4, sets, &mut random);
            let right: Vec<u64> = (0..sets).map(|_| random.next_u64()).collect();
            let mut tile = Tile::new(4);
            for f in 0..4 {
                for i in 0..TILE {
                    let x = if random.below(9) == 0 { f64::NAN } else { random.below(20) as f64 };
                    tile.wide[f][i] = x;
                    tile.narrow[f].0[i] = x as f32;
                }
            }
            let mut want: Option<[f64; TILE]> = None;
            for single in [true, false] {
                tile.single = single;
                let (mut a, mut b) = ([0.5; TILE], [0.5; TILE]);
                forest.add(0, &tile, &right, &mut a);
                forest.plain(&forest.parts.trees[0], &tile, &right, &mut b);
                assert_eq!(a, b);
                assert_eq!(*want.get_or_insert(a), a);
            }
        }
    }
}
