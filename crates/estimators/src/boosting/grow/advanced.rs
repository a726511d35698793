//! Bounds of leaf outputs that differ from threshold to threshold: a leaf that lies against a part of another along
//! some feature bounds that side of a split only that reaches it (`advanced`, LightGBM's name).

use super::monotone::{Bounds, NO_BOUNDS};

/// The bounds along one feature: from each bin on, up to the next one's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stairs(Vec<(usize, Bounds)>);

/// Which of a pair of bounds is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Least,
    Most,
}

impl Stairs {
    /// No bounds.
    pub(super) fn free() -> Self {
        Self(vec![(0, NO_BOUNDS)])
    }

    /// Tightens one end of all bounds.
    pub(super) fn tighten(&mut self, end: End, output: f64) {
        self.0.iter_mut().for_each(|(_, bounds)| tighten(bounds, end, output));
    }

    /// Takes one end of all bounds away.
    pub(super) fn loosen(&mut self, end: End) {
        for (_, bounds) in &mut self.0 {
            match end {
                End::Least => bounds.0 = NO_BOUNDS.0,
                End::Most => bounds.1 = NO_BOUNDS.1,
            }
        }
        self.0.dedup_by(|later, earlier| later.1 == earlier.1);
    }

    /// Tightens one end of the bounds from a bin up to before another.
    pub(super) fn tighten_part(&mut self, end: End, output: f64, (from, to): (usize, usize)) {
        self.cut(from);
        self.cut(to);
        let part = self.0.iter_mut().filter(|(bin, _)| (from..to).contains(bin));
        part.for_each(|(_, bounds)| tighten(bounds, end, output));
        self.0.dedup_by(|later, earlier| later.1 == earlier.1);
    }

    /// Makes a step begin at a bin.
    fn cut(&mut self, bin: usize) {
        let at = self.0.partition_point(|(from, _)| *from <= bin);
        if let Some((from, bounds)) = at.checked_sub(1).and_then(|before| self.0.get(before)).copied()
            && from != bin
        {
            self.0.insert(at, (bin, bounds));
        }
    }

    /// The bounds, where they are the same for all bins.
    pub(super) fn same(&self) -> Option<Bounds> {
        match self.0.as_slice() {
            [(_, bounds)] => Some(*bounds),
            _ => None,
        }
    }

    /// For a split after each of so many bins the bounds of its left and of its right side.
    pub(super) fn sides(&self, bins: usize) -> Vec<(Bounds, Bounds)> {
        let mut steps = self.0.iter().peekable();
        let (mut now, mut low) = (NO_BOUNDS, NO_BOUNDS);
        let each: Vec<Bounds> = (0..bins)
            .map(|bin| {
                while let Some((_, bounds)) = steps.next_if(|(from, _)| *from <= bin) {
                    now = *bounds;
                }
                now
            })
            .collect();
        let mut high = NO_BOUNDS;
        let mut right: Vec<Bounds> = each
            .iter()
            .rev()
            .map(|own| {
                let above = high;
                high = both(high, *own);
                above
            })
            .collect();
        right.reverse();
        let left = each.iter().map(|own| {
            low = both(low, *own);
            low
        });
        left.zip(right).collect()
    }
}

fn tighten(bounds: &mut Bounds, end: End, output: f64) {
    match end {
        End::Least => bounds.0 = bounds.0.max(output),
        End::Most => bounds.1 = bounds.1.min(output),
    }
}

fn both(a: Bounds, b: Bounds) -> Bounds {
    (a.0.max(b.0), a.1.min(b.1))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use lyceum_data::Random;

    /// Against an array with a pair of bounds for every bin.
    #[test]
    fn steps_say_what_single_bins_say() {
        let (bins, mut random) = (17, Random::new(5, 0));
        for _ in 0..60 {
            let (mut stairs, mut plain) = (Stairs::free(), vec![NO_BOUNDS; bins]);
            for _ in 0..12 {
                let end = if random.below(2) == 0 { End::Least } else { End::Most };
                let from = random.below(bins);
                let to = from + 1 + random.below(bins - from);
                let x = (random.normal() * 4.0).round();
                let part = match random.below(5) {
                    0 => {
                        stairs.tighten(end, x);
                        0..bins
                    }
                    1 => {
                        stairs.loosen(end);
                        plain.iter_mut().for_each(|b| match end {
                            End::Least => b.0 = NO_BOUNDS.0,
                            End::Most => b.1 = NO_BOUNDS.1,
                        });
                        0..0
                    }
                    _ => {
                        stairs.tighten_part(end, x, (from, to));
                        from..to
                    }
                };
                plain[part].iter_mut().for_each(|b| tighten(b, end, x));
            }
            let fold = |part: &[Bounds]| part.iter().fold(NO_BOUNDS, |a, b| both(a, *b));
            let sides = stairs.sides(bins);
            for bin in 0..bins {
                assert_eq!(sides[bin], (fold(&plain[..=bin]), fold(&plain[bin + 1..])));
            }
            assert!(stairs.same().is_none_or(|same| plain.iter().all(|b| *b == same)));
        }
    }
}
