#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::tls_records(data));
