//! The same records, honest and not, into rustls' layer and into ours: the same plaintext and the same failure.

use rustls::{InvalidMessage, Side};

use super::{forger::Forger, *};

/// One thing that a dishonest peer does.
#[derive(Clone)]
enum Deed {
    /// A sealed record of this inside.
    Sealed(Vec<u8>),
    /// A sealed record, whose header says this instead of 23, 3, 3; the length stays true.
    SealedWith([u8; 3], Vec<u8>),
    /// Bytes that were not sealed.
    Raw(Vec<u8>),
    /// A change of key, announced or not.
    Rekey,
}

impl std::fmt::Debug for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, bytes) = match self {
            Self::Sealed(inner) => ("sealed".to_owned(), inner.as_slice()),
            Self::SealedWith(header, inner) => (format!("sealed with {header:?}"), inner.as_slice()),
            Self::Raw(bytes) => ("raw".to_owned(), bytes.as_slice()),
            Self::Rekey => ("rekey".to_owned(), &[][..]),
        };
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let shown = if end > 50 { format!("..{:?}", &bytes[end - 1..end]) } else { format!("{:?}", &bytes[..end]) };
        write!(f, "{what}: {shown}, {} in all", bytes.len())
    }
}

/// What becomes of the bytes on the way.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    None,
    Flip { record: usize, byte: usize, bit: usize },
    Drop(usize),
    Repeat(usize),
    Swap(usize),
    Cut { missing: usize },
}

/// How the receiver takes the bytes.
#[derive(Clone, Copy, Debug)]
struct Way {
    piece: usize,
    /// The capacity of its buffer for plaintext.
    room: usize,
}

/// Whether sealed records have the headers that they should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    Right,
    /// Type or version of one was changed.
    Changed,
}

/// What a receiver made of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    plain: Vec<u8>,
    error: Option<rustls::Error>,
    closed: bool,
    /// The alert that its peer hears.
    alert: Option<AlertDescription>,
}

fn some(bytes: &mut u64, len: usize) -> Vec<u8> {
    (0..len).map(|_| u8::try_from(random(bytes, 256)).unwrap()).collect()
}

/// A message of the handshake protocol that might come after the handshake, or should not.
fn message(seed: &mut u64) -> Vec<u8> {
    match random(seed, 8) {
        0..3 => vec![24, 0, 0, 1, u8::from(random(seed, 3) > 0)],
        3 => vec![24, 0, 0, 1, u8::try_from(random(seed, 4)).unwrap()],
        4 => [&[4, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 2, 2, 9, 9, 0, 3, 7, 7, 7, 0, 7, 10, 10, 0, 3, 1, 2, 3][..]].concat(),
        5 => {
            let body = random(seed, 40);
            [vec![4, 0, 0, u8::try_from(body).unwrap()], some(seed, body)].concat()
        }
        6 => vec![24, 0, 0, u8::try_from(random(seed, 3)).unwrap(), 0, 0],
        _ => {
            let body = random(seed, 10);
            let mut bytes = vec![u8::try_from(random(seed, 30)).unwrap(), 0, 0, u8::try_from(body).unwrap()];
            bytes.extend(some(seed, body));
            bytes
        }
    }
}

fn padding(seed: &mut u64) -> Vec<u8> {
    match random(seed, 4) {
        0 => vec![0; random(seed, 300)],
        _ => vec![],
    }
}

fn sealed(seed: &mut u64, payload: &[u8], kind: u8) -> Deed {
    Deed::Sealed([payload, &[kind], &padding(seed)].concat())
}

fn deeds(seed: &mut u64) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for _ in 0..=random(seed, 8) {
        let (size, kind) =
            ([0, 1, 100, 5000, 16_383, 16_384, 16_385, 16_386, 16_600][random(seed, 9)], random(seed, 24));
        match kind {
            0..8 => {
                let len = random(seed, 3000);
                let payload = some(seed, len);
                deeds.push(sealed(seed, &payload, 23));
            }
            8 => deeds.push(sealed(seed, &vec![7; size], 23)),
            9 => deeds.extend((0..=random(seed, 40)).map(|_| Deed::Sealed(vec![23]))),
            10..14 => {
                let bytes = message(seed);
                let rekeys = bytes.starts_with(&[24]);
                deeds.push(sealed(seed, &bytes, 22));
                if rekeys {
                    deeds.push(Deed::Rekey);
                }
            }
            14 => {
                // Two messages in one record, or one in two.
                let (first, second) = (message(seed), message(seed));
                let bytes = [first, second].concat();
                let at = 1 + random(seed, bytes.len() - 1);
                if random(seed, 2) == 0 {
                    deeds.push(sealed(seed, &bytes, 22));
                } else {
                    deeds.push(sealed(seed, &bytes[..at], 22));
                    deeds.push(sealed(seed, &bytes[at..], 22));
                }
            }
            15 => {
                let alert = [[1, 0], [2, 0], [1, 90], [2, 90], [1, 40], [2, 40], [3, 40], [2, 255]][random(seed, 8)];
                deeds.push(sealed(seed, &alert, 21));
            }
            16 => {
                let len = random(seed, 5);
                let payload = some(seed, len);
                deeds.push(sealed(seed, &payload, 21));
            }
            17 => {
                let kind = u8::try_from(random(seed, 30)).unwrap();
                deeds.push(sealed(seed, &[1, 2], kind));
            }
            18 => deeds.push(Deed::Sealed(vec![0; size])),
            19 => deeds.push(Deed::Sealed(vec![])),
            20 => {
                let header = [[22, 3, 3], [21, 3, 3], [23, 4, 3], [99, 3, 3], [20, 3, 3]][random(seed, 5)];
                deeds.push(Deed::SealedWith(header, vec![5, 23]));
            }
            21 => deeds.push(Deed::Raw(
                [
                    &[20, 3, 3, 0, 1, 1][..],
                    &[21, 3, 3, 0, 2, 2, 40],
                    &[21, 3, 3, 0, 2, 1, 0],
                    &[22, 3, 3, 0, 5, 24, 0, 0, 1, 0],
                    &[23, 3, 3, 0, 0],
                    &[23, 3, 3, 0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                    b"GET / HTTP/1.1\r\n\r\n",
                    &[23, 3, 3, 0x48, 1],
                ][random(seed, 8)]
                .to_vec(),
            )),
            22 => deeds.push(sealed(seed, &[1, 90], 21)),
            _ => deeds.push(sealed(seed, &[1, 0], 21)),
        }
    }
    deeds
}

fn mutation(seed: &mut u64, records: usize) -> Mutation {
    let record = random(seed, records);
    match random(seed, 12) {
        0 => Mutation::Flip { record, byte: random(seed, 40), bit: random(seed, 8) },
        1 => Mutation::Drop(record),
        2 => Mutation::Repeat(record),
        3 => Mutation::Swap(record),
        4 => Mutation::Cut { missing: 1 + random(seed, 30) },
        _ => Mutation::None,
    }
}

fn wire(forger: &mut Forger, deeds: &[Deed], mutation: Mutation) -> Vec<u8> {
    let mut records: Vec<Vec<u8>> = deeds
        .iter()
        .map(|deed| match deed {
            Deed::Sealed(inner) => forger.record(inner),
            Deed::SealedWith([kind, major, minor], inner) => {
                let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
                forger.record_with([*kind, *major, *minor, high, low], inner)
            }
            Deed::Raw(bytes) => bytes.clone(),
            Deed::Rekey => {
                forger.update();
                vec![]
            }
        })
        .collect();
    match mutation {
        Mutation::None | Mutation::Cut { .. } => {}
        Mutation::Flip { record, byte, bit } => {
            if let Some(byte) = records[record].get_mut(byte) {
                *byte ^= 1 << bit;
            }
        }
        Mutation::Drop(record) => records[record].clear(),
        Mutation::Repeat(record) => records.insert(record, records[record].clone()),
        Mutation::Swap(record) => {
            let other = (record + 1) % records.len();
            records.swap(record, other);
        }
    }
    let mut wire = records.concat();
    if let Mutation::Cut { missing } = mutation {
        wire.truncate(wire.len().saturating_sub(missing));
    }
    wire
}

fn headers(deeds: &[Deed], mutation: Mutation) -> Headers {
    let changed = matches!(mutation, Mutation::Flip { byte: 0..3, .. })
        || deeds.iter().any(|deed| matches!(deed, Deed::SealedWith(..)));
    if changed { Headers::Changed } else { Headers::Right }
}

/// Lets a receiver with records of `kind` hear the deeds.
fn hear(authority: &Authority, side: Side, kind: Kind, deeds: &[Deed], mutation: Mutation, way: Way) -> Outcome {
    let (client, server) = match side {
        Side::Client => (kind, OWN),
        Side::Server => (OWN, kind),
    };
    let mut client = End::client(client, &Arc::new(authority.client(SUITE)));
    let mut server = End::server(server, &Arc::new(authority.server(SUITE)));
    talk(&mut client, &mut server, usize::MAX).unwrap();
    let (mut receiver, mut sender) = match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    };
    let wire = wire(&mut Forger::new(&mut sender), deeds, mutation);
    let mut plain = Vec::new();
    let mut error = None;
    for bytes in wire.chunks(way.piece) {
        match receiver.input_with(bytes, way.room, &mut plain) {
            Ok(()) => {}
            Err(Error::Tls(found)) => {
                error = Some(found);
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let closed = receiver.session().peer_has_closed();
    let alert = sender
        .input(&receiver.output(), &mut vec![])
        .err()
        .map(|error| error.alert().unwrap_or_else(|| panic!("the receiver itself broke the rules: {error}")));
    Outcome { plain, error, closed, alert }
}

/// Why the two may differ in what they say; they never differ in what they deliver before.
fn reason(rustls: &Outcome, own: &Outcome, headers: Headers) -> Option<&'static str> {
    use rustls::Error as E;
    let same_error = match (&rustls.error, &own.error) {
        (Some(E::InvalidMessage(_)), Some(E::InvalidMessage(_)))
        | (Some(E::InappropriateHandshakeMessage { .. }), Some(E::InappropriateHandshakeMessage { .. })) => true,
        // What else might have come is a matter of words.
        (Some(E::InappropriateMessage { got_type: a, .. }), Some(E::InappropriateMessage { got_type: b, .. })) => {
            a == b
        }
        (a, b) => a == b,
    };
    if same_error {
        return match (rustls.alert, own.alert) {
            (a, b) if a == b => Some("none"),
            (None, Some(AlertDescription::UnexpectedMessage)) => Some("rustls ends in silence, we say why"),
            (Some(AlertDescription::DecodeError), Some(AlertDescription::UnexpectedMessage)) => {
                Some("RFC 8446, 5: an unexpected type of record is answered with unexpected_message")
            }
            _ => None,
        };
    }
    match (rustls.error.as_ref(), own.error.as_ref()?) {
        (Some(E::DecryptError), E::InappropriateMessage { .. }) => {
            Some("rustls tries to decrypt a record that was not protected")
        }
        (_, E::InappropriateMessage { .. }) if headers == Headers::Changed => {
            Some("rustls does not look at the outer type of a protected record")
        }
        (_, E::DecryptError) if headers == Headers::Changed => {
            Some("rustls does not authenticate the version in the header, and thus its change")
        }
        (
            None | Some(E::DecryptError | E::InvalidMessage(InvalidMessage::MessageTooLarge)),
            E::PeerSentOversizedRecord,
        ) => Some("RFC 8446, 5.2: a record has at most 2^14 + 256 bytes; rustls takes some 2,000 more"),
        (
            None
            | Some(E::InvalidMessage(_) | E::PeerMisbehaved(PeerMisbehaved::MessageInterleavedWithHandshakeMessage)),
            E::InappropriateHandshakeMessage { .. } | E::InvalidMessage(_),
        ) => Some("we refuse a message by its header, rustls when it is complete and well-formed"),
        (
            Some(E::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)),
            E::PeerMisbehaved(PeerMisbehaved::KeyEpochWithPendingFragment),
        ) => Some("rustls looks at the lengths of all messages of a record before the first"),
        (
            Some(E::PeerMisbehaved(PeerMisbehaved::KeyEpochWithPendingFragment)),
            E::InvalidMessage(InvalidMessage::InvalidKeyUpdate),
        ) => Some("rustls looks at the value of a key update last"),
        _ => None,
    }
}

#[test]
fn both_layers_agree() {
    let authority = Authority::new();
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 1..=700_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let side = if seed % 2 == 0 { Side::Client } else { Side::Server };
        let deeds = deeds(&mut state);
        let mutation = mutation(&mut state, deeds.len());
        let piece = [1, 13, 1000, usize::MAX][random(&mut state, 4)];
        let way = Way { piece, room: [100, 20_000, Buffer::SIZE][random(&mut state, 3)] };
        let [rustls, own] = SESSIONS.map(|kind| hear(&authority, side, kind, &deeds, mutation, way));
        let context = || {
            let error = |outcome: &Outcome| {
                format!("{:?}, alert {:?}, closed {}", outcome.error, outcome.alert, outcome.closed)
            };
            format!(
                "seed {seed}, {side:?}, {mutation:?}, {way:?}\nrustls: {}\nown:    {}\n{deeds:#?}",
                error(&rustls),
                error(&own)
            )
        };
        let reason = reason(&rustls, &own, headers(&deeds, mutation)).unwrap_or_else(|| panic!("{}", context()));
        *reasons.entry(reason).or_default() += 1;
        if own.error.is_none() || reason == "none" {
            assert!(own.plain == rustls.plain, "{}", context());
            assert_eq!(own.closed, rustls.closed, "{}", context());
        }
        assert!(rustls.plain.starts_with(&own.plain), "{}", context());
    }
    assert_eq!(reasons.len(), 10, "a reason that never holds is no reason: {reasons:#?}");
}

#[test]
fn the_version_in_a_header_is_authenticated_as_it_came() {
    let authority = Authority::new();
    let way = Way { piece: usize::MAX, room: Buffer::SIZE };
    let deeds = [Deed::SealedWith([23, 3, 1], b"x\x17".to_vec())];
    let own = hear(&authority, Side::Server, OWN, &deeds, Mutation::None, way);
    assert_eq!((own.plain.as_slice(), own.error), (b"x".as_slice(), None));
    let rustls = hear(&authority, Side::Server, RUSTLS, &deeds, Mutation::None, way);
    assert_eq!(rustls.error, Some(rustls::Error::DecryptError));
}
