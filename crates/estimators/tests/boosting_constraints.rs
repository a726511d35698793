//! What the parameters of growth promise, held on trained models: monotone features, features that may not meet,
//! symmetric trees, the same bits at any number of threads, rows drawn in every way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_core::{FitContext, Params};
use lyceum_estimators::boosting::{Booster, BoostingParams, Examples, Job, Matrix, Predict, Trained};
use lyceum_estimators::{Features, tables};
use serde_json::Value as Json;

fn train_on(made: &tables::Made, params: &[(&str, &str)], threads: usize) -> Trained {
    let p: Params = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let y: Vec<f64> = made.y.iter().map(|y| f64::from(*y)).collect();
    let job = Job {
        params: BoostingParams::from_params(&p).unwrap(),
        features: Features {
            names: (0..made.width).map(|i| format!("c{i}").into()).collect(),
            levels: vec![None; made.width],
        },
        train: Examples::new(Matrix::Rows32 { values: &made.x, width: made.width }, y),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    job.run(&FitContext { threads, ..FitContext::default() }).unwrap()
}

fn train(params: &[(&str, &str)]) -> Booster {
    let mut all = vec![("num_iterations", "15"), ("objective", "binary")];
    all.extend(params);
    train_on(&tables::binary(3000), &all, 2).model
}

/// Predictions of some rows with one column moved through its range.
fn moved(model: &Booster, column: usize, values: &[f32]) -> Vec<Vec<f64>> {
    let made = tables::binary(60);
    values
        .iter()
        .map(|v| {
            let mut x = made.x.clone();
            x.chunks_exact_mut(28).for_each(|row| row[column] = *v);
            model.raw_rows(&Matrix::Rows32 { values: &x, width: 28 }, &Predict::of(model)).unwrap()
        })
        .collect()
}

#[test]
fn monotone_features_are_monotone() {
    let mut constraints = ["0"; 28];
    (constraints[25], constraints[3], constraints[22]) = ("1", "-1", "1");
    let constraints = constraints.join(",");
    let values: Vec<f32> = (-20..=20).map(|i| i as f32 / 5.0).collect();
    for method in ["basic", "intermediate", "advanced"] {
        for penalty in ["0", "1.5"] {
            let model = train(&[
                ("monotone_constraints", &constraints),
                ("monotone_constraints_method", method),
                ("monotone_penalty", penalty),
            ]);
            for (column, rises) in [(25, true), (3, false), (22, true)] {
                let all = moved(&model, column, &values);
                for pair in all.windows(2) {
                    let ok = pair[0].iter().zip(&pair[1]).all(|(a, b)| if rises { a <= b } else { a >= b });
                    assert!(ok, "{method}, column {column}");
                }
            }
        }
    }
    // Without the constraints the data has it otherwise, so that the test can fail.
    let free = train(&[]);
    let all = moved(&free, 22, &values);
    assert!(all.windows(2).any(|p| p[0].iter().zip(&p[1]).any(|(a, b)| a > b)));
}

fn each_path(node: &Json, path: &mut Vec<u64>, check: &mut dyn FnMut(&[u64])) {
    let Some(feature) = node["split_feature"].as_u64() else { return check(path) };
    path.push(feature);
    each_path(&node["left_child"], path, check);
    each_path(&node["right_child"], path, check);
    path.pop();
}

#[test]
fn only_features_of_one_set_meet_on_a_path() {
    let sets = [vec![0, 1, 2, 3], vec![2, 10, 11, 25], vec![5, 22]];
    let text: Vec<String> = sets.iter().map(|s| format!("{s:?}")).collect();
    let model = train(&[("interaction_constraints", &text.join(","))]);
    let mut seen = 0;
    for tree in model.dump()["tree_info"].as_array().unwrap() {
        each_path(&tree["tree_structure"], &mut Vec::new(), &mut |path| {
            seen += path.len();
            assert!(sets.iter().any(|s| path.iter().all(|f| s.contains(f))), "{path:?}");
        });
    }
    assert!(seen > 100);
}

#[test]
fn symmetric_trees_ask_one_question_a_level() {
    let model = train(&[("grow_policy", "symmetric"), ("max_depth", "4")]);
    for tree in model.dump()["tree_info"].as_array().unwrap() {
        assert_eq!(tree["num_leaves"], 16);
        let mut levels: Vec<std::collections::HashSet<String>> = vec![Default::default(); 4];
        fn walk(node: &Json, depth: usize, levels: &mut [std::collections::HashSet<String>]) {
            if node["split_feature"].is_null() {
                return;
            }
            levels[depth].insert(format!("{} {}", node["split_feature"], node["threshold"]));
            walk(&node["left_child"], depth + 1, levels);
            walk(&node["right_child"], depth + 1, levels);
        }
        walk(&tree["tree_structure"], 0, &mut levels);
        assert!(levels.iter().all(|l| l.len() == 1), "{levels:?}");
    }
    let made = tables::binary(4000);
    let score = model.raw_rows(&Matrix::Rows32 { values: &made.x, width: 28 }, &Predict::of(&model)).unwrap();
    let labels: Vec<u8> = made.y.iter().map(|y| *y as u8).collect();
    assert!(lyceum_estimators::metrics::roc_auc(&labels, &score) > 0.8);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let made = tables::categories(2500);
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("boosting", "dart"), ("drop_rate", "0.5")],
        &[("boosting", "rf"), ("bagging_freq", "1"), ("bagging_fraction", "0.6")],
        &[("boosting", "goss"), ("learning_rate", "0.3")],
        &[("extra_trees", "true"), ("feature_fraction_bynode", "0.5"), ("path_smooth", "5")],
        &[("use_quantized_grad", "true"), ("max_delta_step", "0.3")],
        &[("grow_policy", "symmetric")],
        &[("cegb_penalty_split", "0.01"), ("cegb_tradeoff", "0.5"), ("min_gain_to_split", "0.1")],
        &[("pos_bagging_fraction", "0.5"), ("neg_bagging_fraction", "0.9"), ("bagging_freq", "2")],
    ];
    for case in cases {
        let mut params = vec![("objective", "binary"), ("num_iterations", "12")];
        params.extend(case.iter().copied());
        let one = train_on(&made, &params, 1).model;
        for threads in [2, 3, 5] {
            assert!(train_on(&made, &params, threads).model == one, "{case:?} on {threads} threads");
        }
        let x = Matrix::Rows32 { values: &made.x, width: made.width };
        let score = one.raw_rows(&x, &Predict::of(&one)).unwrap();
        let labels: Vec<u8> = made.y.iter().map(|y| *y as u8).collect();
        let auc = lyceum_estimators::metrics::roc_auc(&labels, &score);
        assert!(auc > 0.65, "{case:?}: {auc}");
    }
}

/// Every objective learns something better than its constant.
#[test]
fn every_objective_learns() {
    let mut made = tables::regression(2000);
    for (objective, shape) in [
        ("regression_l1", 0),
        ("huber", 0),
        ("fair", 0),
        ("quantile", 0),
        ("mape", 0),
        ("poisson", 1),
        ("gamma", 1),
        ("tweedie", 1),
        ("cross_entropy", 2),
        ("cross_entropy_lambda", 2),
    ] {
        let own = made.clone();
        made.y.iter_mut().for_each(|y| {
            *y = match shape {
                1 => (*y / 4.0).exp().clamp(0.01, 50.0),
                2 => 1.0 / (1.0 + (-*y).exp()),
                _ => *y,
            }
        });
        let params =
            [("objective", objective), ("num_iterations", "30"), ("is_provide_training_metric", "true")];
        let trained = train_on(&made, &params, 2);
        let curve = trained.first(true).unwrap();
        let (first, last) = (curve.values[0], curve.values[curve.values.len() - 1]);
        assert!(last < first, "{objective}: {first} to {last}");
        made = own;
    }
}

#[test]
fn symmetric_trees_predict_the_same_bits_in_tiles_and_one_by_one() {
    for depth in ["3", "5", "6", "7"] {
        let model = train(&[("grow_policy", "symmetric"), ("max_depth", depth), ("num_leaves", "128")]);
        let made = tables::binary(200);
        let x = Matrix::Rows32 { values: &made.x, width: made.width };
        let tiled = model.raw_rows(&x, &Predict::of(&model)).unwrap();
        for (row, want) in made.x.chunks_exact(made.width).zip(&tiled) {
            let one = Matrix::Rows32 { values: row, width: made.width };
            assert_eq!(model.raw_rows(&one, &Predict::of(&model)).unwrap(), [*want], "depth {depth}");
        }
    }
}
