//! What goes out.

use std::time::Instant;

use super::{
    Connection, LARGE, Role,
    frames::{MOST_UPDATES, UPDATES},
};
use crate::{
    Code, Field, OpenError, SendError, StreamRef,
    fields::list_size,
    frame::{MAX_STREAM_ID, flag, kind},
    hpack::PreEncoded,
    stream::{ReceiveWindow, Receiving, Stream},
};

impl Connection {
    /// Sends a request's head: `first`, made before, then `fields`; pseudo-header fields must lead. `end` if it has no
    /// content. The fields are taken as they are, but for the peer's limit on their size: a
    /// [`RequestWriter`](crate::RequestWriter) makes them of what came from elsewhere.
    pub fn open<'f>(
        &mut self,
        request: Request,
        first: Option<&PreEncoded>,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
        end: End,
        now: Instant,
    ) -> Result<StreamRef, OpenError> {
        self.may_open()?;
        let fields = fields.into_iter();
        if self.is_too_large(first, fields.clone()) {
            return Err(OpenError::TooLarge);
        }
        let id = self.next_id;
        self.next_id += 2;
        let block = self.encode(first, fields);
        self.write_block(id, &block, end);
        self.keep_block(block);
        let window = self.config.window.max(self.local.initial_window);
        Ok(self.insert(Stream {
            id,
            head_end: self.output.put_in(),
            send_window: self.remote.initial_window.into(),
            receive: ReceiveWindow::new(window, now),
            receiving: Receiving::Head,
            sending: end == End::Open,
            answered: false,
            informational: 0,
            promised: None,
            tunnel: request == Request::Tunnel,
            head: request == Request::Head,
            blocked: false,
        }))
    }

    /// Whether [`Self::open`] would open a stream now.
    pub fn may_open(&self) -> Result<(), OpenError> {
        if self.role == Role::Server || !self.is_open() {
            return Err(OpenError::Closing);
        }
        if self.next_id > MAX_STREAM_ID {
            return Err(OpenError::Exhausted);
        }
        if self.streams.len() >= self.limit() {
            return Err(OpenError::Full);
        }
        if self.is_clogged() {
            return Err(OpenError::Blocked);
        }
        Ok(())
    }

    /// Sends the final response's head. The fields are taken as they are, but for the peer's limit on their size: a
    /// [`ResponseWriter`](crate::ResponseWriter) makes them of what came from elsewhere.
    pub fn respond<'f>(
        &mut self,
        stream: StreamRef,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
        end: End,
    ) -> Result<(), SendError> {
        self.get(stream).filter(|entry| entry.sending && !entry.answered).ok_or(SendError::Closed)?;
        self.write_fields(stream, fields, end)?;
        if let Some(entry) = self.get_mut(stream) {
            entry.answered = true;
        }
        Ok(())
    }

    /// Sends a response before the final one (1xx).
    pub fn inform<'f>(
        &mut self,
        stream: StreamRef,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
    ) -> Result<(), SendError> {
        self.get(stream).filter(|entry| entry.sending && !entry.answered).ok_or(SendError::Closed)?;
        self.write_fields(stream, fields, End::Open)
    }

    /// Sends trailers, which end the stream. [`write_trailers`](crate::write_trailers) makes them of what came from
    /// elsewhere.
    pub fn send_trailers<'f>(
        &mut self,
        stream: StreamRef,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
    ) -> Result<(), SendError> {
        self.get(stream).filter(|entry| entry.sending).ok_or(SendError::Closed)?;
        self.write_fields(stream, fields, End::Stream)
    }

    /// How much content can be sent now, in bytes: by both windows and [`Self::room`]. If it is the windows that allow
    /// none, [`crate::Event::Window`] tells when there is some, if it is room, [`Self::take_room`]. None of a stream that is
    /// gone.
    pub fn capacity(&mut self, stream: StreamRef) -> usize {
        let room = self.room();
        let connection = self.send_window;
        let Some(entry) = self.get_mut(stream).filter(|entry| entry.sending) else { return 0 };
        let own = entry.send_window;
        if own <= 0 {
            entry.blocked = true;
        } else if connection <= 0 {
            self.starved = true;
        }
        self.cramped |= room == 0;
        usize::try_from(own.min(connection).max(0)).unwrap_or(0).min(room)
    }

    /// Space for the next content, at most one frame's; [`Self::send_filled`] sends what was put there. None if nothing
    /// can be sent now ([`Self::capacity`]).
    pub fn data_space(&mut self, stream: StreamRef) -> Option<&mut [u8]> {
        let most = self.capacity(stream).min(self.remote.max_frame as usize);
        (most > 0).then(|| self.output.payload_space(most))
    }

    /// Sends the first `n` bytes of what [`Self::data_space`] gave last, which must have been for this stream; nothing if
    /// there are none and it is not the end.
    pub fn send_filled(&mut self, stream: StreamRef, n: usize, end: End) {
        if n == 0 && end == End::Open {
            return;
        }
        let flags = if end == End::Stream { flag::END_STREAM } else { 0 };
        if self.take_window(stream, n) {
            self.output.frame_in_place(kind::DATA, flags, stream.id, n);
            self.budgets.pings.earn();
            self.ended(stream, end);
        }
    }

    /// Sends as much of `content` as [`Self::capacity`] allows, and gives how much that is; END_STREAM, if asked for, goes
    /// with the last of it. Nothing of a stream that is gone.
    pub fn send_data(&mut self, stream: StreamRef, content: &[u8], end: End) -> usize {
        let mut rest = content;
        while !rest.is_empty() {
            let Some(space) = self.data_space(stream) else { break };
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            let end = if rest.is_empty() { end } else { End::Open };
            self.send_filled(stream, n, end);
        }
        if content.is_empty() && end == End::Stream {
            // A stream that is gone takes nothing.
            let _ = self.finish(stream);
        }
        content.len() - rest.len()
    }

    /// Sends END_STREAM alone.
    pub fn finish(&mut self, stream: StreamRef) -> Result<(), SendError> {
        self.get(stream).filter(|entry| entry.sending).ok_or(SendError::Closed)?;
        self.output.frame(kind::DATA, flag::END_STREAM, stream.id, &[]);
        self.budgets.pings.earn();
        self.ended(stream, End::Stream);
        Ok(())
    }

    /// Ends a stream at once, both ways. Nothing happens if it is gone.
    pub fn reset(&mut self, stream: StreamRef, code: Code) {
        if self.get(stream).is_some() {
            self.remove(stream);
            self.write_reset(stream.id, code);
        }
    }

    fn write_fields<'f>(
        &mut self,
        stream: StreamRef,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
        end: End,
    ) -> Result<(), SendError> {
        let fields = fields.into_iter();
        if self.is_too_large(None, fields.clone()) {
            return Err(SendError::TooLarge);
        }
        let block = self.encode(None, fields);
        self.write_block(stream.id, &block, end);
        self.keep_block(block);
        self.ended(stream, end);
        Ok(())
    }

    /// Whether the peer has said that it takes no list so large.
    fn is_too_large<'f>(&self, first: Option<&PreEncoded>, fields: impl Iterator<Item = Field<'f>>) -> bool {
        self.remote.max_header_list.is_some_and(|most| {
            let size = first.map_or(0, PreEncoded::list_size) + list_size(fields);
            size > most as usize
        })
    }

    /// Keeps the storage of a header block for the next one, unless it is large.
    pub(super) fn keep_block(&mut self, block: Vec<u8>) {
        if block.capacity() <= LARGE {
            self.block_out = block;
        }
    }

    /// A header block, in storage that [`Self::keep_block`] takes back.
    pub(super) fn encode<'f>(
        &mut self,
        first: Option<&PreEncoded>,
        fields: impl IntoIterator<Item = Field<'f>>,
    ) -> Vec<u8> {
        let mut block = std::mem::take(&mut self.block_out);
        block.clear();
        self.encoder.begin(&mut block);
        if let Some(first) = first {
            block.extend_from_slice(first.as_bytes());
        }
        self.encoder.encode(fields, &mut block);
        block
    }

    fn write_block(&mut self, id: u32, block: &[u8], end: End) {
        let most = self.remote.max_frame as usize;
        let ending = if end == End::Stream { flag::END_STREAM } else { 0 };
        let (first, mut rest) = block.split_at(block.len().min(most));
        let last = |rest: &[u8]| if rest.is_empty() { flag::END_HEADERS } else { 0 };
        self.output.frame(kind::HEADERS, ending | last(rest), id, first);
        self.budgets.pings.earn();
        while !rest.is_empty() {
            let (next, after) = rest.split_at(rest.len().min(most));
            rest = after;
            self.output.frame(kind::CONTINUATION, last(rest), id, next);
        }
    }

    fn take_window(&mut self, stream: StreamRef, n: usize) -> bool {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let Some(entry) = self.get_mut(stream).filter(|entry| entry.sending) else { return false };
        entry.send_window -= n;
        let left = entry.send_window;
        self.send_window -= n;
        if n > 0 && left.min(self.send_window) > 0 {
            self.updates = (self.updates + UPDATES).min(MOST_UPDATES);
        }
        true
    }

    fn ended(&mut self, stream: StreamRef, end: End) {
        if end == End::Open {
            return;
        }
        let Some(entry) = self.get_mut(stream) else { return };
        entry.sending = false;
        if entry.receiving == Receiving::Ended {
            self.remove(stream);
        }
    }
}

/// Whether more of a message follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Yes.
    Open,
    /// No: END_STREAM.
    Stream,
}

/// What has to be known of a request to read its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// None of the others. So is an extended CONNECT (RFC 8441).
    Ordinary,
    /// HEAD: the response has no content.
    Head,
    /// CONNECT: behind a successful response there is nothing but DATA.
    Tunnel,
}
