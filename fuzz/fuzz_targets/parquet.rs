//! Bytes read as Parquet files.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../crates/estimators/tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::parquet(bytes));
