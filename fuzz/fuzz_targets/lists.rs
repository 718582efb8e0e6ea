//! See `coffer_fuzz::targets::lists`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::targets::lists(data));
