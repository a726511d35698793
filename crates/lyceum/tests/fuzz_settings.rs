//! Files of settings, edited by chance for two seconds (a quarter of `LYCEUM_FUZZ_SECONDS`): each is read or refused with
//! an error, without a panic.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "modules that others use whole")]

#[path = "../../estimators/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../src/cmd/lightgbm/settings.rs"]
mod settings;

use lyceum_data::Random;
use std::time::{Duration, Instant};

const CONF: &str = "# a comment\ntask = train\nobjective = binary\nnum_trees = 100 # many\nvalid = a.csv, b.csv\n\
                    categorical_feature = name:a,b\ntwo_round = true\nlearning_rate=0.1\nmax_bin = 63\n";

#[test]
fn edited_settings_are_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.conf");
    let words = [format!("config={}", file.display())];
    let seconds = std::env::var("LYCEUM_FUZZ_SECONDS").ok().and_then(|s| s.parse::<f64>().ok());
    let (start, limit) = (Instant::now(), Duration::from_secs_f64(seconds.map_or(2.0, |s| s / 4.0)));
    let (mut read, mut refused) = (0u64, 0u64);
    while start.elapsed() < limit {
        let input = mutate::mutated(CONF.as_bytes(), &mut Random::new(read + refused, 0xc0f));
        std::fs::write(&file, &input).unwrap();
        let began = Instant::now();
        match settings::Settings::read(&words) {
            Ok(_) => read += 1,
            Err(e) => {
                refused += 1;
                assert!(!e.message().is_empty());
            }
        }
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    println!("settings: {read} read, {refused} refused");
    assert!(read > 10 && refused > 10, "both come about: {read}, {refused}");
}
