//! Handshake messages after the handshake (RFC 8446, 4.6).

use std::collections::BTreeSet;

use rustls::{AlertDescription, Error, HandshakeType, InvalidMessage, PeerMisbehaved, Side};

use super::fault::Fault;

/// A message of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The peer's next record is sealed with its next key.
    KeyUpdate(Answer),
    /// A ticket to resume the session with. It was looked at, and is of no use to us.
    NewSessionTicket,
}

/// What is wanted of the receiver of a key update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    NotRequested,
    Requested,
}

/// Puts messages together that came in pieces, and takes them apart that came in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reassembly {
    partial: Vec<u8>,
}

/// Type and length.
const HEADER: usize = 4;
/// The longest message accepted, as rustls has it.
const LONGEST: usize = 0xffff;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// The extension that says how much early data is welcome, in four bytes.
const EARLY_DATA: u16 = 42;

// === impl Answer ===

impl Answer {
    /// A whole key update message.
    pub(crate) fn key_update(self) -> [u8; HEADER + 1] {
        [KEY_UPDATE, 0, 0, 1, u8::from(self == Self::Requested)]
    }
}

// === impl Reassembly ===

impl Reassembly {
    /// Goes on with a message of which `partial` came before.
    pub(crate) fn resume(partial: Vec<u8>) -> Self {
        Self { partial }
    }

    /// Whether nothing of a message waits for its rest.
    pub(crate) fn is_aligned(&self) -> bool {
        self.partial.is_empty()
    }

    /// What waits for its rest.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Takes the first message off `fragment`, sent to us who are `side`. None if it needs the next record; `fragment`
    /// is empty then.
    pub(crate) fn take(&mut self, side: Side, fragment: &mut &[u8]) -> Result<Option<Message>, Fault> {
        let Some(len) = self.gather(HEADER, fragment).then(|| self.check_header(side)).transpose()? else {
            return Ok(None);
        };
        if !self.gather(HEADER + len, fragment) {
            return Ok(None);
        }
        let message = std::mem::take(&mut self.partial);
        match (message[0], &message[HEADER..]) {
            (KEY_UPDATE, [0]) => Ok(Some(Message::KeyUpdate(Answer::NotRequested))),
            (KEY_UPDATE, [1]) => Ok(Some(Message::KeyUpdate(Answer::Requested))),
            (KEY_UPDATE, _) => Err(Fault::new(InvalidMessage::InvalidKeyUpdate, AlertDescription::IllegalParameter)),
            (_, ticket) => check_ticket(ticket).map(|()| Some(Message::NewSessionTicket)),
        }
    }

    /// Gathers bytes up to `len`; tells whether they are complete.
    fn gather(&mut self, len: usize, fragment: &mut &[u8]) -> bool {
        let missing = len.saturating_sub(self.partial.len());
        let (now, rest) = fragment.split_at(missing.min(fragment.len()));
        self.partial.extend_from_slice(now);
        *fragment = rest;
        self.partial.len() >= len
    }

    /// Refuses at once what would not be accepted when complete, so that nobody makes us keep it. Gives the length.
    fn check_header(&self, side: Side) -> Result<usize, Fault> {
        let [kind, high, middle, low] = self.partial[..HEADER] else { unreachable!("the header is complete") };
        let len = u32::from_be_bytes([0, high, middle, low]) as usize;
        let decode = |error: InvalidMessage| Err(Fault::new(error, AlertDescription::DecodeError));
        match (kind, side, len) {
            (KEY_UPDATE, _, 1) | (NEW_SESSION_TICKET, Side::Client, ..=LONGEST) => Ok(len),
            (KEY_UPDATE, _, 0) => decode(InvalidMessage::MissingData("KeyUpdate")),
            (KEY_UPDATE, ..) => decode(InvalidMessage::TrailingData("KeyUpdate")),
            (NEW_SESSION_TICKET, Side::Client, _) => decode(InvalidMessage::HandshakePayloadTooLarge),
            _ => {
                let mut expect_types = vec![HandshakeType::KeyUpdate];
                if side == Side::Client {
                    expect_types.push(HandshakeType::NewSessionTicket);
                }
                let got_type = HandshakeType::from(kind);
                Err(Fault::unexpected(Error::InappropriateHandshakeMessage { expect_types, got_type }))
            }
        }
    }
}

/// A key update must be the last message of its record: what follows is sealed with another key.
pub(crate) fn check_alignment(rest: &[u8]) -> Result<(), Fault> {
    match rest {
        [] => Ok(()),
        _ => Err(Fault::unexpected(PeerMisbehaved::KeyEpochWithPendingFragment)),
    }
}

/// Checks that a ticket is one: lifetime, age_add, nonce<0..255>, ticket<1..2^16-1>, extensions<0..2^16-2>.
fn check_ticket(ticket: &[u8]) -> Result<(), Fault> {
    let decode = |error: InvalidMessage| Fault::new(error, AlertDescription::DecodeError);
    let missing = || decode(InvalidMessage::MissingData("NewSessionTicket"));
    let rest = ticket.get(8..).ok_or_else(missing)?;
    let (&nonce, rest) = rest.split_first().ok_or_else(missing)?;
    let rest = rest.get(usize::from(nonce)..).ok_or_else(missing)?;
    let (value, rest) = split_u16(rest).ok_or_else(missing)?;
    if value.is_empty() {
        return Err(decode(InvalidMessage::EmptyTicketValue));
    }
    let (mut extensions, rest) = split_u16(rest).ok_or_else(missing)?;
    if !rest.is_empty() {
        return Err(decode(InvalidMessage::TrailingData("NewSessionTicket")));
    }
    let mut seen = BTreeSet::new();
    while !extensions.is_empty() {
        let (&kind, rest) = extensions.split_first_chunk().ok_or_else(missing)?;
        let (body, rest) = split_u16(rest).ok_or_else(missing)?;
        let kind = u16::from_be_bytes(kind);
        if !seen.insert(kind) {
            let error = InvalidMessage::DuplicateExtension(kind);
            return Err(Fault::new(error, AlertDescription::IllegalParameter));
        }
        if kind == EARLY_DATA && body.len() < 4 {
            return Err(missing());
        }
        if kind == EARLY_DATA && body.len() > 4 {
            return Err(decode(InvalidMessage::TrailingData("NewSessionTicket")));
        }
        extensions = rest;
    }
    Ok(())
}

/// Splits off a piece that has its length in two bytes before it.
fn split_u16(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests;
