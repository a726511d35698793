//! Bytes read as Arrow streams and files.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../crates/estimators/tests/fuzz/targets.rs"]
mod targets;

// What a library panics on and the reader catches is no finding; a panic that gets out still ends the run.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| targets::arrow(bytes));
