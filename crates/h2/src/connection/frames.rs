//! Frames other than DATA and headers.

use std::{mem, time::Instant};

use super::{Cause, Connection, DRAIN_PING, Role};
use crate::{
    Code, ConnectionError, Event,
    frame::{Head, MAX_STREAM_ID, MAX_WINDOW, flag, kind, number},
    settings::Settings,
};

/// Window updates, and DATA for nobody, are of little use below this, in bytes.
pub(super) const SMALL: u32 = 1024;
/// Window updates that a DATA frame allows, and how many may be saved up. HAProxy says two for each that it gets, however
/// small, grpc-go another one before each PING.
pub(super) const UPDATES: u32 = 10;
pub(super) const MOST_UPDATES: u32 = 20_000;

impl Connection {
    /// A whole frame.
    pub(super) fn frame(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        match head.kind {
            kind::HEADERS => self.headers_begin(now, head, payload),
            kind::CONTINUATION => self.headers_continue(now, head, payload),
            kind::PRIORITY => self.priority(now, head, payload),
            kind::RST_STREAM => self.reset_by_peer(now, head, payload),
            kind::SETTINGS if head.has(flag::ACK) => self.settings_acknowledged(now),
            kind::SETTINGS => self.settings(now, payload),
            kind::PING => self.ping_heard(now, head, payload),
            kind::GOAWAY => self.go_away_heard(now, payload),
            kind::WINDOW_UPDATE => self.window_update(now, head, payload),
            // `frame_begins` lets no other type be collected.
            _ => Ok(()),
        }
    }

    fn priority(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        self.idle_frame(now)?;
        let wrong = if payload.len() != 5 {
            Some((Code::FRAME_SIZE_ERROR, "a PRIORITY that is not 5 bytes long"))
        } else if depends_on(payload) == Some(head.stream) {
            Some((Code::PROTOCOL_ERROR, "a stream that depends on itself"))
        } else {
            None
        };
        match (wrong, self.find(head.stream)) {
            (None, _) => Ok(()),
            (Some((code, reason)), Some(stream)) => self.provoked(now, stream, code, reason),
            (Some((code, reason)), None) => Err(ConnectionError::new(code, reason)),
        }
    }

    fn reset_by_peer(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        if self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("RST_STREAM on an idle stream"));
        }
        let Some(stream) = self.find(head.stream) else { return self.idle_frame(now) };
        let early = self.role == Role::Server && self.get(stream).is_some_and(|entry| !entry.answered);
        if early && !self.budgets.early_resets.spend(now) {
            return Err(ConnectionError::calm("too many streams reset before they were answered"));
        }
        let code = Code(number(payload).unwrap_or_default());
        self.remove(stream);
        self.events.push_back(Event::Reset { stream, code, cause: Cause::Peer });
        Ok(())
    }

    fn settings(&mut self, now: Instant, payload: &[u8]) -> Result<(), ConnectionError> {
        // The first one is due.
        if self.settled && !self.budgets.settings.spend(now) {
            return Err(ConnectionError::calm("too many SETTINGS"));
        }
        let before = self.remote;
        self.remote.apply(payload)?;
        if self.role == Role::Client && self.remote.push {
            return Err(ConnectionError::protocol("a server that enables push"));
        }
        // Each counts: the least of them is due in the next header block (RFC 7541 4.2).
        Settings::header_tables(payload).for_each(|size| self.encoder.set_peer_max(size));
        let change = i64::from(self.remote.initial_window) - i64::from(before.initial_window);
        let mut woken = false;
        if change != 0 {
            for (_, stream) in &mut self.streams {
                stream.send_window += change;
                woken |= stream.send_window > 0 && mem::take(&mut stream.blocked);
                if stream.send_window > MAX_WINDOW.into() {
                    return Err(ConnectionError::flow("SETTINGS raise a window above 2^31-1"));
                }
            }
        }
        self.settled = true;
        self.write_ack(kind::SETTINGS, &[])?;
        self.events.push_back(Event::Settings);
        if woken {
            self.events.push_back(Event::Window { stream: None });
        }
        Ok(())
    }

    fn settings_acknowledged(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let Some(settings) = self.unacknowledged.pop_front() else {
            return Err(ConnectionError::protocol("an acknowledgement of SETTINGS that were not sent"));
        };
        self.decoder.set_max_table_size(settings.header_table);
        self.windows_acknowledged(self.local.initial_window, settings.initial_window, now);
        self.local = settings;
        self.round_trip.get_or_insert(now.saturating_duration_since(self.begun));
        Ok(())
    }

    fn ping_heard(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        if !head.has(flag::ACK) {
            if !self.budgets.pings.spend(now) {
                return Err(ConnectionError::calm("too many PINGs"));
            }
            return self.write_ack(kind::PING, payload);
        }
        let at = if payload == DRAIN_PING && self.draining.is_some() {
            // Whatever the peer opened before it heard of our going is here now.
            self.go_away(self.highest, Code::NO_ERROR);
            self.draining.take()
        } else {
            self.pinged.take_if(|(sent, _)| sent == payload).map(|(_, at)| at)
        };
        let Some((at, &payload)) = at.zip(payload.first_chunk()) else { return self.idle_frame(now) };
        let round_trip = now.saturating_duration_since(at);
        self.round_trip = Some(self.round_trip.map_or(round_trip, |shortest| shortest.min(round_trip)));
        self.events.push_back(Event::Pong { payload });
        Ok(())
    }

    fn go_away_heard(&mut self, now: Instant, payload: &[u8]) -> Result<(), ConnectionError> {
        if self.heard_goaway.is_some() {
            self.idle_frame(now)?;
        }
        let (Some(last), Some(code)) = (number(payload), payload.get(4..).and_then(number)) else {
            return Err(ConnectionError::size("a GOAWAY of less than 8 bytes"));
        };
        let last = last & MAX_STREAM_ID;
        if self.heard_goaway.is_some_and(|before| last > before) {
            return Err(ConnectionError::protocol("a GOAWAY that takes back an earlier one"));
        }
        self.heard_goaway = Some(last);
        self.events.push_back(Event::GoAway { last, code: Code(code) });
        let mut refused: Vec<_> = self.ids.keys().copied().filter(|&id| self.is_ours(id) && id > last).collect();
        refused.sort_unstable();
        for stream in refused {
            let Some(stream) = self.find(stream) else { continue };
            self.remove(stream);
            let code = Code::REFUSED_STREAM;
            self.events.push_back(Event::Reset { stream, code, cause: Cause::NotProcessed });
        }
        Ok(())
    }

    fn window_update(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        let increment = number(payload).unwrap_or_default() & MAX_WINDOW;
        if increment < SMALL {
            self.idle_update(now)?;
        }
        if head.stream == 0 {
            if increment == 0 {
                return Err(ConnectionError::protocol("WINDOW_UPDATE by 0"));
            }
            self.send_window += i64::from(increment);
            if self.send_window > MAX_WINDOW.into() {
                return Err(ConnectionError::flow("WINDOW_UPDATE raises the connection's window above 2^31-1"));
            }
            if self.starved && self.send_window > 0 {
                self.starved = false;
                self.events.push_back(Event::Window { stream: None });
            }
            return Ok(());
        }
        if self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("WINDOW_UPDATE on an idle stream"));
        }
        let Some(stream) = self.find(head.stream) else {
            if increment == 0 {
                // Never allowed, so not for being late; and there is no stream to reset.
                return Err(ConnectionError::protocol("WINDOW_UPDATE by 0"));
            }
            // It may have been on its way when the stream ended.
            return if increment < SMALL { Ok(()) } else { self.idle_update(now) };
        };
        let Some(entry) = self.get_mut(stream) else { return Ok(()) };
        if increment == 0 {
            return self.provoked(now, stream, Code::PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
        }
        entry.send_window += i64::from(increment);
        if entry.send_window > MAX_WINDOW.into() {
            return self.provoked(now, stream, Code::FLOW_CONTROL_ERROR, "WINDOW_UPDATE raises a window above 2^31-1");
        }
        if entry.blocked && entry.send_window > 0 {
            entry.blocked = false;
            self.events.push_back(Event::Window { stream: Some(stream) });
        }
        Ok(())
    }

    /// A window update of little use: free as far as DATA that we sent has earned it.
    fn idle_update(&mut self, now: Instant) -> Result<(), ConnectionError> {
        match self.updates.checked_sub(1) {
            Some(left) => {
                self.updates = left;
                Ok(())
            }
            None => self.idle_frame(now),
        }
    }
}

/// The stream that a priority names.
pub(super) fn depends_on(payload: &[u8]) -> Option<u32> {
    number(payload).map(|stream| stream & MAX_STREAM_ID)
}
