//! Connections of callers that are relayed unread, until routes ask for more.
//!
//! Where nobody has asked for anything, a connection to a port of HTTP is not taken apart: its bytes are relayed. Whoever
//! gives the service routes later means the requests of such connections, too. So they are looked on from outside, and
//! once routes ask for their requests, the relay ends between two of them: what is on its way is finished. Of HTTP/1.1
//! the same connection goes on then, read, and its caller notices nothing. One of HTTP/2, with its streams and its
//! compression, can't be taken over in the middle: it ends with GOAWAY, and the caller's next one is read. A connection that has not
//! carried a request yet may carry one first. The same happens where a service gets a waypoint, gets another, or has none any
//! more: the next requests go the new way.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use ripstop_decide::{Program, Reading, reading};
use ripstop_h1 as h1;
use ripstop_h2 as h2;
use ripstop_model::{AppProtocol, Service, ServiceKey, Workload};
use ripstop_tunnel::{Observer, Side, Way, Wish};
use tokio::sync::Notify;

use crate::{
    local::LocalWorkload,
    opening::{Language, Opening},
};

/// What is relayed unread at one worker.
#[derive(Clone, Debug, Default)]
pub struct Unread(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    source: Arc<LocalWorkload>,
    destination: SocketAddr,
    /// The service of the waypoint that it goes through.
    waypoint: Option<ServiceKey>,
    mark: Rc<Mark>,
}

/// Whether a connection should be read.
#[derive(Debug, Default)]
pub struct Mark {
    wanted: Cell<bool>,
    changed: Notify,
}

/// Keeps a connection in the table.
#[derive(Debug)]
struct Registration {
    table: Unread,
    id: u64,
}

/// Looks on at one connection.
pub struct Following {
    registration: Registration,
    mark: Rc<Mark>,
    spoken: Spoken,
    /// When it began. Nobody asks when its messages came.
    began: Instant,
}

/// What is spoken.
enum Spoken {
    /// Not known yet.
    Beginning(Opening),
    Http1(Box<h1::Meter>),
    Http2(Box<h2::Meter>),
    /// Nothing that has requests.
    Nothing,
}

// === impl Unread ===

impl Unread {
    /// Looks on at a connection of `source` to `destination`, which is a port of `service` and goes unread by `program`;
    /// nothing: the port is not declared as HTTP.
    pub fn follow(
        &self,
        source: &Arc<LocalWorkload>,
        destination: SocketAddr,
        service: &Service,
        program: &Program,
    ) -> Option<Box<Following>> {
        let port = service.ports.iter().find(|port| port.port == destination.port())?;
        if !matches!(port.protocol, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc) {
            return None;
        }
        let mark = Rc::new(Mark::default());
        let waypoint = source.in_snapshot(program).and_then(|source| waypoint(service, source)).cloned();
        let entry = Entry { source: source.clone(), destination, waypoint, mark: mark.clone() };
        // Routes may have come while it was connected.
        mark.set(entry.is_read(program));
        let mut table = self.0.borrow_mut();
        let id = table.next;
        table.next += 1;
        table.open.insert(id, entry);
        let registration = Registration { table: self.clone(), id };
        Some(Box::new(Following {
            registration,
            mark,
            spoken: Spoken::Beginning(Opening::default()),
            began: Instant::now(),
        }))
    }

    /// Marks what `program` would read.
    pub fn recheck(&self, program: &Program) {
        let table = self.0.borrow();
        let mut known: HashMap<(*const LocalWorkload, SocketAddr, Option<&ServiceKey>), bool> = HashMap::new();
        for entry in table.open.values() {
            let key = (Arc::as_ptr(&entry.source), entry.destination, entry.waypoint.as_ref());
            entry.mark.set(*known.entry(key).or_insert_with(|| entry.is_read(program)));
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.0.borrow_mut().open.remove(&self.id);
    }
}

// === impl Entry ===

impl Entry {
    /// Whether its requests are asked for, or would go another way by now: through a waypoint, or past one that is no
    /// more.
    fn is_read(&self, program: &Program) -> bool {
        let source = self.source.in_snapshot(program);
        source.is_some_and(|source| {
            let service = program.service_at(self.destination.ip());
            service.and_then(|service| waypoint(service, source)) != self.waypoint.as_ref()
                || matches!(reading(program, source, self.destination), Reading::Requests | Reading::Detection)
        })
    }
}

/// The waypoint that `source` goes through to a service.
fn waypoint<'s>(service: &'s Service, source: &Workload) -> Option<&'s ServiceKey> {
    let waypoint = service.waypoint.as_ref().filter(|waypoint| waypoint.takes(source.kind));
    waypoint.map(|waypoint| &waypoint.service)
}

// === impl Mark ===

impl Mark {
    fn set(&self, wanted: bool) {
        if self.wanted.replace(wanted) != wanted && wanted {
            self.changed.notify_one();
        }
    }

    /// Wakes its task whenever the connection should be read.
    pub async fn heeded(&self) -> Infallible {
        loop {
            self.changed.notified().await;
        }
    }
}

// === impl Following ===

impl Following {
    /// Whether the connection should be read.
    pub fn mark(&self) -> Rc<Mark> {
        self.mark.clone()
    }

    /// It speaks that, and `bytes` of the client told it.
    fn begin(&mut self, opening: &Opening, language: Language, bytes: &[u8]) {
        self.spoken = match language {
            Language::Http2 => Spoken::Http2(Box::new(h2::Meter::of_boundaries(h2::MeterLimits::default()))),
            Language::Http1 => Spoken::Http1(Box::new(h1::Meter::of_boundaries(h1::Limits::default()))),
            Language::Other => Spoken::Nothing,
        };
        let (asked, said) = opening.heard();
        self.server(said);
        self.client(asked);
        self.client(bytes);
    }

    fn client(&mut self, bytes: &[u8]) {
        match &mut self.spoken {
            Spoken::Beginning(opening) => {
                if let Some(language) = opening.client(bytes) {
                    let opening = std::mem::take(opening);
                    self.begin(&opening, language, bytes);
                }
            }
            Spoken::Http1(meter) => meter.client(bytes, self.began),
            Spoken::Http2(meter) => meter.client(bytes, self.began, |_| {}),
            Spoken::Nothing => {}
        }
    }

    fn server(&mut self, bytes: &[u8]) {
        match &mut self.spoken {
            Spoken::Http1(meter) => meter.server(bytes, self.began, |_| {}),
            Spoken::Http2(meter) => meter.server(bytes, self.began, |_| {}),
            Spoken::Beginning(opening) => {
                if opening.server(bytes).is_some() {
                    self.spoken = Spoken::Nothing;
                }
            }
            Spoken::Nothing => {}
        }
    }
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").field("registration", &self.registration).finish_non_exhaustive()
    }
}

impl Observer for Following {
    /// Forward is from the caller.
    fn bytes(&mut self, way: Way, bytes: &[u8]) {
        match way {
            Way::Forward => self.client(bytes),
            Way::Backward => self.server(bytes),
        }
        let stopped = match &self.spoken {
            Spoken::Http1(meter) => meter.stopped().is_some(),
            Spoken::Http2(meter) => meter.stopped().is_some(),
            Spoken::Beginning(_) | Spoken::Nothing => false,
        };
        if stopped {
            self.spoken = Spoken::Nothing;
        }
    }

    fn end(&mut self, _way: Way) {
        // It ends by itself.
        self.spoken = Spoken::Nothing;
    }

    fn is_done(&self) -> bool {
        matches!(self.spoken, Spoken::Nothing)
    }

    fn wish(&self) -> Wish {
        match &self.spoken {
            Spoken::Http1(meter) if self.mark.wanted.get() && meter.is_idle() => Wish::LetGo(Side::First),
            Spoken::Http2(meter) if self.mark.wanted.get() && meter.is_idle() => Wish::End,
            _ => Wish::GoOn,
        }
    }

    /// To a client of HTTP/2. What it has opened meanwhile it may ask anew.
    fn last_words(&self) -> Vec<u8> {
        let Spoken::Http2(meter) = &self.spoken else { return Vec::new() };
        meter.farewell().frames()
    }
}

#[cfg(test)]
mod tests;
