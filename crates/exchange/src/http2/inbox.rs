//! What came for a stream and was not yet taken.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ops::Range,
    rc::Rc,
    task::{Context, Waker},
};

use ripstop_h2::{Code, StreamRef};
use ripstop_tls::Buffer;

use super::lists::List;
use crate::fault::Fault;

/// Pieces below this size are copied when they have to wait: they would keep a whole buffer busy.
const SMALL: usize = 16 * 1024;
/// Copied pieces are joined up to this size.
const JOINED: usize = 32 * 1024;

/// A stream's side that its connection's driver fills. Shared by the driver and the stream's owner.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    stream: Cell<Option<StreamRef>>,
    /// It is in the queue of those who wait for room.
    queued: Cell<bool>,
    /// The connection died before the request's head had left.
    unsent: Cell<bool>,
    state: RefCell<State>,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Heads in order; the last one may be final.
    pub(super) heads: VecDeque<Head>,
    pub(super) pieces: VecDeque<Piece>,
    /// Bytes in them.
    pub(super) bytes: usize,
    /// Nothing more will come, and that is in order.
    pub(super) ended: bool,
    pub(super) trailers: Option<List>,
    pub(super) broken: Option<Broken>,
    /// The stream's owner found no window to send.
    blocked: bool,
    /// Who waits for something to come, and who for leave to send.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A head that came.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) fields: List,
    /// Of an answer.
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    /// Nothing followed.
    pub(super) end: bool,
}

/// Why a stream is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// RST_STREAM, either way.
    Reset(Code),
    /// The peer did not look at it.
    Unprocessed,
    /// The connection has ended.
    Died,
}

/// Bytes in order.
#[derive(Debug)]
pub(super) enum Piece {
    /// Where they were read to.
    Shared(Rc<Buffer>, Range<usize>),
    /// Copied.
    Own(Vec<u8>, usize),
}

// === impl Inbox ===

impl Inbox {
    pub(super) fn of(stream: StreamRef) -> Rc<Self> {
        Rc::new(Self { stream: Cell::new(Some(stream)), ..Self::default() })
    }

    pub(super) fn stream(&self) -> Option<StreamRef> {
        self.stream.get()
    }

    pub(super) fn is_of(&self, stream: StreamRef) -> bool {
        self.stream.get() == Some(stream)
    }

    /// Looks at what waits. Not across anything that could reach the driver.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.borrow_mut())
    }

    /// Adds `range` of `buffer`, without copying unless it would keep the buffer for long.
    pub(super) fn deliver(&self, buffer: &Rc<Buffer>, range: Range<usize>, end: bool) {
        let mut state = self.state.borrow_mut();
        state.bytes += range.len();
        if !range.is_empty() {
            // With nothing waiting, the stream's owner takes it at once.
            if state.pieces.is_empty() || range.len() >= SMALL {
                state.pieces.push_back(Piece::Shared(buffer.clone(), range));
            } else {
                state.join(&buffer.filled()[range]);
            }
        }
        state.ended |= end;
        wake(state.reader.as_ref());
    }

    /// A head came.
    pub(super) fn head(&self, head: Head) {
        let mut state = self.state.borrow_mut();
        state.ended |= head.end;
        state.heads.push_back(head);
        wake(state.reader.as_ref());
    }

    /// Trailers came, and nothing more does.
    pub(super) fn trailers(&self, trailers: List) {
        let mut state = self.state.borrow_mut();
        state.trailers = Some(trailers);
        state.ended = true;
        wake(state.reader.as_ref());
    }

    /// The stream is gone. What came before can still be read.
    pub(super) fn broken(&self, how: Broken) {
        let mut state = self.state.borrow_mut();
        state.broken.get_or_insert(how);
        wake(state.reader.as_ref());
        wake(state.writer.as_ref());
    }

    /// Says that the head of its request never left.
    pub(super) fn set_unsent(&self) {
        self.unsent.set(true);
    }

    pub(super) fn is_unsent(&self) -> bool {
        self.unsent.get()
    }

    /// Wakes who sends, if it waits for a window.
    pub(super) fn window_opened(&self) {
        let mut state = self.state.borrow_mut();
        if std::mem::take(&mut state.blocked) {
            wake(state.writer.as_ref());
        }
    }

    /// Says that it is in the queue for room; false if it was.
    pub(super) fn enqueue(&self) -> bool {
        !self.queued.replace(true)
    }

    /// Takes it out of the queue for room and wakes who sends.
    pub(super) fn room(&self) {
        self.queued.set(false);
        wake(self.state.borrow().writer.as_ref());
    }

    /// Whether it is in the queue for room.
    pub(super) fn is_queued(&self) -> bool {
        self.queued.get()
    }

    /// The owner waits for something to come, or for the stream to break.
    pub(super) fn register_reader(&self, cx: &Context<'_>) {
        register(&mut self.state.borrow_mut().reader, cx);
    }

    /// The owner waits for leave to send, or for the stream to break.
    pub(super) fn register_writer(&self, cx: &Context<'_>) {
        register(&mut self.state.borrow_mut().writer, cx);
    }

    /// The owner waits for window.
    pub(super) fn block(&self) {
        self.state.borrow_mut().blocked = true;
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
}

// === impl Piece ===

impl Piece {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(buffer, range) => &buffer.filled()[range.clone()],
            Self::Own(bytes, start) => &bytes[*start..],
        }
    }

    /// Drops the first `n` bytes.
    pub(super) fn skip(&mut self, n: usize) {
        match self {
            Self::Shared(_, range) => range.start += n,
            Self::Own(_, start) => *start += n,
        }
    }

    /// Copies it if it is small, so that no buffer is kept busy for it.
    pub(super) fn unpin(&mut self) {
        if let Self::Shared(_, range) = self
            && range.len() < SMALL
        {
            *self = Self::Own(self.bytes().to_vec(), 0);
        }
    }
}

// === impl Broken ===

impl Broken {
    pub(super) fn fault(self) -> Fault {
        match self {
            Self::Reset(code) => Fault::Reset(code),
            Self::Unprocessed => Fault::Unprocessed,
            Self::Died => Fault::Gone,
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
