//! Bytes read as a file of `lyceum lightgbm`'s settings.
#![no_main]
#![allow(dead_code, missing_docs, unreachable_pub)]

#[path = "../../crates/lyceum/src/cmd/lightgbm/settings.rs"]
mod settings;

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = FOLDER.path().join("a.conf");
    std::fs::write(&file, bytes).expect("the file is written");
    let _ = settings::Settings::read(&[format!("config={}", file.display())]);
});
