//! One stream, from the side of whoever uses it.

use std::{
    collections::VecDeque,
    rc::Rc,
    task::{Context, Poll},
};

use ripstop_h2::{Code, End, Fields, SendError, StreamRef};

use super::{
    core::Shared,
    inbox::{Broken, Head, Inbox, Piece},
    lists::List,
};
use crate::{
    exchange::{Body, MOST, Slices},
    fault::Fault,
};

/// A stream of a connection; resets it when dropped before its end.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) shared: Shared,
    pub(super) at: StreamRef,
    pub(super) inbox: Rc<Inbox>,
    /// What was taken from the inbox and not yet passed on.
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Bytes of content that were passed on.
    passed: u64,
    /// Our side has ended.
    ended: bool,
    /// What dropping it says.
    code: Code,
}

impl Stream {
    pub(super) fn new(shared: Shared, at: StreamRef, inbox: Rc<Inbox>, code: Code) -> Self {
        Self { shared, at, inbox, pieces: VecDeque::new(), bytes: 0, passed: 0, ended: false, code }
    }

    /// The next head.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Fault>> {
        let (head, broken) = self.inbox.with(|state| (state.heads.pop_front(), state.broken));
        match (head, broken) {
            (Some(head), _) => Poll::Ready(Ok(head)),
            (None, Some(broken)) => Poll::Ready(Err(broken.fault())),
            (None, None) => {
                self.inbox.register_reader(cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        if !self.pieces.is_empty() {
            return Poll::Ready(Ok(Body::Data));
        }
        let (bytes, ended, broken) = self.inbox.with(|state| {
            std::mem::swap(&mut state.pieces, &mut self.pieces);
            (std::mem::take(&mut state.bytes), state.ended, state.broken)
        });
        self.bytes = bytes;
        match (bytes, ended, broken) {
            (1.., ..) => Poll::Ready(Ok(Body::Data)),
            // A reset behind the end takes nothing back.
            (0, true, _) => Poll::Ready(Ok(Body::End)),
            (0, false, Some(broken)) => Poll::Ready(Err(broken.fault())),
            (0, false, None) => {
                self.inbox.register_reader(cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn data(&self) -> Slices<'_> {
        let mut slices = Slices::none();
        for piece in self.pieces.iter().take(MOST) {
            slices.push(piece.bytes());
        }
        slices
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.bytes -= n;
        self.passed += n as u64;
        let mut left = n;
        while left > 0 {
            let Some(front) = self.pieces.front_mut() else { break };
            let length = front.bytes().len();
            if left < length {
                front.skip(left);
                break;
            }
            left -= length;
            self.pieces.pop_front();
        }
        self.shared.consume(self.at, n);
    }

    /// What waits will wait longer: it must not keep whole buffers busy.
    pub(super) fn stall(&mut self) {
        self.pieces.iter_mut().for_each(Piece::unpin);
    }

    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        self.shared.poll_send(self.at, &self.inbox, cx, pieces)
    }

    /// Whether the stream still is there. What is said is sent by the driver.
    pub(super) fn poll_flush(&mut self) -> Poll<Result<(), Fault>> {
        match self.broken() {
            Some(Broken::Reset(Code::NO_ERROR)) | None => Poll::Ready(Ok(())),
            Some(_) if self.ended => Poll::Ready(Ok(())),
            Some(broken) => Poll::Ready(Err(broken.fault())),
        }
    }

    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        if let Some(broken) = self.broken() {
            return Poll::Ready(broken.fault());
        }
        self.inbox.register_writer(cx);
        Poll::Pending
    }

    /// Says that nothing more comes, with trailers perhaps.
    pub(super) fn end(&mut self, trailers: &Fields) -> Result<(), Fault> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let said = if trailers.is_empty() {
            self.shared.finish(self.at)
        } else {
            self.shared.send_trailers(self.at, trailers)
        };
        match said {
            Err(SendError::TooLarge) => Err(Fault::HeadTooLarge),
            Err(SendError::Closed) => match self.broken() {
                // Who wants no more does not want its end either.
                Some(Broken::Reset(Code::NO_ERROR)) | None => Ok(()),
                Some(broken) => Err(broken.fault()),
            },
            Ok(()) => Ok(()),
        }
    }

    /// A head that was said ended our side, or not.
    pub(super) fn said(&mut self, end: End, result: Result<(), SendError>) -> Result<(), Fault> {
        self.ended |= end == End::Stream;
        match result {
            Ok(()) => Ok(()),
            Err(SendError::TooLarge) => Err(Fault::HeadTooLarge),
            Err(SendError::Closed) => Err(self.broken().map_or(Fault::Gone, Broken::fault)),
        }
    }

    pub(super) fn set_code(&mut self, code: Code) {
        self.code = code;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn take_trailers(&self) -> Option<List> {
        self.inbox.with(|state| state.trailers.take())
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        self.inbox.with(|state| state.broken)
    }

    /// Ends both sides at once.
    pub(super) fn reset(&mut self, code: Code) {
        self.code = code;
        self.pieces.clear();
        let unread = std::mem::take(&mut self.bytes) + self.inbox.with(|state| std::mem::take(&mut state.bytes));
        self.inbox.with(|state| state.pieces.clear());
        self.shared.drop_stream(self.at, &self.inbox, unread, code);
        self.inbox.broken(Broken::Reset(code));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let unread = self.bytes + self.inbox.with(|state| state.bytes);
        self.shared.drop_stream(self.at, &self.inbox, unread, self.code);
    }
}
