//! Bodies as they come, piece by piece.

use std::ops::Range;

use crate::{
    chunked::Chunked,
    error::{Reason, Rejected, Side},
    framing::BodyKind,
    limits::Limits,
};

/// Reads one body from slices of any size, and copies nothing.
///
/// What is forwarded untouched is `input[..consumed]` of each call; what the body says is `input[data]`.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    side: Side,
    /// Bytes consumed so far.
    at: u64,
    /// Bytes of data so far.
    data: u64,
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are done with: framing and data.
    pub consumed: usize,
    /// Where in the input the data is; may be empty.
    pub data: Range<usize>,
    /// Where in the input bytes of the trailer section are, from its first byte to the end of its empty line; may be
    /// empty. The pieces together are for [`Trailers`](crate::Trailers).
    pub trailers: Range<usize>,
    /// Whether the body is complete. Bytes after `consumed` belong to something else.
    pub done: bool,
}

#[derive(Clone, Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose { room: u64 },
    Done,
}

impl BodyDecoder {
    /// For the body of a message that goes to `side`.
    pub fn new(kind: BodyKind, side: Side, limits: &Limits) -> Self {
        let state = match kind {
            BodyKind::None | BodyKind::Length(0) => State::Done,
            BodyKind::Length(length) => State::Length(length),
            BodyKind::Chunked => State::Chunked(Chunked::new(limits)),
            BodyKind::UntilClose => State::UntilClose { room: limits.body },
        };
        Self { state, side, at: 0, data: 0 }
    }

    /// Reads on. With input there is progress: something is consumed, or the body is done, or it is wrong. One call
    /// gives one stretch of data at most; call again with the rest while there is some and the body is not done.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, Rejected> {
        let mut decoded = Decoded::default();
        match &mut self.state {
            State::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= take as u64;
                decoded.consumed = take;
                decoded.data = 0..take;
                decoded.done = *left == 0;
            }
            State::Chunked(chunked) => {
                chunked.decode(input, &mut decoded).map_err(|(reason, at)| self.flaw(reason, at))?;
            }
            State::UntilClose { room } => {
                if input.len() as u64 > *room {
                    let at = usize::try_from(*room).unwrap_or(usize::MAX);
                    return Err(self.flaw(Reason::BodyTooLarge, at));
                }
                *room -= input.len() as u64;
                decoded.consumed = input.len();
                decoded.data = 0..input.len();
            }
            State::Done => decoded.done = true,
        }
        self.at += decoded.consumed as u64;
        self.data += decoded.data.len() as u64;
        if decoded.done {
            self.state = State::Done;
        }
        Ok(decoded)
    }

    /// The connection has ended: the end of a body that lasts so long, and the loss of any other.
    pub fn end_of_input(&mut self) -> Result<(), Rejected> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose { .. } => {
                self.state = State::Done;
                Ok(())
            }
            State::Length(_) | State::Chunked(_) => Err(self.flaw(Reason::Truncated, 0)),
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes of data so far.
    pub fn data_bytes(&self) -> u64 {
        self.data
    }

    fn flaw(&self, reason: Reason, at: usize) -> Rejected {
        Rejected { reason, side: self.side, at: self.at + at as u64 }
    }
}

#[cfg(test)]
mod tests;
