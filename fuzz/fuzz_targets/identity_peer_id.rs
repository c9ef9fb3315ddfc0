#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::identity_peer_id(data));
