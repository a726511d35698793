//! Calibration against scikit-learn 1.9 on rows made here, thresholds against trying every one, and what is saved.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_core::{Column, FitContext, Params, Prediction, Table, Target, TrainingSet};
use lyceum_data::Random;
use lyceum_estimators::calibration::{
    CalibratedModel, Calibration, Decision, Isotonic, Method, Platt, Temperature, log_odds,
};
use lyceum_estimators::metrics::{BinaryCounts, multi_log_loss};
use lyceum_estimators::registry::entry;
use lyceum_estimators::thresholds::{Point, Rule, best, table};

/// 60 scores from -2 to 2 and whether each row is positive, 23 of them.
fn rows() -> (Vec<f64>, Vec<bool>) {
    let i = || 0..60u32;
    let scores: Vec<f64> = i().map(|i| f64::from(i * 37 % 101) / 25.0 - 2.0).collect();
    let up = |i: u32| u32::from(scores[i as usize] > 0.0);
    let positive = i().map(|i| i * 29 % 7 + 2 * up(i) + i % 3 > 5).collect();
    (scores, positive)
}

#[test]
fn sigmoid_is_the_peers() {
    let (scores, positive) = rows();
    let curve = Platt::fit(&scores, &positive);
    // The peer stops early: near it, and closer to where the gradient is 0.
    assert!((curve.a + 0.3248257194888831).abs() < 1e-4, "{curve:?}");
    assert!((curve.b - 0.4836481624033097).abs() < 1e-4, "{curve:?}");
    let plus = positive.iter().filter(|p| **p).count() as f64;
    let (high, low) = ((plus + 1.0) / (plus + 2.0), 1.0 / (60.0 - plus + 2.0));
    let off = scores.iter().zip(&positive).map(|(s, p)| curve.probability(*s) - if *p { high } else { low });
    let off: Vec<f64> = off.collect();
    let along: f64 = off.iter().zip(&scores).map(|(o, s)| o * s).sum();
    assert!(off.iter().sum::<f64>().abs() < 1e-9 && along.abs() < 1e-9);
    // Scores in other units say the same.
    let far: Vec<f64> = scores.iter().map(|s| 1e6 * s + 5e7).collect();
    let same = Platt::fit(&far, &positive);
    assert!((same.probability(far[7]) - curve.probability(scores[7])).abs() < 1e-8);
}

#[test]
fn isotonic_is_the_peers() {
    let (scores, positive) = rows();
    let p: Vec<f64> = scores.iter().map(|s| (100.0 / (1.0 + (-s).exp())).round() / 100.0).collect();
    let curve = Isotonic::fit(&p, &positive);
    assert!(curve.is_sound());
    let grid = [0.0, 0.1, 0.2, 0.33, 0.5, 0.61, 0.7, 0.8, 0.9, 1.0];
    let want = [0.0, 0.0, 0.25, 0.25, 0.2857142857142857, 0.56, 0.56, 0.56, 0.56, 0.56];
    for (at, want) in grid.iter().zip(want) {
        assert!((curve.probability(*at) - want).abs() < 1e-12, "at {at}: {}", curve.probability(*at));
    }
}

/// Least squares over every way to cut few rows into rising steps.
#[test]
fn isotonic_is_the_best_of_all_steps() {
    let mut random = Random::new(3, 0);
    for _ in 0..50 {
        let n = 1 + random.below(9);
        let scores: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let hits: Vec<bool> = (0..n).map(|_| random.below(2) == 1).collect();
        let curve = Isotonic::fit(&scores, &hits);
        let cost = |values: &[f64]| -> f64 {
            values.iter().zip(&hits).map(|(v, h)| (v - f64::from(u8::from(*h))).powi(2)).sum()
        };
        let own = cost(&scores.iter().map(|s| curve.probability(*s)).collect::<Vec<_>>());
        for cuts in 0..1u32 << (n - 1) {
            let mut values = Vec::new();
            let mut from = 0;
            for i in 1..=n {
                if i == n || cuts >> (i - 1) & 1 == 1 {
                    let mean = hits[from..i].iter().filter(|h| **h).count() as f64 / (i - from) as f64;
                    values.extend(std::iter::repeat_n(mean, i - from));
                    from = i;
                }
            }
            let rises = values.windows(2).all(|w| w[0] <= w[1]);
            assert!(!rises || own <= cost(&values) + 1e-12, "{hits:?}");
        }
    }
}

#[test]
fn temperature_is_the_peers() {
    let (scores, _) = rows();
    let mut p = Vec::new();
    let mut codes = Vec::new();
    for (i, s) in scores.iter().enumerate() {
        let i = i as u32;
        let z = [s * 2.0, f64::from(i * 53 % 97) / 20.0 - 2.5, f64::from(i * 11 % 31) / 6.0 - 2.5];
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        p.extend(z.map(|z| z.exp() / sum));
        let top = (0..3u32).rev().max_by(|a, b| z[*a as usize].total_cmp(&z[*b as usize])).unwrap();
        codes.push(if i % 4 < 2 { top } else { (i * 17 % 5 + 2 * top) % 3 });
    }
    let found = Temperature::fit(&p, 3, &codes);
    assert!((found.t - 2.181151414466511).abs() < 1e-6, "{found:?}");
    let loss = |t: f64| {
        let mut own = p.clone();
        Calibration::Temperature(Temperature { t }).apply(&mut own, 3);
        multi_log_loss(&codes, &own, 3)
    };
    assert!(loss(found.t) <= loss(found.t * 1.001) && loss(found.t) <= loss(found.t * 0.999));
    // Nothing is wrong with probabilities that are never wrong but that they could be surer.
    assert!(Temperature::fit(&[0.4, 0.6, 0.6, 0.4], 2, &[1, 0]).t < 0.01);
}

#[test]
fn classes_are_calibrated_and_rows_sum_to_one() {
    let mut random = Random::new(5, 0);
    for classes in [2usize, 4] {
        let mut p = Vec::new();
        let mut codes = Vec::new();
        for _ in 0..400 {
            let own: Vec<f64> = (0..classes).map(|_| random.unit() + 1e-3).collect();
            let sum: f64 = own.iter().sum();
            // The truth is much less sure than the squares of it that the classifier says.
            let mut at = random.unit() * sum;
            let code = own.iter().position(|w| {
                at -= w;
                at <= 0.0
            });
            codes.push(code.unwrap_or(0) as u32);
            let squares: f64 = own.iter().map(|w| w.powi(4)).sum();
            p.extend(own.iter().map(|w| w.powi(4) / squares));
        }
        for method in [Method::Sigmoid, Method::Isotonic, Method::Temperature] {
            let calibration = Calibration::fit(method, &p, classes, &codes).unwrap();
            let mut own = p.clone();
            calibration.apply(&mut own, classes);
            assert!(own.chunks(classes).all(|r| (r.iter().sum::<f64>() - 1.0).abs() < 1e-12));
            assert!(own.iter().all(|p| (0.0..=1.0).contains(p)), "{method:?}");
            let (before, after) =
                (multi_log_loss(&codes, &p, classes), multi_log_loss(&codes, &own, classes));
            assert!(after < 0.8 * before, "{method:?} of {classes}: {before} to {after}");
            if method == Method::Temperature {
                let Calibration::Temperature(t) = &calibration else { panic!() };
                assert!((2.5..6.0).contains(&t.t), "{t:?}");
            }
        }
        let e = Calibration::fit(Method::Sigmoid, &p[..2 * classes], classes, &[0, 0]).unwrap_err();
        assert!(e.to_string().starts_with("no row to calibrate on is of class 1"), "{e}");
    }
    assert!(log_odds(0.0).is_finite() && log_odds(1.0).is_finite() && log_odds(0.5) == 0.0);
    let e = Method::named("isotonik").unwrap_err().to_string();
    assert!(e.contains("did you mean `isotonic`"), "{e}");
}

#[test]
fn a_threshold_is_the_best_of_all() {
    let mut random = Random::new(9, 0);
    let rules = [
        Rule::F1,
        Rule::Youden,
        Rule::Cost { false_positive: 1.0, false_negative: 5.0 },
        Rule::Cost { false_positive: 9.0, false_negative: 1.0 },
    ];
    for round in 0..60 {
        let n = 4 + random.below(40);
        // Few distinct scores, so that many are tied.
        let score: Vec<f64> = (0..n).map(|_| random.below(9) as f64 / 8.0).collect();
        let mut y: Vec<u8> = score.iter().map(|s| u8::from(random.unit() < *s)).collect();
        (y[0], y[1]) = (0, 1);
        for rule in rules {
            let all = table(rule, &y, &score).unwrap();
            assert!(all.windows(2).all(|w| w[0].threshold > w[1].threshold), "{round}");
            for point in &all {
                assert_eq!(point.counts, BinaryCounts::at(&y, &score, point.threshold));
            }
            let found = best(rule, &all).unwrap();
            for tried in score.iter().copied().chain([f64::INFINITY]) {
                let other = Point::at(rule, tried, &y, &score).value;
                let worse = match rule {
                    Rule::Cost { .. } => other >= found.value - 1e-12,
                    _ => other <= found.value + 1e-12,
                };
                assert!(worse || other.is_nan(), "{rule:?}: {other} beats {found:?}");
            }
        }
    }
    // Half-way between the scores that it parts.
    let all = table(Rule::F1, &[0, 0, 1, 1], &[0.1, 0.2, 0.6, 0.8]).unwrap();
    let found = best(Rule::F1, &all).unwrap();
    assert!((found.threshold - 0.4).abs() < 1e-15 && found.value == 1.0, "{found:?}");
}

#[test]
fn rules_are_read_and_faults_told() {
    assert_eq!(Rule::parse("f1").unwrap(), Rule::F1);
    let cost = Rule::Cost { false_positive: 1.0, false_negative: 2.5 };
    assert_eq!(Rule::parse("cost=1:2.5").unwrap(), cost);
    for wrong in ["cost", "cost=1", "cost=-1:2", "cost=0:0", "cost=a:b", "cost=inf:1", "f2", "f1=2"] {
        assert!(Rule::parse(wrong).unwrap_err().to_string().contains("cost=FP:FN"), "{wrong}");
    }
    assert!(Rule::parse("yuden").unwrap_err().to_string().contains("did you mean `youden`"));
    let alone = table(Rule::F1, &[1, 1], &[0.1, 0.2]).unwrap_err().to_string();
    assert!(alone.starts_with("rows of one class only choose no threshold"), "{alone}");
    assert!(table(Rule::F1, &[1, 0], &[0.1, f64::NAN]).is_err());
}

#[test]
fn a_model_keeps_its_calibration_and_threshold() {
    let mut random = Random::new(1, 0);
    let x: Vec<f64> = (0..300).map(|_| random.normal()).collect();
    for classes in [2usize, 3] {
        let codes: Vec<u32> =
            x.iter().map(|x| (*x > 0.3) as u32 + u32::from(classes > 2 && *x > 1.0)).collect();
        let y = if classes == 2 {
            Target::Binary(codes.iter().map(|c| *c as u8).collect())
        } else {
            Target::Multiclass { codes: codes.clone(), classes }
        };
        let table = Table::new([("x", Column::Number(x.clone()))]).unwrap();
        let data = TrainingSet::new(table.into(), y).unwrap();
        let entry = entry("logistic").unwrap();
        let plain = entry.make(&Params::new()).unwrap().fit(&data, &FitContext::default()).unwrap();
        let Prediction::Probabilities { mut p, .. } = plain.predict(&data.x).unwrap() else { panic!() };
        let calibration = Calibration::fit(Method::Isotonic, &p, classes, &codes).unwrap();
        calibration.apply(&mut p, classes);
        let decision = Decision { calibration: Some(calibration), threshold: Some(0.25) };
        let model: Box<dyn lyceum_core::Model> = Box::new(CalibratedModel::new(plain, decision.clone()));
        assert_eq!(model.predict(&data.x).unwrap(), Prediction::Probabilities { p: p.clone(), classes });
        let dir = tempfile::tempdir().unwrap();
        model.save(dir.path()).unwrap();
        let back = entry.load(dir.path()).unwrap();
        assert_eq!(back.predict(&data.x).unwrap(), model.predict(&data.x).unwrap());
        assert_eq!(Decision::load(dir.path()).unwrap().as_ref(), Some(&decision));
        let mut one = back.row().unwrap();
        let mut out = vec![0.0; if classes == 2 { 1 } else { classes }];
        one.predict(&[x[5]], &mut out);
        assert_eq!(out, p[5 * classes + usize::from(classes == 2)..6 * classes]);

        let file = dir.path().join("calibration.json");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"y\"", "\"z\"")).unwrap();
        assert!(entry.load(dir.path()).err().unwrap().to_string().contains("calibration.json"));
        Decision::clear(dir.path()).unwrap();
        Decision::clear(dir.path()).unwrap();
        assert_ne!(
            entry.load(dir.path()).unwrap().predict(&data.x).unwrap(),
            model.predict(&data.x).unwrap()
        );
    }
}
