//! Saved data sets: whatever bytes a file holds, reading it gives a set that can be trained on, or one error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use lyceum_core::FitContext;
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{BoostingParams, Examples, Job, Matrix, Saved};
use lyceum_tensor::Pool;
use proptest::prelude::*;

const ROWS: usize = 60;

/// A number column with gaps, one of more than 256 bins' worth of numbers, one of categories.
fn file() -> Vec<u8> {
    let row = |i: usize| {
        let gap = if i.is_multiple_of(7) { f64::NAN } else { (i * 37 % 60) as f64 };
        [gap, i as f64 * 0.5, (i % 4) as f64]
    };
    let x: Vec<f64> = (0..ROWS).flat_map(row).collect();
    let y: Vec<f64> = (0..ROWS).map(|i| f64::from(u8::from(i * 37 % 60 > 30))).collect();
    let levels = Some((0..4).map(|i| i.to_string().into()).collect());
    let features =
        Features { names: vec!["a".into(), "b".into(), "c".into()], levels: vec![None, None, levels] };
    let mut params = BoostingParams::default();
    (params.bins.min_data_in_bin, params.tree.min_data_in_leaf) = (1, 1);
    let mut rows = Examples::new(Matrix::Rows64 { values: &x, width: 3 }, y);
    rows.weight = Some(vec![2.0; ROWS].into());
    let saved = Saved::fit(features, &rows, &params, &Pool::new(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    saved.write(&path).unwrap();
    std::fs::read(path).unwrap()
}

fn train(saved: &Saved<'_>) -> lyceum_core::Result<()> {
    let mut params = BoostingParams::default();
    params.stop.num_iterations = 3;
    params.tree.min_data_in_leaf = 1;
    let job = Job {
        params,
        features: saved.features.clone(),
        train: saved.examples(),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    job.run(&FitContext::default()).map(drop)
}

#[test]
fn reads_back() {
    let saved = Saved::parse(&file()).unwrap();
    assert_eq!((saved.rows(), saved.features.len()), (ROWS, 3));
    assert_eq!(saved.features.levels[2].as_ref().unwrap().len(), 4);
    train(&saved).unwrap();
}

#[test]
fn faults_are_named() {
    let whole = file();
    let fault = |bytes: &[u8]| Saved::parse(bytes).map(|_| ()).unwrap_err().to_string();
    assert!(fault(b"tree\nversion=v4\nnum_class=1").contains("is not a saved data set"));
    let mut later = whole.clone();
    later[15] = b'2';
    assert!(fault(&later).contains("version 0002, this program reads 0001"));
    assert!(fault(&[whole.as_slice(), b"x"].concat()).contains("1 bytes after its end"));
    let mut edited = whole.clone();
    *edited.last_mut().unwrap() = 200;
    assert!(fault(&edited).contains("has bin 200"), "{}", fault(&edited));
    for len in [0, 5, 20, 100, whole.len() - 1] {
        assert!(fault(&whole[..len]).contains("cut off"), "{len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_files_are_read_or_refused(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = file();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(saved) = Saved::parse(&bytes) {
            let _ = train(&saved);
        }
    }
}
