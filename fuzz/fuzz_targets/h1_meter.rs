#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::h1_meter(data));
