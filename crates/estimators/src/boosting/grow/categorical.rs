//! The best split of a category feature: one against the rest when there are few, else a prefix of the categories in
//! the order of their gradient statistics (Fisher 1958), as LightGBM does it.
#![allow(clippy::indexing_slicing, reason = "bins stay below the histogram's length")]

use super::limits::{EPSILON, Limits};
use super::numeric::{Side, Split, Sums, rows_of};
use super::packed::{Steps, split};
use crate::boosting::params::{CategoryParams, TreeParams};
use std::cmp::Ordering;

/// The best split of a category feature, if any has a positive gain. Bin 0 (anything else) always goes right.
pub(super) fn best(
    cells: &[i64],
    steps: Steps,
    sums: Sums,
    limits: &Limits<'_>,
    c: &CategoryParams,
    only: Option<usize>,
) -> Option<Split> {
    let p = limits.p;
    let total = (sums.gradient, sums.hessian + 2.0 * EPSILON);
    let own = match p.path_smooth > 0.0 {
        true => limits.gain_at(total, limits.parent, p.lambda_l2),
        false => limits.unbounded().side_gain(total, sums.rows, p.lambda_l2),
    };
    let base = own + p.min_gain_to_split;
    let factor = sums.rows as f64 / sums.hessian;
    let scan = Scan { cells, steps, p, limits, c, sums, total, base, factor, only };
    if cells.len() <= c.max_cat_to_onehot { scan.one_against_rest() } else { scan.prefixes() }
}

/// A category that has enough rows: its statistic and its bin.
type Ranked = (f64, usize);

struct Scan<'a> {
    cells: &'a [i64],
    steps: Steps,
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

    /// The sums of a bin.
    fn sums(&self, bin: usize) -> (f64, f64) {
        let (g, h) = split(self.cells[bin]);
        (g as f64 * self.steps.gradient, h as f64 * self.steps.hessian)
    }

    fn one_against_rest(&self) -> Option<Split> {
        let mut best: Option<Split> = None;
        for bin in 1..self.cells.len() {
            let (g, h) = self.sums(bin);
            let rows = rows_of(h, self.factor);
            let rest = self.sums.rows.saturating_sub(rows);
            let enough = rows.min(rest) >= self.p.min_data_in_leaf;
            let left = (g, h + EPSILON);
            if !enough || h.min(self.total.1 - left.1) < self.p.min_sum_hessian_in_leaf {
                continue;
            }
            if self.only.is_some_and(|only| only != bin - 1) {
                continue;
            }
            let gain = self.gain(left, rows, self.p.lambda_l2);
            if gain > best.as_ref().map_or(0.0, |b| b.gain) {
                let side = Side::Among(vec![bin as u16]);
                best = Some(Split { gain, feature: 0, side, left, l2: self.p.lambda_l2 });
            }
        }
        best
    }

    fn prefixes(&self) -> Option<Split> {
        // A hessian that is surely too small for the rows asked for; the rest is looked at closely.
        let least = (self.c.cat_smooth - 1.0) / (self.factor * self.steps.hessian);
        let mut ranked: Vec<Ranked> = Vec::new();
        for (bin, cell) in self.cells.iter().enumerate().skip(1) {
            if (split(*cell).1 as f64) < least {
                continue;
            }
            let (g, h) = self.sums(bin);
            if rows_of(h, self.factor) as f64 >= self.c.cat_smooth {
                ranked.push((g / (h + self.c.cat_smooth), bin));
            }
        }
        // Only so many from either end are looked at: no need to put all in order.
        let most = self.c.max_cat_threshold.min(ranked.len().div_ceil(2));
        let ascending = |a: &Ranked, b: &Ranked| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let first = ends(&mut ranked, most, ascending);
        let best = self.prefixes_of(first, None);
        let last = ends(&mut ranked, most, |a, b| ascending(b, a));
        self.prefixes_of(last, best)
    }

    fn prefixes_of(&self, order: &[Ranked], mut best: Option<Split>) -> Option<Split> {
        let l2 = self.p.lambda_l2 + self.c.cat_l2;
        let (mut g, mut h, mut rows, mut group) = (0.0, EPSILON, 0, 0);
        for (i, (_, bin)) in order.iter().enumerate() {
            let (bg, bh) = self.sums(*bin);
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
                let side = Side::Among(order[..=i].iter().map(|(_, b)| *b as u16).collect());
                best = Some(Split { gain, feature: 0, side, left: (g, h), l2 });
            }
        }
        best
    }
}

/// The first `most` in an order.
fn ends(ranked: &mut [Ranked], most: usize, order: impl Fn(&Ranked, &Ranked) -> Ordering) -> &[Ranked] {
    if most < ranked.len() {
        ranked.select_nth_unstable_by(most, &order);
    }
    let first = &mut ranked[..most];
    first.sort_unstable_by(&order);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_categories_of_one_sign() {
        let mut cells = vec![0];
        for bin in 1..=8 {
            cells.push(((if bin % 2 == 0 { 60 } else { -60 }) << 32) + 100);
        }
        let sums = Sums { gradient: 0.0, hessian: 800.0, rows: 800 };
        let steps = Steps { gradient: 1.0, hessian: 1.0 };
        let split = best(
            &cells,
            steps,
            sums,
            &Limits::free(&TreeParams::default()),
            &CategoryParams::default(),
            None,
        )
        .unwrap();
        let Side::Among(mut left) = split.side else { panic!("a set of categories") };
        left.sort_unstable();
        assert!(left == [1, 3, 5, 7] || left == [2, 4, 6, 8], "{left:?}");
        assert_eq!(split.l2, 10.0);
    }
}
