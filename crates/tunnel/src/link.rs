//! What the owner of a tunnel and the tasks of its streams share.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use ripstop_h2::{
    Cause, Code, Connection, ConnectionError, End, Event, Field, Fields, OpenError, Request, RequestHead, Role,
    StreamRef, hpack::PreEncoded,
};
use ripstop_tls::Buffer;
use tokio::time::Instant;

use crate::{
    Authority, AuthorityError, buffers,
    headers::BAGGAGE,
    inbox::{Answer, By, Fault, Inbox},
    settings,
};

/// A tunnel, for its owner and for its streams. Of one thread; nothing is borrowed across an await.
#[derive(Clone, Debug)]
pub(crate) struct Link(Rc<RefCell<Core>>);

/// HTTP/2 and the streams.
#[derive(Debug)]
struct Core {
    h2: Connection,
    /// By [`StreamRef::index`].
    inboxes: Vec<Option<Rc<Inbox>>>,
    /// Requests that the owner has yet to hand out.
    requests: VecDeque<Asked>,
    /// Streams that found no room in the output, in order, each once.
    waiting: VecDeque<Rc<Inbox>>,
    /// Those who were woken for room have had their turn by the owner's next.
    offered: bool,
    owner: Option<Waker>,
    ended: Option<Arc<io::Error>>,
    /// When a stream came or went last.
    used: Instant,
    rate: Rate,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) stream: StreamRef,
    pub(crate) inbox: Rc<Inbox>,
    pub(crate) fields: Fields,
    /// Where it wants to go; none if it is no CONNECT.
    pub(crate) target: Option<Result<Authority, AuthorityError>>,
}

/// How much a tunnel moves.
#[derive(Debug)]
struct Rate {
    since: Instant,
    bytes: u64,
    /// Bytes a second, in the last whole interval.
    last: u64,
}

/// Over which a rate is taken.
const INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);
/// A stream is worth waking, and may begin a frame, when there is this much room.
const SOME_ROOM: usize = 16 * 1024;

// === impl Link ===

impl Link {
    pub(crate) fn new(role: Role) -> Self {
        let h2 = Connection::new(role, settings::config(role), Instant::now().into_std());
        Self(Rc::new(RefCell::new(Core {
            h2,
            inboxes: Vec::new(),
            requests: VecDeque::new(),
            waiting: VecDeque::new(),
            offered: false,
            owner: None,
            ended: None,
            used: Instant::now(),
            rate: Rate { since: Instant::now(), bytes: 0, last: 0 },
        })))
    }

    // --- For the owner. ---

    /// Hands what was received to HTTP/2 and from there to the streams.
    pub(crate) fn receive(&self, plain: &Rc<Buffer>) -> Result<(), ConnectionError> {
        let now = Instant::now();
        let core = &mut *self.0.borrow_mut();
        core.rate.count(plain.len(), now);
        // For acknowledgements.
        core.lend();
        let whole = plain.filled();
        let mut input = whole;
        while let Some(event) = core.h2.receive(now.into_std(), &mut input)? {
            core.dispatch(event, plain, whole);
        }
        core.take_back();
        Ok(())
    }

    /// The next request, at a server.
    pub(crate) fn next_request(&self) -> Option<Asked> {
        self.0.borrow_mut().requests.pop_front()
    }

    /// Has `seal` encrypt what waits to be sent. Then there is room for the streams that found none.
    pub(crate) fn flush(&self, seal: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        let core = &mut *self.0.borrow_mut();
        let output = core.h2.output();
        if output.is_empty() {
            core.take_back();
            core.offer_again();
            return Ok(false);
        }
        let length = output.len();
        seal(output)?;
        core.h2.sent(length);
        core.rate.count(length, Instant::now());
        core.offered = false;
        core.wake_waiting();
        Ok(true)
    }

    /// Whom to wake when there is something to send.
    pub(crate) fn register_owner(&self, cx: &Context<'_>) {
        let owner = &mut self.0.borrow_mut().owner;
        match owner {
            Some(owner) => owner.clone_from(cx.waker()),
            None => *owner = Some(cx.waker().clone()),
        }
    }

    /// Looks at the tunnel again.
    pub(crate) fn wake_owner(&self) {
        self.0.borrow().wake_owner();
    }

    pub(crate) fn ping(&self, payload: [u8; 8]) {
        let h2 = &mut self.0.borrow_mut().h2;
        // While draining there is a PING on its way already, whose answer must not be missed for that to a second one.
        if h2.is_open() || h2.is_finishing() {
            h2.ping(payload, Instant::now().into_std());
        }
    }

    pub(crate) fn drain(&self) {
        let core = &mut *self.0.borrow_mut();
        core.h2.drain(Instant::now().into_std());
        core.wake_owner();
    }

    /// Says GOAWAY, and receives nothing any more.
    pub(crate) fn close(&self) {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        core.h2.close(Code::NO_ERROR);
    }

    /// The tunnel is over: every stream learns why.
    pub(crate) fn end(&self, error: Arc<io::Error>) {
        let core = &mut *self.0.borrow_mut();
        if core.ended.is_some() {
            return;
        }
        core.h2.close(Code::NO_ERROR);
        for inbox in core.inboxes.drain(..).flatten() {
            inbox.failed(Fault::Died(error.clone()));
        }
        core.requests.clear();
        core.waiting.clear();
        core.ended = Some(error);
        core.owner = None;
        let unsent = core.h2.output().len();
        core.h2.sent(unsent);
        core.take_back();
    }

    // --- For everybody. ---

    pub(crate) fn active(&self) -> usize {
        self.0.borrow().h2.active()
    }

    /// When a stream was opened or given back last, or the tunnel made.
    pub(crate) fn used(&self) -> Instant {
        self.0.borrow().used
    }

    /// Whether the tunnel takes new streams, by what both ends have said.
    pub(crate) fn is_open(&self) -> bool {
        let core = self.0.borrow();
        core.ended.is_none() && core.h2.is_open()
    }

    /// Whether no stream can come any more.
    pub(crate) fn is_finishing(&self) -> bool {
        self.0.borrow().h2.is_finishing()
    }

    /// Streams that the peer allows at once, once it has said.
    pub(crate) fn known_limit(&self) -> Option<usize> {
        let core = self.0.borrow();
        core.h2.is_settled().then(|| core.h2.limit())
    }

    /// From now on it counts as busy.
    #[cfg(test)]
    pub(crate) fn keep_busy(&self) {
        self.0.borrow_mut().rate = Rate { since: Instant::now() + settings::IDLE_AFTER, bytes: 0, last: u64::MAX };
    }

    /// Whether the tunnel moves so much that another one would help.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.borrow_mut().rate.now(Instant::now()) > settings::BUSY
    }

    // --- For streams. ---

    /// Opens a stream, if there are not `most` of them.
    pub(crate) fn open<'f>(
        &self,
        most: usize,
        first: &PreEncoded,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
    ) -> Result<(StreamRef, Rc<Inbox>), OpenError> {
        let core = &mut *self.0.borrow_mut();
        if core.ended.is_some() {
            return Err(OpenError::Closing);
        }
        if core.h2.active() >= most {
            return Err(OpenError::Full);
        }
        let now = Instant::now();
        core.lend();
        let stream = core.h2.open(Request::Tunnel, Some(first), fields, End::Open, now.into_std())?;
        core.used = now;
        let inbox = core.register(stream);
        core.wake_owner();
        Ok((stream, inbox))
    }

    /// Sends the final response.
    pub(crate) fn respond<'f>(
        &self,
        stream: StreamRef,
        fields: impl IntoIterator<Item = Field<'f>, IntoIter: Clone>,
        end: End,
    ) {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        // Whose stream is gone learns so from its inbox.
        let _ = core.h2.respond(stream, fields, end);
        core.wake_owner();
    }

    /// Has `fill` put content into the next frame of `stream`, as much as may be sent now; sends nothing if it gives 0.
    pub(crate) fn poll_fill(
        &self,
        stream: StreamRef,
        inbox: &Rc<Inbox>,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let core = &mut *self.0.borrow_mut();
        // What is left of it would make a small frame, and a small packet, of what would fill a large one.
        if core.h2.room() < SOME_ROOM {
            if let Some(fault) = inbox.fault() {
                return Poll::Ready(Err(fault.to_io()));
            }
            inbox.register_writer(cx);
            if inbox.enqueue() {
                core.waiting.push_back(inbox.clone());
            }
            return Poll::Pending;
        }
        core.lend();
        let open = core.h2.contains(stream);
        let filled = match core.h2.data_space(stream) {
            Some(space) => fill(cx, space),
            None if open => {
                inbox.register_writer(cx);
                inbox.block();
                Poll::Pending
            }
            None => Poll::Ready(Err(match inbox.fault() {
                Some(fault) => fault.to_io(),
                None => io::ErrorKind::BrokenPipe.into(),
            })),
        };
        if let Poll::Ready(Ok(n @ 1..)) = filled {
            core.h2.send_filled(stream, n, End::Open);
            core.wake_owner();
        } else {
            core.take_back();
        }
        // Whoever was woken for room and did not use it hands it on.
        if core.h2.room() >= SOME_ROOM {
            core.wake_next();
        }
        filled
    }

    /// Whether streams wait for room to send.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.0.borrow().waiting.is_empty()
    }

    /// Sends END_STREAM.
    pub(crate) fn finish(&self, stream: StreamRef) {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        let _ = core.h2.finish(stream);
        core.wake_owner();
    }

    /// `n` bytes were passed on.
    pub(crate) fn consume(&self, stream: StreamRef, n: usize) {
        let core = &mut *self.0.borrow_mut();
        core.lend();
        let before = core.h2.output().len();
        core.h2.consume(stream, n, Instant::now().into_std());
        if core.h2.output().len() > before {
            core.wake_owner();
        }
        core.take_back();
    }

    /// Nobody listens to `stream` any more; what waits for it will never be passed on.
    pub(crate) fn drop_stream(&self, stream: StreamRef, inbox: &Rc<Inbox>, code: Code) {
        let unread = inbox.clear();
        let core = &mut *self.0.borrow_mut();
        if core.ended.is_some() {
            return;
        }
        if let Some(slot) = core.inboxes.get_mut(stream.index())
            && slot.as_ref().is_some_and(|it| Rc::ptr_eq(it, inbox))
        {
            *slot = None;
        }
        if inbox.dequeue() {
            core.waiting.retain(|it| !Rc::ptr_eq(it, inbox));
        }
        core.lend();
        core.used = Instant::now();
        core.h2.reset(stream, code);
        core.h2.consume(stream, unread, core.used.into_std());
        core.wake_owner();
    }

    pub(crate) fn contains(&self, stream: StreamRef) -> bool {
        self.0.borrow().h2.contains(stream)
    }
}

// === impl Core ===

impl Core {
    fn dispatch(&mut self, event: Event<'_>, plain: &Rc<Buffer>, whole: &[u8]) {
        match event {
            Event::Data { stream, bytes, end } => {
                let Some(inbox) = self.inbox(stream) else { return };
                // `bytes` is a part of `whole`.
                let start = bytes.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
                let range = if bytes.is_empty() { 0..0 } else { start..start + bytes.len() };
                inbox.deliver(plain, range, end);
            }
            Event::Headers { stream, end } => self.headers(stream, end),
            Event::Trailers { stream } => {
                // A tunnel has none; a refusal's mean nothing.
                if let Some(inbox) = self.inbox(stream) {
                    inbox.end();
                }
            }
            Event::Reset { stream, code, cause } => {
                let by = match cause {
                    Cause::Peer if code == Code::REFUSED_STREAM => By::Unprocessed,
                    Cause::Peer => By::Peer,
                    Cause::NotProcessed => By::Unprocessed,
                    Cause::Fault(reason) => By::Us(reason),
                };
                if let Some(inbox) = self.inbox(stream) {
                    inbox.failed(Fault::Reset { code, by });
                }
            }
            Event::Window { stream: Some(stream) } => {
                if let Some(inbox) = self.inbox(stream) {
                    inbox.window_opened();
                }
            }
            Event::Window { stream: None } => self.inboxes.iter().flatten().for_each(|inbox| inbox.window_opened()),
            Event::Refused { id, reason, .. } => {
                tracing::debug!(id, reason, "a request was refused");
            }
            // Whoever keeps a stream for later does better to open another one then.
            Event::GoAway { .. } => self.inboxes.iter().flatten().for_each(|inbox| inbox.stirred()),
            Event::Informational { .. } | Event::Settings | Event::Pong { .. } => {}
        }
    }

    fn headers(&mut self, stream: StreamRef, end: bool) {
        let Some(inbox) = self.inbox(stream) else {
            // A request.
            let inbox = self.register(stream);
            if end {
                inbox.end();
            }
            let connect = self.h2.request_head().filter(RequestHead::is_tunnel);
            let target = connect.and_then(|head| std::str::from_utf8(head.authority).ok()).map(str::parse);
            self.requests.push_back(Asked { stream, inbox, fields: self.h2.fields().clone(), target });
            return;
        };
        let status = self.h2.response_head().map_or(500, |head| head.status);
        let baggage = self.h2.fields().get(BAGGAGE).map(Into::into);
        inbox.answered(Answer { status, baggage }, end);
    }

    fn register(&mut self, stream: StreamRef) -> Rc<Inbox> {
        let inbox = Rc::<Inbox>::default();
        let index = stream.index();
        if self.inboxes.len() <= index {
            self.inboxes.resize(index + 1, None);
        }
        inbox.assign(stream);
        self.inboxes[index] = Some(inbox.clone());
        inbox
    }

    fn inbox(&self, stream: StreamRef) -> Option<&Rc<Inbox>> {
        self.inboxes.get(stream.index())?.as_ref().filter(|inbox| inbox.is_of(stream))
    }

    /// Storage for what is going to be said.
    fn lend(&mut self) {
        if self.h2.output().is_empty() && !buffers::is_pooled(self.h2.storage()) {
            self.h2.supply(buffers::take());
        }
    }

    /// Gives the storage back if nothing is left in it.
    fn take_back(&mut self) {
        if let Some(storage) = self.h2.recycle() {
            buffers::give(storage);
        }
    }

    /// Wakes as many of those who wait as there is room for; each hands on what it does not use.
    fn wake_waiting(&mut self) {
        let places = self.h2.room() / SOME_ROOM;
        for _ in 0..places.min(self.waiting.len()) {
            self.wake_next();
        }
    }

    fn wake_next(&mut self) {
        if let Some(next) = self.waiting.pop_front() {
            next.dequeue();
            next.wake_writer();
        }
    }

    /// Whoever was woken for room may have had no use for it and not even looked. When they have had their turn and there
    /// is still nothing to send, others are woken.
    fn offer_again(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if std::mem::replace(&mut self.offered, true) {
            self.wake_waiting();
        }
        self.wake_owner();
    }

    fn wake_owner(&self) {
        if let Some(owner) = &self.owner {
            owner.wake_by_ref();
        }
    }
}

// === impl Rate ===

impl Rate {
    fn count(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes as u64;
        self.now(now);
    }

    /// Bytes a second of late.
    fn now(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.since);
        if passed >= INTERVAL {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
            self.last = self.bytes.saturating_mul(1000) / millis;
            (self.since, self.bytes) = (now, 0);
        }
        self.last
    }
}

#[cfg(test)]
mod tests;
