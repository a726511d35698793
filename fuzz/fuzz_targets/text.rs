//! Bytes read as CSV, TSV and LibSVM.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../crates/estimators/tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text(bytes));
