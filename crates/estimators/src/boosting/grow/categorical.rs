//! The best split of a category feature: one against the rest when there are few, else a prefix of the categories in
//! the order of their gradient statistics (Fisher 1958), as LightGBM does it.
#![allow(clippy::indexing_slicing, reason = "bins stay below the histogram's length")]

use super::histogram::Cell;
use super::limits::{EPSILON, Limits};
use super::numeric::{Side, Split, Sums, rows_of};
use crate::boosting::params::{CategoryParams, TreeParams};

/// The best split of a category feature, if any has a positive gain. Bin 0 (anything else) always goes right.
pub(super) fn best(
    hist: &[Cell],
    sums: Sums,
    limits: &Limits<'_>,
    c: &CategoryParams,
    only: Option<usize>,
) -> Option<Split> {
    let p = limits.p;
    let total = (sums.gradient, sums.hessian + 2.0 * EPSILON);
    let base = limits.side_gain(total, sums.rows, p.lambda_l2) + p.min_gain_to_split;
    let scan = Scan { hist, p, limits, c, sums, total, base, factor: sums.rows as f64 / sums.hessian, only };
    if hist.len() <= c.max_cat_to_onehot { scan.one_against_rest() } else { scan.prefixes() }
}

struct Scan<'a> {
    hist: &'a [Cell],
    p: &'a TreeParams,
    limits: &'a Limits<'a>,
    c: &'a CategoryParams,
    sums: Sums,
    total: (f64, f64),
    base: f64,
    factor: f64,
    /// The one candidate to look at, by its number.
    only: Option<usize>,
}

impl Scan<'_> {
    fn gain(&self, left: (f64, f64), rows: usize, l2: f64) -> f64 {
        let right = (self.total.0 - left.0, self.total.1 - left.1);
        let rest = self.sums.rows.saturating_sub(rows);
        self.limits.gain((left, rows), (right, rest), l2).map_or(f64::NEG_INFINITY, |gain| gain - self.base)
    }

    fn one_against_rest(&self) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (bin, [g, h]) in self.hist.iter().enumerate().skip(1) {
            let rows = rows_of(*h, self.factor);
            let rest = self.sums.rows.saturating_sub(rows);
            let enough = rows.min(rest) >= self.p.min_data_in_leaf;
            let left = (*g, h + EPSILON);
            if !enough || h.min(self.total.1 - left.1) < self.p.min_sum_hessian_in_leaf {
                continue;
            }
            if self.only.is_some_and(|only| only != bin - 1) {
                continue;
            }
            let gain = self.gain(left, rows, self.p.lambda_l2);
            if gain > best.as_ref().map_or(0.0, |b| b.gain) {
                let side = Side::Among(vec![bin as u8]);
                best = Some(Split { gain, feature: 0, side, left, l2: self.p.lambda_l2 });
            }
        }
        best
    }

    fn prefixes(&self) -> Option<Split> {
        let common = |bin: &usize| rows_of(self.hist[*bin][1], self.factor) as f64 >= self.c.cat_smooth;
        let mut order: Vec<usize> = (1..self.hist.len()).filter(common).collect();
        let statistic = |bin: usize| self.hist[bin][0] / (self.hist[bin][1] + self.c.cat_smooth);
        order.sort_by(|a, b| statistic(*a).total_cmp(&statistic(*b)));
        let mut best = self.prefixes_of(&order, None);
        order.reverse();
        best = self.prefixes_of(&order, best);
        best
    }

    fn prefixes_of(&self, order: &[usize], mut best: Option<Split>) -> Option<Split> {
        let most = self.c.max_cat_threshold.min(order.len().div_ceil(2));
        let l2 = self.p.lambda_l2 + self.c.cat_l2;
        let (mut g, mut h, mut rows, mut group) = (0.0, EPSILON, 0, 0);
        for (i, bin) in order.iter().enumerate().take(most) {
            let [bg, bh] = self.hist[*bin];
            let n = rows_of(bh, self.factor);
            g += bg;
            h += bh;
            rows += n;
            group += n;
            if rows < self.p.min_data_in_leaf || h < self.p.min_sum_hessian_in_leaf {
                continue;
            }
            let rest = self.sums.rows.saturating_sub(rows);
            let too_few = rest < self.p.min_data_in_leaf.max(self.c.min_data_per_group);
            if too_few || self.total.1 - h < self.p.min_sum_hessian_in_leaf {
                break;
            }
            if group < self.c.min_data_per_group {
                continue;
            }
            group = 0;
            if self.only.is_some_and(|only| only != i) {
                continue;
            }
            let gain = self.gain((g, h), rows, l2);
            if gain > best.as_ref().map_or(0.0, |b| b.gain) {
                let side = Side::Among(order[..=i].iter().map(|b| *b as u8).collect());
                best = Some(Split { gain, feature: 0, side, left: (g, h), l2 });
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_categories_of_one_sign() {
        let mut hist = vec![[0.0, 0.0]];
        for bin in 1..=8 {
            hist.push([if bin % 2 == 0 { 60.0 } else { -60.0 }, 100.0]);
        }
        let sums = Sums { gradient: 0.0, hessian: 800.0, rows: 800 };
        let split =
            best(&hist, sums, &Limits::free(&TreeParams::default()), &CategoryParams::default(), None)
                .unwrap();
        let Side::Among(mut left) = split.side else { panic!("a set of categories") };
        left.sort_unstable();
        assert!(left == [1, 3, 5, 7] || left == [2, 4, 6, 8], "{left:?}");
        assert_eq!(split.l2, 10.0);
    }
}
