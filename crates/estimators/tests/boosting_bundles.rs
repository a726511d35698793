//! Features that share a byte: the same trees as without, whatever the bins mean and however many threads there are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use lyceum_core::{FitContext, Params};
use lyceum_data::Random;
use lyceum_estimators::boosting::{BoostingParams, Examples, Job, Matrix};
use lyceum_estimators::{Features, tables};

/// The model's trees as text, without the parameters that follow them.
fn trees(
    x: &[f64],
    y: &[f64],
    levels: &[usize],
    params: &[(&str, &str)],
    bundle: bool,
    threads: usize,
) -> String {
    let width = x.len() / y.len();
    let bundle = if bundle { "true" } else { "false" };
    let all = params.iter().copied().chain([("enable_bundle", bundle), ("min_data_in_leaf", "3")]);
    let p: Params = all.map(|(k, v)| (k.into(), v.into())).collect();
    let level =
        |i: usize| levels.get(i).filter(|n| **n > 0).map(|n| (0..*n).map(|v| v.to_string().into()).collect());
    let job = Job {
        params: BoostingParams::from_params(&p).unwrap(),
        features: Features {
            names: (0..width).map(|i| format!("c{i}").into()).collect(),
            levels: (0..width).map(level).collect(),
        },
        train: Examples::new(Matrix::Rows64 { values: x, width }, y.to_vec()),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    let model = job.run(&FitContext { threads, ..FitContext::default() }).unwrap().model;
    assert!(model.trees.iter().any(|t| t.leaves() > 2), "the table teaches nothing");
    let text = model.to_text();
    text.split("\nparameters:").next().unwrap().into()
}

/// Groups of columns of which a row has one at most, in every kind: flags, numbers with gaps, categories, some missing.
fn exclusive(rows: usize, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let mut random = Random::new(seed, 1);
    let kinds: Vec<usize> = (0..6 + random.below(30)).map(|_| random.below(4)).collect();
    let width = kinds.len() + 1;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let at = x.len();
        x.resize(at + width, 0.0);
        let chosen = random.below(kinds.len());
        let value = match kinds[chosen] {
            0 => 1.0,
            1 => (random.normal() * 4.0).round(),
            2 => random.below(5) as f64,
            _ if row % 3 == 0 => f64::NAN,
            _ => 2.0 + random.normal(),
        };
        x[at + chosen] = value;
        x[at + width - 1] = random.normal();
        let value = if value.is_nan() { -3.0 } else { value.clamp(-3.0, 3.0) };
        let sign = if chosen.is_multiple_of(2) { 1.0 } else { -1.0 };
        let signal = (chosen % 5) as f64 - 2.0 + value * sign;
        y.push(f64::from(u8::from(signal + x[at + width - 1] + random.normal() > 0.0)));
    }
    (x, y, kinds.iter().map(|k| if *k == 2 { 6 } else { 0 }).collect())
}

#[test]
fn bundles_change_no_tree() {
    for seed in 0..12 {
        let (x, y, levels) = exclusive(700 + 100 * seed as usize, seed);
        let all: [&[(&str, &str)]; 6] = [
            &[("objective", "binary")],
            &[("objective", "binary"), ("grow_policy", "symmetric"), ("max_depth", "4")],
            &[("objective", "regression"), ("zero_as_missing", "true"), ("max_bin", "20")],
            &[
                ("objective", "binary"),
                ("bagging_fraction", "0.6"),
                ("bagging_freq", "1"),
                ("feature_fraction", "0.7"),
            ],
            &[("objective", "binary"), ("extra_trees", "true"), ("path_smooth", "2")],
            &[("objective", "binary"), ("use_quantized_grad", "true"), ("max_bin", "5")],
        ];
        let params = [all[seed as usize % 6], &[("num_iterations", "6")]].concat();
        let want = trees(&x, &y, &levels, &params, false, 1);
        for threads in [1, 2] {
            assert!(want == trees(&x, &y, &levels, &params, true, threads), "seed {seed}, {threads} threads");
        }
    }
}

#[test]
fn one_hot_groups_change_no_tree() {
    let made = tables::sparse(5000);
    let x: Vec<f64> = made.x.iter().map(|x| f64::from(*x)).collect();
    let y: Vec<f64> = made.y.iter().map(|y| f64::from(*y)).collect();
    let params = [("objective", "binary"), ("num_iterations", "10")];
    let want = trees(&x, &y, &[], &params, false, 2);
    assert!(want == trees(&x, &y, &[], &params, true, 2));
}
