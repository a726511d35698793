//! Valid files, edited by chance: each edit is read or refused with an error, without a panic, soon, and in little
//! memory. Eight seconds in all, or `LYCEUM_FUZZ_SECONDS`; `fuzz/` does the same with a fuzzer that watches the code.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
mod targets;

use lyceum_core::FitContext;
use lyceum_data::Random;
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{BoostingParams, Examples, Job, Matrix, Saved};
use lyceum_tensor::Pool;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// Most that one input may take; one of these is many thousand times what a valid file takes.
const SLOW: Duration = Duration::from_secs(5);
/// Most resident memory of this process at any time, in KiB.
const MOST_MEMORY: u64 = 1 << 20;

fn seconds() -> f64 {
    std::env::var("LYCEUM_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(8.0)
}

/// Spends a fifth of the time on edits of these files.
fn fuzz(name: &str, target: fn(&[u8]), corpus: &[Vec<u8>]) {
    assert!(!corpus.is_empty(), "{name} has files to edit");
    corpus.iter().for_each(|file| target(file));
    let (start, limit) = (Instant::now(), Duration::from_secs_f64(seconds() / 5.0));
    let mut tried = 0u64;
    while start.elapsed() < limit {
        let mut random = Random::new(tried, 0xf022);
        let input = mutate::mutated(&corpus[random.below(corpus.len())], &mut random);
        let began = Instant::now();
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| target(&input)));
        if done.is_err() || began.elapsed() > SLOW {
            let path = std::env::temp_dir().join(format!("lyceum-fuzz-{name}-{tried}"));
            std::fs::write(&path, &input).unwrap();
            let what = if done.is_err() { "panicked on" } else { "was slow with" };
            panic!("{name} {what} edit {tried}, kept as {}", path.display());
        }
        tried += 1;
    }
    assert!(tried > 20, "{name}: only {tried} inputs in {limit:?}");
    println!("{name}: {tried} inputs");
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let peak: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < MOST_MEMORY, "{name}: {peak} KiB of memory at the peak");
    }
}

/// The golden files of a format, small ones.
fn golden(wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let own = files.into_iter().filter(|p| wanted(p.file_name().unwrap().to_str().unwrap()));
    own.map(|p| std::fs::read(p).unwrap()).filter(|f| f.len() < 10_000).collect()
}

fn job_rows() -> (Vec<f64>, Vec<f64>, Features) {
    let row = |i: usize| [if i.is_multiple_of(7) { f64::NAN } else { (i * 37 % 60) as f64 }, (i % 5) as f64];
    let x = (0..80).flat_map(row).collect();
    let y = (0..80).map(|i| ((i * 37 % 60) as f64).sin()).collect();
    let levels = Some((0..5).map(|i| i.to_string().into()).collect());
    (x, y, Features { names: vec!["a".into(), "b".into()], levels: vec![None, levels] })
}

fn params(linear: bool) -> BoostingParams {
    let mut params = BoostingParams::default();
    (params.bins.min_data_in_bin, params.tree.min_data_in_leaf) = (1, 3);
    (params.category.min_data_per_group, params.category.cat_smooth) = (2, 1.0);
    (params.stop.num_iterations, params.tree.num_leaves, params.tree.linear_tree) = (3, 6, linear);
    params
}

fn models() -> Vec<Vec<u8>> {
    let model = |linear: bool| {
        let (x, y, features) = job_rows();
        let train = Examples::new(Matrix::Rows64 { values: &x, width: 2 }, y);
        let params = params(linear);
        let job = Job { params, features, train, valid: Vec::new(), from: None, loss: None, watch: None };
        job.run(&FitContext::default()).unwrap().model.to_text().into_bytes()
    };
    vec![model(false), model(true)]
}

fn sets() -> Vec<Vec<u8>> {
    let (x, y, features) = job_rows();
    let rows = Examples::new(Matrix::Rows64 { values: &x, width: 2 }, y);
    let saved = Saved::fit(features, &rows, &params(false), &Pool::new(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    saved.write(folder.path().join("a.bin")).unwrap();
    vec![std::fs::read(folder.path().join("a.bin")).unwrap()]
}

// One test, so that the time and the memory are those of all.
#[test]
fn edited_files_are_read_or_refused() {
    let text =
        ["y,a,b\n1,2,\n0,NA,-3e2\n", "1\t2.5\n0\t3\n", "1 2:0.5 7:1\n0 1:2\n", "\u{feff}a,\"b\"\n1,2\n"];
    let text: Vec<Vec<u8>> = text.iter().map(|t| t.as_bytes().to_vec()).collect();
    fuzz("text", targets::text, &text);
    fuzz("model", targets::model, &models());
    fuzz("saved", targets::saved, &sets());
    fuzz("arrow", targets::arrow, &golden(|n| n.ends_with(".arrow") || n.ends_with(".feather")));
    fuzz("parquet", targets::parquet, &golden(|n| n.ends_with(".parquet")));
}
