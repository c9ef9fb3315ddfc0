use ripstop_model::{HttpAction, HttpRule, Mirror, PortSettings, ServerProtocol, Share};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::testing::{Edge, Leads, Played, forward, head, run};

fn copied(framing: Framing) -> Copied {
    Copied {
        method: "POST".into(),
        path: "/".into(),
        authority: "web-shadow".into(),
        protocol: Protocol::Http11,
        fields: Vec::new(),
        framing,
        trailers: Trailers::Unwanted,
    }
}

#[test]
fn no_more_copies_are_under_way_than_may_be() {
    let copying = Copying::default();
    let mut places: Vec<Place> = std::iter::from_fn(|| copying.enter()).collect();
    assert_eq!(places.len(), MOST);
    places.pop();
    assert!(copying.enter().is_some());
}

#[test]
fn a_copy_says_how_long_it_is_if_the_request_did() {
    for (framing, length, expected) in [
        (Framing::Unsaid, 0, BodyKind::None),
        (Framing::Said, 0, BodyKind::Length(0)),
        (Framing::Said, 5, BodyKind::Length(5)),
        (Framing::Unsaid, 5, BodyKind::Length(5)),
    ] {
        assert_eq!(copied(framing).body(length), expected);
    }
}

#[test]
fn a_copy_that_waits_for_the_rest_of_its_request_keeps_no_configuration() {
    run(async {
        let server = Played::new().await;
        let HttpAction::Forward(backends) = forward().action else { panic!("a rule that forwards") };
        let mirror = Mirror { backend: backends[0].backend.clone(), share: Share::ALL, path: "".into() };
        let rule = HttpRule { mirrors: vec![mirror], ..forward() };
        let leads = Leads::To(server.address());
        let edge = Edge::new(ServerProtocol::Http, leads, PortSettings::default(), rule).await;
        let mut client = edge.sent(b"POST / HTTP/1.1\r\nHost: web.example\r\nContent-Length: 2\r\n\r\na").await;
        let (mut far, _) = server.asked().await;
        assert_eq!(far.read_u8().await.unwrap(), b'a');
        edge.worker.forgets().await;
        client.write_all(b"b").await.unwrap();
        let (mut copy, asked) = server.asked().await;
        assert!(asked.contains("web.example-shadow\r\n"), "{asked}");
        let mut body = [0; 2];
        copy.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"ab");
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
    });
}
