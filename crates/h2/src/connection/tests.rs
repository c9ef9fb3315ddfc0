use super::*;
use crate::{End, Field, Request};

fn get<'f>() -> [Field<'f>; 4] {
    [
        Field::new(b":method", b"GET"),
        Field::new(b":scheme", b"https"),
        Field::new(b":authority", b"example.com"),
        Field::new(b":path", b"/"),
    ]
}

/// Everything that waits goes over; gives what the receiver found.
fn exchange(from: &mut Connection, to: &mut Connection, now: Instant) -> Vec<String> {
    let bytes = from.output().to_vec();
    from.sent(bytes.len());
    let mut input = &bytes[..];
    let mut events = Vec::new();
    while let Some(event) = to.receive(now, &mut input).unwrap() {
        if let Event::Data { stream, bytes, .. } = event {
            to.consume(stream, bytes.len(), now);
        }
        events.push(format!("{event:?}"));
    }
    assert!(input.is_empty());
    events
}

#[test]
fn a_request_and_its_answer() {
    let now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::default(), now);
    let mut server = Connection::new(Role::Server, Config::default(), now);
    let stream = client.open(Request::Ordinary, None, get(), End::Open, now).unwrap();
    assert_eq!(client.send_data(stream, b"hello", End::Stream), 5);
    let events = exchange(&mut client, &mut server, now);
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events[2].starts_with("Headers") && events[3].contains("end: true"), "{events:?}");
    assert_eq!(server.fields().get(b":path"), Some(&b"/"[..]));
    let stream = StreamRef { index: 0, id: 1 };
    server.respond(stream, [Field::new(b":status", b"200")], End::Open);
    assert_eq!(server.send_data(stream, &[7; 100_000], End::Stream), 100_000);
    let events = exchange(&mut server, &mut client, now);
    assert!(events.last().unwrap().contains("end: true"));
    assert_eq!((client.active(), server.active()), (0, 0));
}
