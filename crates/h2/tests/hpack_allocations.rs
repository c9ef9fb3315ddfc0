//! Once a connection has seen its usual messages, header blocks cost no allocation.

use ripstop_h2::hpack::{Decoded, Decoder, Encoder};
use ripstop_h2::{Field, Fields};

/// A request like many, of which a part is another one each time.
fn request(number: usize) -> Vec<(&'static str, String)> {
    vec![
        (":method", "GET".to_owned()),
        (":scheme", "http".to_owned()),
        (":authority", format!("service-{}:8080", number % 7)),
        (":path", format!("/orders/{number}")),
        ("user-agent", "curl/8.5.0".to_owned()),
        ("accept", "*/*".to_owned()),
        ("cookie", format!("session={}", "0123456789abcdef".repeat(2))),
        ("x-tenant", format!("tenant-{number}")),
        ("x-request-id", format!("00000000-0000-4000-8000-{number:012}")),
        ("traceparent", format!("00-0af7651916cd43dd8448eb211c80319c-{number:016x}-01")),
    ]
}

#[test]
fn a_connection_in_use_allocates_nothing() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    let mut block = Vec::new();
    let mut fields = Fields::new();
    let mut exchange = |request: &[(&'static str, String)]| {
        block.clear();
        encoder.encode(request.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut block);
        assert_eq!(decoder.decode(&block, &mut fields, 65_536, 1 << 20), Ok(Decoded::Whole));
        assert_eq!(fields.len(), request.len());
    };
    // The tables go round several times.
    let requests: Vec<_> = (0..1000).map(request).collect();
    requests[..500].iter().for_each(|request| exchange(request));
    let measured = allocation_counter::measure(|| requests[500..].iter().for_each(|request| exchange(request)));
    assert_eq!(measured.count_total, 0);
}

#[test]
fn nothing_is_allocated_for_a_connection_that_was_not_used() {
    let measured = allocation_counter::measure(|| {
        std::hint::black_box((Encoder::new(), Decoder::new(4096), Fields::new()));
    });
    assert_eq!(measured.count_total, 0);
}
