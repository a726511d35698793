//! Slopes, starts and refused labels of every objective.

use super::loss::Bound;
use super::*;
use lyceum_tensor::Pool;

fn bound<'a>(o: &Objective, y: &'a [f64], weight: Option<&'a [f64]>) -> Bound<'a> {
    o.bind(Rows { y, weight, group: None }).unwrap()
}

/// The gradient is the slope of the loss that the metric of the same name measures.
#[test]
fn gradients_are_slopes() {
    let pool = Pool::new(1);
    let cases: &[(&str, &[f64], fn(f64, f64) -> f64)] = &[
        ("regression", &[1.0, -2.0], |s, y| 0.5 * (s - y).powi(2)),
        ("fair", &[1.0, -2.0], |s, y| (s - y).abs() - (s - y).abs().ln_1p()),
        ("poisson", &[1.0, 3.0], |s, y| s.exp() - y * s),
        ("gamma", &[1.0, 3.0], |s, y| s + y * (-s).exp()),
        ("tweedie", &[0.0, 3.0], |s, y| y * (-0.5 * s).exp() / 0.5 + (0.5 * s).exp() / 0.5),
        ("cross_entropy", &[0.2, 0.7], |s, y| (1.0 + s.exp()).ln() - y * s),
        ("binary", &[0.0, 1.0], |s, y| (1.0 + (-(2.0 * y - 1.0) * s).exp()).ln()),
    ];
    for (name, y, loss) in cases {
        let mut o = Objective::default();
        o.set_kind(name).unwrap();
        let b = bound(&o, y, None);
        for s in [-1.3, 0.4] {
            let (mut g, mut h) = ([0.0f32; 2], [0.0f32; 2]);
            b.gradients(0, &[s, s], &mut g, &mut h, &pool);
            for (i, y) in y.iter().enumerate() {
                let slope = (loss(s + 1e-5, *y) - loss(s - 1e-5, *y)) / 2e-5;
                assert!((f64::from(g[i]) - slope).abs() < 1e-4, "{name} at {s}: {} for {slope}", g[i]);
                assert!(h[i] > 0.0, "{name}");
            }
        }
    }
}

/// Of cross-entropy with intensities too, whose formula is long.
#[test]
fn intensity_weights_have_the_right_slope() {
    let mut o = Objective::default();
    o.set_kind("xentlambda").unwrap();
    let (y, w) = ([0.3, 0.8], [0.5, 2.0]);
    let b = bound(&o, &y, Some(&w));
    let loss = |s: f64, i: usize| {
        let p = 1.0 - (-w[i] * s.exp().ln_1p()).exp();
        -(y[i] * p.ln() + (1.0 - y[i]) * (1.0 - p).ln())
    };
    let (mut g, mut h) = ([0.0f32; 2], [0.0f32; 2]);
    b.gradients(0, &[0.4, -0.2], &mut g, &mut h, &Pool::new(1));
    for (i, s) in [0.4, -0.2].into_iter().enumerate() {
        let slope = (loss(s + 1e-5, i) - loss(s - 1e-5, i)) / 2e-5;
        assert!((f64::from(g[i]) - slope).abs() < 1e-4, "{} for {slope}", g[i]);
    }
}

#[test]
fn softmax_slopes_and_starts() {
    let o = Objective { kind: Kind::Multiclass, num_class: 3, ..Objective::default() };
    let y = [1.0, 0.0, 2.0, 1.0];
    let b = bound(&o, &y, None);
    assert!((b.start()[1] - 0.5f64.ln()).abs() < 1e-12);
    let score: Vec<f64> = [0.5, -0.5, 1.0].iter().flat_map(|s| [*s; 4]).collect();
    let (mut g, mut h) = ([0.0f32; 12], [0.0f32; 12]);
    b.gradients(0, &score, &mut g, &mut h, &Pool::new(2));
    let loss = |s: [f64; 3]| s.iter().map(|x| x.exp()).sum::<f64>().ln() - s[1];
    let slope = (loss([0.5, -0.5, 1.0 + 1e-5]) - loss([0.5, -0.5, 1.0 - 1e-5])) / 2e-5;
    assert!((f64::from(g[8]) - slope).abs() < 1e-5);
}

#[test]
fn starts_at_the_best_constant() {
    let o = Objective { kind: Kind::Binary, is_unbalance: true, ..Objective::default() };
    let y = [1.0, 0.0, 0.0, 0.0];
    let b = bound(&o, &y, None);
    assert!((b.start()[0] - (0.25f64 / 0.75).ln()).abs() < 1e-7);
    let (mut g, mut h) = ([0.0f32; 4], [0.0f32; 4]);
    b.gradients(0, &[0.0; 4], &mut g, &mut h, &Pool::new(1));
    assert_eq!(g, [-1.5, 0.5, 0.5, 0.5]);
    let o = Objective { kind: Kind::Quantile, alpha: 0.5, ..Objective::default() };
    let b = bound(&o, &y, None);
    assert_eq!(b.start(), [0.0]);
    assert_eq!(b.renew(0, &[0, 1], &[0.5, 0.5, 0.0, 0.0]), Some(0.5));
}

/// Better-labelled rows are pulled up, and the pulls of a query cancel.
#[test]
fn lambdas_pull_apart() {
    for name in ["lambdarank", "rank_xendcg"] {
        let mut o = Objective::default();
        o.set_kind(name).unwrap();
        let y = [0.0, 2.0, 1.0, 1.0, 0.0];
        let group = [3usize, 2];
        let b = o.bind(Rows { y: &y, weight: None, group: Some(&group) }).unwrap();
        let (mut g, mut h) = ([0.0f32; 5], [0.0f32; 5]);
        b.gradients(0, &[0.3, 0.1, 0.2, 0.0, 0.0], &mut g, &mut h, &Pool::new(1));
        assert!(g[1] < 0.0 && g[0] > 0.0 && g[3] < g[4], "{name} {g:?}");
        let sums = [g[..3].iter().sum::<f32>(), g[3..].iter().sum::<f32>()];
        if name == "lambdarank" {
            assert!(sums.iter().all(|s| s.abs() < 1e-6), "{sums:?}");
        }
    }
}

#[test]
fn labels_out_of_range_are_named() {
    let message = |name: &str, y: &[f64], classes: usize| {
        let mut o = Objective { num_class: classes, ..Objective::default() };
        o.set_kind(name).unwrap();
        o.bind(Rows { y, weight: None, group: None }).err().unwrap().to_string()
    };
    assert_eq!(
        message("poisson", &[1.0, -2.0], 1),
        "the label of row 2 is -2; objective `poisson` expects 0 or more"
    );
    assert_eq!(message("gamma", &[0.0], 1), "the label of row 1 is 0; objective `gamma` expects above 0");
    assert_eq!(message("binary", &[1.0, 1.0], 1), "all labels are above 0: there is only one class");
    assert!(message("multiclass", &[0.0, 2.0], 3).starts_with("no row has label 1 of the classes 0 to 2"));
    assert!(message("multiclass", &[0.0, 3.0], 3).contains("below num_class (3)"));
    assert!(message("regression", &[f64::NAN], 1).contains("row 1 is NaN"));
    assert!(message("lambdarank", &[1.0], 1).contains("needs the rows of each query"));
}
