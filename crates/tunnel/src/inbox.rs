//! What came for a stream and was not yet passed on.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    ops::Range,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
};

use ripstop_h2::{Code, StreamRef};
use ripstop_tls::Buffer;

/// Pieces below this size are copied when they have to wait: they would keep a whole buffer busy.
const SMALL: usize = 16 * 1024;
/// Copied pieces are joined up to this size.
const JOINED: usize = 32 * 1024;
/// Pieces written with one system call at most.
const VECTORED: usize = 16;

/// A stream's side that its tunnel's owner fills. Shared by the owner and the stream's task.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    stream: Cell<Option<StreamRef>>,
    /// It is in the queue of those who wait for room.
    queued: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Nothing more will come, and that is in order.
    ended: bool,
    fault: Option<Fault>,
    answer: Option<Answer>,
    /// The stream's task found no window to send.
    blocked: bool,
    /// Who waits for something to come, and who for leave to send. Often the same task, but a stream may be split.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Why a stream is of no use any more.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// RST_STREAM.
    Reset { code: Code, by: By },
    /// The tunnel has ended.
    Died(Arc<io::Error>),
}

/// Who reset a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The peer, after it looked at the stream.
    Peer,
    /// The peer, which did not look at the stream.
    Unprocessed,
    /// We, for what the peer did.
    Us(&'static str),
}

/// What a CONNECT was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) baggage: Option<Box<[u8]>>,
}

/// Bytes in order.
#[derive(Debug)]
enum Piece {
    /// Where TLS put them.
    Shared(Rc<Buffer>, Range<usize>),
    /// Copied.
    Own(Vec<u8>, usize),
}

// === impl Inbox ===

impl Inbox {
    /// Says whose it is.
    pub(crate) fn assign(&self, stream: StreamRef) {
        self.stream.set(Some(stream));
    }

    pub(crate) fn is_of(&self, stream: StreamRef) -> bool {
        self.stream.get() == Some(stream)
    }

    /// Adds `range` of `buffer`, without copying unless it would keep the buffer for long.
    pub(crate) fn deliver(&self, buffer: &Rc<Buffer>, range: Range<usize>, end: bool) {
        let mut state = self.state.borrow_mut();
        state.bytes += range.len();
        if !range.is_empty() {
            // With nothing waiting, the stream's task takes it at once.
            if state.pieces.is_empty() || range.len() >= SMALL {
                state.pieces.push_back(Piece::Shared(buffer.clone(), range));
            } else {
                state.join(&buffer.filled()[range]);
            }
        }
        state.ended |= end;
        wake(state.reader.as_ref());
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        let mut state = self.state.borrow_mut();
        state.ended = true;
        wake(state.reader.as_ref());
    }

    /// Something became known of its tunnel: who waits for something to come looks again.
    pub(crate) fn stirred(&self) {
        wake(self.state.borrow().reader.as_ref());
    }

    /// The final answer.
    pub(crate) fn answered(&self, answer: Answer, end: bool) {
        let mut state = self.state.borrow_mut();
        state.answer = Some(answer);
        state.ended |= end;
        wake(state.reader.as_ref());
    }

    /// The stream is gone. What came before can still be read if that was in order.
    pub(crate) fn failed(&self, fault: Fault) {
        let mut state = self.state.borrow_mut();
        state.ended |= fault.is_end();
        state.fault.get_or_insert(fault);
        wake(state.reader.as_ref());
        wake(state.writer.as_ref());
    }

    /// Wakes who sends, if it waits for a window.
    pub(crate) fn window_opened(&self) {
        let mut state = self.state.borrow_mut();
        if std::mem::take(&mut state.blocked) {
            wake(state.writer.as_ref());
        }
    }

    /// Says that it is in the queue for room; false if it was.
    pub(crate) fn enqueue(&self) -> bool {
        !self.queued.replace(true)
    }

    /// Says that it is in the queue for room no more; false if it was not.
    pub(crate) fn dequeue(&self) -> bool {
        self.queued.replace(false)
    }

    /// Wakes who sends.
    pub(crate) fn wake_writer(&self) {
        wake(self.state.borrow().writer.as_ref());
    }

    /// The task waits for something to come, or for a fault.
    pub(crate) fn register_reader(&self, cx: &Context<'_>) {
        register(&mut self.state.borrow_mut().reader, cx);
    }

    /// The task waits for leave to send, or for a fault.
    pub(crate) fn register_writer(&self, cx: &Context<'_>) {
        register(&mut self.state.borrow_mut().writer, cx);
    }

    /// The stream's task waits for window.
    pub(crate) fn block(&self) {
        self.state.borrow_mut().blocked = true;
    }

    /// Drops what waits, and who waits for it; gives how many bytes that were.
    pub(crate) fn clear(&self) -> usize {
        let state = self.state.take();
        state.bytes
    }

    pub(crate) fn take_answer(&self) -> Option<Answer> {
        self.state.borrow_mut().answer.take()
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.state.borrow().fault.clone()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.borrow().ended
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.state.borrow().bytes
    }

    /// Has `write` take of what waits, oldest first, and takes off as much as it says.
    pub(crate) fn write_to<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T, taken: impl FnOnce(&T) -> usize) -> T {
        let mut state = self.state.borrow_mut();
        let result = match state.pieces.front() {
            Some(only) if state.pieces.len() == 1 => write(&[IoSlice::new(only.bytes())]),
            _ => {
                let mut slices: [_; VECTORED] = std::array::from_fn(|_| IoSlice::new(&[]));
                let mut n = 0;
                for (slice, piece) in slices.iter_mut().zip(&state.pieces) {
                    *slice = IoSlice::new(piece.bytes());
                    n += 1;
                }
                write(&slices[..n])
            }
        };
        let n = taken(&result);
        state.advance(n);
        result
    }

    /// Copies what is small, so that no buffer is kept busy for it: the stream's task can't take it yet.
    pub(crate) fn unpin(&self) {
        let mut state = self.state.borrow_mut();
        for piece in &mut state.pieces {
            if let Piece::Shared(_, range) = piece
                && range.len() < SMALL
            {
                *piece = Piece::Own(piece.bytes().to_vec(), 0);
            }
        }
    }
}

// === impl State ===

impl State {
    fn join(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some(Piece::Own(own, _)) if own.len() + bytes.len() <= JOINED => own.extend_from_slice(bytes),
            _ => self.pieces.push_back(Piece::Own(bytes.to_vec(), 0)),
        }
    }

    fn advance(&mut self, mut n: usize) {
        self.bytes -= n.min(self.bytes);
        while n > 0 {
            let Some(front) = self.pieces.front_mut() else { return };
            let length = front.bytes().len();
            if n < length {
                match front {
                    Piece::Shared(_, range) => range.start += n,
                    Piece::Own(_, start) => *start += n,
                }
                return;
            }
            n -= length;
            self.pieces.pop_front();
        }
    }
}

// === impl Piece ===

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(buffer, range) => &buffer.filled()[range.clone()],
            Self::Own(bytes, start) => &bytes[*start..],
        }
    }
}

// === impl Fault ===

impl Fault {
    /// Whether reading ends in good order: RST_STREAM NO_ERROR or CANCEL of the peer.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Reset { code: Code::NO_ERROR | Code::CANCEL, by: By::Peer })
    }

    pub(crate) fn to_io(&self) -> io::Error {
        match self {
            Self::Reset { code, by: By::Us(reason) } => {
                io::Error::new(io::ErrorKind::BrokenPipe, format!("the stream was reset ({code}): {reason}"))
            }
            Self::Reset { code, .. } => {
                io::Error::new(io::ErrorKind::BrokenPipe, format!("the peer reset the stream ({code})"))
            }
            // The end of a tunnel must never look like the end of a stream.
            Self::Died(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                io::Error::new(io::ErrorKind::ConnectionReset, error.clone())
            }
            Self::Died(error) => io::Error::new(error.kind(), error.clone()),
        }
    }
}

fn register(task: &mut Option<Waker>, cx: &Context<'_>) {
    match task {
        Some(task) => task.clone_from(cx.waker()),
        task => *task = Some(cx.waker().clone()),
    }
}

fn wake(task: Option<&Waker>) {
    if let Some(task) = task {
        task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests;
