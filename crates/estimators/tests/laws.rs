//! Every estimator of the registry keeps the laws, and what it saves predicts the same bits.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_core::{Column, FitContext, Params, Table, Target, TrainingSet, Value, laws};
use lyceum_data::Random;
use lyceum_estimators::registry::{ENTRIES, Task, make};
use std::collections::BTreeSet;

fn data(task: Task, with_missing: bool, positive: bool) -> TrainingSet {
    let mut random = Random::new(11, 0);
    let rows = 600;
    let a: Vec<f64> = (0..rows).map(|_| random.normal()).collect();
    let b: Vec<f64> = (0..rows).map(|_| random.unit()).collect();
    let codes: Vec<u32> = (0..rows).map(|_| random.below(5) as u32).collect();
    let signal: Vec<f64> =
        (0..rows).map(|i| a[i] - 2.0 * b[i] + f64::from(codes[i] % 2) + 0.3 * random.normal()).collect();
    let y = match task {
        Task::Regression if positive => Target::Regression(signal.iter().map(|s| (0.4 * s).exp()).collect()),
        Task::Regression => Target::Regression(signal),
        Task::Binary => Target::Binary(signal.iter().map(|s| u8::from(*s > -0.5)).collect()),
        Task::Multiclass => {
            let code = |s: &f64| {
                if *s < -1.2 {
                    0
                } else if *s < 0.2 {
                    1
                } else {
                    2
                }
            };
            Target::Multiclass { codes: signal.iter().map(code).collect(), classes: 3 }
        }
    };
    let hole = |i: usize, x: f64| if with_missing && i.is_multiple_of(7) { f64::NAN } else { x };
    let levels = ["p", "q", "r", "s", "t u"].map(Into::into).to_vec().into();
    let x = Table::new([
        ("a b", Column::Number(a.iter().enumerate().map(|(i, x)| hole(i, *x)).collect())),
        ("b", Column::Number(b)),
        ("c", Column::Category { codes, levels }),
        ("d", Column::Bool((0..rows).map(|i| Some(i % 3 == 0)).collect())),
    ])
    .unwrap();
    TrainingSet::new(x.into(), y).unwrap()
}

#[test]
fn every_estimator_keeps_the_laws_but_those_it_declares() {
    let mut wrong = Vec::new();
    for entry in ENTRIES {
        let mut seen = BTreeSet::new();
        for task in entry.tasks {
            let estimator = entry.make(&Params::new()).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let case = laws::EstimatorCase {
                estimator: &*estimator,
                data: &data(*task, entry.takes_missing, entry.positive_target),
                takes_missing: entry.takes_missing,
                folder: dir.path(),
                load: &|folder| entry.load(folder),
            };
            for (law, e) in laws::estimator(&case) {
                seen.insert(law);
                if !entry.exceptions.iter().any(|(name, _)| *name == law) {
                    wrong.push(format!("{} on {task:?}: {e}", entry.name));
                }
            }
        }
        for (law, reason) in entry.exceptions {
            if !seen.contains(law) {
                wrong.push(format!("{} keeps the law \"{law}\", though it says: {reason}", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn parameters_are_listed_checked_and_kept() {
    for entry in ENTRIES.iter().filter(|e| e.name != "gradient_boosting") {
        let kept = entry.make(&Params::new()).unwrap().params();
        assert_eq!(kept.len(), entry.parameters.len(), "{}", entry.name);
        for p in entry.parameters {
            assert_eq!(kept.get(p.name), Some(&p.default()), "{} {}", entry.name, p.name);
            assert!(!p.doc.is_empty() && !p.range().is_empty());
        }
        assert!(!entry.doc.is_empty());
    }
    let given = |k: &str, v: Value| Params::from_iter([(k.into(), v)]);
    let message = |name: &str, p: Params| make(name, &p).err().unwrap().to_string();
    assert_eq!(make("lasso", &given("alpha", Value::Int(2))).unwrap().params()["alpha"], Value::Float(2.0));
    assert!(message("lasso", given("alpa", Value::Int(2))).contains("alpha"));
    assert!(message("lasso", given("alpha", Value::Float(-1.0))).contains("a finite number from 0"));
    assert!(message("logistic", given("penalty", Value::from("l3"))).contains("one of l2, l1"));
    assert!(message("ridge_cv", given("alphas", Value::List(Vec::new().into()))).contains("above 0"));
    assert!(message("lasso_cv", given("cv", Value::Int(1))).contains("from 2"));
    assert!(message("laso", Params::new()).contains("lasso"));
    assert!(make("ols", &Params::new()).is_ok());
}

#[test]
fn what_is_saved_predicts_the_same_bits() {
    for entry in ENTRIES {
        for task in entry.tasks {
            let trees = entry.name == "gradient_boosting";
            let data = data(*task, trees, entry.positive_target);
            let model = entry.make(&Params::new()).unwrap().fit(&data, &FitContext::default()).unwrap();
            let dir = tempfile::tempdir().unwrap();
            model.save(dir.path()).unwrap();
            let back = entry.load(dir.path()).unwrap();
            assert_eq!(
                back.predict(&data.x).unwrap(),
                model.predict(&data.x).unwrap(),
                "{} {task:?}",
                entry.name
            );
            assert_eq!(back.importance(), model.importance());
            // Values of a category may be numbered otherwise in another table.
            let flipped: Vec<_> = data.x.columns().map(|(n, c)| (n.to_string(), renumber(c))).collect();
            let flipped = Table::new(flipped).unwrap();
            assert_eq!(back.predict(&flipped).unwrap(), model.predict(&data.x).unwrap());
        }
    }
}

fn renumber(column: &Column) -> Column {
    match column {
        Column::Category { codes, levels } => {
            let last = levels.len() as u32 - 1;
            let levels = levels.iter().rev().cloned().collect();
            Column::Category { codes: codes.iter().map(|c| last - c).collect(), levels }
        }
        other => other.clone(),
    }
}

#[test]
fn the_row_predictor_says_what_the_batch_says() {
    let data = data(Task::Binary, true, false);
    let entry = ENTRIES.iter().find(|e| e.name == "gradient_boosting").unwrap();
    let model = entry.make(&Params::new()).unwrap().fit(&data, &FitContext::default()).unwrap();
    let lyceum_core::Prediction::Probabilities { p, .. } = model.predict(&data.x).unwrap() else { panic!() };
    let mut row = model.row().unwrap();
    let cell = |c: &Column, i: usize| match c {
        Column::Number(v) => v[i],
        Column::Category { codes, .. } => f64::from(codes[i]),
        Column::Bool(v) => f64::from(u8::from(v[i].unwrap())),
        Column::Text(_) => f64::NAN,
    };
    for i in 0..50 {
        let features: Vec<f64> = data.x.columns().map(|(_, c)| cell(c, i)).collect();
        let mut out = [0.0];
        row.predict(&features, &mut out);
        assert_eq!(out[0], p[2 * i + 1]);
    }
}

#[test]
fn linear_models_refuse_holes() {
    for name in ["ridge", "logistic"] {
        let entry = ENTRIES.iter().find(|e| e.name == name).unwrap();
        let e = entry
            .make(&Params::new())
            .unwrap()
            .fit(&data(entry.tasks[0], true, false), &FitContext::default());
        let message = e.err().unwrap().to_string();
        assert_eq!(
            message,
            "column \"a b\": row 1 is missing or infinite\n  hint: linear models want complete numbers: fill them in preprocessing"
        );
    }
}
