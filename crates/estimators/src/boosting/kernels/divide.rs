//! Divides rows by the bin of one feature: those that go left keep their order, those that go right theirs.
#![allow(clippy::indexing_slicing, reason = "lengths are checked on entry")]

use lyceum_tensor::{Level, gathers_pay, level};

/// Bins that a set can say something of: all that a word holds.
const BINS: usize = 1 << 16;

/// Which bins go left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::boosting) struct LeftBins {
    /// 8 words of 32 bins for a column of bytes, 2048 for one of words.
    words: Vec<u32>,
}

impl LeftBins {
    /// None of a column with `bins` bins.
    pub(in crate::boosting) fn none(bins: usize) -> Self {
        Self { words: vec![0; if bins <= 256 { 8 } else { BINS / 32 }] }
    }

    pub(in crate::boosting) fn set(&mut self, bin: usize, left: bool) {
        if let Some(word) = self.words.get_mut(bin / 32) {
            *word = *word & !(1 << (bin % 32)) | u32::from(left) << (bin % 32);
        }
    }

    pub(in crate::boosting) fn has(&self, bin: usize) -> bool {
        self.words[bin / 32] >> (bin % 32) & 1 == 1
    }
}

/// Places that must follow a column, since wide loads read four bytes at a time.
pub(in crate::boosting) const PAD: usize = 3;

/// A bin as a column keeps it.
pub(in crate::boosting) trait Bin: Copy {
    /// Bytes of one.
    const SIZE: i32;
    fn number(self) -> usize;
}

impl Bin for u8 {
    const SIZE: i32 = 1;
    fn number(self) -> usize {
        self as usize
    }
}

impl Bin for u16 {
    const SIZE: i32 = 2;
    fn number(self) -> usize {
        self as usize
    }
}

/// Writes the rows that go left to the front of `left` and the others to the front of `right`, both in order; returns
/// how many went left. `column` has a bin a row and [`PAD`] places after the last.
///
/// # Panics
/// When `left` or `right` is shorter than `rows` and 16 more, a row is not below the column's length, or the set is
/// one of bytes and the column one of words.
pub(in crate::boosting) fn divide<B: Bin>(
    rows: &[u32],
    column: &[B],
    bins: &LeftBins,
    left: &mut [u32],
    right: &mut [u32],
) -> usize {
    assert!(left.len() >= rows.len() + 16 && right.len() >= rows.len() + 16);
    assert!(bins.words.len() >= if B::SIZE == 1 { 8 } else { BINS / 32 });
    debug_assert!(rows.is_sorted());
    assert!(rows.last().is_none_or(|r| (*r as usize) + PAD < column.len()));
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx512 && (gathers_pay() || B::SIZE > 1) && column.len() <= i32::MAX as usize {
        // SAFETY: the level says that the processor can; rows ascend and the last one was checked, as the set was.
        return unsafe { wide(rows, column, bins, left, right) };
    }
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx2 && B::SIZE == 1 {
        // SAFETY: the level says that the processor can; rows ascend and the last one was checked, as the set was.
        return unsafe { eight(rows, column, bins, left, right) };
    }
    plain(rows, column, bins, left, right)
}

fn plain<B: Bin>(rows: &[u32], column: &[B], bins: &LeftBins, left: &mut [u32], right: &mut [u32]) -> usize {
    let (mut l, mut r) = (0, 0);
    for row in rows {
        let goes_left = bins.has(column[*row as usize].number());
        // Both are written, one counts: no branch to mispredict.
        left[l] = *row;
        right[r] = *row;
        l += usize::from(goes_left);
        r += usize::from(!goes_left);
    }
    l
}

/// # Safety
/// AVX-512 F, and every row + [`PAD`] below the column's length; `left` and `right` hold `rows` and 16 more; the set
/// has a bit for every bin that `B` can say.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn wide<B: Bin>(
    rows: &[u32],
    column: &[B],
    bins: &LeftBins,
    left: &mut [u32],
    right: &mut [u32],
) -> usize {
    use std::arch::x86_64::*;
    let (mut l, mut r) = (0usize, 0usize);
    // SAFETY: loads and stores stay within the slices: 16 rows are there for each load, a compressed store of 16 lanes
    // at `l` ends at most 16 past the rows, and gathers read 4 bytes from a row that has PAD places after it; the set
    // has 8 words at least, and 2048 where bins have 16 bits.
    unsafe {
        let words = _mm512_broadcast_i64x4(_mm256_loadu_si256(bins.words.as_ptr().cast()));
        let (low, one) = (_mm512_set1_epi32(31), _mm512_set1_epi32(1));
        let own = _mm512_set1_epi32(if B::SIZE == 1 { 0xff } else { 0xffff });
        let whole = rows.len() / 16 * 16;
        let mut i = 0;
        while i < whole {
            let v = _mm512_loadu_si512(rows.as_ptr().add(i).cast());
            let (bin, word);
            if B::SIZE == 1 {
                bin = _mm512_and_si512(_mm512_i32gather_epi32::<1>(v, column.as_ptr().cast()), own);
                word = _mm512_permutexvar_epi32(_mm512_srli_epi32::<5>(bin), words);
            } else {
                bin = _mm512_and_si512(_mm512_i32gather_epi32::<2>(v, column.as_ptr().cast()), own);
                word = _mm512_i32gather_epi32::<4>(_mm512_srli_epi32::<5>(bin), bins.words.as_ptr().cast());
            }
            let bit = _mm512_srlv_epi32(word, _mm512_and_si512(bin, low));
            let mask = _mm512_test_epi32_mask(bit, one);
            _mm512_storeu_si512(left.as_mut_ptr().add(l).cast(), _mm512_maskz_compress_epi32(mask, v));
            _mm512_storeu_si512(right.as_mut_ptr().add(r).cast(), _mm512_maskz_compress_epi32(!mask, v));
            let n = mask.count_ones() as usize;
            l += n;
            r += 16 - n;
            i += 16;
        }
        l + plain(&rows[whole..], column, bins, &mut left[l..], &mut right[r..])
    }
}

/// For each mask of eight lanes, the lanes whose bit is set, in order, then zeros.
const PACKED: [[u8; 8]; 256] = {
    let mut all = [[0u8; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut at) = (0, 0);
        while lane < 8 {
            if mask >> lane & 1 == 1 {
                all[mask][at] = lane as u8;
                at += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    all
};

/// Of a column of bytes: eight rows at a time, loaded one by one (faster than gathers where those are not wide).
///
/// # Safety
/// AVX2, and every row below the column's length; `left` and `right` hold `rows` and 16 more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
unsafe fn eight<B: Bin>(
    rows: &[u32],
    column: &[B],
    bins: &LeftBins,
    left: &mut [u32],
    right: &mut [u32],
) -> usize {
    use std::arch::x86_64::*;
    let (mut l, mut r) = (0usize, 0usize);
    // SAFETY: loads of rows and of bins stay within the slices; a store of 8 lanes ends at most 8 past the rows; the set
    // has 8 words.
    unsafe {
        let words = _mm256_loadu_si256(bins.words.as_ptr().cast());
        let pack = |v: __m256i, mask: usize| {
            let lanes = _mm_loadl_epi64(PACKED[mask & 0xff].as_ptr().cast());
            _mm256_permutevar8x32_epi32(v, _mm256_cvtepu8_epi32(lanes))
        };
        let whole = rows.len() / 8 * 8;
        let mut i = 0;
        while i < whole {
            let bin = |k: usize| column.get_unchecked(*rows.get_unchecked(i + k) as usize).number() as i32;
            let bin = _mm256_setr_epi32(bin(0), bin(1), bin(2), bin(3), bin(4), bin(5), bin(6), bin(7));
            let word = _mm256_permutevar8x32_epi32(words, _mm256_srli_epi32::<5>(bin));
            // The bin's bit as the sign.
            let bit = _mm256_andnot_si256(bin, _mm256_set1_epi32(31));
            let mask = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(word, bit))) as usize;
            let v = _mm256_loadu_si256(rows.as_ptr().add(i).cast());
            _mm256_storeu_si256(left.as_mut_ptr().add(l).cast(), pack(v, mask));
            _mm256_storeu_si256(right.as_mut_ptr().add(r).cast(), pack(v, !mask));
            let n = mask.count_ones() as usize;
            l += n;
            r += 8 - n;
            i += 8;
        }
        l + plain(&rows[whole..], column, bins, &mut left[l..], &mut right[r..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    fn divides_alike<B: Bin>(bins: usize, bin: impl Fn(usize) -> B) {
        let mut random = Random::new(9, 0);
        for n in [0usize, 1, 15, 16, 17, 400] {
            let mut set = LeftBins::none(bins);
            (0..bins).for_each(|b| set.set(b, random.below(2) == 0));
            let mut column: Vec<B> = (0..n * 2 + 1).map(|_| bin(random.below(bins))).collect();
            column.extend([bin(0); PAD]);
            let rows: Vec<u32> = (0..n as u32 * 2 + 1).filter(|_| random.below(2) == 0).collect();
            let room = || vec![0; rows.len() + 16];
            let (mut a, mut b, mut c, mut d) = (room(), room(), room(), room());
            let l = divide(&rows, &column, &set, &mut a, &mut b);
            assert_eq!(l, plain(&rows, &column, &set, &mut c, &mut d));
            assert_eq!((&a[..l], &b[..rows.len() - l]), (&c[..l], &d[..rows.len() - l]));
            #[cfg(target_arch = "x86_64")]
            if level() >= Level::Avx2 && B::SIZE == 1 {
                let (mut e, mut f) = (room(), room());
                // SAFETY: the level says that the processor can; the slices are as long as `divide` asks.
                assert_eq!(l, unsafe { eight(&rows, &column, &set, &mut e, &mut f) });
                assert_eq!((&a[..l], &b[..rows.len() - l]), (&e[..l], &f[..rows.len() - l]));
            }
            #[cfg(target_arch = "x86_64")]
            if level() >= Level::Avx512 {
                let (mut e, mut f) = (room(), room());
                // SAFETY: as above; the set was made for the column's bins.
                assert_eq!(l, unsafe { wide(&rows, &column, &set, &mut e, &mut f) });
                assert_eq!((&a[..l], &b[..rows.len() - l]), (&e[..l], &f[..rows.len() - l]));
            }
            assert!(a[..l].iter().all(|r| set.has(column[*r as usize].number())));
        }
    }

    #[test]
    fn both_ways_divide_alike() {
        divides_alike(256, |b| b as u8);
        divides_alike(1000, |b| b as u16);
        divides_alike(65_536, |b| b as u16);
    }
}
