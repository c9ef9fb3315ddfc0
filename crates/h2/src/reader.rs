//! Cuts what was received into frames.

use std::mem;

use crate::{
    error::ConnectionError,
    frame::{HEAD, Head, PREFACE},
};

/// Where in the stream of frames we are. Payload of DATA is passed on as it comes, that of other frames is collected,
/// in place if it is there as a whole.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// The payload being collected.
    collected: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Bytes of the client's preface that were seen.
    Preface(usize),
    Head([u8; HEAD], usize),
    /// A head was given out and [`Reader::follow`] is due.
    Decide,
    Collect(Head),
    Data {
        left: u32,
        padding: Padding,
    },
    Skip(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Unread,
    Known(u32),
}

/// What becomes of a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Collected and given out as a whole.
    Collect,
    /// Given out as it comes; the padding is told apart.
    Data {
        /// Whether the frame has a padding.
        padded: bool,
    },
    /// Left out.
    Skip,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step<'i> {
    /// A frame begins; [`Reader::follow`] must be called.
    Head(Head),
    /// A frame and its whole payload; [`Reader::give_back`] takes the payload.
    Frame(Head, Payload<'i>),
    /// The padding that this DATA frame has, with the byte that says its length.
    Padding(u32),
    /// A piece of DATA.
    Data {
        /// May be empty if it is the last.
        bytes: &'i [u8],
        /// Whether the frame has no more.
        last: bool,
    },
}

/// A frame's payload.
#[derive(Debug)]
pub(crate) enum Payload<'i> {
    /// It was there as a whole.
    Whole(&'i [u8]),
    /// It came in pieces.
    Collected(Vec<u8>),
}

impl Reader {
    /// Of a server, which hears the preface first, or of a client.
    pub(crate) fn new(expects_preface: bool) -> Self {
        let state = if expects_preface { State::Preface(0) } else { State::Head([0; HEAD], 0) };
        Self { state, collected: Vec::new() }
    }

    /// Whether the next byte begins a frame.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.state, State::Head(_, 0))
    }

    /// The next step, or none until there is more input.
    #[inline]
    pub(crate) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Step<'i>>, ConnectionError> {
        loop {
            match &mut self.state {
                State::Preface(seen) => {
                    let n = input.len().min(PREFACE.len() - *seen);
                    if input[..n] != PREFACE[*seen..*seen + n] {
                        return Err(ConnectionError::protocol("no HTTP/2 preface"));
                    }
                    *input = &input[n..];
                    *seen += n;
                    if *seen < PREFACE.len() {
                        return Ok(None);
                    }
                    self.state = State::Head([0; HEAD], 0);
                }
                State::Head(bytes, seen) => {
                    let n = input.len().min(HEAD - *seen);
                    bytes[*seen..*seen + n].copy_from_slice(&input[..n]);
                    *input = &input[n..];
                    *seen += n;
                    if *seen < HEAD {
                        return Ok(None);
                    }
                    let head = Head::parse(*bytes);
                    self.state = State::Decide;
                    return Ok(Some(Step::Head(head)));
                }
                // Callers decide at once.
                State::Decide => return Ok(None),
                State::Collect(head) => {
                    let head = *head;
                    let length = head.length as usize;
                    if self.collected.is_empty() && input.len() >= length {
                        let whole = take(input, length);
                        self.state = State::Head([0; HEAD], 0);
                        return Ok(Some(Step::Frame(head, Payload::Whole(whole))));
                    }
                    let piece = take(input, length - self.collected.len());
                    self.collected.extend_from_slice(piece);
                    if self.collected.len() < length {
                        return Ok(None);
                    }
                    self.state = State::Head([0; HEAD], 0);
                    return Ok(Some(Step::Frame(head, Payload::Collected(mem::take(&mut self.collected)))));
                }
                State::Data { left, padding: padding @ Padding::Unread } => {
                    if *left == 0 {
                        return Err(ConnectionError::size("a padded frame without the length of its padding"));
                    }
                    let Some((&length, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    *left -= 1;
                    let length = u32::from(length);
                    if length > *left {
                        return Err(ConnectionError::protocol("a padding longer than its frame"));
                    }
                    *padding = Padding::Known(length);
                    return Ok(Some(Step::Padding(length + 1)));
                }
                State::Data { left, padding: Padding::Known(padding) } => {
                    let wanted = *left - *padding;
                    let bytes = take(input, wanted as usize);
                    if bytes.is_empty() && wanted > 0 {
                        return Ok(None);
                    }
                    // At most `wanted`.
                    *left -= u32::try_from(bytes.len()).unwrap_or(wanted);
                    let last = *left == *padding;
                    if last {
                        self.state = State::Skip(*padding);
                    }
                    return Ok(Some(Step::Data { bytes, last }));
                }
                State::Skip(left) => {
                    let skipped = take(input, *left as usize);
                    *left -= u32::try_from(skipped.len()).unwrap_or(*left);
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.state = State::Head([0; HEAD], 0);
                }
            }
        }
    }

    /// Whether a part of the preface or of a frame was taken, and the rest is still to come.
    pub(crate) fn is_within(&self) -> bool {
        match self.state {
            State::Preface(seen) | State::Head(_, seen) => seen > 0,
            State::Decide | State::Collect(_) | State::Data { .. } => true,
            State::Skip(left) => left > 0,
        }
    }

    /// Says what becomes of the payload of the frame that [`Step::Head`] told of.
    pub(crate) fn follow(&mut self, head: Head, follow: Follow) {
        self.state = match follow {
            Follow::Collect => State::Collect(head),
            Follow::Data { padded } => {
                State::Data { left: head.length, padding: if padded { Padding::Unread } else { Padding::Known(0) } }
            }
            Follow::Skip => State::Skip(head.length),
        };
    }

    /// Takes storage back for the next frame that comes in pieces, unless it is large.
    pub(crate) fn give_back(&mut self, payload: Payload<'_>) {
        if let Payload::Collected(mut storage) = payload
            && storage.capacity() <= 16 * 1024
        {
            storage.clear();
            self.collected = storage;
        }
    }
}

impl Payload<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Collected(bytes) => bytes,
        }
    }
}

fn take<'i>(input: &mut &'i [u8], most: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at(input.len().min(most));
    *input = rest;
    taken
}
