//! Sessions that go on in another process.

use super::{forger::Forger, *};

/// What another process makes of `end`.
fn moved(end: End) -> End {
    let End::Session(session) = end else { panic!("not a session") };
    let bytes = session.export().unwrap().as_bytes().to_vec();
    End::Session(Box::new(Session::import(Handover::from_bytes(bytes)).unwrap()))
}

#[test]
fn a_session_goes_on_elsewhere() {
    for peer in KINDS {
        let (mut client, mut server) = connected(OWN, peer);
        let (alpn, chain) = (
            client.session().alpn_protocol().map(<[u8]>::to_vec),
            client.session().peer_certificates().unwrap().to_vec(),
        );
        for round in 0..4 {
            let bytes = pattern(50_000);
            client.send(&bytes);
            server.send(&bytes);
            // Half of what came is opened, half of what is to go is written.
            client = moved(client);
            let wire = server.output();
            let (first, second) = wire.split_at(wire.len() / 2);
            let mut heard = Vec::new();
            client.input(first, &mut heard).unwrap();
            client = moved(client);
            client.input(second, &mut heard).unwrap();
            assert!(heard == bytes, "round {round}");
            let (_, at_server) = talk(&mut client, &mut server, usize::MAX).unwrap();
            assert!(at_server == bytes, "round {round}");
            client.session().refresh_keys().unwrap();
            client = moved(client);
        }
        assert_eq!(client.session().alpn_protocol(), alpn.as_deref());
        assert_eq!(client.session().peer_certificates(), Some(chain.as_slice()));
        assert!(!client.session().is_handshaking());
        // The other direction's close is known to the successor, too.
        server.close();
        client.input(&server.output(), &mut vec![]).unwrap();
        client.close();
        let mut client = moved(client);
        assert!(client.session().peer_has_closed());
        assert!(matches!(client.session().seal(&[b"x"]), Err(Error::Closed)));
        talk(&mut client, &mut server, usize::MAX).unwrap();
    }
}

#[test]
fn opened_bytes_without_room_are_handed_over() {
    let (mut client, mut server) = connected(Kind::Oracle, OWN);
    client.send(&pattern(20_000));
    let wire = client.output();
    let session = server.session();
    session.read_from(|space| wire.as_slice().read(space)).unwrap();
    let mut plain = Buffer::with_capacity(1000);
    assert_eq!(session.open(&mut plain).unwrap(), Progress::NeedsRoom);
    let mut heard = plain.filled().to_vec();
    let mut server = moved(server);
    open_all(server.session(), &mut Buffer::default(), &mut heard).unwrap();
    assert!(heard == pattern(20_000));
}

#[test]
fn halves_of_messages_are_handed_over() {
    let (mut client, server) = connected(OWN, OWN);
    let mut forger = Forger::new(&mut client);
    let mut server = moved(server);
    server.input(&forger.record(&[24, 0, 0, 22]), &mut vec![]).unwrap();
    let mut server = moved(server);
    server.input(&forger.record(&[1, 1, 22]), &mut vec![]).unwrap();
    forger.update();
    let mut server = moved(server);
    assert_eq!(server.output().len(), 27, "the answer to the update");
    server.input(&forger.record(b"x\x17"), &mut vec![]).unwrap();
}

#[test]
fn what_can_not_be_handed_over_stays() {
    let (mut client, server) = ends(OWN, RUSTLS);
    let bytes = client.output();
    let mut kept = None;
    for end in [client, server] {
        let End::Session(session) = end else { unreachable!() };
        kept = Some(session.export().unwrap_err());
    }
    // It is still usable.
    let mut server = End::Session(kept.unwrap());
    server.input(&bytes, &mut vec![]).unwrap();
    assert!(!server.output().is_empty());

    let (mut client, server) = connected(OWN, RUSTLS);
    let End::Session(server) = server else { unreachable!() };
    server.export().unwrap_err();
    client.input(&[0; 5], &mut vec![]).unwrap_err();
    let End::Session(client) = client else { unreachable!() };
    client.export().unwrap_err();
}

#[test]
fn damaged_state_is_no_session() {
    let (mut client, mut server) = connected(OWN, OWN);
    server.send(b"waiting");
    let wire = server.output();
    client.session().read_from(|space| wire.as_slice().read(space)).unwrap();
    client.send(b"queued");
    let End::Session(session) = client else { unreachable!() };
    let bytes = session.export().unwrap().as_bytes().to_vec();
    for cut in 0..bytes.len() {
        let error = Session::import(Handover::from_bytes(bytes[..cut].to_vec())).unwrap_err();
        assert!(matches!(error, Error::Handover(_)), "{error}");
    }
    let long = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Session::import(Handover::from_bytes(long)), Err(Error::Handover("it is too long"))));
    let mut other = bytes.clone();
    other[0] += 1;
    let error = Session::import(Handover::from_bytes(other)).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
    // Whatever else is changed, it is an error or a session, but no panic.
    let mut seed = 0x5eed_0002;
    for _ in 0..5000 {
        let mut changed = bytes.clone();
        for _ in 0..=random(&mut seed, 3) {
            let at = random(&mut seed, changed.len());
            changed[at] ^= 1 << random(&mut seed, 8);
        }
        if let Ok(mut session) = Session::import(Handover::from_bytes(changed)) {
            let _ = open_all(&mut session, &mut Buffer::default(), &mut vec![]);
            let _ = session.seal(&[b"x"]);
        }
    }
}

#[test]
fn a_handover_is_not_printed() {
    assert_eq!(format!("{:?}", Handover::from_bytes(vec![1, 2, 3])), "Handover(3 secret bytes)");
}
