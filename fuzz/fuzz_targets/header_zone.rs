//! See `coffer_fuzz::targets::header_zone`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::targets::header_zone(data));
