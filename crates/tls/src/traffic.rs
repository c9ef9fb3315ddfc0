//! The records of an established session, sealed and opened by this crate itself.
//!
//! rustls copies every payload twice and allocates for every record. Here ciphertext is opened from the buffer that
//! the socket filled straight into the buffer that its reader consumes, and payload is sealed straight into the queue.

mod direction;
mod fault;
mod handover;
mod message;
mod record;
mod secret;

use rustls::{AlertDescription, InvalidMessage, PeerMisbehaved, Side};

pub(crate) use self::{
    direction::Direction,
    message::Reassembly,
    secret::{Suite, TrafficSecret},
};
use self::{
    fault::Fault,
    message::{Answer, Message, check_alignment},
    record::{ContentType, HEADER, Header, Inner, MAX_PAYLOAD, OVERHEAD, TAG},
};
use crate::{Buffer, Error, Progress, copy::copy, outbound::Outbound};

/// Both directions of a session after its handshake.
#[derive(Debug)]
pub(crate) struct Traffic {
    side: Side,
    tx: Direction,
    rx: Direction,
    reassembly: Reassembly,
    allowance: Allowance,
    /// Opened bytes at the front of the inbound buffer that had no room yet, and bytes after them that are used up.
    undelivered: usize,
    used_up: usize,
    /// The peer asked for a key update of ours that was not sent yet.
    owes_key_update: bool,
    peer_closed: bool,
    /// Our last alert was sent, be it `close_notify` or fatal: nothing may follow it.
    silent: bool,
}

/// What a peer may do a few times but not for ever, as rustls and BoringSSL have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Records without payload, one after another.
    pub(crate) empty_records: u8,
    /// Key updates without application data between them.
    pub(crate) key_updates: u8,
    /// Alerts that mean nothing.
    pub(crate) warnings: u8,
}

// === impl Traffic ===

impl Traffic {
    pub(crate) fn new(side: Side, tx: Direction, rx: Direction) -> Self {
        Self {
            side,
            tx,
            rx,
            reassembly: Reassembly::default(),
            allowance: Allowance::FULL,
            undelivered: 0,
            used_up: 0,
            owes_key_update: false,
            peer_closed: false,
            silent: false,
        }
    }

    /// Whether the peer sent `close_notify`.
    pub(crate) fn peer_has_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether opened bytes wait for room.
    pub(crate) fn holds_plaintext(&self) -> bool {
        self.undelivered > 0
    }

    /// Opens what is in `inbound`, up to the end of its last complete record, a failure, or the room of `plain`.
    pub(crate) fn open(
        &mut self,
        inbound: &mut Buffer,
        outbound: &mut Outbound,
        plain: &mut Buffer,
    ) -> Result<Progress, Error> {
        let result = self.open_records(inbound, plain);
        if plain.is_empty() {
            plain.fill(0);
        }
        match result {
            Ok(progress) => {
                self.answer(outbound)?;
                Ok(progress)
            }
            Err(fault) => {
                if let Some(alert) = fault.alert {
                    self.send_alert(AlertLevel::Fatal, alert, outbound)?;
                }
                self.silent = true;
                Err(Error::Tls(fault.error))
            }
        }
    }

    /// Seals `parts` as one run of bytes.
    pub(crate) fn seal(&mut self, parts: &[&[u8]], outbound: &mut Outbound) -> Result<(), Error> {
        if self.owes_key_update {
            self.send_key_update(Answer::NotRequested, outbound)?;
        }
        let mut parts = Parts { parts, offset: 0 };
        let mut left = parts.len();
        while left > 0 {
            if self.tx.is_worn() {
                // The peer keeps count of what it sends itself.
                self.send_key_update(Answer::NotRequested, outbound)?;
            }
            let len = left.min(MAX_PAYLOAD);
            let record = outbound.space_for(len + OVERHEAD);
            let sealed = if let Some(payload) = parts.take_whole(len) {
                self.tx.seal(ContentType::ApplicationData, payload, record)
            } else {
                parts.copy_to(&mut record[HEADER..HEADER + len]);
                self.tx.seal_in_place(ContentType::ApplicationData, record)
            };
            sealed.map_err(|_| rustls::Error::EncryptError)?;
            outbound.fill(len + OVERHEAD);
            left -= len;
        }
        Ok(())
    }

    /// Changes our key, and asks the peer to change its own.
    pub(crate) fn refresh_keys(&mut self, outbound: &mut Outbound) -> Result<(), Error> {
        self.send_key_update(Answer::Requested, outbound)
    }

    /// Sends a key update that the peer asked for, if nothing else waits to be sent: a peer that asks and does not
    /// read can't make the queue grow.
    pub(crate) fn answer(&mut self, outbound: &mut Outbound) -> Result<(), Error> {
        if self.owes_key_update && outbound.is_empty() {
            self.send_key_update(Answer::NotRequested, outbound)?;
        }
        Ok(())
    }

    /// Sends `close_notify`, unless an alert said so already.
    pub(crate) fn close(&mut self, outbound: &mut Outbound) -> Result<(), Error> {
        self.send_alert(AlertLevel::Warning, AlertDescription::CloseNotify, outbound)
    }

    /// Sends nothing more: rustls has sent the last alert.
    pub(crate) fn fall_silent(&mut self) {
        self.silent = true;
    }

    #[cfg(test)]
    pub(crate) fn tx(&self) -> &Direction {
        &self.tx
    }

    #[cfg(test)]
    pub(crate) fn tx_mut(&mut self) -> &mut Direction {
        &mut self.tx
    }

    #[cfg(test)]
    pub(crate) fn rx(&self) -> &Direction {
        &self.rx
    }

    fn open_records(&mut self, inbound: &mut Buffer, plain: &mut Buffer) -> Result<Progress, Fault> {
        loop {
            if self.undelivered > 0 {
                self.deliver(inbound, plain);
                if self.undelivered > 0 {
                    return Ok(Progress::NeedsRoom);
                }
            }
            if self.peer_closed {
                // RFC 8446, 6.1: whatever comes after the closure alert is ignored.
                inbound.clear();
                return Ok(Progress::Drained);
            }
            match Header::parse(inbound.filled())? {
                Some(header) if inbound.len() >= HEADER + header.len => {
                    // Better its own turn than a copy of a part: whoever takes `plain` takes whole frames then.
                    if !plain.is_empty() && plain.room() < header.len.saturating_sub(TAG) {
                        return Ok(Progress::NeedsRoom);
                    }
                    self.open_record(header, inbound, plain)?;
                }
                _ => return Ok(Progress::Drained),
            }
        }
    }

    /// Opens the record at the front of `inbound`: into `plain` if it has room, where it is if not.
    fn open_record(&mut self, header: Header, inbound: &mut Buffer, plain: &mut Buffer) -> Result<(), Fault> {
        let undecryptable = || Fault::new(rustls::Error::DecryptError, AlertDescription::BadRecordMac);
        let len = header.len.checked_sub(TAG).ok_or_else(undecryptable)?;
        if plain.room() >= len {
            let (body, tag) = inbound.filled()[HEADER..HEADER + header.len].split_at(len);
            let opened = &mut plain.space_for(len)[..len];
            self.rx.open(header.bytes, body, tag, opened).map_err(|_| undecryptable())?;
            let inner = Inner::parse(opened)?;
            self.accept(inner, &opened[..inner.len])?;
            if inner.kind == ContentType::ApplicationData {
                plain.fill(inner.len);
            }
            inbound.consume(HEADER + header.len);
        } else {
            let (body, tag) = inbound.filled_mut()[HEADER..HEADER + header.len].split_at_mut(len);
            self.rx.open_in_place(header.bytes, body, tag).map_err(|_| undecryptable())?;
            let inner = Inner::parse(body)?;
            self.accept(inner, &body[..inner.len])?;
            if inner.kind == ContentType::ApplicationData && inner.len > 0 {
                inbound.consume(HEADER);
                (self.undelivered, self.used_up) = (inner.len, header.len - inner.len);
            } else {
                inbound.consume(HEADER + header.len);
            }
        }
        Ok(())
    }

    fn deliver(&mut self, inbound: &mut Buffer, plain: &mut Buffer) {
        let len = self.undelivered.min(plain.room());
        if len == 0 {
            return;
        }
        copy(&inbound.filled()[..len], plain.space_for(len));
        plain.fill(len);
        inbound.consume(len);
        self.undelivered -= len;
        if self.undelivered == 0 {
            inbound.consume(std::mem::take(&mut self.used_up));
        }
    }

    /// Acts on what a record holds; application data is only counted.
    fn accept(&mut self, inner: Inner, payload: &[u8]) -> Result<(), Fault> {
        if inner.kind != ContentType::Handshake && !self.reassembly.is_aligned() {
            return Err(Fault::unexpected(PeerMisbehaved::MessageInterleavedWithHandshakeMessage));
        }
        self.allowance.record(payload)?;
        match inner.kind {
            ContentType::ApplicationData => {
                self.allowance.key_updates = Allowance::FULL.key_updates;
                Ok(())
            }
            // RFC 8446, 5.4: alerts and handshake messages are never empty, padded or not.
            _ if payload.is_empty() => Err(Fault::unexpected(InvalidMessage::InvalidEmptyPayload)),
            ContentType::Handshake => self.hear_messages(payload),
            ContentType::Alert => self.hear_alert(payload),
        }
    }

    fn hear_messages(&mut self, mut payload: &[u8]) -> Result<(), Fault> {
        while !payload.is_empty() {
            match self.reassembly.take(self.side, &mut payload)? {
                Some(Message::KeyUpdate(answer)) => {
                    check_alignment(payload)?;
                    self.allowance.key_update()?;
                    self.rx.update();
                    self.owes_key_update |= answer == Answer::Requested && !self.silent;
                }
                Some(Message::NewSessionTicket) | None => {}
            }
        }
        Ok(())
    }

    /// As rustls does: the closure alert of whatever level, a few times that the user cancelled something, and else
    /// the end.
    fn hear_alert(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let &[level, alert] = payload else {
            let error = match payload.len() {
                0 | 1 => InvalidMessage::MissingData("Alert"),
                _ => InvalidMessage::TrailingData("Alert"),
            };
            return Err(Fault::new(error, AlertDescription::DecodeError));
        };
        let alert = AlertDescription::from(alert);
        let received = rustls::Error::AlertReceived(alert);
        match (level, alert) {
            (1 | 2, AlertDescription::CloseNotify) => {
                self.peer_closed = true;
                Ok(())
            }
            (1, AlertDescription::UserCanceled) => self.allowance.warning(),
            (1, _) => Err(Fault::new(received, AlertDescription::DecodeError)),
            (2, _) => Err(Fault::received(alert)),
            _ => Err(Fault::new(received, AlertDescription::IllegalParameter)),
        }
    }

    fn send_key_update(&mut self, answer: Answer, outbound: &mut Outbound) -> Result<(), Error> {
        self.owes_key_update = false;
        if self.silent {
            return Ok(());
        }
        self.send(ContentType::Handshake, &answer.key_update(), outbound)?;
        self.tx.update();
        Ok(())
    }

    fn send_alert(&mut self, level: AlertLevel, alert: AlertDescription, outbound: &mut Outbound) -> Result<(), Error> {
        if self.silent {
            return Ok(());
        }
        self.silent = true;
        self.send(ContentType::Alert, &[level as u8, u8::from(alert)], outbound)
    }

    fn send(&mut self, kind: ContentType, payload: &[u8], outbound: &mut Outbound) -> Result<(), Error> {
        let len = payload.len() + OVERHEAD;
        self.tx.seal(kind, payload, outbound.space_for(len)).map_err(|_| rustls::Error::EncryptError)?;
        outbound.fill(len);
        Ok(())
    }
}

// === impl Allowance ===

impl Allowance {
    pub(crate) const FULL: Self = Self { empty_records: 32, key_updates: 32, warnings: 4 };

    fn record(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if !payload.is_empty() {
            self.empty_records = Self::FULL.empty_records;
            return Ok(());
        }
        Self::spend(&mut self.empty_records, PeerMisbehaved::TooManyEmptyFragments)
    }

    fn key_update(&mut self) -> Result<(), Fault> {
        Self::spend(&mut self.key_updates, PeerMisbehaved::TooManyKeyUpdateRequests)
    }

    fn warning(&mut self) -> Result<(), Fault> {
        Self::spend(&mut self.warnings, PeerMisbehaved::TooManyWarningAlertsReceived)
    }

    fn spend(left: &mut u8, error: PeerMisbehaved) -> Result<(), Fault> {
        *left = left.checked_sub(1).ok_or_else(|| Fault::unexpected(error))?;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum AlertLevel {
    Warning = 1,
    Fatal = 2,
}

/// What is left of the parts of one run of bytes.
struct Parts<'a> {
    parts: &'a [&'a [u8]],
    /// How many bytes of the first part are done with.
    offset: usize,
}

// === impl Parts ===

impl<'a> Parts<'a> {
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum::<usize>() - self.offset
    }

    /// The next `len` bytes, if they lie in one part.
    fn take_whole(&mut self, len: usize) -> Option<&'a [u8]> {
        while let [first, rest @ ..] = self.parts
            && self.offset == first.len()
        {
            (self.parts, self.offset) = (rest, 0);
        }
        let whole = self.parts.first()?.get(self.offset..self.offset + len)?;
        self.offset += len;
        Some(whole)
    }

    /// Copies the next bytes until `to` is full. There must be as many.
    fn copy_to(&mut self, mut to: &mut [u8]) {
        while !to.is_empty()
            && let [first, rest @ ..] = self.parts
        {
            let piece = &first[self.offset..];
            let len = piece.len().min(to.len());
            copy(&piece[..len], to);
            to = &mut to[len..];
            self.offset += len;
            if self.offset == first.len() {
                (self.parts, self.offset) = (rest, 0);
            }
        }
    }
}
