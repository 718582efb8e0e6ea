//! See `coffer_fuzz::rows::rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::rows::rows(data));
