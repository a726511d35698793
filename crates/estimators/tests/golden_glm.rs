//! Poisson, gamma and Tweedie regression against scikit-learn 1.9's (`newton-cholesky`, tol 1e-12) on rows made here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_core::{Column, Estimator, FitContext, Params, Prediction, Table, Target, TrainingSet, Value};
use lyceum_estimators::linear::LinearModel;
use lyceum_estimators::registry::make;

/// 60 rows of two columns; counts, with `more` added; weights 1 to 3.
fn rows(more: f64) -> TrainingSet {
    let i = || (0..60u32).map(f64::from);
    let a: Vec<f64> = i().map(|i| (i * 37.0) % 101.0 / 50.0 - 1.0).collect();
    let b: Vec<f64> = i().map(|i| (i * 53.0) % 97.0 / 40.0 - 1.2).collect();
    let y = i()
        .zip(a.iter().zip(&b))
        .map(|(i, (a, b))| ((0.8 * a - 0.5 * b + 0.3).exp() * (1.0 + (i * 29.0) % 7.0 / 3.0)).floor() + more);
    let y = Target::Regression(y.collect());
    let x = Table::new([("a", Column::Number(a)), ("b", Column::Number(b))]).unwrap();
    let mut set = TrainingSet::new(x.into(), y).unwrap();
    set.weight = Some(i().map(|i| 1.0 + i % 3.0).collect());
    set
}

fn params(pairs: &[(&str, f64)]) -> Params {
    pairs.iter().map(|(k, v)| ((*k).into(), Value::Float(*v))).collect()
}

struct Want {
    coef: [f64; 2],
    intercept: f64,
    d2: f64,
    predict: [f64; 3],
}

#[track_caller]
fn check(name: &str, more: f64, want: &Want) {
    let set = rows(more);
    let model = make(name, &params(&[("alpha", 0.3)])).unwrap().fit(&set, &FitContext::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let linear = LinearModel::load(folder.path()).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-8 * b.abs().max(1.0), "{name}: {a} against {b}");
    linear.coef.iter().zip(want.coef).for_each(|(a, b)| near(*a, b));
    near(linear.intercept[0], want.intercept);
    near(linear.fitted["d2"].as_f64().unwrap(), want.d2);
    assert!(linear.converged && linear.iterations < 20, "{}", linear.iterations);
    let Prediction::Numbers(p) = model.predict(&set.x).unwrap() else { panic!("numbers were expected") };
    p.iter().zip(want.predict).for_each(|(a, b)| near(*a, b));
    let mut out = [0.0];
    model.row().unwrap().predict(&[-1.0, -1.2], &mut out);
    assert_eq!(out[0], p[0]);
}

#[test]
fn poisson() {
    let want = Want {
        coef: [0.6391881553787383, -0.46421057396019394],
        intercept: 0.831430235094453,
        d2: 0.6359179939273333,
        predict: [2.115507567770451, 1.835312915177568, 4.907898564657705],
    };
    check("poisson", 0.0, &want);
}

#[test]
fn gamma() {
    let want = Want {
        coef: [0.3218262214200735, -0.24619680169228902],
        intercept: 1.1943556380079758,
        d2: 0.55176506075494,
        predict: [3.215444410999692, 2.9444034126346192, 4.898230933456218],
    };
    check("gamma", 1.0, &want);
}

#[test]
fn tweedie() {
    let want = Want {
        coef: [0.5559672161109748, -0.4165831027807279],
        intercept: 0.8122849956594812,
        d2: 0.5240795052326364,
        predict: [2.1302034740575064, 1.8508789449152965, 4.416368643764563],
    };
    check("tweedie", 0.0, &want);
}

#[test]
fn the_ends_of_tweedie_are_poisson_and_gamma() {
    for (power, name) in [(1.0, "poisson"), (2.0, "gamma")] {
        let set = rows(1.0);
        let fit =
            |e: Box<dyn Estimator>| e.fit(&set, &FitContext::default()).unwrap().predict(&set.x).unwrap();
        let tweedie = make("tweedie", &params(&[("power", power), ("alpha", 0.1)])).unwrap();
        let own = make(name, &params(&[("alpha", 0.1)])).unwrap();
        assert_eq!(fit(tweedie), fit(own));
    }
}

#[test]
fn targets_that_do_not_fit_are_named() {
    let fault = |name: &str, more: f64| {
        let fit = make(name, &Params::new()).unwrap().fit(&rows(more), &FitContext::default());
        fit.err().unwrap().to_string()
    };
    assert!(fault("poisson", -1.0).starts_with("the target of row "), "{}", fault("poisson", -1.0));
    assert!(fault("gamma", 0.0).ends_with("is 0, expected above 0"), "{}", fault("gamma", 0.0));
    let mut none = rows(0.0);
    none.y = Target::Regression(vec![0.0; 60]);
    let e = make("tweedie", &Params::new()).unwrap().fit(&none, &FitContext::default()).err().unwrap();
    assert_eq!(e.to_string(), "all targets are 0, so there is nothing to learn");
}
