//! See `coffer_fuzz::rows::row_patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::rows::row_patch(data));
