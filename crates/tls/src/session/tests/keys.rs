//! Key updates, and keys that wear out.

use super::{forger::Forger, *};

fn traffic(end: &mut End) -> &mut Traffic {
    let Layer::Own(established) = &mut end.session().layer else { panic!("not its own records") };
    &mut established.traffic
}

/// Both ends say something and understand each other.
fn chat(client: &mut End, server: &mut End) {
    for round in 0..3 {
        let bytes = pattern(20_000 + round);
        client.send(&bytes);
        server.send(&bytes[1..]);
        let (at_client, at_server) = talk(client, server, 5000).unwrap();
        assert!(at_server == bytes && at_client == bytes[1..]);
    }
}

#[test]
fn either_end_may_change_its_key() {
    for (a, b) in every_pair() {
        let (mut client, mut server) = connected(a, b);
        for end in [0, 1, 0, 0, 1, 1] {
            let end = if end == 0 { &mut client } else { &mut server };
            match end {
                End::Session(session) => session.refresh_keys().unwrap(),
                End::Oracle(connection) => connection.refresh_traffic_keys().unwrap(),
            }
            chat(&mut client, &mut server);
        }
    }
}

#[test]
fn a_key_update_is_answered_at_once_if_nothing_else_waits() {
    let (mut client, mut server) = connected(Kind::Oracle, OWN);
    client.oracle().refresh_traffic_keys().unwrap();
    server.input(&client.output(), &mut vec![]).unwrap();
    assert_eq!(server.session().queued(), 5 + 22);
    assert_eq!(traffic(&mut server).tx().sequence(), 0);
    assert_eq!(traffic(&mut server).rx().sequence(), 0);
    client.input(&server.output(), &mut vec![]).unwrap();
    chat(&mut client, &mut server);
}

#[test]
fn answers_to_key_updates_do_not_pile_up() {
    let (mut client, mut server) = connected(Kind::Oracle, OWN);
    server.send(b"waits");
    let queued = server.session().queued();
    for _ in 0..30 {
        client.oracle().refresh_traffic_keys().unwrap();
        server.input(&client.output(), &mut vec![]).unwrap();
    }
    assert_eq!(server.session().queued(), queued);
    // The answer follows what waited.
    let mut heard = Vec::new();
    let mut written = 0;
    server
        .session()
        .write_to(|slices| {
            let n: usize = slices.iter().map(|slice| slice.len()).sum();
            written += n;
            for slice in slices {
                client.input(slice, &mut heard).unwrap();
            }
            Ok(n)
        })
        .unwrap();
    assert_eq!((heard.as_slice(), written), (b"waits".as_slice(), queued + 5 + 22));
    chat(&mut client, &mut server);
}

#[test]
fn an_answer_comes_before_later_data() {
    let (mut client, mut server) = connected(Kind::Oracle, OWN);
    server.send(b"1");
    client.oracle().refresh_traffic_keys().unwrap();
    server.input(&client.output(), &mut vec![]).unwrap();
    server.send(b"2");
    assert_eq!(server.session().queued(), 3 * 22 + 1 + 5 + 1);
    assert_eq!(traffic(&mut server).tx().sequence(), 1);
    let (heard, _) = talk(&mut client, &mut server, 1).unwrap();
    assert_eq!(heard, b"12");
}

#[test]
fn worn_keys_are_changed_in_time() {
    for peer in KINDS {
        let (mut client, mut server) = connected(OWN, peer);
        traffic(&mut client).tx_mut().wear_out_after(3);
        let mut expected = Vec::new();
        for i in 0..20_u8 {
            client.send(&[i]);
            expected.push(i);
            // At most two records a key, the third tells of the next.
            assert!(traffic(&mut client).tx().sequence() <= 2);
        }
        let bytes = pattern(100_000);
        client.send(&bytes);
        expected.extend_from_slice(&bytes);
        // 20 and 7 records of data; after every second one a key update, but not after the last.
        let records = 27;
        assert_eq!(client.session().queued(), 20 + 100_000 + records * 22 + (records - 1) / 2 * 27);
        let (at_client, at_server) = talk(&mut client, &mut server, usize::MAX).unwrap();
        assert!(at_server == expected && at_client.is_empty());
        chat(&mut client, &mut server);
    }
}

#[test]
fn a_limit_is_what_the_rfc_allows() {
    for (suite, limit) in [
        (Suite::Aes128GcmSha256, 1 << 24),
        (Suite::Aes256GcmSha384, 1 << 24),
        (Suite::ChaCha20Poly1305Sha256, 1_u64 << 62),
    ] {
        let secret = TrafficSecret::new(suite, &vec![7; suite.secret_len()]).unwrap();
        assert!(!Direction::new(secret.clone(), limit - 2).is_worn());
        assert!(Direction::new(secret, limit - 1).is_worn());
    }
}

#[test]
fn too_many_key_updates_are_refused() {
    for kind in SESSIONS {
        for request in [0, 1] {
            let (mut client, mut server) = connected(OWN, kind);
            let mut forger = Forger::new(&mut client);
            for _ in 0..2 {
                for _ in 0..32 {
                    server.input(&forger.key_update(request), &mut vec![]).unwrap();
                }
                // Data in between makes it honest.
                server.input(&forger.record(b"x\x17"), &mut vec![]).unwrap();
            }
            for _ in 0..32 {
                server.input(&forger.key_update(request), &mut vec![]).unwrap();
            }
            let error = server.input(&forger.key_update(request), &mut vec![]).unwrap_err();
            assert!(
                matches!(error, Error::Tls(rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests))),
                "{error}"
            );
        }
    }
}

#[test]
fn the_old_key_is_not_accepted_after_an_update() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(OWN, kind);
        let mut forger = Forger::new(&mut client);
        let update = forger.record(&[24, 0, 0, 1, 0, 22]);
        server.input(&update, &mut vec![]).unwrap();
        let error = server.input(&forger.record(b"x\x17"), &mut vec![]).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::DecryptError)), "{error}");
    }
}

#[test]
fn nothing_follows_a_closure_not_even_a_key_update() {
    let (mut client, mut server) = connected(Kind::Oracle, OWN);
    server.close();
    let farewell = server.output();
    assert_eq!(farewell.len(), 2 + 22);
    client.oracle().refresh_traffic_keys().unwrap();
    client.send(b"more");
    let mut heard = Vec::new();
    server.input(&client.output(), &mut heard).unwrap();
    assert_eq!((heard.as_slice(), server.output().as_slice()), (b"more".as_slice(), [].as_slice()));
    assert!(matches!(server.session().refresh_keys(), Err(Error::Closed)));
}
