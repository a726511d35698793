//! Divides rows by the bin of one feature: those that go left keep their order, those that go right theirs.
#![allow(clippy::indexing_slicing, reason = "lengths are checked on entry")]

use lyceum_tensor::{Level, level};

/// Which of 256 bins go left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::boosting) struct LeftBins([u32; 8]);

impl LeftBins {
    pub(in crate::boosting) fn set(&mut self, bin: usize, left: bool) {
        if let Some(word) = self.0.get_mut(bin / 32) {
            *word = *word & !(1 << (bin % 32)) | u32::from(left) << (bin % 32);
        }
    }

    pub(in crate::boosting) fn has(&self, bin: u8) -> bool {
        self.0[bin as usize / 32] >> (bin % 32) & 1 == 1
    }
}

/// Bytes that must follow a column, since wide loads read four at a time.
pub(in crate::boosting) const PAD: usize = 3;

/// Writes the rows that go left to the front of `left` and the others to the front of `right`, both in order; returns
/// how many went left. `column` has a bin a row and [`PAD`] bytes after the last.
///
/// # Panics
/// When `left` or `right` is shorter than `rows` and 16 more, or a row is not below the column's length.
pub(in crate::boosting) fn divide(
    rows: &[u32],
    column: &[u8],
    bins: &LeftBins,
    left: &mut [u32],
    right: &mut [u32],
) -> usize {
    assert!(left.len() >= rows.len() + 16 && right.len() >= rows.len() + 16);
    debug_assert!(rows.is_sorted());
    assert!(rows.last().is_none_or(|r| (*r as usize) + PAD < column.len()));
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx512 {
        // SAFETY: the level says that the processor can; rows ascend and the last one was checked.
        return unsafe { wide(rows, column, bins, left, right) };
    }
    plain(rows, column, bins, left, right)
}

fn plain(rows: &[u32], column: &[u8], bins: &LeftBins, left: &mut [u32], right: &mut [u32]) -> usize {
    let (mut l, mut r) = (0, 0);
    for row in rows {
        let goes_left = bins.has(column[*row as usize]);
        // Both are written, one counts: no branch to mispredict.
        left[l] = *row;
        right[r] = *row;
        l += usize::from(goes_left);
        r += usize::from(!goes_left);
    }
    l
}

/// # Safety
/// AVX-512 F, and every row + [`PAD`] below the column's length; `left` and `right` hold `rows` and 16 more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn wide(rows: &[u32], column: &[u8], bins: &LeftBins, left: &mut [u32], right: &mut [u32]) -> usize {
    use std::arch::x86_64::*;
    let (mut l, mut r) = (0usize, 0usize);
    // SAFETY: loads and stores stay within the slices: 16 rows are there for each load, a compressed store of 16 lanes
    // at `l` ends at most 16 past the rows, and gathers read 4 bytes from a row that has PAD bytes after it.
    unsafe {
        let words = _mm512_broadcast_i64x4(_mm256_loadu_si256(bins.0.as_ptr().cast()));
        let (byte, low, one) = (_mm512_set1_epi32(255), _mm512_set1_epi32(31), _mm512_set1_epi32(1));
        let whole = rows.len() / 16 * 16;
        let mut i = 0;
        while i < whole {
            let v = _mm512_loadu_si512(rows.as_ptr().add(i).cast());
            let bin = _mm512_and_si512(_mm512_i32gather_epi32::<1>(v, column.as_ptr().cast()), byte);
            let word = _mm512_permutexvar_epi32(_mm512_srli_epi32::<5>(bin), words);
            let bit = _mm512_srlv_epi32(word, _mm512_and_si512(bin, low));
            let mask = _mm512_test_epi32_mask(bit, one);
            _mm512_storeu_si512(left.as_mut_ptr().add(l).cast(), _mm512_maskz_compress_epi32(mask, v));
            _mm512_storeu_si512(right.as_mut_ptr().add(r).cast(), _mm512_maskz_compress_epi32(!mask, v));
            let n = mask.count_ones() as usize;
            l += n;
            r += 16 - n;
            i += 16;
        }
        for row in &rows[whole..] {
            let goes_left = bins.has(column[*row as usize]);
            left[l] = *row;
            right[r] = *row;
            l += usize::from(goes_left);
            r += usize::from(!goes_left);
        }
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn both_ways_divide_alike() {
        let mut random = Random::new(9, 0);
        for n in [0usize, 1, 15, 16, 17, 400] {
            let mut bins = LeftBins::default();
            (0..256).for_each(|b| bins.set(b, random.below(2) == 0));
            let mut column: Vec<u8> = (0..n * 2 + 1).map(|_| random.below(256) as u8).collect();
            column.extend([0; PAD]);
            let rows: Vec<u32> = (0..n as u32 * 2 + 1).filter(|_| random.below(2) == 0).collect();
            let room = || vec![0; rows.len() + 16];
            let (mut a, mut b, mut c, mut d) = (room(), room(), room(), room());
            let l = divide(&rows, &column, &bins, &mut a, &mut b);
            assert_eq!(l, plain(&rows, &column, &bins, &mut c, &mut d));
            assert_eq!((&a[..l], &b[..rows.len() - l]), (&c[..l], &d[..rows.len() - l]));
            assert!(a[..l].iter().all(|r| bins.has(column[*r as usize])));
        }
    }
}
