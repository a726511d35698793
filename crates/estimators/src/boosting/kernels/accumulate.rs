//! Sums of packed gradients by bin.
//!
//! Layout: a block is up to [`BLOCK`] features; a row of it is 16 bytes, one bin a feature. The histogram of a block has
//! [`STRIDE`] cells a feature. A cell is one i64: the gradient in the high half, the hessian (never negative) in the
//! low half, so that one addition sums both. Integer sums are the same in any order.
#![allow(clippy::indexing_slicing, reason = "ranges and rows are checked on entry")]

/// Features of a block at most; 14 of them (28 KiB of cells) stay in the first cache beside the rows that stream by.
pub(in crate::boosting) const BLOCK: usize = 14;
/// Cells of a feature.
pub(in crate::boosting) const STRIDE: usize = 256;
/// Bytes of a row.
pub(in crate::boosting) const ROW: usize = 16;

/// Adds `packed[rows[i]]` to the cells of row `rows[i]`, for the first `features` features of the block.
///
/// # Panics
/// When a slice is too short for its part: `cells` for the features, `bins` or `packed` for the highest row.
pub(in crate::boosting) fn accumulate(
    bins: &[[u8; ROW]],
    rows: Rows<'_>,
    packed: &[i64],
    features: usize,
    cells: &mut [i64],
) {
    assert!(features <= ROW && cells.len() >= features * STRIDE && packed.len() >= bins.len());
    macro_rules! dispatch {
        ($($n:literal)*) => {
            match (features, rows) {
                $(
                    ($n, Rows::Of(rows)) => {
                        // Rows ascend, so that the last one bounds them all.
                        assert!(rows.last().is_none_or(|r| (*r as usize) < bins.len()));
                        debug_assert!(rows.is_sorted());
                        // SAFETY: every row is below the length of `bins` and `packed`, and bins are below STRIDE.
                        unsafe {
                            if bins.len() < LARGE {
                                some::<$n, false>(bins, rows, packed, cells);
                            } else {
                                some::<$n, true>(bins, rows, packed, cells);
                            }
                        }
                    }
                    ($n, Rows::All(range)) => {
                        let pairs = bins[range.clone()].iter().zip(&packed[range]);
                        for (row, v) in pairs {
                            add::<$n>(row, *v, cells);
                        }
                    }
                )*
                _ => {}
            }
        };
    }
    dispatch!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

/// Adds `packed[rows[i]]` to the cell of row `rows[i]`'s bin: one feature with more bins than a byte holds.
///
/// # Panics
/// When a row is not below the lengths of `bins` and `packed`, or a bin not below that of `cells`.
pub(in crate::boosting) fn accumulate_one(bins: &[u16], rows: Rows<'_>, packed: &[i64], cells: &mut [i64]) {
    let mut add = |bin: u16, v: i64| {
        let cell = &mut cells[bin as usize];
        *cell = cell.wrapping_add(v);
    };
    match rows {
        Rows::All(range) => {
            bins[range.clone()].iter().zip(&packed[range]).for_each(|(bin, v)| add(*bin, *v));
        }
        Rows::Of(rows) => rows.iter().for_each(|r| add(bins[*r as usize], packed[*r as usize])),
    }
}

/// Which rows.
#[derive(Clone)]
pub(in crate::boosting) enum Rows<'a> {
    /// A range of them.
    All(std::ops::Range<usize>),
    /// These, ascending.
    Of(&'a [u32]),
}

/// Adds a row to its cells.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn add<const N: usize>(row: &[u8; ROW], v: i64, cells: &mut [i64]) {
    for (j, bin) in row.iter().enumerate().take(N) {
        // SAFETY: `cells` has N * STRIDE places (asserted by the caller), a bin is below STRIDE.
        let cell = unsafe { cells.get_unchecked_mut(j * STRIDE + *bin as usize) };
        *cell = cell.wrapping_add(v);
    }
}

/// Adds a row to its cells. The address of a cell is computed apart from the addition: with an index register in the
/// addition itself, the processor's third address unit could not take the store, and every cell would cost half as
/// much again.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn add<const N: usize>(row: &[u8; ROW], v: i64, cells: &mut [i64]) {
    let start = cells.as_mut_ptr();
    macro_rules! cell {
        ($($j:literal)*) => {
            $(
                if $j < N {
                    // SAFETY: `cells` has N * STRIDE places (asserted by the caller), a bin is below STRIDE.
                    unsafe {
                        let at = start.add(row[$j] as usize);
                        std::arch::asm!(
                            "add qword ptr [{at} + {feature}], {v}",
                            at = in(reg) at,
                            feature = const $j * STRIDE * 8,
                            v = in(reg) v,
                            options(nostack)
                        );
                    }
                }
            )*
        };
    }
    cell!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

/// Rows ahead of the one that is added whose memory is asked into the first cache.
const NEAR: usize = 24;
/// The same for the second cache, of a table that lies in no cache: few reads can wait for the first one, so that the
/// rows of a deep leaf, each of them a read from memory, would come a third as fast without.
const FAR: usize = 64;
/// Rows of such a table.
const LARGE: usize = 1 << 18;

/// # Safety
/// Every row must be below the lengths of `bins` and `packed`.
unsafe fn some<const N: usize, const MEMORY: bool>(
    bins: &[[u8; ROW]],
    rows: &[u32],
    packed: &[i64],
    cells: &mut [i64],
) {
    let ahead = if MEMORY { FAR } else { NEAR };
    let (first, last) = rows.split_at(rows.len().saturating_sub(ahead));
    for (i, r) in first.iter().enumerate() {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
            // SAFETY: `first` ends as many rows before the end; a prefetch touches nothing.
            unsafe {
                let next = *rows.get_unchecked(i + NEAR) as usize;
                _mm_prefetch::<_MM_HINT_T0>(bins.as_ptr().add(next).cast());
                _mm_prefetch::<_MM_HINT_T0>(packed.as_ptr().add(next).cast());
                if MEMORY {
                    let next = *rows.get_unchecked(i + FAR) as usize;
                    _mm_prefetch::<_MM_HINT_T1>(bins.as_ptr().add(next).cast());
                    _mm_prefetch::<_MM_HINT_T1>(packed.as_ptr().add(next).cast());
                }
            }
        }
        // SAFETY: as the contract says.
        let (row, v) = unsafe { (bins.get_unchecked(*r as usize), *packed.get_unchecked(*r as usize)) };
        add::<N>(row, v, cells);
    }
    for r in last {
        // SAFETY: as the contract says.
        let (row, v) = unsafe { (bins.get_unchecked(*r as usize), *packed.get_unchecked(*r as usize)) };
        add::<N>(row, v, cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn sums_what_a_loop_sums() {
        let mut random = Random::new(5, 0);
        for features in 1..=ROW {
            let bins: Vec<[u8; ROW]> =
                (0..300).map(|_| std::array::from_fn(|_| random.below(256) as u8)).collect();
            let packed: Vec<i64> = (0..300)
                .map(|_| ((random.below(2000) as i64 - 1000) << 32) + random.below(900) as i64)
                .collect();
            let rows: Vec<u32> = (0..300).filter(|_| random.below(3) > 0).collect();
            let mut got = vec![0; features * STRIDE];
            accumulate(&bins, Rows::Of(&rows), &packed, features, &mut got);
            let mut want = vec![0i64; features * STRIDE];
            for r in &rows {
                for j in 0..features {
                    want[j * STRIDE + bins[*r as usize][j] as usize] += packed[*r as usize];
                }
            }
            assert_eq!(got, want);
            let all: Vec<u32> = (0..300).collect();
            let (mut one, mut two) = (vec![0; features * STRIDE], vec![0; features * STRIDE]);
            accumulate(&bins, Rows::Of(&all), &packed, features, &mut one);
            accumulate(&bins, Rows::All(0..300), &packed, features, &mut two);
            assert_eq!(one, two);
            let words: Vec<u16> = bins.iter().map(|row| row[0].into()).collect();
            let (mut all, mut some) = (vec![0; STRIDE], vec![0; STRIDE]);
            accumulate_one(&words, Rows::All(0..300), &packed, &mut all);
            accumulate_one(&words, Rows::Of(&rows), &packed, &mut some);
            assert_eq!((&all[..], &some[..]), (&one[..STRIDE], &got[..STRIDE]));
        }
    }
}
