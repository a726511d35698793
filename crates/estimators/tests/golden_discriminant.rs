//! Discriminant analysis against scikit-learn (shared/golden/classical).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{floats, json, numbers};
use lyceum_core::{Column, Estimator, FitContext, Prediction, Table, Target, TrainingSet};
use lyceum_estimators::discriminant::{LinearDiscriminant, QuadraticDiscriminant, Shrinkage, Solver};
use lyceum_estimators::linear::LinearModel;
use serde_json::Value as Json;

fn raw(name: &str) -> Option<TrainingSet> {
    let rows = numbers(&format!("golden/classical/{name}.csv"), true)?;
    let width = rows[0].len() - 1;
    let column = |i: usize| Column::Number(rows.iter().map(|r| r[i]).collect());
    let table = Table::new((0..width).map(|i| (format!("c{i}"), column(i)))).unwrap();
    let codes = rows.iter().map(|r| r[width] as u32).collect();
    Some(TrainingSet::new(table.into(), Target::Multiclass { codes, classes: 3 }).unwrap())
}

fn fit(data: &TrainingSet, how: LinearDiscriminant) -> LinearModel {
    let dir = tempfile::tempdir().unwrap();
    let model = how.fit(data, &FitContext::default()).unwrap();
    model.save(dir.path()).unwrap();
    LinearModel::load(dir.path()).unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-6 * scale, "{got} for {want}");
    }
}

fn flat(rows: &Json) -> Vec<f64> {
    rows.as_array().unwrap().iter().flat_map(floats).collect()
}

fn accuracy(p: &Prediction, data: &TrainingSet) -> f64 {
    let (Prediction::Probabilities { p, .. }, Target::Multiclass { codes, .. }) = (p, &data.y) else {
        panic!()
    };
    let right = |(p, c): (&[f64], &u32)| p.iter().all(|other| *other <= p[*c as usize]);
    let hits = p.chunks_exact(3).zip(codes).filter(|(p, c)| right((p, c))).count();
    hits as f64 / codes.len() as f64
}

#[test]
fn coefficients_and_accuracy() {
    let Some(golden) = json("golden/classical/lda_discriminant.json") else { return };
    for (case, name, solver, shrinkage) in [
        ("iris_svd", "iris", Solver::Svd, Shrinkage::None),
        ("wine_svd", "wine", Solver::Svd, Shrinkage::None),
        ("wine_eigen_0.3", "wine", Solver::Eigen, Shrinkage::Share(0.3)),
        ("wine_lsqr_ledoit_wolf", "wine", Solver::Lsqr, Shrinkage::Auto),
    ] {
        let data = raw(name).unwrap();
        let model = fit(&data, LinearDiscriminant { solver, shrinkage, ..LinearDiscriminant::default() });
        close(&model.coef, &flat(&golden[case]["coef"]));
        close(&model.intercept, &floats(&golden[case]["intercept"]));
        let Some(want) = golden[case]["acc"].as_f64() else { continue };
        let p = lyceum_core::Model::predict(&model, &data.x).unwrap();
        close(&[accuracy(&p, &data)], &[want]);
    }
}

#[test]
fn quadratic_probabilities_and_accuracy() {
    let Some(golden) = json("golden/classical/lda_discriminant.json") else { return };
    let data = raw("iris").unwrap();
    let model = QuadraticDiscriminant::default().fit(&data, &FitContext::default()).unwrap();
    let p = model.predict(&data.x).unwrap();
    close(&[accuracy(&p, &data)], &[golden["iris_qda"]["acc"].as_f64().unwrap()]);
    let Prediction::Probabilities { p, .. } = p else { panic!() };
    // Rows 0, 60 and 120.
    let three: Vec<f64> = [0, 60, 120].iter().flat_map(|row| p[row * 3..row * 3 + 3].to_vec()).collect();
    for (got, want) in three.iter().zip(flat(&golden["iris_qda"]["proba"])) {
        assert!((got - want).abs() <= 1e-6 * want, "{got} for {want}");
    }
}

/// 60 rows of two columns made here, classes of 22, 31 and 7 rows.
fn made() -> TrainingSet {
    let codes: Vec<u32> = (0..60u32).map(|i| u32::from((i * 29) % 7 > 2) + u32::from(i % 5 == 0)).collect();
    let rows = || (0..60u32).map(f64::from).zip(&codes).map(|(i, c)| (i, f64::from(*c)));
    let a = rows().map(|(i, c)| (i * 37.0) % 101.0 / 50.0 - 1.0 + 0.5 * c).collect();
    let b = rows().map(|(i, c)| ((i * 53.0) % 97.0 / 40.0 - 1.2) * (1.0 + c)).collect();
    let x = Table::new([("a", Column::Number(a)), ("b", Column::Number(b))]).unwrap();
    TrainingSet::new(x.into(), Target::Multiclass { codes, classes: 3 }).unwrap()
}

/// Coefficients and intercepts of scikit-learn 1.9 on the rows made here.
#[test]
fn chances_that_are_told_count() {
    let data = made();
    let fitted = |solver, shrinkage, priors: &[f64]| {
        fit(&data, LinearDiscriminant { solver, shrinkage, priors: priors.to_vec() })
    };
    let told = [0.2, 0.5, 0.3];
    let svd = fitted(Solver::Svd, Shrinkage::None, &told);
    let coef = [
        -1.5113070250214593,
        0.16062325159481092,
        -0.046719814771896975,
        -0.34931975160909,
        1.0854043746341349,
        0.4751174182852761,
    ];
    close(&svd.coef, &coef);
    close(&svd.intercept, &[-1.1991221312684015, -0.7572052598639397, -2.205594772158732]);
    let p = lyceum_core::Model::predict(&svd, &data.x).unwrap();
    let Prediction::Probabilities { p, .. } = p else { panic!() };
    let first = [0.27853082599742374, 0.7084044679708894, 0.01306470603168688];
    assert!(p.iter().zip(first).all(|(p, want)| (p - want).abs() < 1e-10), "{:?}", &p[..3]);
    let drawn = fitted(Solver::Lsqr, Shrinkage::Share(0.3), &told);
    let coef = [
        0.04035827974544031,
        0.05172323929262667,
        0.8613127542326582,
        -0.33449687388717503,
        1.5154738692216272,
        0.36367903798882506,
    ];
    close(&drawn.coef, &coef);
    close(&drawn.intercept, &[-1.6126294485949133, -0.9831277444187447, -2.072324649822117]);
    let auto = fitted(Solver::Eigen, Shrinkage::Auto, &told);
    close(&auto.intercept, &[-1.613184768528153, -1.0985068749394804, -2.7341620569500926]);
    // Chances are divided by their sum.
    let ten = fitted(Solver::Lsqr, Shrinkage::None, &[2.0, 5.0, 3.0]);
    close(&ten.intercept, &[-1.6125877366942192, -1.1767267011579623, -2.5976067969693144]);
    let two = LinearDiscriminant { priors: vec![0.5, 0.5], ..LinearDiscriminant::default() };
    let e = two.fit(&data, &FitContext::default()).err().unwrap().to_string();
    assert_eq!(e, "priors: expected 3 numbers, one a class, got 2");
}

#[test]
fn rows_made_here_get_the_peers_probabilities() {
    let data = made();
    let first_two = |how: QuadraticDiscriminant, want: [f64; 6]| {
        let model = how.fit(&data, &FitContext::default()).unwrap();
        let Prediction::Probabilities { p, .. } = model.predict(&data.x).unwrap() else { panic!() };
        for (got, want) in p.iter().zip(want) {
            assert!((got - want).abs() < 1e-10, "{got} for {want}");
        }
    };
    let plain = [
        0.014397927935977384,
        0.9669613431879707,
        0.018640728876051952,
        0.756418660134267,
        0.23839014847766088,
        0.005191191388072285,
    ];
    first_two(QuadraticDiscriminant::default(), plain);
    let drawn = [
        0.037110809145454844,
        0.9218139801016063,
        0.04107521075293877,
        0.666534578291116,
        0.3125504281446471,
        0.020914993564236914,
    ];
    first_two(QuadraticDiscriminant { reg_param: 0.25, ..QuadraticDiscriminant::default() }, drawn);
    let told = [
        0.01716038531315103,
        0.7901055383468345,
        0.1927340763400144,
        0.6551392769480093,
        0.2635283147703212,
        0.08133240828166959,
    ];
    first_two(QuadraticDiscriminant { reg_param: 0.1, priors: vec![0.2, 0.3, 0.5] }, told);
    let model = fit(
        &data,
        LinearDiscriminant {
            solver: Solver::Lsqr,
            shrinkage: Shrinkage::Auto,
            ..LinearDiscriminant::default()
        },
    );
    let coef = [
        0.08853134655634136,
        0.06627181829102187,
        1.3955586457160913,
        -0.34204809440527384,
        2.7824137489135876,
        0.560943604820435,
    ];
    close(&model.coef, &coef);
    close(&model.intercept, &[-1.007943669976681, -1.0786099263931201, -3.697543098980413]);
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let fault = |e: &dyn Estimator, data: &TrainingSet| {
        e.fit(data, &FitContext::default()).err().unwrap().to_string()
    };
    let mut flat = made();
    // The second column is constant within the last class alone.
    let (Target::Multiclass { codes, .. }, Column::Number(b)) = (&flat.y, flat.x.column("b").unwrap()) else {
        panic!()
    };
    let b = b.iter().zip(codes).map(|(b, c)| if *c == 2 { 1.0 } else { *b }).collect();
    let a = flat.x.column("a").unwrap().clone();
    flat.x = Table::new([("a", a), ("b", Column::Number(b))]).unwrap().into();
    let no_inverse =
        "the covariance of class 2 has no inverse\n  hint: set reg_param above 0, or take fewer columns";
    assert_eq!(fault(&QuadraticDiscriminant::default(), &flat), no_inverse);
    let drawn = QuadraticDiscriminant { reg_param: 0.1, ..QuadraticDiscriminant::default() };
    assert!(drawn.fit(&flat, &FitContext::default()).is_ok());
    let two = QuadraticDiscriminant { priors: vec![0.5, 0.5], ..QuadraticDiscriminant::default() };
    assert_eq!(fault(&two, &made()), "priors: expected 3 numbers, one a class, got 2");
    let svd = LinearDiscriminant { shrinkage: Shrinkage::Auto, ..LinearDiscriminant::default() };
    let told = "shrinkage: the solver svd takes no shrinkage\n  hint: set solver to lsqr or eigen";
    assert_eq!(fault(&svd, &made()), told);
}
