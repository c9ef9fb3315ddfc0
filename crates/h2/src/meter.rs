//! Requests counted as their bytes pass.

mod messages;
mod turn;

use std::{collections::HashMap, hash::BuildHasherDefault, time::Instant};

pub use ripstop_kept::{Detail, Keep, KeptFields};
use thiserror::Error;

use self::turn::Turn;
pub use self::turn::{Ended, Record};
use crate::{
    Code, ConnectionError, Extended, Farewell, Fields, ResponseHead, Role,
    connection::IdHasher,
    frame::{HEAD, Head, flag, kind, number},
    hpack::{self, DEFAULT_TABLE_SIZE, Decoded, Decoder},
    message::{Malformed, RequestHead, check_trailers},
    reader::{Follow, Payload, Reader, Step},
};

/// SETTINGS_HEADER_TABLE_SIZE.
const HEADER_TABLE_SIZE: u16 = 1;
/// SETTINGS_ENABLE_CONNECT_PROTOCOL.
const ENABLE_CONNECT_PROTOCOL: u16 = 8;
/// Turns that are over and kept for their storage.
const SPARE: usize = 16;

/// Follows both directions of an HTTP/2 connection that somebody else carries, and tells what was asked and answered.
///
/// It is shown bytes after they were read, from the client's preface on; it never holds, changes or delays them. It
/// copies what comes in pieces of frames other than DATA (up to [`MeterLimits::block`] a direction), and of each open
/// stream its method, path, authority and chosen fields. Both directions' compression is followed, so one thing that it
/// does not understand makes all that comes after it unreadable: then it stops for good and says why.
#[derive(Debug)]
pub struct Meter {
    limits: MeterLimits,
    keep: Keep,
    /// Whether requests that begin now are told in detail.
    detail: Detail,
    client: Half,
    server: Half,
    turns: HashMap<u32, Turn, BuildHasherDefault<IdHasher>>,
    spare: Vec<Turn>,
    /// The highest stream that a client has opened.
    last: u32,
    /// Whether the server has said its settings.
    is_greeted: bool,
    extended: Extended,
    stopped: Option<Stopped>,
}

/// How much a meter holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterLimits {
    /// Streams that are open at a time.
    pub streams: usize,
    /// Bytes of a header block, and of a frame of settings.
    pub block: usize,
    /// Bytes of a list of fields ([`Fields::list_size`]).
    pub list: usize,
    /// Bytes of a compression table, in each direction.
    pub table: u32,
}

/// Why a meter has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Stopped {
    /// Frames that are none, or not where they may be.
    #[error("the connection breaks a rule of HTTP/2: {0}")]
    Odd(&'static str),
    /// A header block that cannot be read.
    #[error(transparent)]
    Compression(#[from] hpack::Error),
    /// A message that RFC 9113 calls malformed.
    #[error("a malformed message: {0}")]
    Malformed(#[from] Malformed),
    /// More than [`MeterLimits`] has room for.
    #[error("there is no room for {0}")]
    Room(&'static str),
    /// A pushed response.
    #[error("the server pushes responses, which are not followed")]
    Pushed,
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
}

#[derive(Debug)]
struct Half {
    reader: Reader,
    decoder: Decode,
    /// What the other side's settings let this one's table grow to; at least the default.
    table: u32,
    fields: Fields,
    /// A header block whose end has not come.
    block: Vec<u8>,
    open: Option<Open>,
    /// The stream of the DATA that comes now, and whether it ends with it.
    data: (u32, bool),
}

/// A header block that goes on.
#[derive(Clone, Copy, Debug)]
struct Open {
    stream: u32,
    end: bool,
    /// Bytes on the wire so far.
    wire: u64,
}

/// [`Decoder`] has nothing to show.
struct Decode(Decoder);

// === impl Meter ===

impl Meter {
    /// For a new connection; `keep` are the fields to be told of each message.
    pub fn new(limits: MeterLimits, keep: Keep) -> Self {
        Self {
            limits,
            keep,
            detail: Detail::Full,
            client: Half::new(true),
            server: Half::new(false),
            turns: HashMap::default(),
            spare: Vec::new(),
            last: 0,
            is_greeted: false,
            extended: Extended::Off,
            stopped: None,
        }
    }

    /// For a new connection of which nobody wants to be told more than where its messages end ([`Meter::is_idle`]).
    pub fn of_boundaries(limits: MeterLimits) -> Self {
        Self { detail: Detail::Counts, ..Self::new(limits, Keep::default()) }
    }

    /// How much is told of requests that begin from now on. Those that are under way stay as they are.
    pub fn tell(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// The next bytes from the client. They must be shown before the response to them is. Requests that the client has
    /// given up go to `record`.
    pub fn client(&mut self, bytes: &[u8], now: Instant, record: impl FnMut(Record<'_>)) {
        self.show(Role::Client, bytes, now, record);
    }

    /// The next bytes from the server; each exchange that they complete goes to `record`.
    pub fn server(&mut self, bytes: &[u8], now: Instant, record: impl FnMut(Record<'_>)) {
        self.show(Role::Server, bytes, now, record);
    }

    /// The connection is over: what is open goes to `record`, in the order of the streams, and nothing comes after.
    pub fn end(&mut self, now: Instant, mut record: impl FnMut(Record<'_>)) {
        if self.stopped.is_none() {
            let mut open: Vec<u32> = self.turns.keys().copied().collect();
            open.sort_unstable();
            for turn in open.iter().filter_map(|id| self.turns.get(id)) {
                record(turn.record(self.keep, Ended::Cut, now));
            }
            self.stop(Stopped::Closed);
        }
    }

    /// Why nothing is counted any more, if so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Whether nothing is on its way: no stream is open, and no frame of either side has begun.
    pub fn is_idle(&self) -> bool {
        let is_between = |half: &Half| half.open.is_none() && half.reader.is_between();
        self.turns.is_empty() && is_between(&self.client) && is_between(&self.server)
    }

    /// Whether every request that has begun is complete: what the client says next belongs to none of them, windows and
    /// the like aside.
    pub fn is_received(&self) -> bool {
        self.client.open.is_none()
            && self.client.reader.is_between()
            && self.turns.values().all(|turn| turn.is_received)
    }

    /// The last stream that the client has opened; 0: none.
    pub fn last_stream(&self) -> u32 {
        self.last
    }

    /// How the connection may end for its client while it is idle.
    pub fn farewell(&self) -> Farewell {
        Farewell { last_stream: self.last, is_greeted: self.is_greeted }
    }

    /// Streams that are open.
    pub fn open(&self) -> usize {
        self.turns.len()
    }

    fn show(&mut self, from: Role, bytes: &[u8], now: Instant, mut record: impl FnMut(Record<'_>)) {
        if self.stopped.is_none()
            && let Err(stopped) = self.frames(from, bytes, now, &mut record)
        {
            self.stop(stopped);
        }
    }

    /// Gives everything back that memory was used for.
    fn stop(&mut self, stopped: Stopped) {
        *self = Self { stopped: Some(stopped), detail: self.detail, ..Self::new(self.limits, self.keep) };
    }

    fn half(&mut self, from: Role) -> &mut Half {
        match from {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn frames(
        &mut self,
        from: Role,
        mut bytes: &[u8],
        now: Instant,
        record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), Stopped> {
        while let Some(step) = self.half(from).reader.next(&mut bytes).map_err(odd)? {
            match step {
                Step::Head(head) => self.head(from, head)?,
                Step::Padding(_) => {}
                Step::Data { bytes, last } => self.data(from, bytes, last, now, record)?,
                Step::Frame(head, payload) => {
                    let read = self.frame(from, head, &payload, now, record);
                    self.half(from).reader.give_back(payload);
                    read?;
                }
            }
        }
        Ok(())
    }

    /// A frame begins.
    fn head(&mut self, from: Role, head: Head) -> Result<(), Stopped> {
        let room = self.limits.block;
        let half = self.half(from);
        if half.open.is_some_and(|open| head.kind != kind::CONTINUATION || head.stream != open.stream) {
            return Err(Stopped::Odd("a frame within a header block"));
        }
        let follow = match head.kind {
            kind::DATA if head.stream == 0 => return Err(Stopped::Odd("DATA of no stream")),
            kind::DATA => {
                half.data = (head.stream, head.has(flag::END_STREAM));
                Follow::Data { padded: head.has(flag::PADDED) }
            }
            kind::PUSH_PROMISE => return Err(Stopped::Pushed),
            kind::HEADERS | kind::CONTINUATION | kind::SETTINGS => {
                if half.block.len() + head.length as usize > room {
                    return Err(Stopped::Room("a header block, or settings, of that size"));
                }
                Follow::Collect
            }
            kind::RST_STREAM if head.length == 4 => Follow::Collect,
            kind::RST_STREAM => return Err(Stopped::Odd("RST_STREAM of a wrong size")),
            _ => Follow::Skip,
        };
        half.reader.follow(head, follow);
        Ok(())
    }

    /// A whole frame that is no DATA.
    fn frame(
        &mut self,
        from: Role,
        head: Head,
        payload: &Payload<'_>,
        now: Instant,
        record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), Stopped> {
        let wire = HEAD as u64 + u64::from(head.length);
        match head.kind {
            kind::HEADERS => {
                if head.stream == 0 {
                    return Err(Stopped::Odd("HEADERS of no stream"));
                }
                let block = block_of(head, payload.bytes())?;
                let open = Open { stream: head.stream, end: head.has(flag::END_STREAM), wire };
                if head.has(flag::END_HEADERS) {
                    return self.message(from, open, Some(block), now, record);
                }
                let half = self.half(from);
                half.block.clear();
                half.block.extend_from_slice(block);
                half.open = Some(open);
            }
            kind::CONTINUATION => {
                let half = self.half(from);
                let open = half.open.as_mut().ok_or(Stopped::Odd("CONTINUATION of nothing"))?;
                open.wire += wire;
                half.block.extend_from_slice(payload.bytes());
                if head.has(flag::END_HEADERS) {
                    let open = *open;
                    half.open = None;
                    return self.message(from, open, None, now, record);
                }
            }
            kind::SETTINGS if !head.has(flag::ACK) => {
                self.is_greeted |= from == Role::Server;
                self.settings(from, payload.bytes())?;
            }
            kind::RST_STREAM => {
                let code = Code(number(payload.bytes()).unwrap_or_default());
                let ended = match from {
                    Role::Client => Ended::ResetByClient(code),
                    Role::Server => Ended::ResetByServer(code),
                };
                self.finish(head.stream, ended, now, record);
            }
            _ => {}
        }
        Ok(())
    }

    /// What one side accepts of the other, from now on.
    fn settings(&mut self, from: Role, payload: &[u8]) -> Result<(), Stopped> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Stopped::Odd("SETTINGS of a wrong size"));
        }
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match (u16::from_be_bytes([*a, *b]), from) {
                (HEADER_TABLE_SIZE, from) => {
                    let limit = value.min(self.limits.table);
                    let other = self.half(match from {
                        Role::Client => Role::Server,
                        Role::Server => Role::Client,
                    });
                    // A smaller one needs nothing here: its user says so before it relies on it.
                    if limit > other.table {
                        other.table = limit;
                        other.decoder.0.set_max_table_size(limit);
                    }
                }
                (ENABLE_CONNECT_PROTOCOL, Role::Server) if value == 1 => self.extended = Extended::On,
                _ => {}
            }
        }
        Ok(())
    }

    /// A header block is whole: `block`, or the one that was collected.
    fn message(
        &mut self,
        from: Role,
        open: Open,
        block: Option<&[u8]>,
        now: Instant,
        record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), Stopped> {
        let MeterLimits { list, .. } = self.limits;
        let half = match from {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        };
        let decoded = half.decoder.0.decode(block.unwrap_or(&half.block), &mut half.fields, list, 2 * list)?;
        half.block.clear();
        if decoded == Decoded::TooLarge {
            return Err(Stopped::Room("a list of fields of that size"));
        }
        match from {
            Role::Client => self.asked(open, now),
            Role::Server => self.answered(open, now, record),
        }
    }

    /// A request's head, or its trailers.
    fn asked(&mut self, open: Open, now: Instant) -> Result<(), Stopped> {
        let fields = &self.client.fields;
        if open.stream <= self.last {
            if let Some(turn) = self.turns.get_mut(&open.stream) {
                trailers(open, fields)?;
                turn.request.wire_head += open.wire;
                turn.is_received = open.end;
            }
            return Ok(());
        }
        if open.stream.is_multiple_of(2) {
            return Err(Stopped::Odd("a client's stream with an even number"));
        }
        let head = RequestHead::of(fields, self.extended)?;
        if self.turns.len() >= self.limits.streams {
            return Err(Stopped::Room("more open streams"));
        }
        self.last = open.stream;
        let mut turn = self.spare.pop().unwrap_or_else(|| Turn::new(now));
        turn.begin(open.stream, fields, now);
        if self.detail == Detail::Full {
            turn.keep(&head, fields, self.keep);
        }
        turn.request.wire_head = open.wire;
        turn.is_received = open.end;
        self.turns.insert(open.stream, turn);
        Ok(())
    }

    /// A response's head, or its trailers.
    fn answered(&mut self, open: Open, now: Instant, record: &mut impl FnMut(Record<'_>)) -> Result<(), Stopped> {
        let fields = &self.server.fields;
        let Some(turn) = self.turns.get_mut(&open.stream) else {
            // One that its client has given up may still be answered.
            return if open.stream <= self.last { Ok(()) } else { Err(Stopped::Odd("a response to nothing")) };
        };
        turn.response.wire_head += open.wire;
        if turn.is_answered() {
            trailers(open, fields)?;
            turn.trailers(fields);
        } else {
            let head = ResponseHead::of(fields)?;
            if head.is_informational() {
                return if open.end { Err(Stopped::Odd("a stream that ends before its response")) } else { Ok(()) };
            }
            turn.answer(head.status, fields, self.keep, now);
        }
        if open.end {
            self.finish(open.stream, Ended::Complete, now, record);
        }
        Ok(())
    }

    /// A piece of content.
    fn data(
        &mut self,
        from: Role,
        bytes: &[u8],
        last: bool,
        now: Instant,
        record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), Stopped> {
        let (stream, end) = self.half(from).data;
        let Some(turn) = self.turns.get_mut(&stream) else { return Ok(()) };
        match from {
            Role::Client => {
                turn.request.content(bytes, turn.grpc);
                turn.is_received = last && end;
            }
            Role::Server if !turn.is_answered() => return Err(Stopped::Odd("content before its response")),
            Role::Server => turn.response.content(bytes, turn.grpc),
        }
        if last && end && from == Role::Server {
            self.finish(stream, Ended::Complete, now, record);
        }
        Ok(())
    }

    fn finish(&mut self, stream: u32, ended: Ended, now: Instant, record: &mut impl FnMut(Record<'_>)) {
        if let Some(turn) = self.turns.remove(&stream) {
            record(turn.record(self.keep, ended, now));
            if self.spare.len() < SPARE && turn.is_small() {
                self.spare.push(turn);
            }
        }
    }
}

/// The header block in a HEADERS frame, without padding and priority (RFC 9113 6.2).
fn block_of(head: Head, payload: &[u8]) -> Result<&[u8], Stopped> {
    const SHORT: Stopped = Stopped::Odd("HEADERS shorter than they say");
    let (mut block, mut padding) = (payload, 0);
    if head.has(flag::PADDED) {
        let (length, rest) = block.split_first().ok_or(SHORT)?;
        (block, padding) = (rest, usize::from(*length));
    }
    if head.has(flag::PRIORITY) {
        block = block.get(5..).ok_or(SHORT)?;
    }
    let length = block.len().checked_sub(padding).ok_or(SHORT)?;
    Ok(&block[..length])
}

/// Trailers are the last of their stream.
fn trailers(open: Open, fields: &Fields) -> Result<(), Stopped> {
    if !open.end {
        return Err(Stopped::Odd("trailers that do not end their stream"));
    }
    Ok(check_trailers(fields)?)
}

fn odd(error: ConnectionError) -> Stopped {
    Stopped::Odd(error.reason)
}

// === impl MeterLimits ===

impl Default for MeterLimits {
    /// 1,024 streams, blocks and lists of 64 KiB, tables of 64 KiB.
    fn default() -> Self {
        Self { streams: 1024, block: 64 * 1024, list: 64 * 1024, table: 64 * 1024 }
    }
}

// === impl Half ===

impl Half {
    fn new(expects_preface: bool) -> Self {
        Self {
            reader: Reader::new(expects_preface),
            decoder: Decode(Decoder::new(DEFAULT_TABLE_SIZE)),
            table: DEFAULT_TABLE_SIZE,
            fields: Fields::new(),
            block: Vec::new(),
            open: None,
            data: (0, false),
        }
    }
}

// === impl Decode ===

impl std::fmt::Debug for Decode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests;
