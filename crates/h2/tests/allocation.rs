//! Once it has seen its traffic, a connection allocates nothing for more of it.
#![allow(missing_docs)]

use std::time::{Duration, Instant};

use ripstop_h2::{Config, Connection, End, Event, Field, Request, Role, StreamRef};

/// Takes all that the other end says, in two pieces, so that frames are cut, and gives the last stream that ended.
fn deliver(from: &mut Connection, to: &mut Connection, now: Instant) -> Option<StreamRef> {
    let mut ended = None;
    let output = from.output();
    let (first, second) = output.split_at(output.len() / 2);
    for mut piece in [first, second] {
        while let Some(event) = to.receive(now, &mut piece).unwrap() {
            match event {
                Event::Headers { stream, end } => ended = end.then_some(stream).or(ended),
                Event::Data { stream, bytes, end } => {
                    to.consume(stream, bytes.len(), now);
                    ended = end.then_some(stream).or(ended);
                }
                Event::Trailers { stream } => ended = Some(stream),
                Event::Reset { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
    }
    let n = output.len();
    from.sent(n);
    ended
}

fn exchange(client: &mut Connection, server: &mut Connection, now: Instant, n: u8) {
    let path = [b'/', b'a' + n % 26];
    let head = [
        Field::new(b":method", b"POST"),
        Field::new(b":scheme", b"https"),
        Field::new(b":authority", b"example.com"),
        Field::new(b":path", &path),
        Field::new(b"x-request-id", &path),
        Field::sensitive(b"authorization", b"secret"),
    ];
    let content = [n; 3_000];
    let stream = client.open(Request::Ordinary, None, head, End::Open, now).unwrap();
    assert_eq!(client.send_data(stream, &content, End::Open), content.len());
    client.send_trailers(stream, [Field::new(b"checksum", &path)]).unwrap();
    let asked = deliver(client, server, now).unwrap();
    server.respond(asked, [Field::new(b":status", b"200"), Field::new(b"etag", &path)], End::Open).unwrap();
    // Straight into the frame, as from a socket.
    let space = server.data_space(asked).unwrap();
    space[..3_000].copy_from_slice(&content);
    server.send_filled(asked, 3_000, End::Stream);
    assert_eq!(deliver(server, client, now), Some(stream));
    // What was given back.
    assert_eq!(deliver(client, server, now), None);
    assert_eq!((client.active(), server.active()), (0, 0));
}

#[test]
fn a_connection_in_use_allocates_nothing() {
    let mut now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::default(), now);
    let mut server = Connection::new(Role::Server, Config::default(), now);
    for n in 0..200 {
        exchange(&mut client, &mut server, now, n);
    }
    let measured = allocation_counter::measure(|| {
        for n in 0..1_000_u32 {
            now += Duration::from_millis(1);
            exchange(&mut client, &mut server, now, u8::try_from(n % 256).unwrap());
        }
    });
    assert_eq!(measured.count_total, 0, "{measured:?}");
}
