//! Trees with linear leaves: better where the truth is linear in pieces, the same scores in training as in prediction,
//! the same model after a file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use lyceum_core::{FitContext, Params, Value};
use lyceum_data::Random;
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{Booster, BoostingParams, Examples, Job, Matrix, Predict, Trained};

const WIDTH: usize = 4;

/// Two numbers with a kink, one with holes, one category.
fn table(rows: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random::new(seed, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, b, c) = (random.normal(), random.normal(), random.below(5) as f64);
        let hole = random.unit() < 0.1;
        x.extend([a, b, if hole { f64::NAN } else { a * b }, c]);
        let bend = if a > 0.3 { 3.0 * b - a } else { -b + 2.0 * a };
        y.push(bend + c + 0.1 * random.normal());
    }
    (x, y)
}

fn train(extra: &[(&str, Value)], threads: usize) -> Result<Trained, lyceum_core::Error> {
    let ((x, y), (vx, vy)) = (table(3000, 1), table(1000, 2));
    let mut p: Params = extra.iter().map(|(k, v)| ((*k).into(), v.clone())).collect();
    let common: [(&str, Value); 5] = [
        ("num_leaves", 8i64.into()),
        ("num_iterations", 30i64.into()),
        ("linear_lambda", 0.01.into()),
        ("is_provide_training_metric", true.into()),
        ("metric", "l2".into()),
    ];
    for (k, v) in common {
        p.entry(k.into()).or_insert(v);
    }
    let names = (0..WIDTH).map(|i| format!("c{i}").into()).collect();
    let mut levels = vec![None; WIDTH];
    levels[3] = Some((0..5).map(|i| i.to_string().into()).collect());
    let job = Job {
        params: BoostingParams::from_params(&p)?,
        features: Features { names, levels },
        train: Examples::new(Matrix::Rows64 { values: &x, width: WIDTH }, y.as_slice()),
        valid: vec![(
            "valid".into(),
            Examples::new(Matrix::Rows64 { values: &vx, width: WIDTH }, vy.as_slice()),
        )],
        from: None,
        loss: None,
        watch: None,
    };
    job.run(&FitContext { threads, ..FitContext::default() })
}

fn l2(model: &Booster, (x, y): &(Vec<f64>, Vec<f64>)) -> f64 {
    let got = model.predict_rows(&Matrix::Rows64 { values: x, width: WIDTH }, &Predict::of(model)).unwrap();
    got.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / y.len() as f64
}

#[test]
fn linear_leaves_learn_what_is_linear_in_pieces() {
    let plain = train(&[], 2).unwrap();
    let linear = train(&[("linear_tree", true.into())], 2).unwrap();
    let held_out = table(1000, 2);
    let (a, b) = (l2(&plain.model, &held_out), l2(&linear.model, &held_out));
    assert!(b < 0.8 * a, "constants {a}, linear {b}");
    assert!(!linear.model.trees[0].is_linear() && linear.model.trees[1..].iter().all(|t| t.is_linear()));
}

/// What training thinks of its rows, drawn or not, whole or with holes, is what the model says of them.
#[test]
fn scores_in_training_are_the_predictions() {
    let linear = ("linear_tree", Value::from(true));
    let half = [("bagging_fraction", Value::from(0.5)), ("bagging_freq", 1i64.into())];
    let kinds = [
        vec![linear.clone()],
        vec![linear.clone(), half[0].clone(), half[1].clone()],
        vec![linear.clone(), half[0].clone(), half[1].clone(), ("boosting", "rf".into())],
        vec![linear.clone(), ("boosting", "dart".into()), ("skip_drop", 0.2.into())],
        vec![linear, ("data_sample_strategy", "goss".into())],
    ];
    for kind in kinds {
        let out = train(&kind, 2).unwrap();
        for (training, rows) in [(true, table(3000, 1)), (false, table(1000, 2))] {
            let curve = *out.first(training).unwrap().values.last().unwrap();
            let got = l2(&out.model, &rows);
            assert!((curve - got).abs() < 1e-9 * got, "{kind:?} {training}: {curve} {got}");
        }
    }
}

#[test]
fn threads_and_files_change_nothing() {
    let linear = [("linear_tree", Value::from(true))];
    let (one, two) = (train(&linear, 1).unwrap().model, train(&linear, 2).unwrap().model);
    assert_eq!(one.to_text(), two.to_text());
    let read = Booster::parse(&one.to_text()).unwrap();
    assert_eq!(read.trees, one.trees);
    let (x, _) = table(1000, 2);
    let x = Matrix::Rows64 { values: &x, width: WIDTH };
    let bits = |m: &Booster| {
        let raw = m.raw_rows(&x, &Predict::of(m)).unwrap();
        raw.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&read), bits(&one));
}

#[test]
fn linear_leaves_are_not_refitted() {
    let trained = train(&[("linear_tree", true.into()), ("num_iterations", 3i64.into())], 2).unwrap();
    let (x, y) = table(100, 3);
    let rows = Examples::new(Matrix::Rows64 { values: &x, width: WIDTH }, y.as_slice());
    let params = BoostingParams::from_params(&Params::new()).unwrap();
    let e = trained.model.refit(&rows, 0.9, &params, &FitContext::default()).unwrap_err();
    assert_eq!(e.to_string(), "models with linear leaves are not refitted");
}
