//! The bin of a value without a branch for every bound.
#![allow(clippy::indexing_slicing, reason = "halving stays within the 256 bounds")]

use super::bins::{BinMapper, MissingKind};
use super::column::Column;
use std::collections::HashMap;

/// [`BinMapper::bin`] laid out for many values.
pub(super) enum Lookup {
    /// Numbers in at most 256 bins: upper bounds, then infinity up to 256.
    Narrow { bounds: Box<[f64; 256]>, nan: u8 },
    /// Numbers in more: all upper bounds but the last, which is infinite.
    Wide { bounds: Vec<f64>, nan: u16 },
    /// Bins of categories below the length; the others by hash. `wide` when there are more than 256.
    Category { near: Vec<u16>, far: HashMap<u32, u16>, wide: bool },
}

/// Categories up to here are looked up in a table.
const NEAR: usize = 1 << 16;

impl Lookup {
    pub(super) fn new(mapper: &BinMapper) -> Self {
        match mapper {
            BinMapper::Number { bounds, missing, .. } => {
                let nan = if *missing == MissingKind::Nan { bounds.len() } else { mapper.bin(0.0) };
                if !mapper.is_narrow() {
                    let bounds = bounds.split_last().map_or(Vec::new(), |(_, all)| all.to_vec());
                    return Self::Wide { bounds, nan: nan as u16 };
                }
                let mut all = Box::new([f64::INFINITY; 256]);
                all.iter_mut().zip(bounds).for_each(|(a, b)| *a = *b);
                Self::Narrow { bounds: all, nan: nan as u8 }
            }
            BinMapper::Category { categories } => {
                let highest = categories.iter().map(|c| *c as usize).filter(|c| *c < NEAR).max();
                let mut near = vec![0; highest.map_or(0, |h| h + 1)];
                let mut far = HashMap::new();
                for (i, category) in categories.iter().enumerate() {
                    match near.get_mut(*category as usize) {
                        Some(bin) => *bin = (i + 1) as u16,
                        None => {
                            far.insert(*category, (i + 1) as u16);
                        }
                    }
                }
                Self::Category { near, far, wide: !mapper.is_narrow() }
            }
        }
    }

    /// The bins of many values.
    pub(super) fn column(&self, values: &[f64]) -> Column {
        match self {
            Self::Narrow { bounds, nan } => Column::bytes(self.narrow(bounds, *nan, values)),
            Self::Category { wide: false, .. } => {
                Column::bytes(values.iter().map(|x| self.bin(*x) as u8).collect())
            }
            _ => Column::words(values.iter().map(|x| self.bin(*x)).collect()),
        }
    }

    fn narrow(&self, bounds: &[f64; 256], nan: u8, values: &[f64]) -> Vec<u8> {
        const LANES: usize = 16;
        let mut out = vec![0u8; values.len()];
        let (chunks, rest) = values.as_chunks::<LANES>();
        let (outs, out_rest) = out.as_chunks_mut::<LANES>();
        for (x, out) in chunks.iter().zip(outs) {
            // Side by side, so that the loads of one value need not wait for another's.
            let mut at = [0u8; LANES];
            for step in [128u8, 64, 32, 16, 8, 4, 2, 1] {
                for (at, x) in at.iter_mut().zip(x) {
                    *at += if bounds[(*at + (step - 1)) as usize] < *x { step } else { 0 };
                }
            }
            *out = at;
            if x.iter().any(|x| x.is_nan()) {
                x.iter().zip(out).filter(|(x, _)| x.is_nan()).for_each(|(_, out)| *out = nan);
            }
        }
        rest.iter().zip(out_rest).for_each(|(x, out)| *out = self.bin(*x) as u8);
        out
    }

    #[inline]
    pub(super) fn bin(&self, x: f64) -> u16 {
        match self {
            Self::Narrow { nan, .. } if x.is_nan() => u16::from(*nan),
            Self::Narrow { bounds, .. } => {
                let mut at = 0usize;
                for step in [128usize, 64, 32, 16, 8, 4, 2, 1] {
                    // Bounds below x are skipped; x in a bin has the bin's upper bound at or above it.
                    at += if bounds[(at + step - 1) & 255] < x { step } else { 0 };
                }
                at as u16
            }
            Self::Wide { nan, .. } if x.is_nan() => *nan,
            Self::Wide { bounds, .. } => bounds.partition_point(|b| *b < x) as u16,
            Self::Category { near, far, .. } => {
                if !(x > -1.0 && x < 4_294_967_295.0) {
                    return 0;
                }
                let category = x as u32;
                match near.get(category as usize) {
                    Some(bin) => *bin,
                    None => far.get(&category).copied().unwrap_or(0),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boosting::BinRule;
    use crate::boosting::kernels::PAD;
    use lyceum_data::Random;

    #[test]
    fn says_what_the_mapper_says() {
        let mut random = Random::new(4, 0);
        let mut values: Vec<f64> = (0..3000).map(|_| (random.normal() * 80.0).round() / 4.0).collect();
        values.extend([f64::NAN, f64::NEG_INFINITY, f64::INFINITY, 0.0, -0.0, 1e-36]);
        for max_bin in [2, 3, 17, 255, 256, 700] {
            for use_missing in [true, false] {
                let finite: Vec<f64> = values.iter().copied().filter(|x| !x.is_infinite()).collect();
                let rule = BinRule { max_bin, use_missing, ..BinRule::default() };
                let mapper = BinMapper::numbers(&finite, &rule);
                let lookup = Lookup::new(&mapper);
                assert!(values.iter().all(|x| lookup.bin(*x) as usize == mapper.bin(*x)));
                let all: Vec<u16> = match lookup.column(&values) {
                    Column::Bytes(bins) => bins.into_iter().map(u16::from).collect(),
                    Column::Words(bins) => bins,
                };
                assert_eq!(all.len(), values.len() + PAD);
                assert!(all.iter().zip(&values).all(|(b, x)| *b == lookup.bin(*x)));
            }
        }
        let mapper = BinMapper::Category { categories: vec![7, 0, 100_000, 3] };
        let lookup = Lookup::new(&mapper);
        for x in [7.0, 0.0, -0.5, -1.0, 3.9, 4.0, 100_000.0, 99_999.0, 5e9, f64::NAN] {
            assert_eq!(lookup.bin(x) as usize, mapper.bin(x), "{x}");
        }
    }
}
