use super::*;

/// A ticket with one extension.
const TICKET: [u8; 29] = [4, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 2, 2, 9, 9, 0, 3, 7, 7, 7, 0, 7, 10, 10, 0, 3, 1, 2, 3];
const UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// All messages in `fragments`.
fn hear(side: Side, fragments: &[&[u8]]) -> Result<(Vec<Message>, Reassembly), Fault> {
    let (mut reassembly, mut heard) = (Reassembly::default(), Vec::new());
    for mut fragment in fragments.iter().copied() {
        while !fragment.is_empty() {
            heard.extend(reassembly.take(side, &mut fragment)?);
        }
    }
    Ok((heard, reassembly))
}

#[test]
fn messages_come_in_any_pieces() {
    let wire = [&TICKET[..], &UPDATE, &TICKET, &Answer::Requested.key_update()].concat();
    let expected = [
        Message::NewSessionTicket,
        Message::KeyUpdate(Answer::NotRequested),
        Message::NewSessionTicket,
        Message::KeyUpdate(Answer::Requested),
    ];
    for size in 1..=wire.len() {
        let pieces: Vec<&[u8]> = wire.chunks(size).collect();
        let (heard, rest) = hear(Side::Client, &pieces).unwrap();
        assert_eq!(heard, expected, "pieces of {size}");
        assert!(rest.is_aligned());
    }
    let (heard, rest) = hear(Side::Client, &[&wire[..31]]).unwrap();
    assert_eq!(heard, [Message::NewSessionTicket]);
    assert_eq!(rest.partial(), [24, 0]);
    assert!(!rest.is_aligned());
    let mut rest = Reassembly::resume(rest.partial().to_vec());
    assert_eq!(rest.take(Side::Client, &mut [0, 1, 1].as_slice()), Ok(Some(Message::KeyUpdate(Answer::Requested))));
}

#[test]
fn what_is_no_message_is_refused_as_early_as_can_be() {
    use AlertDescription::{DecodeError, IllegalParameter, UnexpectedMessage};
    let cases: [(Side, &[u8], AlertDescription); 13] = [
        (Side::Client, &[24, 0, 0, 0], DecodeError),
        (Side::Client, &[24, 0, 0, 2], DecodeError),
        (Side::Server, &[24, 1, 0, 0], DecodeError),
        (Side::Server, &[24, 0, 0, 1, 2], IllegalParameter),
        (Side::Server, &TICKET[..4], UnexpectedMessage),
        (Side::Client, &[4, 1, 0, 0], DecodeError),
        (Side::Client, &[4, 0, 0, 0], DecodeError),
        (Side::Client, &[4, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7], DecodeError),
        // A request for a certificate after the handshake, another ClientHello, another Finished.
        (Side::Client, &[13, 0, 0, 0], UnexpectedMessage),
        (Side::Server, &[1, 0, 0, 0], UnexpectedMessage),
        (Side::Server, &[20, 0, 0, 32], UnexpectedMessage),
        (Side::Server, &[0, 0, 0, 0], UnexpectedMessage),
        (Side::Client, &[255, 255, 255, 255], UnexpectedMessage),
    ];
    for (side, bytes, alert) in cases {
        assert_eq!(hear(side, &[bytes]).unwrap_err().alert, Some(alert), "{side:?} {bytes:?}");
    }
}

#[test]
fn a_damaged_ticket_is_refused() {
    for cut in 5..TICKET.len() {
        let mut bytes = TICKET[..cut].to_vec();
        bytes[3] = u8::try_from(cut - 4).unwrap();
        let fault = hear(Side::Client, &[&bytes]).unwrap_err();
        assert_eq!(fault.error, InvalidMessage::MissingData("NewSessionTicket").into(), "cut at {cut}");
    }
    let mut long = TICKET.to_vec();
    long.push(0);
    long[3] += 1;
    let fault = hear(Side::Client, &[&long]).unwrap_err();
    assert_eq!(fault.error, InvalidMessage::TrailingData("NewSessionTicket").into());
    let empty = [4, 0, 0, 13, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0];
    let fault = hear(Side::Client, &[&empty]).unwrap_err();
    assert_eq!(fault.error, InvalidMessage::EmptyTicketValue.into());
}

#[test]
fn extensions_of_tickets_are_looked_at() {
    let ticket = |extensions: &[u8]| {
        let len = u8::try_from(extensions.len()).unwrap();
        let body = [&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 7, 0, len], extensions].concat();
        let message = [&[4, 0, 0, u8::try_from(body.len()).unwrap()], body.as_slice()].concat();
        hear(Side::Client, &[&message]).map(|(heard, _)| heard).map_err(|fault| (fault.error, fault.alert))
    };
    let decode = |error: InvalidMessage| Err((error.into(), Some(AlertDescription::DecodeError)));
    let good = Ok(vec![Message::NewSessionTicket]);
    assert_eq!(ticket(&[]), good);
    assert_eq!(ticket(&[0, 42, 0, 4, 0, 0, 0, 9, 0, 43, 0, 0]), good);
    assert_eq!(ticket(&[0, 42, 0, 3, 0, 0, 0]), decode(InvalidMessage::MissingData("NewSessionTicket")));
    assert_eq!(ticket(&[0, 42, 0, 5, 0, 0, 0, 9, 9]), decode(InvalidMessage::TrailingData("NewSessionTicket")));
    assert_eq!(ticket(&[0, 43, 0]), decode(InvalidMessage::MissingData("NewSessionTicket")));
    let twice = Err((InvalidMessage::DuplicateExtension(43).into(), Some(AlertDescription::IllegalParameter)));
    assert_eq!(ticket(&[0, 43, 0, 0, 0, 43, 0, 0]), twice);
}

#[test]
fn a_key_update_ends_its_record() {
    assert_eq!(check_alignment(&[]), Ok(()));
    assert_eq!(check_alignment(&UPDATE).unwrap_err(), Fault::unexpected(PeerMisbehaved::KeyEpochWithPendingFragment));
}
