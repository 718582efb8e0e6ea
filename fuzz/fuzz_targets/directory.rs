//! See `coffer_fuzz::targets::directory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::targets::directory(data));
