//! A connection: all its streams, windows and limits.

mod config;
mod ending;
mod frames;
mod headers;
mod receive;
mod send;
mod windows;

pub use self::{
    config::{Config, Limits, Refusals},
    send::{End, Request},
};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use slab::Slab;

use crate::{
    Code, ConnectionError, Fields, ResponseHead, StreamRef,
    budget::Budget,
    frame::{DEFAULT_MAX_FRAME, DEFAULT_WINDOW, MAX_MAX_FRAME, MAX_WINDOW, PREFACE, flag, kind},
    hpack::{Decoder, Encoder},
    message::RequestIndex,
    output::Output,
    reader::Reader,
    settings::{DEFAULT_TABLE, Settings},
    stream::{ReceiveWindow, Stream},
};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens streams.
    Client,
    /// Answers.
    Server,
}

/// What [`Connection::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// A request, or the final response: its fields are [`Connection::fields`] until the next call.
    Headers {
        /// The stream; new if this is a request.
        stream: StreamRef,
        /// Whether nothing follows.
        end: bool,
    },
    /// A response before the final one (1xx): its fields are [`Connection::fields`].
    Informational {
        /// The stream.
        stream: StreamRef,
    },
    /// A piece of content. Each byte has to be given to [`Connection::consume`] once, in whatever portions.
    Data {
        /// The stream.
        stream: StreamRef,
        /// May be empty if it is the end.
        bytes: &'i [u8],
        /// Whether nothing follows.
        end: bool,
    },
    /// Fields after the content, which end the stream: [`Connection::fields`].
    Trailers {
        /// The stream.
        stream: StreamRef,
    },
    /// The stream is gone.
    Reset {
        /// The stream.
        stream: StreamRef,
        /// Why.
        code: Code,
        /// Who ended it.
        cause: Cause,
    },
    /// A request was refused, of which its owner would hear nothing else, at a server: the peer has opened too many
    /// streams, or it was too large, or malformed. What there is of its fields is in [`Connection::fields`], unchecked.
    Refused {
        /// The stream's id.
        id: u32,
        /// What was wrong. Also what RST_STREAM said, unless it was answered.
        code: Code,
        /// The same in words.
        reason: &'static str,
        /// How it was answered, if it was ([`Refusals::Answer`]).
        status: Option<u16>,
    },
    /// There is window again: of a stream that had found none, or of any.
    Window {
        /// None if all streams that wait should look.
        stream: Option<StreamRef>,
    },
    /// The peer's settings arrived, or changed.
    Settings,
    /// Our PING came back.
    Pong {
        /// What it carried.
        payload: [u8; 8],
    },
    /// The peer takes no new streams. Those of ours that it does not look at are reset with REFUSED_STREAM right after.
    GoAway {
        /// The last stream it looks at.
        last: u32,
        /// Why.
        code: Code,
    },
}

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer, by RST_STREAM.
    Peer,
    /// The peer, by GOAWAY: it has not looked at the stream.
    NotProcessed,
    /// We, because the peer broke a rule.
    Fault(&'static str),
}

/// One end of an HTTP/2 connection. See the crate's documentation.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Connection {
    role: Role,
    config: Config,
    reader: Reader,
    output: Output,
    streams: Slab<Stream>,
    ids: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    /// Found and not yet given out.
    events: VecDeque<Event<'static>>,
    /// Fields of the message given out last, and what its head is.
    fields: Fields,
    head: Head,
    decoder: Decoder,
    encoder: Encoder,
    /// Storage for header blocks to send.
    block_out: Vec<u8>,
    /// The header block being received.
    block: Block,
    /// The DATA frame being received.
    data: DataFrame,
    /// Our settings as the peer has acknowledged them, and what it has not yet.
    local: Settings,
    unacknowledged: VecDeque<Settings>,
    remote: Settings,
    send_window: i64,
    /// Whether a stream with a window of its own found none of the connection.
    starved: bool,
    receive: ReceiveWindow,
    /// What the windows of all open streams have grown by together.
    grown: u32,
    /// Stream ids: the next of ours, and the highest of the peer's.
    next_id: u32,
    highest: u32,
    /// Ids that the peer left out last.
    skipped: Option<RangeInclusive<u32>>,
    /// The last GOAWAY each way: the last stream that counts.
    said_goaway: Option<u32>,
    heard_goaway: Option<u32>,
    /// When the PING of [`Self::drain`] went out; none once it came back.
    draining: Option<Instant>,
    /// Streams that we reset not long ago, and the highest id of those forgotten.
    reset: VecDeque<u32>,
    forgotten: u32,
    budgets: Budgets,
    /// Streams that may still be refused at no charge, before the peer knows how many there may be.
    unsettled_refusals: u32,
    /// Window updates of little use that were earned by what we sent.
    updates: u32,
    /// When the first SETTINGS went out, and the shortest round trip seen.
    begun: Instant,
    round_trip: Option<Duration>,
    pinged: Option<([u8; 8], Instant)>,
    settled: bool,
    /// The peer says nothing more.
    input_ended: bool,
    /// A stream found no room in the output.
    cramped: bool,
    failed: Option<ConnectionError>,
}

#[derive(Debug)]
struct Budgets {
    early_resets: Budget,
    provoked_resets: Budget,
    settings: Budget,
    pings: Budget,
    idle_frames: Budget,
}

/// A header block that comes in several frames.
#[derive(Debug, Default)]
struct Block {
    /// The stream whose CONTINUATION has to come next.
    stream: Option<u32>,
    bytes: Vec<u8>,
    end: bool,
    continuations: u32,
}

/// What [`Connection::fields`] begin with.
#[derive(Clone, Copy, Debug)]
enum Head {
    /// Trailers, or fields that make no message.
    None,
    Request(RequestIndex),
    Response(ResponseHead),
}

/// The DATA frame whose payload is coming.
#[derive(Clone, Copy, Debug, Default)]
struct DataFrame {
    /// None if it is for nobody.
    stream: Option<StreamRef>,
    end: bool,
    /// Bytes of payload, padding included.
    length: u32,
}

/// Stream ids are small numbers in order: they need no more than to be spread.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

/// Streams that we reset and whose late frames are still expected.
const REMEMBERED: usize = 1024;
/// Storage of header blocks and fields beyond this, in bytes, is not kept for the next.
const LARGE: usize = 16 * 1024;
/// The PING that tells whether the peer has heard that we go.
const DRAIN_PING: [u8; 8] = *b"draining";

// === impl Connection ===

impl Connection {
    /// A connection that is to begin: what goes first (preface, SETTINGS, WINDOW_UPDATE) waits in [`Self::output`].
    pub fn new(role: Role, mut config: Config, now: Instant) -> Self {
        config.window = config.window.clamp(1, MAX_WINDOW);
        config.max_window = config.max_window.clamp(config.window, MAX_WINDOW);
        config.connection_window = config.connection_window.clamp(DEFAULT_WINDOW, MAX_WINDOW);
        config.max_frame = config.max_frame.clamp(DEFAULT_MAX_FRAME, MAX_MAX_FRAME);
        let budgets = Budgets {
            early_resets: Budget::new(config.limits.early_resets),
            provoked_resets: Budget::new(config.limits.provoked_resets),
            settings: Budget::new(config.limits.settings),
            pings: Budget::new(config.limits.pings),
            idle_frames: Budget::new(config.limits.idle_frames),
        };
        let mut connection = Self {
            role,
            reader: Reader::new(role == Role::Server),
            output: Output::default(),
            streams: Slab::new(),
            ids: HashMap::default(),
            events: VecDeque::new(),
            fields: Fields::new(),
            head: Head::None,
            decoder: Decoder::new(DEFAULT_TABLE),
            encoder: Encoder::new(),
            block_out: Vec::new(),
            block: Block::default(),
            data: DataFrame::default(),
            local: Settings::default(),
            unacknowledged: VecDeque::new(),
            // A server never switches push on.
            remote: Settings { push: role == Role::Server, ..Settings::default() },
            send_window: DEFAULT_WINDOW.into(),
            starved: false,
            receive: ReceiveWindow::new(config.connection_window, now),
            grown: 0,
            next_id: 1,
            highest: 0,
            skipped: None,
            said_goaway: None,
            heard_goaway: None,
            draining: None,
            reset: VecDeque::new(),
            forgotten: 0,
            budgets,
            unsettled_refusals: config.limits.unsettled_refusals,
            updates: 0,
            begun: now,
            round_trip: None,
            pinged: None,
            settled: false,
            input_ended: false,
            cramped: false,
            failed: None,
            config,
        };
        connection.begin();
        connection
    }

    fn begin(&mut self) {
        let config = &self.config;
        let settings = Settings {
            header_table: config.header_table,
            push: self.role == Role::Server,
            max_streams: (self.role == Role::Server).then_some(config.max_streams),
            initial_window: config.window,
            max_frame: config.max_frame,
            max_header_list: Some(config.max_header_list),
            connect_protocol: self.role == Role::Server && config.connect_protocol,
        };
        if self.role == Role::Client {
            self.output.put(PREFACE);
        }
        self.output.frame(kind::SETTINGS, 0, 0, &settings.encode());
        self.unacknowledged.push_back(settings);
        let more = self.config.connection_window - DEFAULT_WINDOW;
        if more > 0 {
            self.output.frame(kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
    }

    /// The fields of the message that the last event was about.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What has to be sent, in order. [`Self::sent`] takes off what was.
    pub fn output(&self) -> &[u8] {
        self.output.filled()
    }

    /// `n` bytes of the output are on their way.
    pub fn sent(&mut self, n: usize) {
        self.output.consume(n);
    }

    /// How much more payload may wait to be sent, in bytes.
    pub fn room(&self) -> usize {
        self.config.output.saturating_sub(self.output.len())
    }

    /// Whether there are `least` bytes of room again, and some stream found none since this was last so. To be asked
    /// after [`Self::sent`]; no event tells.
    pub fn take_room(&mut self, least: usize) -> bool {
        self.cramped && self.room() >= least.max(1) && std::mem::take(&mut self.cramped)
    }

    /// Lends storage for output, initialised as far as it is long; used if it is larger than what is there.
    pub fn supply(&mut self, storage: Vec<u8>) {
        self.output.supply(storage);
    }

    /// Bytes of storage that the output has.
    pub fn storage(&self) -> usize {
        self.output.storage()
    }

    /// Takes the storage of the output back while there is no output.
    pub fn recycle(&mut self) -> Option<Vec<u8>> {
        self.output.recycle()
    }

    /// Streams that are open.
    pub fn active(&self) -> usize {
        self.streams.len()
    }

    /// Streams that may be open at once: what we allow and, of a client, what the server does.
    pub fn limit(&self) -> usize {
        let ours = self.config.max_streams as usize;
        match (self.role, self.remote.max_streams) {
            (Role::Client, Some(theirs)) => ours.min(theirs as usize),
            _ => ours,
        }
    }

    /// The largest header list that the peer accepts, in bytes as [`Fields::list_size`] counts, if it said.
    pub fn peer_max_header_list(&self) -> Option<u32> {
        self.remote.max_header_list
    }

    /// Whether the peer's settings are known.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether extended CONNECT (RFC 8441) can be used.
    pub fn has_connect_protocol(&self) -> bool {
        match self.role {
            Role::Client => self.remote.connect_protocol,
            Role::Server => self.config.connect_protocol,
        }
    }

    /// The shortest round trip seen.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Asks the peer for a sign of life: [`Event::Pong`] answers. One at a time: a second one replaces the first.
    pub fn ping(&mut self, payload: [u8; 8], now: Instant) {
        self.pinged = Some((payload, now));
        self.output.frame(kind::PING, 0, 0, &payload);
    }

    /// Whether `stream` is open.
    pub fn contains(&self, stream: StreamRef) -> bool {
        self.get(stream).is_some()
    }

    fn get(&self, stream: StreamRef) -> Option<&Stream> {
        self.streams.get(stream.index()).filter(|it| it.id == stream.id)
    }

    fn get_mut(&mut self, stream: StreamRef) -> Option<&mut Stream> {
        self.streams.get_mut(stream.index()).filter(|it| it.id == stream.id)
    }

    fn find(&self, id: u32) -> Option<StreamRef> {
        self.ids.get(&id).map(|&index| StreamRef { index, id })
    }

    fn insert(&mut self, stream: Stream) -> StreamRef {
        let id = stream.id;
        // Bounded by `max_streams`.
        let index = u32::try_from(self.streams.insert(stream)).unwrap_or(u32::MAX);
        self.ids.insert(id, index);
        StreamRef { index, id }
    }

    fn remove(&mut self, stream: StreamRef) {
        if self.get(stream).is_some() {
            let gone = self.streams.remove(stream.index());
            self.ids.remove(&stream.id);
            self.grown -= gone.receive.grown;
        }
    }

    /// Resets a stream, open or not, and remembers that frames may still come for it.
    fn write_reset(&mut self, id: u32, code: Code) {
        self.output.answer(kind::RST_STREAM, 0, id, &code.0.to_be_bytes());
        if self.reset.len() == REMEMBERED {
            self.forgotten = self.reset.pop_front().unwrap_or_default().max(self.forgotten);
        }
        self.reset.push_back(id);
    }

    fn write_ack(&mut self, kind: u8, payload: &[u8]) -> Result<(), ConnectionError> {
        self.output.answer(kind, flag::ACK, 0, payload);
        self.check_unread()
    }

    /// Whatever the peer makes us say, it has to read.
    fn check_unread(&self) -> Result<(), ConnectionError> {
        if self.output.answers() > self.config.limits.unread_output {
            return Err(ConnectionError::calm("the peer reads no answers"));
        }
        Ok(())
    }

    /// Whether so much waits to be sent that nothing new should be begun.
    fn is_clogged(&self) -> bool {
        self.output.len() > self.config.output + self.config.limits.unread_output
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("streams", &self.streams.len())
            .field("output", &self.output.len())
            .field("remote", &self.remote)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0.rotate_left(8) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests;
