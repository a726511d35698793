//! Choosing among models: folds, spaces of parameters and how they are searched.
//!
//! Folds say which rows a model learns from and which it is judged on.
//!
//! Names and behaviour: scikit-learn's `model_selection` (`KFold`, `StratifiedKFold`, `GroupKFold`, `TimeSeriesSplit`).
#![allow(clippy::indexing_slicing, reason = "rows and folds stay below the lengths made here")]

mod halving;
mod search;
mod space;
mod tpe;

pub use halving::Halving;
use lyceum_core::{Error, Result};
use lyceum_data::Random;
pub use search::{Ended, Method, Scored, Search, is_journal_of};
pub use space::{Dimension, Space, Values, value_of};
pub use tpe::{Trial, draw, suggest};

/// What the folds keep.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'a> {
    /// Nothing: rows are shuffled and dealt out.
    Nothing,
    /// The share of each class: one code a row.
    Classes(&'a [u32]),
    /// Groups whole: one key a row. No group is on both sides.
    Groups(&'a [u64]),
    /// The order of time: one number a row. A fold is judged on what comes after all that it learns from.
    Time(&'a [f64]),
}

/// Rows of one fold, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// To learn from.
    pub train: Vec<usize>,
    /// To judge on.
    pub test: Vec<usize>,
}

/// `k` folds of `rows` rows. Every row is judged once; with [`Keep::Time`] the first of k + 1 parts never is. The same
/// seed gives the same folds.
///
/// # Errors
/// Fewer than two folds, more than rows, groups, or rows of the rarest class; a time that is missing; times too alike to
/// be parted.
pub fn folds(rows: usize, k: usize, keep: Keep<'_>, seed: u64) -> Result<Vec<Fold>> {
    let fault = |message: String| Err(Error::invalid(message).at_key("cv"));
    if k < 2 || k > rows {
        return fault(format!("expected a number of folds from 2 to the {rows} rows, got {k}"));
    }
    if let Keep::Time(times) = keep {
        return in_time(times, k);
    }
    let mut random = Random::new(seed, 0xf01d);
    let mut fold_of = vec![0usize; rows];
    match keep {
        Keep::Groups(keys) => {
            let mut groups = std::collections::BTreeMap::<u64, Vec<usize>>::new();
            keys.iter().enumerate().for_each(|(row, key)| groups.entry(*key).or_default().push(row));
            if groups.len() < k {
                return fault(format!(
                    "expected at most as many folds as the {} groups, got {k}",
                    groups.len()
                ));
            }
            // The largest group first, each to the fold with the fewest rows.
            let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
            random.shuffle(&mut groups);
            groups.sort_by_key(|g| std::cmp::Reverse(g.len()));
            let mut sizes = vec![0usize; k];
            for group in groups {
                let least = (0..k).min_by_key(|f| sizes[*f]).unwrap_or(0);
                sizes[least] += group.len();
                group.into_iter().for_each(|row| fold_of[row] = least);
            }
        }
        Keep::Classes(codes) => {
            let classes = codes.iter().max().map_or(0, |c| *c as usize + 1);
            let mut of: Vec<Vec<usize>> = vec![Vec::new(); classes];
            codes.iter().enumerate().for_each(|(row, c)| of[*c as usize].push(row));
            if let Some(n) = of.iter().map(Vec::len).filter(|n| *n > 0).min().filter(|n| *n < k) {
                return fault(format!("the rarest class has {n} rows, fewer than {k} folds"));
            }
            // Dealt out class after class without starting over, so that folds differ by a row at most.
            let mut next = 0;
            for mut own in of {
                random.shuffle(&mut own);
                for row in own {
                    fold_of[row] = next % k;
                    next += 1;
                }
            }
        }
        _ => {
            let mut order: Vec<usize> = (0..rows).collect();
            random.shuffle(&mut order);
            order.into_iter().enumerate().for_each(|(i, row)| fold_of[row] = i % k);
        }
    }
    Ok((0..k)
        .map(|f| {
            let (test, train) = (0..rows).partition(|row| fold_of[*row] == f);
            Fold { train, test }
        })
        .collect())
}

/// Part f + 1 of k + 1 is judged after learning from all before it. Rows of one time stay together.
fn in_time(times: &[f64], k: usize) -> Result<Vec<Fold>> {
    let fault = |message: String| Err(Error::invalid(message).at_key("cv"));
    if let Some(row) = times.iter().position(|t| t.is_nan()) {
        return fault(format!("the time of row {} is missing", row + 1));
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
    let cut = |part: usize| {
        let mut at = part * order.len() / (k + 1);
        while at > 0 && at < order.len() && times[order[at]] == times[order[at - 1]] {
            at += 1;
        }
        at
    };
    let sorted = |rows: &[usize]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    let all: Vec<Fold> = (1..=k)
        .map(|f| Fold { train: sorted(&order[..cut(f)]), test: sorted(&order[cut(f)..cut(f + 1)]) })
        .collect();
    if all.iter().any(|f| f.train.is_empty() || f.test.is_empty()) {
        return fault(format!("the times are too alike for {k} folds"));
    }
    Ok(all)
}

/// The mean of a fold's values and its standard error: the sample's standard deviation over √n.
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn judged_once(folds: &[Fold], rows: usize) {
        let mut seen: Vec<usize> = folds.iter().flat_map(|f| f.test.iter().copied()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..rows).collect::<Vec<_>>());
        for fold in folds {
            assert_eq!(fold.train.len() + fold.test.len(), rows);
            assert!(fold.train.iter().all(|r| fold.test.binary_search(r).is_err()));
        }
    }

    #[test]
    fn every_row_is_judged_once() {
        for (rows, k) in [(2, 2), (10, 3), (101, 10)] {
            let made = folds(rows, k, Keep::Nothing, 1).unwrap();
            judged_once(&made, rows);
            assert!(made.iter().all(|f| f.test.len() == rows / k || f.test.len() == rows / k + 1));
            assert_eq!(made, folds(rows, k, Keep::Nothing, 1).unwrap());
        }
        assert_ne!(folds(50, 5, Keep::Nothing, 1).unwrap(), folds(50, 5, Keep::Nothing, 2).unwrap());
    }

    #[test]
    fn classes_keep_their_shares() {
        let codes: Vec<u32> = (0..90).map(|i| u32::from(i % 9 == 0) + 2 * u32::from(i % 3 == 1)).collect();
        let made = folds(90, 5, Keep::Classes(&codes), 3).unwrap();
        judged_once(&made, 90);
        for fold in &made {
            let of = |c: u32| fold.test.iter().filter(|r| codes[**r] == c).count();
            assert!(fold.test.len() == 18 && of(1) == 2 && of(2).abs_diff(6) <= 1);
        }
        let e = folds(90, 11, Keep::Classes(&codes), 3).unwrap_err();
        assert_eq!(e.to_string(), "cv: the rarest class has 10 rows, fewer than 11 folds");
    }

    #[test]
    fn groups_stay_whole() {
        let keys: Vec<u64> = (0..100).map(|i| (i * i % 17) as u64).collect();
        let made = folds(100, 4, Keep::Groups(&keys), 5).unwrap();
        judged_once(&made, 100);
        for fold in &made {
            assert!(fold.train.iter().all(|a| fold.test.iter().all(|b| keys[*a] != keys[*b])));
            assert!((20..=30).contains(&fold.test.len()), "{}", fold.test.len());
        }
        assert!(folds(100, 12, Keep::Groups(&keys), 5).unwrap_err().message().contains("9 groups"));
    }

    #[test]
    fn nobody_learns_from_the_future() {
        let times: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 20)).collect();
        let made = folds(60, 4, Keep::Time(&times), 0).unwrap();
        for (i, fold) in made.iter().enumerate() {
            let last = fold.train.iter().map(|r| times[*r]).fold(f64::MIN, f64::max);
            assert!(fold.test.iter().all(|r| times[*r] > last));
            assert_eq!((fold.train.len(), fold.test.len()), (12 * (i + 1), 12));
        }
        assert!(folds(60, 4, Keep::Time(&[1.0; 60]), 0).unwrap_err().message().contains("too alike"));
        let gap = [0.0, f64::NAN, 2.0];
        assert!(folds(3, 2, Keep::Time(&gap), 0).unwrap_err().message().contains("row 2"));
    }

    #[test]
    fn means_have_errors() {
        assert_eq!(mean_and_error(&[1.0, 2.0, 3.0]), (2.0, (1.0f64 / 3.0).sqrt()));
    }
}
