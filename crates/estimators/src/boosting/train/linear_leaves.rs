//! Linear models at the leaves of a tree, of the numeric features on each leaf's path.
//!
//! Source: Shi, Li, Li 2018 (piece-wise linear trees): a leaf's model f minimises Σ g·f(x) + ½·h·f(x)² + ½·λ·|β|² over its
//! rows, the constant free. With features centred at their means weighted by h the constant stands alone: it is -Σg/Σh,
//! and β solves (Σ h·xxᵀ + λ) β = -Σ g·x. L1, L2, `path_smooth` and `max_delta_step` shape the leaf's plain value only.
#![allow(clippy::indexing_slicing, reason = "leaves, features and rows stay below the lengths made here")]

use crate::boosting::matrix::Matrix;
use crate::boosting::model::{CATEGORICAL, LeafModel, Tree};
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

/// Rows that a task adds.
const CHUNK: usize = 2048;
/// What must be left of a feature's spread, once those before it explain the rest, for it to have a coefficient.
const LEAST: f64 = 1e-10;

/// Fails on the first infinite number: a linear model has no answer to it.
pub(super) fn check(x: &Matrix<'_>) -> Result<()> {
    let fault = |row: usize, column: usize| {
        let message = format!("column {column} of row {} is infinite: linear leaves want numbers", row + 1);
        Err(Error::invalid(message).at_key("linear_tree"))
    };
    for row in 0..x.rows() {
        match x {
            Matrix::Sparse(csr) => {
                let (columns, values) = csr.row(row);
                if let Some(i) = values.iter().position(|v| v.is_infinite()) {
                    return fault(row, columns[i] as usize);
                }
            }
            _ => {
                if let Some(column) = (0..x.width()).find(|c| x.get(row, *c).is_infinite()) {
                    return fault(row, column);
                }
            }
        }
    }
    Ok(())
}

/// Gives each leaf its model. `rows` tells the rows of a leaf, `g` and `h` are one number a row of `x`. A leaf without
/// numeric features on its path, or with fewer whole rows than numbers to find, keeps its value.
pub(super) fn fit<'r>(
    tree: &mut Tree,
    x: &Matrix<'_>,
    (g, h): (&[f32], &[f32]),
    lambda: f64,
    rows: &(dyn Fn(usize) -> &'r [u32] + Sync),
    pool: &Pool,
) {
    let paths = paths(tree);
    let slots: Vec<Mutex<LeafModel>> = paths.iter().map(|_| Mutex::new(LeafModel::default())).collect();
    let value = &tree.leaf_value;
    pool.run(slots.len(), |leaf| {
        let plain = || LeafModel { constant: value[leaf], ..LeafModel::default() };
        let model = solve(x, rows(leaf), &paths[leaf], (g, h), lambda).unwrap_or_else(plain);
        *slots[leaf].lock().unwrap_or_else(PoisonError::into_inner) = model;
    });
    tree.linear = slots.into_iter().map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
}

/// Adds `factor` times a tree's outputs to the scores of all rows of `x`.
pub(super) fn add(tree: &Tree, factor: f64, x: &Matrix<'_>, score: &mut [f64], pool: &Pool) {
    let mut used = tree.split_feature.clone();
    used.sort_unstable();
    used.dedup();
    let parts: Vec<Mutex<&mut [f64]>> = score.chunks_mut(CHUNK).map(Mutex::new).collect();
    pool.run(parts.len(), |i| {
        let mut part = parts[i].lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = vec![f64::NAN; x.width()];
        for (r, score) in part.iter_mut().enumerate() {
            used.iter().for_each(|f| row[*f] = x.get(i * CHUNK + r, *f));
            *score += factor * tree.predict(&row);
        }
    });
}

/// The numeric features on the path of each leaf, ascending.
fn paths(tree: &Tree) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); tree.leaves()];
    let mut open = vec![(if tree.split_feature.is_empty() { -1 } else { 0 }, Vec::new())];
    while let Some((node, mut path)) = open.pop() {
        let Ok(n) = usize::try_from(node) else {
            path.sort_unstable();
            out[(!node) as usize] = path;
            continue;
        };
        let feature = tree.split_feature[n];
        if tree.decision_type[n] & CATEGORICAL == 0 && !path.contains(&feature) {
            path.push(feature);
        }
        open.push((tree.left_child[n], path.clone()));
        open.push((tree.right_child[n], path));
    }
    out
}

/// The best model of a leaf's rows; nothing where they do not settle one.
fn solve(
    x: &Matrix<'_>,
    rows: &[u32],
    features: &[usize],
    (g, h): (&[f32], &[f32]),
    lambda: f64,
) -> Option<LeafModel> {
    let d = features.len();
    // Whole rows: their features, gradients and hessians.
    let (mut cells, mut pairs) = (Vec::with_capacity(rows.len() * d), Vec::with_capacity(rows.len()));
    for r in rows.iter().map(|r| *r as usize) {
        let from = cells.len();
        cells.extend(features.iter().map(|f| x.get(r, *f)));
        if cells[from..].iter().any(|v| v.is_nan()) {
            cells.truncate(from);
        } else {
            pairs.push((f64::from(g[r]), f64::from(h[r])));
        }
    }
    let weight: f64 = pairs.iter().map(|p| p.1).sum();
    if d == 0 || pairs.len() <= d || weight <= 0.0 {
        return None;
    }
    let mut mean = vec![0.0; d];
    for (row, (_, h)) in cells.chunks_exact(d).zip(&pairs) {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += h * v);
    }
    mean.iter_mut().for_each(|m| *m /= weight);
    let (mut a, mut b) = (vec![0.0; d * d], vec![0.0; d]);
    for (row, (g, h)) in cells.chunks_exact_mut(d).zip(&pairs) {
        row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
        for i in 0..d {
            b[i] -= g * row[i];
            let own = h * row[i];
            a[i * d..=i * d + i].iter_mut().zip(&*row).for_each(|(a, v)| *a += own * v);
        }
    }
    (0..d).for_each(|i| a[i * d + i] += lambda);
    let beta = cholesky(&mut a, b);
    let gradient: f64 = pairs.iter().map(|p| p.0).sum();
    let constant = -gradient / weight - beta.iter().zip(&mean).map(|(b, m)| b * m).sum::<f64>();
    let kept = || features.iter().zip(&beta).filter(|(_, b)| **b != 0.0);
    (constant.is_finite() && beta.iter().all(|b| b.is_finite())).then(|| LeafModel {
        constant,
        features: kept().map(|(f, _)| *f).collect(),
        coefficients: kept().map(|(_, b)| *b).collect(),
    })
}

/// Solves `a·x = b` for symmetric `a` (lower half given, overwritten). A column that those before it explain gets 0.
fn cholesky(a: &mut [f64], mut b: Vec<f64>) -> Vec<f64> {
    let d = b.len();
    let mut dropped = vec![false; d];
    for i in 0..d {
        let whole = a[i * d + i];
        for j in 0..=i {
            let both: f64 = (0..j).map(|k| a[i * d + k] * a[j * d + k]).sum();
            let left = a[i * d + j] - both;
            a[i * d + j] = match (i == j, dropped[j]) {
                (_, true) => 0.0,
                (false, _) => left / a[j * d + j],
                (true, _) if left > LEAST * whole => left.sqrt(),
                (true, _) => {
                    dropped[i] = true;
                    0.0
                }
            };
        }
    }
    for i in 0..d {
        let known: f64 = (0..i).map(|k| a[i * d + k] * b[k]).sum();
        b[i] = if dropped[i] { 0.0 } else { (b[i] - known) / a[i * d + i] };
    }
    for i in (0..d).rev() {
        let known: f64 = (i + 1..d).map(|k| a[k * d + i] * b[k]).sum();
        b[i] = if dropped[i] { 0.0 } else { (b[i] - known) / a[i * d + i] };
    }
    b
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
    use super::*;
    use lyceum_data::Random;

    /// Rows of three features, the third twice the first where that is asked for.
    fn rows(n: usize, twice: bool) -> (Vec<f64>, Vec<f32>, Vec<f32>) {
        let mut random = Random::new(5, 0);
        let mut x = Vec::new();
        for _ in 0..n {
            let (a, b) = (random.normal() + 1000.0, random.normal());
            x.extend([a, b, if twice { 2.0 * a } else { random.normal() }]);
        }
        let g = (0..n).map(|_| random.normal() as f32).collect();
        (x, g, (0..n).map(|_| random.unit() as f32 + 0.5).collect())
    }

    #[test]
    fn no_step_in_any_direction_is_better() {
        let (x, g, h) = rows(60, false);
        let all: Vec<u32> = (0..60).collect();
        for lambda in [0.0, 3.0] {
            let m = Matrix::Rows64 { values: &x, width: 3 };
            let model = solve(&m, &all, &[0, 1, 2], (&g, &h), lambda).unwrap();
            let cost = |c: f64, beta: &[f64]| {
                let one = |(i, r): (usize, &[f64])| {
                    let f = c + r.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
                    f64::from(g[i]) * f + 0.5 * f64::from(h[i]) * f * f
                };
                let fit: f64 = x.chunks_exact(3).enumerate().map(one).sum();
                fit + 0.5 * lambda * beta.iter().map(|b| b * b).sum::<f64>()
            };
            let best = cost(model.constant, &model.coefficients);
            for (at, step) in (0..4).flat_map(|a| [(a, 1e-3), (a, -1e-3)]) {
                let (mut c, mut beta) = (model.constant, model.coefficients.clone());
                // Features have large means, so that a coefficient alone moves everything: the constant moves back.
                match at {
                    3 => c += step,
                    _ => {
                        beta[at] += step;
                        c -= step * if at == 0 { 1000.0 } else { 0.0 };
                    }
                }
                assert!(cost(c, &beta) > best, "{at} {step}");
            }
        }
    }

    #[test]
    fn features_that_say_the_same_share_no_coefficient() {
        let (x, g, h) = rows(60, true);
        let all: Vec<u32> = (0..60).collect();
        let m = Matrix::Rows64 { values: &x, width: 3 };
        let both = solve(&m, &all, &[0, 1, 2], (&g, &h), 0.0).unwrap();
        let one = solve(&m, &all, &[0, 1], (&g, &h), 0.0).unwrap();
        assert_eq!(both, one);
        assert!(solve(&m, &all[..2], &[0, 1], (&g, &h), 0.0).is_none());
        assert!(solve(&m, &all, &[], (&g, &h), 0.0).is_none());
    }

    #[test]
    fn rows_with_holes_do_not_count() {
        let (mut x, g, h) = rows(60, false);
        x[3 * 59] = f64::NAN;
        let all: Vec<u32> = (0..60).collect();
        let m = Matrix::Rows64 { values: &x, width: 3 };
        let with = solve(&m, &all, &[0, 1], (&g, &h), 0.1).unwrap();
        assert_eq!(with, solve(&m, &all[..59], &[0, 1], (&g, &h), 0.1).unwrap());
        assert!(check(&m).is_ok());
        x[4] = f64::INFINITY;
        let fault = check(&Matrix::Rows64 { values: &x, width: 3 }).unwrap_err().to_string();
        assert_eq!(fault, "linear_tree: column 1 of row 2 is infinite: linear leaves want numbers");
    }
}
