//! What the driver of a connection and the owners of its streams share.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use ripstop_h2::{
    Cause, Code, Connection, ConnectionError, End, Event, Fields, OpenError, Request, Role, SendError, StreamRef,
};
use ripstop_tls::Buffer;
use tokio::time::Instant;

use super::{
    inbox::{Broken, Head, Inbox},
    lists::List,
    storage,
};
use crate::{exchange::Slices, fault::Fault};

/// Refused requests that wait to be told of at most.
const REFUSED: usize = 256;

/// A connection, for its driver and its streams. Of one thread; nothing is borrowed across an await.
#[derive(Clone, Debug)]
pub(super) struct Shared(Rc<RefCell<Core>>);

#[derive(Debug)]
struct Core {
    h2: Connection,
    role: Role,
    /// By [`StreamRef::index`].
    inboxes: Vec<Option<Rc<Inbox>>>,
    /// Requests that nobody has taken yet.
    requests: VecDeque<(StreamRef, Rc<Inbox>)>,
    /// How requests were answered that nobody has heard of, the first of them if there are many.
    refused: VecDeque<u16>,
    /// Streams that found no room in the output, in order, each once.
    waiting: VecDeque<Rc<Inbox>>,
    driver: Option<Waker>,
    /// Who waits for a request, or for the peer's settings.
    listener: Option<Waker>,
    /// Handles of a client, or of the one who takes requests.
    handles: usize,
    ended: bool,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(role: Role, config: ripstop_h2::Config) -> Self {
        let h2 = Connection::new(role, config, now());
        Self(Rc::new(RefCell::new(Core {
            h2,
            role,
            inboxes: Vec::new(),
            requests: VecDeque::new(),
            refused: VecDeque::new(),
            waiting: VecDeque::new(),
            driver: None,
            listener: None,
            handles: 1,
            ended: false,
        })))
    }

    // --- For the driver. ---

    /// Hands what was read to HTTP/2 and from there to the streams.
    pub(super) fn receive(&self, plain: &Rc<Buffer>) -> Result<(), ConnectionError> {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        let whole = plain.filled();
        let mut input = whole;
        let at = now();
        let result = loop {
            match core.h2.receive(at, &mut input) {
                Ok(Some(event)) => core.dispatch(event, plain, whole),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        core.take_back();
        result
    }

    /// The peer has said its last byte.
    pub(super) fn end_of_input(&self) -> Result<(), ConnectionError> {
        self.0.borrow_mut().h2.end_of_input()
    }

    /// Writes what waits; then there is room for the streams that found none.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let core = &mut *self.0.borrow_mut();
        while !core.h2.output().is_empty() {
            match write(cx, &[IoSlice::new(core.h2.output())]) {
                Poll::Ready(Ok(n)) => core.h2.sent(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            if core.h2.room() > 0 {
                for inbox in core.waiting.drain(..) {
                    inbox.room();
                }
            }
        }
        core.take_back();
        Poll::Ready(Ok(()))
    }

    /// Whom to wake when there is something to send.
    pub(super) fn register_driver(&self, cx: &Context<'_>) {
        let driver = &mut self.0.borrow_mut().driver;
        match driver {
            Some(driver) => driver.clone_from(cx.waker()),
            None => *driver = Some(cx.waker().clone()),
        }
    }

    pub(super) fn ping(&self) {
        let core = &mut *self.0.borrow_mut();
        if !core.h2.is_finishing() || core.h2.active() > 0 {
            core.h2.ping(*b"ripstop?", now());
        }
    }

    /// Says GOAWAY in good order.
    pub(super) fn drain(&self) {
        let core = &mut *self.0.borrow_mut();
        core.h2.drain(now());
        core.wake_driver();
    }

    /// The connection is over: every stream learns so. GOAWAY waits in the output.
    pub(super) fn end(&self, code: Code) {
        let core = &mut *self.0.borrow_mut();
        if std::mem::replace(&mut core.ended, true) {
            return;
        }
        let mut unsent = false;
        for inbox in core.inboxes.drain(..).flatten() {
            if let Some(stream) = inbox.stream()
                && !core.h2.head_was_sent(stream)
            {
                inbox.set_unsent();
                unsent = true;
            }
            inbox.broken(Broken::Died);
        }
        core.h2.close(code);
        if unsent {
            // Whose head has not left may try elsewhere: it must not leave any more.
            let waiting = core.h2.output().len();
            core.h2.sent(waiting);
            core.take_back();
        }
        core.requests.clear();
        core.waiting.clear();
        core.wake_listener();
    }

    /// Whether it is to be closed, as soon as its output is written.
    pub(super) fn is_finished(&self) -> bool {
        let core = self.0.borrow();
        let wanted = core.handles > 0 && !core.h2.is_finishing();
        !wanted && core.h2.active() == 0 && core.requests.is_empty()
    }

    /// Whether nobody wants to open or take streams any more.
    pub(super) fn is_left(&self) -> bool {
        self.0.borrow().handles == 0
    }

    pub(super) fn is_settled(&self) -> bool {
        self.0.borrow().h2.is_settled()
    }

    // --- For handles. ---

    pub(super) fn add_handle(&self) {
        self.0.borrow_mut().handles += 1;
    }

    pub(super) fn drop_handle(&self) {
        let core = &mut *self.0.borrow_mut();
        core.handles -= 1;
        if core.handles == 0 {
            // What nobody has looked at can be tried elsewhere.
            for (stream, _) in std::mem::take(&mut core.requests) {
                core.h2.reset(stream, Code::REFUSED_STREAM);
            }
        }
        core.wake_driver();
    }

    /// How a request was answered that is none, or is too large.
    pub(super) fn take_refused(&self) -> Option<u16> {
        self.0.borrow_mut().refused.pop_front()
    }

    /// The next request; none once there can't be any more.
    pub(super) fn poll_request(&self, cx: &Context<'_>) -> Poll<Option<(StreamRef, Rc<Inbox>)>> {
        let core = &mut *self.0.borrow_mut();
        if let Some(request) = core.requests.pop_front() {
            return Poll::Ready(Some(request));
        }
        if core.ended || core.h2.is_finishing() {
            return Poll::Ready(None);
        }
        core.listener = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when the peer's settings are known, or never will be.
    pub(super) fn poll_settled(&self, cx: &Context<'_>) -> Poll<()> {
        let core = &mut *self.0.borrow_mut();
        if core.ended || core.h2.is_settled() {
            return Poll::Ready(());
        }
        core.listener = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn may_open(&self) -> Result<(), OpenError> {
        let core = self.0.borrow();
        if core.ended { Err(OpenError::Closing) } else { core.h2.may_open() }
    }

    pub(super) fn active(&self) -> usize {
        self.0.borrow().h2.active()
    }

    pub(super) fn limit(&self) -> usize {
        self.0.borrow().h2.limit()
    }

    pub(super) fn has_connect_protocol(&self) -> bool {
        self.0.borrow().h2.has_connect_protocol()
    }

    // --- For streams. ---

    pub(super) fn open(&self, kind: Request, fields: &Fields, end: End) -> Result<(StreamRef, Rc<Inbox>), OpenError> {
        let core = &mut *self.0.borrow_mut();
        if core.ended {
            return Err(OpenError::Closing);
        }
        core.lend();
        let opened = core.h2.open(kind, None, fields.iter(), end, now());
        core.take_back();
        let stream = opened?;
        let inbox = core.register(stream);
        core.wake_driver();
        Ok((stream, inbox))
    }

    pub(super) fn respond(&self, stream: StreamRef, fields: &Fields, end: End) -> Result<(), SendError> {
        self.say(|h2| h2.respond(stream, fields.iter(), end))
    }

    pub(super) fn inform(&self, stream: StreamRef, fields: &Fields) -> Result<(), SendError> {
        self.say(|h2| h2.inform(stream, fields.iter()))
    }

    pub(super) fn send_trailers(&self, stream: StreamRef, fields: &Fields) -> Result<(), SendError> {
        self.say(|h2| h2.send_trailers(stream, fields.iter()))
    }

    pub(super) fn finish(&self, stream: StreamRef) -> Result<(), SendError> {
        self.say(|h2| h2.finish(stream))
    }

    fn say<T>(&self, what: impl FnOnce(&mut Connection) -> T) -> T {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        let result = what(&mut core.h2);
        core.take_back();
        core.wake_driver();
        result
    }

    /// Puts of `pieces` into frames of `stream` what may be sent now; gives how much.
    pub(super) fn poll_send(
        &self,
        stream: StreamRef,
        inbox: &Rc<Inbox>,
        cx: &mut Context<'_>,
        pieces: &Slices<'_>,
    ) -> Poll<Result<usize, Fault>> {
        let core = &mut *self.0.borrow_mut();
        if !core.h2.contains(stream) || core.ended {
            let broken = inbox.with(|state| state.broken);
            return Poll::Ready(Err(broken.map_or(Fault::Gone, Broken::fault)));
        }
        if core.h2.room() == 0 {
            inbox.register_writer(cx);
            if inbox.enqueue() {
                core.waiting.push_back(inbox.clone());
            }
            return Poll::Pending;
        }
        core.lend();
        let mut sent = 0;
        let mut slices = pieces.as_slice().iter();
        let mut rest: &[u8] = &[];
        while let Some(space) = core.h2.data_space(stream) {
            let mut filled = 0;
            while filled < space.len() {
                if rest.is_empty() {
                    let Some(next) = slices.next() else { break };
                    rest = next;
                    continue;
                }
                let n = rest.len().min(space.len() - filled);
                space[filled..filled + n].copy_from_slice(&rest[..n]);
                rest = &rest[n..];
                filled += n;
            }
            if filled == 0 {
                break;
            }
            core.h2.send_filled(stream, filled, End::Open);
            sent += filled;
        }
        if sent == 0 {
            core.take_back();
            inbox.register_writer(cx);
            inbox.block();
            return Poll::Pending;
        }
        core.wake_driver();
        Poll::Ready(Ok(sent))
    }

    /// `n` bytes were passed on.
    pub(super) fn consume(&self, stream: StreamRef, n: usize) {
        let core = &mut *self.0.borrow_mut();
        if core.ended {
            return;
        }
        core.lend();
        let before = core.h2.output().len();
        core.h2.consume(stream, n, now());
        if core.h2.output().len() > before {
            core.wake_driver();
        }
        core.take_back();
    }

    /// Nobody listens to `stream` any more; `unread` bytes of it will never be passed on.
    pub(super) fn drop_stream(&self, stream: StreamRef, inbox: &Rc<Inbox>, unread: usize, code: Code) {
        let core = &mut *self.0.borrow_mut();
        if core.ended {
            return;
        }
        if let Some(slot) = core.inboxes.get_mut(stream.index())
            && slot.as_ref().is_some_and(|it| Rc::ptr_eq(it, inbox))
        {
            *slot = None;
        }
        if inbox.is_queued() {
            core.waiting.retain(|it| !Rc::ptr_eq(it, inbox));
        }
        core.lend();
        core.h2.reset(stream, code);
        core.h2.consume(stream, unread, now());
        core.take_back();
        core.wake_driver();
    }

    pub(super) fn contains(&self, stream: StreamRef) -> bool {
        self.0.borrow().h2.contains(stream)
    }

    pub(super) fn head_was_sent(&self, stream: StreamRef) -> bool {
        self.0.borrow().h2.head_was_sent(stream)
    }
}

// === impl Core ===

impl Core {
    fn dispatch(&mut self, event: Event<'_>, plain: &Rc<Buffer>, whole: &[u8]) {
        match event {
            Event::Data { stream, bytes, end } => {
                let Some(inbox) = self.inbox(stream) else {
                    self.h2.consume(stream, bytes.len(), now());
                    return;
                };
                // `bytes` is a part of `whole`.
                let start = bytes.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
                let range = if bytes.is_empty() { 0..0 } else { start..start + bytes.len() };
                inbox.deliver(plain, range, end);
            }
            Event::Headers { stream, end } => self.headers(stream, end),
            Event::Informational { stream } => self.headers(stream, false),
            Event::Trailers { stream } => {
                if let Some(inbox) = self.inbox(stream) {
                    inbox.trailers(List::of(self.h2.fields()));
                }
            }
            Event::Reset { stream, code, cause } => {
                let how = match cause {
                    Cause::Peer if code == Code::REFUSED_STREAM && self.role == Role::Client => Broken::Unprocessed,
                    Cause::NotProcessed => Broken::Unprocessed,
                    Cause::Peer | Cause::Fault(_) => Broken::Reset(code),
                };
                if let Some(inbox) = self.inbox(stream) {
                    inbox.broken(how);
                }
            }
            Event::Window { stream: Some(stream) } => {
                if let Some(inbox) = self.inbox(stream) {
                    inbox.window_opened();
                }
            }
            Event::Window { stream: None } => self.inboxes.iter().flatten().for_each(|inbox| inbox.window_opened()),
            Event::Settings | Event::GoAway { .. } => self.wake_listener(),
            Event::Refused { status: Some(status), .. } if self.refused.len() < REFUSED => {
                self.refused.push_back(status);
                self.wake_listener();
            }
            Event::Refused { .. } | Event::Pong { .. } => {}
        }
    }

    fn headers(&mut self, stream: StreamRef, end: bool) {
        let fields = List::of(self.h2.fields());
        let (status, length) = match (self.h2.response_head(), self.h2.request_head()) {
            (Some(head), _) => (head.status, head.content_length),
            (None, head) => (0, head.and_then(|head| head.content_length)),
        };
        let head = Head { fields, status, length, end };
        if let Some(inbox) = self.inbox(stream) {
            inbox.head(head);
            return;
        }
        if self.role == Role::Client || self.handles == 0 {
            // Nobody listens.
            self.h2.reset(stream, Code::REFUSED_STREAM);
            return;
        }
        let inbox = self.register(stream);
        inbox.head(head);
        self.requests.push_back((stream, inbox));
        self.wake_listener();
    }

    fn register(&mut self, stream: StreamRef) -> Rc<Inbox> {
        let inbox = Inbox::of(stream);
        let index = stream.index();
        if self.inboxes.len() <= index {
            self.inboxes.resize(index + 1, None);
        }
        self.inboxes[index] = Some(inbox.clone());
        inbox
    }

    fn inbox(&self, stream: StreamRef) -> Option<&Rc<Inbox>> {
        self.inboxes.get(stream.index())?.as_ref().filter(|inbox| inbox.is_of(stream))
    }

    /// Storage for what is going to be said.
    fn lend(&mut self) {
        if self.h2.output().is_empty() && !storage::is_pooled(self.h2.storage()) {
            self.h2.supply(storage::take());
        }
    }

    /// Gives the storage back if nothing is left in it.
    fn take_back(&mut self) {
        if let Some(storage) = self.h2.recycle() {
            storage::give(storage);
        }
    }

    fn wake_driver(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    fn wake_listener(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.wake();
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
