//! Edited model files: every one is refused with an error or gives a model that predicts, explains and is written again
//! without a panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use lyceum_core::FitContext;
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{Booster, BoostingParams, Examples, Job, Matrix, Predict};
use proptest::prelude::*;
use std::sync::OnceLock;

const WIDTH: usize = 3;

fn rows() -> Vec<f64> {
    let row = |i: usize| {
        let gap = if i.is_multiple_of(7) { f64::NAN } else { (i * 37 % 60) as f64 };
        [gap, i as f64 * 0.5 - 9.0, (i % 5) as f64]
    };
    (0..80).flat_map(row).collect()
}

/// A model with gaps, a category and, where asked for, linear leaves.
fn model(linear: bool) -> String {
    let x = rows();
    let y: Vec<f64> = (0..80).map(|i| ((i * 37 % 60) as f64).sin() + f64::from(i % 5 == 2)).collect();
    let levels = Some((0..5).map(|i| i.to_string().into()).collect());
    let features =
        Features { names: vec!["a".into(), "b".into(), "c".into()], levels: vec![None, None, levels] };
    let mut params = BoostingParams::default();
    (params.bins.min_data_in_bin, params.tree.min_data_in_leaf) = (1, 3);
    (params.category.min_data_per_group, params.category.cat_smooth) = (2, 1.0);
    (params.stop.num_iterations, params.tree.num_leaves, params.tree.linear_tree) = (3, 6, linear);
    let job = Job {
        params,
        features,
        train: Examples::new(Matrix::Rows64 { values: &x, width: WIDTH }, y),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    job.run(&FitContext::default()).unwrap().model.to_text()
}

fn texts() -> &'static [String; 2] {
    static TEXTS: OnceLock<[String; 2]> = OnceLock::new();
    TEXTS.get_or_init(|| [model(false), model(true)])
}

/// Whatever a model can do is done.
fn use_up(text: &str) {
    let Ok(model) = Booster::parse(text) else { return };
    let width = model.features.len();
    if width > 64 || model.iterations() > 64 {
        return;
    }
    let x: Vec<f64> = rows().into_iter().cycle().take(width * 20).collect();
    let rows = Matrix::Rows64 { values: &x, width };
    let how = Predict { threads: 1, ..Predict::of(&model) };
    let _ = model.raw_rows(&rows, &how);
    let _ = model.contribution_rows(&rows, &how);
    let _ = model.dump().to_string();
    let _ = model.to_onnx();
    let _ = model.to_rust();
    if !text.contains("nan") && !text.contains("inf") {
        let again = Booster::parse(&model.to_text()).map(|m| m.trees.len());
        assert_eq!(again.ok(), Some(model.trees.len()), "what was written is read");
    }
}

#[test]
fn the_models_hold_what_they_are_edited_for() {
    let [plain, linear] = texts();
    assert!(plain.contains("\ncat_boundaries=") && linear.contains("\nleaf_coeff="));
    use_up(plain);
    use_up(linear);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_bytes(which in 0..2usize, edits in prop::collection::vec((any::<prop::sample::Index>(), 32u8..127), 1..4)) {
        let mut bytes = texts()[which].clone().into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        use_up(std::str::from_utf8(&bytes).unwrap());
    }

    #[test]
    fn numbers_replaced(which in 0..2usize, at in any::<prop::sample::Index>(), by in prop_oneof![
        Just("-1"), Just("0"), Just("1"), Just("2147483647"), Just("-2147483648"), Just("1e999"), Just("99999999999999999999"), Just("nan"), Just("")
    ]) {
        let text = &texts()[which];
        let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | 'e');
        let starts: Vec<usize> = text.char_indices().filter(|(i, c)| number(*c) && !text[..*i].ends_with(number)).map(|(i, _)| i).collect();
        let from = starts[at.index(starts.len())];
        let to = text[from..].find(|c| !number(c)).map_or(text.len(), |n| from + n);
        use_up(&format!("{}{by}{}", &text[..from], &text[to..]));
    }

    #[test]
    fn lines_lost_or_doubled(which in 0..2usize, at in any::<prop::sample::Index>(), double in any::<bool>()) {
        let lines: Vec<&str> = texts()[which].lines().collect();
        let at = at.index(lines.len());
        let mut out = lines.clone();
        if double { out.insert(at, lines[at]); } else { out.remove(at); }
        use_up(&out.join("\n"));
    }
}
