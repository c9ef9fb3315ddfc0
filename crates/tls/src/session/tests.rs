mod differential;
mod forger;
mod handed_over;
mod handshakes;
mod keys;

use std::{error::Error as _, io::Read as _};

use rustls::{AlertDescription, CipherSuite, PeerMisbehaved};

use super::*;
use crate::{
    testing::{Authority, End, KINDS, Kind, OWN, RUSTLS, SESSIONS, open_all, pattern, random, talk},
    traffic::{Direction, Suite, Traffic, TrafficSecret},
};

const SUITE: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

/// Both ends of a connection, not yet connected.
fn ends(client: Kind, server: Kind) -> (End, End) {
    let authority = Authority::new();
    (End::client(client, &Arc::new(authority.client(SUITE))), End::server(server, &Arc::new(authority.server(SUITE))))
}

/// Both ends of a connection after its handshake.
fn connected(client: Kind, server: Kind) -> (End, End) {
    let (mut client, mut server) = ends(client, server);
    assert_eq!(talk(&mut client, &mut server, usize::MAX).unwrap(), (vec![], vec![]));
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (client, server)
}

fn every_pair() -> impl Iterator<Item = (Kind, Kind)> {
    KINDS.into_iter().flat_map(|client| KINDS.into_iter().map(move |server| (client, server)))
}

#[test]
fn data_goes_both_ways() {
    for (client, server) in every_pair() {
        let (mut client, mut server) = connected(client, server);
        for size in [0, 1, 2, 100, 16_383, 16_384, 16_385, 65_536, 100_000, 1 << 20] {
            let bytes = pattern(size);
            client.send(&bytes);
            server.send(&bytes[size / 2..]);
            let (at_client, at_server) = talk(&mut client, &mut server, usize::MAX).unwrap();
            assert!(at_server == bytes, "{size} bytes");
            assert!(at_client == bytes[size / 2..], "{size} bytes");
        }
    }
}

#[test]
fn ciphertext_may_come_in_any_pieces() {
    for (client, server) in every_pair() {
        for piece in [1, 2, 3, 5, 7, 100, 1000, 16_405] {
            let (mut client, mut server) = ends(client, server);
            client.send(b"early");
            let (at_client, at_server) = talk(&mut client, &mut server, piece).unwrap();
            assert_eq!((at_client.as_slice(), at_server.as_slice()), (b"".as_slice(), b"early".as_slice()));
            let bytes = pattern(40_000);
            client.send(&bytes);
            server.send(&bytes);
            let (at_client, at_server) = talk(&mut client, &mut server, piece).unwrap();
            assert!(at_client == bytes && at_server == bytes, "pieces of {piece}");
        }
    }
}

#[test]
fn ciphertext_may_come_in_random_pieces() {
    for kind in SESSIONS {
        let mut seed = 0x5eed_0001;
        let (mut client, mut server) = connected(kind, kind);
        for _ in 0..200 {
            let size = random(&mut seed, 150_000);
            let bytes = pattern(size);
            client.send(&bytes);
            let wire = client.output();
            let (mut heard, mut rest) = (Vec::new(), wire.as_slice());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random(&mut seed, rest.len()));
                server.input(piece, &mut heard).unwrap();
                rest = after;
            }
            assert!(heard == bytes);
        }
    }
}

#[test]
fn parts_are_one_run_in_few_records() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(kind, Kind::Oracle);
        let bytes = pattern(20_000);
        let parts: Vec<&[u8]> =
            vec![&bytes[..9], &[], &bytes[9..10], &bytes[10..16_390], &bytes[16_390..19_999], &bytes[19_999..], &[]];
        client.session().seal(&parts).unwrap();
        // Two records: 5 bytes of header, one of type and 16 of tag each.
        assert_eq!(client.session().queued(), 20_000 + 2 * 22);
        let (_, heard) = talk(&mut client, &mut server, usize::MAX).unwrap();
        assert!(heard == bytes);
        // Many small parts, and none.
        let parts: Vec<&[u8]> = bytes.chunks(7).collect();
        client.session().seal(&parts).unwrap();
        assert_eq!(client.session().queued(), 20_000 + 2 * 22);
        let (_, heard) = talk(&mut client, &mut server, usize::MAX).unwrap();
        assert!(heard == bytes);
        client.session().seal(&[]).unwrap();
        client.session().seal(&[&[], &[]]).unwrap();
        assert_eq!(client.session().queued(), 0, "no empty records");
    }
}

#[test]
fn a_short_room_is_filled_and_said() {
    for kind in SESSIONS {
        for room in [1, 2, 10, 1000, 16_384, 16_385, 20_000, 40_000] {
            let (mut client, mut server) = connected(Kind::Oracle, kind);
            let bytes = pattern(50_000);
            client.send(&bytes);
            client.close();
            let wire = client.output();
            let mut rest = wire.as_slice();
            let session = server.session();
            while !rest.is_empty() {
                session.read_from(|space| rest.read(space)).unwrap();
            }
            let (mut plain, mut heard) = (Buffer::with_capacity(room), Vec::new());
            loop {
                let progress = session.open(&mut plain).unwrap();
                assert!(progress == Progress::Drained || !plain.is_empty(), "{progress:?} with room {}", plain.room());
                assert_eq!(session.peer_has_closed(), progress == Progress::Drained);
                heard.extend_from_slice(plain.filled());
                plain.clear();
                if progress == Progress::Drained {
                    break;
                }
            }
            assert!(heard == bytes, "room {room}");
        }
    }
}

#[test]
fn no_space_is_not_the_end() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(Kind::Oracle, kind);
        client.send(&pattern(600_000));
        let wire = client.output();
        let mut rest = wire.as_slice();
        let session = server.session();
        while session.wants_read() {
            session.read_from(|space| rest.read(space)).unwrap();
        }
        assert!(!rest.is_empty());
        let error = session.read_from(|_| unreachable!()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut heard = Vec::new();
        let mut plain = Buffer::default();
        open_all(session, &mut plain, &mut heard).unwrap();
        while !rest.is_empty() {
            session.read_from(|space| rest.read(space)).unwrap();
            open_all(session, &mut plain, &mut heard).unwrap();
        }
        assert!(heard == pattern(600_000));
    }
}

#[test]
fn a_quiet_session_holds_no_storage() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(kind, kind);
        client.send(&pattern(100_000));
        talk(&mut client, &mut server, usize::MAX).unwrap();
        for session in [client.session(), server.session()] {
            let error = session.read_from(|_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert_eq!((session.inbound.is_empty(), session.queued()), (true, 0));
            assert!(format!("{:?}", session.inbound).contains("storage: None"));
            assert!(session.wants_read());
        }
    }
}

#[test]
fn a_failure_lasts() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(Kind::Oracle, kind);
        client.send(b"good");
        let mut wire = client.output();
        client.send(b"bad");
        let mut bad = client.output();
        *bad.last_mut().unwrap() ^= 1;
        wire.extend_from_slice(&bad);
        let mut heard = Vec::new();
        let error = server.input(&wire, &mut heard).unwrap_err();
        assert_eq!(heard, b"good", "what came before is genuine");
        assert!(matches!(error, Error::Tls(rustls::Error::DecryptError)), "{error}");
        let session = server.session();
        assert!(!session.wants_read() && !session.peer_has_closed());
        let again = session.open(&mut Buffer::default()).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        assert_eq!(session.seal(&[b"x"]).unwrap_err().to_string(), error.to_string());
        session.close();
        // Only the alert was queued.
        let error = client.input(&server.output(), &mut vec![]).unwrap_err();
        assert_eq!(error.alert(), Some(AlertDescription::BadRecordMac));
    }
}

#[test]
fn a_failure_waits_for_what_came_before() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(Kind::Oracle, kind);
        client.send(&pattern(100));
        let mut wire = client.output();
        wire.extend_from_slice(&[23, 3, 3, 0, 20]);
        wire.extend_from_slice(&[0; 20]);
        let session = server.session();
        session.read_from(|space| wire.as_slice().read(space)).unwrap();
        let mut plain = Buffer::with_capacity(60);
        assert_eq!(session.open(&mut plain).unwrap(), Progress::NeedsRoom);
        assert_eq!(plain.filled(), &pattern(100)[..60]);
        plain.consume(60);
        let error = session.open(&mut plain).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::DecryptError)), "{error}");
        assert_eq!(plain.filled(), &pattern(100)[60..]);
    }
}

#[test]
fn half_a_record_waits_in_a_small_storage() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(Kind::Oracle, kind);
        client.send(&pattern(600_000));
        let wire = client.output();
        let session = server.session();
        let (mut plain, mut heard) = (Buffer::default(), Vec::new());
        // As long as reads are full, bytes stay where they are.
        let mut rest = wire.as_slice();
        session.read_from(|space| rest.read(space)).unwrap();
        open_all(session, &mut plain, &mut heard).unwrap();
        if kind == OWN {
            assert!(!session.inbound.is_empty());
            assert_eq!(session.inbound.storage_len(), INBOUND);
        }
        // A short one tells that nothing follows.
        let mut piece = &rest[..10_000];
        rest = &rest[10_000..];
        session.read_from(|space| piece.read(space)).unwrap();
        open_all(session, &mut plain, &mut heard).unwrap();
        assert!(session.inbound.storage_len() <= 17_000);
        // So does a failed one.
        session.read_from(|_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
        assert!(session.inbound.storage_len() <= 17_000);
        while !rest.is_empty() {
            session.read_from(|space| rest.read(space)).unwrap();
            open_all(session, &mut plain, &mut heard).unwrap();
        }
        assert_eq!(session.inbound.storage_len(), 0);
        assert!(heard == pattern(600_000));
    }
}

/// What a connection costs while nothing happens, besides the keys that aws-lc holds.
#[test]
fn sessions_are_small() {
    assert_eq!(size_of::<Session>(), 168);
    assert_eq!(size_of::<Established>(), 320);
}

#[test]
fn an_alert_of_the_peer_is_known_by_its_name() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(kind, kind);
        // The client breaks a record of the server and tells it.
        server.send(b"x");
        let mut wire = server.output();
        wire[5] ^= 1;
        client.input(&wire, &mut vec![]).unwrap_err();
        let error = server.input(&client.output(), &mut vec![]).unwrap_err();
        assert_eq!(error.alert(), Some(AlertDescription::BadRecordMac));
        assert_eq!(server.output(), b"", "an alert is not answered");
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let ours = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        let source = ours.source().unwrap().downcast_ref::<rustls::Error>().unwrap();
        assert_eq!(*source, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[test]
fn a_close_is_told_apart_from_a_cut() {
    for (client, server) in every_pair() {
        let (mut client, mut server) = connected(client, server);
        client.send(b"last words");
        client.close();
        client.close();
        let mut wire = client.output();
        // Whatever follows the closure is ignored.
        wire.extend_from_slice(&vec![0xff; 40_000]);
        let mut heard = Vec::new();
        server.input(&wire, &mut heard).unwrap();
        assert_eq!(heard, b"last words");
        if let End::Session(session) = &mut server {
            assert!(session.peer_has_closed() && !session.wants_read());
            assert_eq!(session.read_from(|_| Ok(0)).unwrap(), 0);
            assert_eq!(session.open(&mut Buffer::default()).unwrap(), Progress::Drained);
        }
        if let End::Session(session) = &mut client {
            assert!(!session.peer_has_closed() && session.wants_read());
            assert!(matches!(session.seal(&[b"more"]), Err(Error::Closed)));
        }
        // The other direction is still open.
        server.send(b"an answer");
        let (heard, _) = talk(&mut client, &mut server, usize::MAX).unwrap();
        assert_eq!(heard, b"an answer");
    }
}

/// Of our own records only: rustls sends its alert after its closure, or, with debug assertions, panics.
#[test]
fn a_closed_end_may_still_find_fault() {
    let (_, mut server) = connected(OWN, OWN);
    server.close();
    assert_eq!(server.output().len(), 2 + 22);
    let record = [&[23, 3, 3, 0, 20][..], &[7; 20]].concat();
    let error = server.input(&record, &mut vec![]).unwrap_err();
    assert!(matches!(error, Error::Tls(rustls::Error::DecryptError)), "{error}");
    assert_eq!(server.output(), b"", "nothing follows the closure");
}

#[test]
fn a_cut_is_found_wherever_it_is() {
    for kind in SESSIONS {
        let (_, server) = ends(kind, kind);
        let End::Session(mut fresh) = server else { unreachable!() };
        assert_eq!(fresh.read_from(|_| Ok(0)).unwrap(), 0);
        let error = fresh.open(&mut Buffer::default()).unwrap_err();
        assert!(matches!(error, Error::Truncated), "in the handshake: {error}");

        for missing in [0, 1, 100, 139] {
            let (mut client, mut server) = connected(Kind::Oracle, kind);
            client.send(&pattern(100));
            client.send(&pattern(118));
            let mut wire = client.output();
            wire.truncate(wire.len() - missing);
            let mut heard = Vec::new();
            server.input(&wire, &mut heard).unwrap();
            let session = server.session();
            assert_eq!(session.read_from(|_| Ok(0)).unwrap(), 0);
            assert!(!session.wants_read());
            let error = session.open(&mut Buffer::default()).unwrap_err();
            assert!(matches!(error, Error::Truncated), "{missing} bytes missing: {error}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(heard.len(), if missing == 0 { 218 } else { 100 });
        }
    }
}
