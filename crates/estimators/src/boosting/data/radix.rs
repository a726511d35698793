//! Sorts whole numbers by their digits: many values in a few passes, and none for a digit that all share, as the low
//! ones of numbers that came from single precision are.
#![allow(clippy::indexing_slicing, reason = "digits stay below the tables' lengths")]

/// Bits of a digit.
const BITS: usize = 11;
/// Digits of a key.
const DIGITS: usize = 64usize.div_ceil(BITS);
/// Below so many keys comparing is faster.
const FEW: usize = 2048;

/// The whole number whose order is that of a number; -0 is 0.
pub(in crate::boosting) fn key(x: f64) -> i64 {
    let bits = (x + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// The number of a key.
pub(super) fn number(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64)
}

/// Sorts ascending.
pub(super) fn sort(keys: &mut Vec<i64>) {
    sort_by(keys, |key| *key);
}

/// Sorts ascending by a key; equals in any order.
pub(in crate::boosting) fn sort_by<T: Copy + Default>(all: &mut Vec<T>, key: impl Fn(&T) -> i64) {
    if all.len() < FEW || u32::try_from(all.len()).is_err() {
        all.sort_unstable_by_key(key);
        return;
    }
    // The sign bit turned over, whole numbers without a sign are in the same order.
    let digit = |x: &T, d: usize| ((key(x) as u64 ^ 1 << 63) >> (d * BITS)) as usize & ((1 << BITS) - 1);
    let mut counts = vec![[0u32; 1 << BITS]; DIGITS];
    for x in all.iter() {
        for (d, counts) in counts.iter_mut().enumerate() {
            counts[digit(x, d)] += 1;
        }
    }
    let mut other = vec![T::default(); all.len()];
    for (d, counts) in counts.iter_mut().enumerate() {
        if counts.iter().any(|n| *n as usize == all.len()) {
            continue;
        }
        let mut start = 0;
        for n in counts.iter_mut() {
            (*n, start) = (start, start + *n);
        }
        for x in all.iter() {
            let place = &mut counts[digit(x, d)];
            other[*place as usize] = *x;
            *place += 1;
        }
        std::mem::swap(all, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn sorts_as_comparing_does() {
        let mut random = Random::new(17, 0);
        for n in [0, 1, FEW - 1, FEW, 5000] {
            for kind in 0..4 {
                let mut keys: Vec<i64> = (0..n)
                    .map(|_| match kind {
                        0 => random.next_u64() as i64,
                        1 => random.below(7) as i64 - 3,
                        2 => f64::from(random.normal() as f32).to_bits() as i64,
                        _ => 42,
                    })
                    .collect();
                let mut want = keys.clone();
                want.sort_unstable();
                sort(&mut keys);
                assert!(keys == want, "{n} keys of kind {kind}");
            }
        }
    }
}
