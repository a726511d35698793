//! What is done with bytes from outside, a function a format. The tests mutate valid files and `fuzz/` lets a fuzzer
//! choose the bytes; both call these. Nothing here may panic, whatever the bytes are.

use lyceum_core::FitContext;
use lyceum_data::arrow::{Limits, read_bytes, rows};
use lyceum_data::numbers;
use lyceum_estimators::boosting::{Booster, BoostingParams, Job, Matrix, Predict, Saved};

const LIMITS: Limits = Limits { rows: 100_000, bytes: 64 << 20 };

/// A Parquet file.
pub fn parquet(bytes: &[u8]) {
    if bytes.starts_with(b"PAR1") {
        let _ = read_bytes(bytes, LIMITS).map(|raw| raw.rows());
    }
}

/// An Arrow stream or file.
pub fn arrow(bytes: &[u8]) {
    let _ = rows(bytes, LIMITS).map(|rows| rows.len());
    if !bytes.starts_with(b"PAR1") {
        let _ = read_bytes(bytes, LIMITS).map(|raw| raw.rows());
    }
}

/// CSV, TSV and LibSVM: as numbers, at once and a part at a time, and as a table of text cells.
pub fn text(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for header in [false, true] {
            let _ = numbers::parse(text, header).map(|file| file.rows());
        }
    }
    thread_local!(static DIR: tempfile::TempDir = tempfile::tempdir().unwrap());
    DIR.with(|dir| {
        let file = dir.path().join("a.csv");
        std::fs::write(&file, bytes).unwrap();
        let _ = lyceum_data::read(&file).map(|raw| raw.rows());
        if let Ok(stream) = numbers::NumberStream::open(&file, true) {
            let _ = stream.each(None, |cells| {
                cells.width();
                Ok(())
            });
        }
    });
}

/// LightGBM's model file: what is read predicts.
pub fn model(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(model) = Booster::parse(text) else { return };
    let width = model.features.len();
    if width > 64 || model.iterations() > 64 {
        return;
    }
    let x: Vec<f64> = (0..width * 9).map(|i| if i % 5 == 0 { f64::NAN } else { i as f64 - 7.0 }).collect();
    let matrix = Matrix::Rows64 { values: &x, width };
    let how = Predict { threads: 1, ..Predict::of(&model) };
    let _ = model.raw_rows(&matrix, &how);
    let _ = model.contribution_rows(&matrix, &how);
    let _ = model.to_text();
}

/// A saved data set: what is read trains.
pub fn saved(bytes: &[u8]) {
    let Ok(saved) = Saved::parse(bytes) else { return };
    if saved.rows() > 1000 || saved.features.len() > 64 {
        return;
    }
    let mut params = BoostingParams::default();
    (params.stop.num_iterations, params.tree.min_data_in_leaf, params.tree.num_leaves) = (1, 1, 4);
    let job = Job {
        params,
        features: saved.features.clone(),
        train: saved.examples(),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    let _ = job.run(&FitContext::default()).map(drop);
}
