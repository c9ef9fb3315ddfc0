//! Windows of what we receive: given back as it is used, and grown where the path needs it.

use std::time::{Duration, Instant};

use super::Connection;
use crate::{
    StreamRef,
    frame::{DEFAULT_MAX_FRAME, kind},
    stream::Receiving,
};

/// A window that is used up faster than this is held for too small, however short the round trip.
const FAST: Duration = Duration::from_millis(1);
/// What the connection's window may lag behind for portions at most: each costs a frame, and where nothing else is to be
/// said, a packet.
const PORTION: u32 = 1024 * 1024;

impl Connection {
    /// `n` bytes of content of `stream` were used, or thrown away: the peer may send as many more. The stream may be
    /// gone.
    pub fn consume(&mut self, stream: StreamRef, n: usize, now: Instant) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.give_connection_window(n, now);
        let room = self.room_to_grow();
        let most = self.config.max_window;
        let round_trip = self.round_trip;
        let Some(entry) = self.get_mut(stream) else { return };
        let portion = entry.receive.target / 2;
        if entry.receive.consume(n, portion).is_none() || entry.receiving != Receiving::Body {
            return;
        }
        // A stream that used half a window within about two round trips waits for us more than we for it.
        let hurried = entry.receive.lasted(now) < round_trip.map_or(FAST, |it| (it * 2).max(FAST));
        let target = entry.receive.target;
        let grown = if hurried { target.min(most.saturating_sub(target)).min(room) } else { 0 };
        entry.receive.grow(grown);
        let increment = entry.receive.give(grown, now);
        self.grown += grown;
        self.output.answer(kind::WINDOW_UPDATE, 0, stream.id, &increment.to_be_bytes());
    }

    /// The peer has acknowledged what we say of the windows of streams: from here on it obeys.
    pub(super) fn windows_acknowledged(&mut self, before: u32, after: u32, now: Instant) {
        let (before, after) = (before.max(self.config.window), after);
        if before == after {
            return;
        }
        for (_, stream) in &mut self.streams {
            stream.receive.set_initial(before, after);
            // What was too little to be given back may be half a window now.
            let portion = stream.receive.target / 2;
            if stream.receive.consume(0, portion).is_some() && stream.receiving == Receiving::Body {
                let increment = stream.receive.give(0, now);
                self.output.answer(kind::WINDOW_UPDATE, 0, stream.id, &increment.to_be_bytes());
            }
        }
    }

    /// The connection's share of what was used, or was for nobody.
    pub(super) fn give_connection_window(&mut self, n: u32, now: Instant) {
        if self.receive.consume(n, self.portion()).is_some() {
            let increment = self.receive.give(0, now);
            self.output.answer(kind::WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
        }
    }

    /// How much of the connection's window is given back at once.
    fn portion(&self) -> u32 {
        PORTION.min(self.receive.target / 8).max(DEFAULT_MAX_FRAME).min(self.receive.target / 2)
    }

    /// What windows may still grow by, so that the connection's window is enough for as many streams as there may be
    /// even if nobody reads.
    fn room_to_grow(&self) -> u32 {
        let streams = self.config.max_streams.saturating_mul(self.config.window);
        self.receive.target.saturating_sub(streams).saturating_sub(self.portion()).saturating_sub(self.grown)
    }
}
