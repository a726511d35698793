//! All trees for one row: 16 words side by side.
#![allow(clippy::indexing_slicing, reason = "a forest is checked when it is made")]

use super::Forest;
use lyceum_tensor::{Level, level};

/// Words side by side.
const SIDE: usize = 16;
/// Features that two registers hold.
pub(in crate::boosting) const HELD: usize = 32;

/// One cut of each of 16 words.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Slot {
    threshold: [f32; SIDE],
    keep: [u32; SIDE],
    feature: [u8; SIDE],
}

/// A forest whose cuts are all comparisons of at most 32 features, laid out for one row without missing values. It looks
/// at every cut: 16 at once that is faster than to walk, one by one it is not.
#[derive(Debug)]
pub(in crate::boosting) struct Lanes {
    slots: Vec<Slot>,
    /// Slots of each group of words.
    groups: Vec<(usize, usize)>,
}

impl Lanes {
    /// Nothing where the forest has more features or cuts by sets, or the processor does not take 16 at once.
    pub(in crate::boosting) fn new(forest: &Forest) -> Option<Self> {
        (level() >= Level::Avx512).then(|| Self::of(forest)).flatten()
    }

    fn of(forest: &Forest) -> Option<Self> {
        let p = forest.parts();
        if forest.features() > HELD || !p.among.is_empty() {
            return None;
        }
        let (mut slots, mut groups) = (Vec::new(), Vec::new());
        for words in p.words.chunks(SIDE) {
            let start = slots.len();
            let most = words.iter().map(|w| w.cuts.2 - w.cuts.0).max().unwrap_or(0);
            for at in 0..most {
                // What no word fills is a comparison that never holds.
                let mut slot =
                    Slot { threshold: [f32::INFINITY; SIDE], keep: [u32::MAX; SIDE], feature: [0; SIDE] };
                for (lane, word) in words.iter().enumerate() {
                    if word.cuts.0 + at < word.cuts.2 {
                        let cut = &p.cuts[word.cuts.0 + at];
                        slot.threshold[lane] = cut.threshold;
                        slot.keep[lane] = cut.keep;
                        slot.feature[lane] = cut.feature as u8;
                    }
                }
                slots.push(slot);
            }
            groups.push((start, slots.len()));
        }
        Some(Self { slots, groups })
    }

    /// The masks of the forest's words for a row; `masks` is made as long as it must be.
    pub(in crate::boosting) fn masks(&self, row: &[f32; HELD], masks: &mut Vec<u32>) {
        masks.resize(self.groups.len() * SIDE, 0);
        #[cfg(target_arch = "x86_64")]
        if level() >= Level::Avx512 {
            // SAFETY: the level says that the processor can.
            unsafe { self.wide(row, masks) };
            return;
        }
        self.plain(row, masks);
    }

    fn plain(&self, row: &[f32; HELD], masks: &mut [u32]) {
        for ((start, end), out) in self.groups.iter().zip(masks.as_chunks_mut::<SIDE>().0) {
            *out = [u32::MAX; SIDE];
            for slot in &self.slots[*start..*end] {
                for (lane, out) in out.iter_mut().enumerate() {
                    let x = row[slot.feature[lane] as usize % HELD];
                    *out &= if x > slot.threshold[lane] { slot.keep[lane] } else { u32::MAX };
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn wide(&self, row: &[f32; HELD], masks: &mut [u32]) {
        use std::arch::x86_64::*;
        // SAFETY: `row` has 32 places, a slot 16 of each kind, and `out` 16.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(row.as_ptr()), _mm512_loadu_ps(row.as_ptr().add(16)));
            for ((start, end), out) in self.groups.iter().zip(masks.as_chunks_mut::<SIDE>().0) {
                let mut m = _mm512_set1_epi32(-1);
                for slot in &self.slots[*start..*end] {
                    let feature = _mm512_cvtepu8_epi32(_mm_load_si128(slot.feature.as_ptr().cast()));
                    let x = _mm512_permutex2var_ps(low, feature, high);
                    let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_load_ps(slot.threshold.as_ptr()));
                    m = _mm512_mask_and_epi32(m, right, m, _mm512_load_si512(slot.keep.as_ptr().cast()));
                }
                _mm512_storeu_si512(out.as_mut_ptr().cast(), m);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::super::{Cut, One, Parts, Word};
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn both_ways_leave_the_same_bits() {
        let mut random = Random::new(4, 0);
        let mut parts = Parts::default();
        for word in 0..37 {
            let start = parts.cuts.len();
            for _ in 0..word % 7 {
                let threshold = random.normal() as f32;
                parts.cuts.push(Cut {
                    threshold,
                    keep: random.next_u64() as u32,
                    feature: random.below(30) as u32,
                });
                parts.exact.push(threshold.into());
            }
            parts.words.push(Word { cuts: (start, start, parts.cuts.len()), among: (0, 0) });
            parts.trees.push(One { words: (word, word + 1), values: 0, sets: 0 });
        }
        parts.values = vec![0.0; 32];
        let forest = Forest::new(parts, 30);
        let lanes = Lanes::of(&forest).unwrap();
        let row: [f32; HELD] = std::array::from_fn(|_| random.normal() as f32);
        let (mut a, mut b) = (Vec::new(), vec![0; 48]);
        lanes.masks(&row, &mut a);
        lanes.plain(&row, &mut b);
        assert_eq!(a, b);
        for (word, mask) in forest.parts().words.iter().zip(&a) {
            let cuts = &forest.parts().cuts[word.cuts.0..word.cuts.2];
            let right = cuts.iter().filter(|c| row[c.feature as usize] > c.threshold);
            assert_eq!(*mask, right.fold(u32::MAX, |m, c| m & c.keep));
        }
    }
}
