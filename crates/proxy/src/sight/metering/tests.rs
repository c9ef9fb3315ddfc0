use std::io;

use super::*;
use crate::sight::samples::{Bench, silent, telemetry};

const LABELS: [&str; 5] =
    ["destination_service_name", "request_protocol", "response_code", "response_flags", "grpc_response_status"];

/// A connection to `cart`, read from its bytes.
struct Wire {
    bench: Bench,
    metering: Option<Box<Metering>>,
}

impl Wire {
    fn new(port: u16) -> Self {
        Self::beside(Bench::new([]), port)
    }

    fn beside(bench: Bench, port: u16) -> Self {
        let metering = Metering::of(&bench.recorder, &bench.program, &bench.parties(port));
        Self { bench, metering }
    }

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.show(Way::Backward, bytes)
    }

    fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.show(Way::Forward, bytes)
    }

    fn show(&mut self, way: Way, bytes: &[u8]) -> &mut Self {
        self.metering.as_mut().unwrap().bytes(way, bytes);
        self
    }

    fn finish(&mut self, fault: Option<&RelayFault>) -> Vec<String> {
        self.metering.take().unwrap().finish(fault);
        self.bench.counted("istio_requests_total", &LABELS)
    }

    fn is_done(&self) -> bool {
        self.metering.as_ref().unwrap().is_done()
    }

    fn unread(&self) -> u64 {
        self.bench.outlets.unread.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn broken(side: Side) -> RelayFault {
    let source = io::ErrorKind::ConnectionReset.into();
    RelayFault::Broken { side, operation: ripstop_tunnel::Operation::Reading, source }
}

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: cart\r\nUser-Agent: test\r\nX-Request-Id: 7\r\n\
    traceparent: 00-01010101010101010101010101010101-0202020202020202-01\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const MISSING: &[u8] = b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n";

/// Preface and settings, then what is said of stream 1.
fn greeted(frames: &[u8]) -> Vec<u8> {
    [h2::PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0][..], frames].concat()
}

/// HEADERS of stream 1 with fields that no table keeps.
fn headers(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = u8::try_from(block.len()).unwrap();
    [&[0, 0, length, 1, flags | 4, 0, 0, 0, 1][..], &block].concat()
}

#[test]
fn only_ports_that_are_declared_http_are_metered() {
    assert!(Wire::new(8080).metering.is_some());
    for port in [9000, 80, 1] {
        assert!(Wire::new(port).metering.is_none(), "{port}");
    }
    // What the caller says that it called counts, even if it is not read.
    let bench = Bench::new([]);
    let mut other = crate::sight::samples::service();
    other.ports.clear();
    let parties = Parties { service: Some(Arc::new(other)), ..bench.parties(8080) };
    assert!(Metering::of(&bench.recorder, &bench.program, &parties).is_none());
}

#[test]
fn requests_of_http1() {
    let mut wire = Wire::new(8080);
    let mut tap = wire.bench.outlets.taps.open(ripstop_telemetry::RecordFilter::default(), 8).unwrap();
    for byte in GET {
        wire.client(&[*byte]);
    }
    wire.server(OK).client(GET).server(MISSING);
    assert_eq!((wire.is_done(), wire.unread()), (false, 0));
    assert_eq!(wire.finish(None), ["cart http 200 -  1", "cart http 404 -  1"]);
    let line = &wire.bench.lines.wait(2)[0];
    let (_, line) = line.split_once("] ").unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let (duration, service_time) = (words[10], words[11]);
    assert!(service_time.parse::<u64>().unwrap() <= duration.parse().unwrap());
    assert_eq!(
        line,
        format!(
            "\"GET /a?b HTTP/1.1\" 200 - via_upstream - \"-\" 0 2 {duration} {service_time} \"-\" \"test\" \"7\" \"cart\" \
             \"10.0.0.2:8080\" inbound|8080|| - 10.0.0.2:8080 10.0.0.1:40000 - default"
        )
    );
    let record = &tap.take().records[0];
    assert_eq!((record.version, record.attempts, record.status), (7, 1, 200));
    assert_eq!(record.trace.map(|trace| *trace.as_bytes()), Some([1; 16]));
    let sizes =
        (wire.bench.counted("istio_request_bytes_sum", &[]), wire.bench.counted("istio_response_bytes_sum", &[]));
    let length = GET.len();
    assert_eq!(
        sizes,
        (vec![length.to_string(), length.to_string()], vec![MISSING.len().to_string(), OK.len().to_string()])
    );
}

/// Of what began before, only the counts were kept.
#[test]
fn who_looks_on_later_is_told_what_is_known() {
    let mut wire = Wire::beside(Bench::new([telemetry(silent)]), 8080);
    wire.client(GET);
    let mut tap = wire.bench.outlets.taps.open(ripstop_telemetry::RecordFilter::default(), 8).unwrap();
    wire.server(OK).client(GET).server(MISSING);
    let told = tap.take().records;
    let seen: Vec<_> = told.iter().map(|record| (&*record.method, &*record.path, record.status)).collect();
    assert_eq!(seen, [("-", "-", 200), ("GET", "/a", 404)]);
    assert_eq!(told[1].trace.map(|trace| *trace.as_bytes()), Some([1; 16]));
    drop(tap);
    wire.client(GET).server(OK);
    assert_eq!(wire.finish(None), ["cart http 200 -  2", "cart http 404 -  1"]);

    // An access log that is asked for later, and HTTP/2.
    let mut wire = Wire::beside(Bench::new([telemetry(silent)]), 8080);
    wire.client(&greeted(&headers(
        1,
        &[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "cart")],
    )));
    wire.bench.recorder.follow(&Bench::new([]).program);
    wire.server(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).server(&headers(1, &[(":status", "204")]));
    let line = wire.bench.lines.wait(1).remove(0);
    assert!(line.contains("\"- - HTTP/2\" 204 -"), "{line}");
}

#[test]
fn calls_of_grpc() {
    let mut wire = Wire::new(8080);
    let request = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "cart"),
        (":path", "/shop.Cart/Add"),
        ("content-type", "application/grpc"),
    ];
    let said = greeted(&headers(0, &request));
    // The preface comes in two pieces.
    wire.client(&said[..10]).client(&said[10..]).client(&[0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    wire.server(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).server(&headers(0, &[(":status", "200")]));
    wire.server(&headers(1, &[("grpc-status", "5")]));
    assert_eq!(wire.finish(None), ["cart grpc 200 - 5 1"]);
    assert_eq!(wire.bench.counted("istio_request_messages_total", &["request_protocol"]), ["grpc 1"]);
}

#[test]
fn what_ended_a_request_is_told() {
    for (fault, flags) in [
        (None, "DC"),
        (Some(broken(Side::Second)), "DC"),
        (Some(broken(Side::First)), "UC"),
        (Some(RelayFault::Stopped), "LR"),
    ] {
        let mut wire = Wire::new(8080);
        let told = wire.client(GET).finish(fault.as_ref());
        assert_eq!(told, [format!("cart http 0 {flags}  1")]);
        let mut wire = Wire::new(8080);
        let request = [(":method", "GET"), (":scheme", "http"), (":authority", "cart"), (":path", "/")];
        wire.client(&greeted(&headers(1, &request))).server(&headers(0, &[(":status", "200")]));
        assert_eq!(wire.finish(fault.as_ref()), [format!("cart http 200 {flags}  1")]);
    }
    // The application ends in the middle.
    let mut wire = Wire::new(8080);
    wire.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    wire.metering.as_mut().unwrap().end(Way::Forward);
    assert_eq!(wire.finish(None), ["cart http 200 UC  1"]);
    // Or as it may.
    let mut wire = Wire::new(8080);
    wire.client(GET).server(b"HTTP/1.1 200 OK\r\n\r\nabc");
    wire.metering.as_mut().unwrap().end(Way::Forward);
    assert_eq!(wire.unread(), 0);
    // Should somebody want it now, nothing more is taken of its client.
    assert_eq!(wire.metering.as_ref().unwrap().progress(), Progress::Over);
    assert_eq!(wire.finish(None), ["cart http 200 -  1"]);
}

/// As gRPC's do.
#[test]
fn a_server_of_http2_may_send_its_settings_first() {
    let mut wire = Wire::new(8080);
    let request = [(":method", "GET"), (":scheme", "http"), (":authority", "cart"), (":path", "/")];
    wire.server(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).client(&greeted(&headers(1, &request)));
    wire.server(&headers(1, &[(":status", "200")]));
    assert_eq!((wire.is_done(), wire.unread()), (false, 0));
    assert_eq!(wire.finish(None), ["cart http 200 -  1"]);
}

#[test]
fn what_cannot_be_read_is_given_up() {
    for (client, server) in [
        (&b"\x16\x03\x01\0\xff hello"[..], &b""[..]),
        (b"PRI * HTTP/2.0\r\n\r\nXX", b""),
        (b"", b"220 mail ready\r\n"),
        (GET, b"no HTTP at all\r\n\r\n"),
    ] {
        let mut wire = Wire::new(8080);
        wire.client(client).server(server);
        assert_eq!((wire.is_done(), wire.unread()), (true, 1), "{client:?}");
        wire.client(GET).server(OK);
        assert!(wire.finish(None).is_empty());
    }
    // An upgrade is as it should be.
    let mut wire = Wire::new(8080);
    let upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    wire.client(upgrade);
    wire.server(b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a");
    assert_eq!((wire.is_done(), wire.unread()), (true, 0));
    assert_eq!(wire.finish(None), ["cart http 101 -  1"]);
}
