//! What is told of requests: metrics, a line of the access log, a record for whoever looks on.
//!
//! Each worker has a [`Recorder`]. Who speaks with whom is resolved once, to a [`RequestSight`]; a request
//! that ended is an [`Exchange`] that borrows from it, and [`Recorder::record`] tells it everywhere:
//!
//! ```text
//! let sight = recorder.sight(parties, Reporter::Source, Called::Service);   // once a connection and callee
//! let mut exchange = sight.exchange(started);                               // for each request, at its end
//! exchange.request.method = "GET";
//! recorder.record(&sight, RequestProtocol::Http, &exchange);
//! ```
//!
//! A request costs no allocation unless its outcome is new, a log line is written, or somebody looks on.

#[allow(dead_code, reason = "for connections whose requests are routed one by one")]
mod callees;
mod metering;
mod settings;
pub mod taps;

use std::{
    cell::{RefCell, RefMut},
    collections::HashMap,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use ripstop_decide::Program;
use ripstop_model::{Side, Workload, WorkloadUid};
use ripstop_telemetry::{
    Callee, Exchange, LogFormat, LogLane, Measured, Outcome, Party, Reporter, RequestLabels, RequestLog,
    RequestProtocol, RequestSeries, Shard, TapHub, TapWriter,
};

#[allow(unused_imports, reason = "for connections whose requests are routed one by one")]
pub use self::callees::Callees;
pub use self::metering::Metering;
pub use self::settings::Tracing;
use self::settings::{Settings, log_format};
use crate::record::Parties;

/// Workloads whose settings are kept resolved at most.
const RESOLVED: usize = 1024;

/// Where the requests of all workers are told of, beside their counters.
#[derive(Debug)]
pub struct Outlets {
    /// Access logs.
    pub log: RequestLog,
    /// Who looks on.
    pub taps: TapHub,
    /// Connections to ports declared HTTP or gRPC whose requests could not be read to their end.
    pub unread: AtomicU64,
}

/// Tells of the requests of one worker.
#[derive(Debug)]
pub struct Recorder {
    shard: Arc<Shard>,
    outlets: Arc<Outlets>,
    log: RefCell<LogLane>,
    tap: RefCell<TapWriter>,
    rules: RefCell<Rules>,
}

/// Requests that have everything but themselves in common: caller, callee, service, reporter. Where they
/// are counted is resolved at the first one, and again when `Telemetry` objects changed.
#[derive(Debug)]
pub struct RequestSight {
    parties: Parties,
    reporter: Reporter,
    /// The waypoint, if it is told by one.
    waypoint: Option<Arc<Workload>>,
    called: Called,
    source: Party,
    destination: Party,
    resolved: RefCell<Resolved>,
}

/// What is wanted of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That it is counted.
    Counts,
    /// All of it: there is an access log, or somebody looks on.
    Everything,
}

/// What was called, as metrics name it.
#[allow(dead_code, reason = "for connections whose requests are routed one by one")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// The parties' service; `unknown` if they have none.
    Service,
    /// Nothing that the mesh knows: the `Host` header is the only name.
    Host(Arc<str>),
    /// As [`Self::Host`], let through as it is.
    Passthrough(Arc<str>),
    /// As [`Self::Host`], led nowhere.
    BlackHole(Arc<str>),
}

/// What `Telemetry` objects say, as far as it was asked for.
#[derive(Debug)]
struct Rules {
    program: Arc<Program>,
    /// How access logs are written.
    format: Arc<LogFormat>,
    /// Counts changes of what they say.
    epoch: u64,
    settings: HashMap<(WorkloadUid, Reporter), Arc<Settings>>,
}

#[derive(Debug)]
struct Resolved {
    epoch: u64,
    settings: Arc<Settings>,
    http: Option<Arc<RequestSeries>>,
    grpc: Option<Arc<RequestSeries>>,
}

// === impl Outlets ===

impl Outlets {
    /// Access logs go to `out`.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let log = RequestLog::start(out)?;
        Ok(Arc::new(Self { log, taps: TapHub::default(), unread: AtomicU64::new(0) }))
    }
}

// === impl Recorder ===

impl Recorder {
    /// A recorder that counts in `shard` and follows the `Telemetry` objects of `program`.
    pub fn new(shard: Arc<Shard>, outlets: Arc<Outlets>, program: Arc<Program>) -> Self {
        let format = Arc::new(log_format(&program));
        let rules = Rules { program, format, epoch: 0, settings: HashMap::new() };
        Self {
            shard,
            log: RefCell::new(outlets.log.lane()),
            tap: RefCell::new(outlets.taps.writer()),
            outlets,
            rules: RefCell::new(rules),
        }
    }

    /// Follows another configuration. Open connections do, too, with their next request.
    pub fn follow(&self, program: &Arc<Program>) {
        self.rules.borrow_mut().follow(program);
    }

    /// Resolves who speaks with whom.
    pub fn sight(&self, parties: Parties, reporter: Reporter, called: Called) -> RequestSight {
        self.sight_of(parties, reporter, None, called)
    }

    /// The same of requests that go through `waypoint`, which tells of them.
    pub fn sight_at(&self, waypoint: Arc<Workload>, parties: Parties, called: Called) -> RequestSight {
        self.sight_of(parties, Reporter::Waypoint, Some(waypoint), called)
    }

    fn sight_of(
        &self,
        parties: Parties,
        reporter: Reporter,
        waypoint: Option<Arc<Workload>>,
        called: Called,
    ) -> RequestSight {
        let Parties { source, destination, .. } = &parties;
        let party = |address, workload: &Option<Arc<Workload>>, identity: &Option<_>| {
            Party::new(Some(address), workload.as_deref(), identity.as_ref())
        };
        let (source, destination) = (
            party(parties.source_address, source, &parties.source_identity),
            party(parties.destination_address, destination, &parties.destination_identity),
        );
        let mut rules = self.rules.borrow_mut();
        let settings = rules.settings(own(&parties, reporter, waypoint.as_ref()), reporter);
        let resolved = RefCell::new(Resolved { epoch: rules.epoch, settings, http: None, grpc: None });
        RequestSight { parties, reporter, waypoint, called, source, destination, resolved }
    }

    /// Tells of a request that ended.
    pub fn record(&self, sight: &RequestSight, protocol: RequestProtocol, exchange: &Exchange<'_>) {
        let (request, response) = (&exchange.request, &exchange.response);
        let outcome = Outcome { status: response.status, grpc: response.grpc_status, flags: response.flags };
        let measured = Measured {
            duration: exchange.duration,
            request_bytes: request.header_bytes + request.body_bytes,
            response_bytes: response.header_bytes + response.body_bytes,
        };
        if self.count(sight, protocol, outcome, measured) == Interest::Everything {
            self.tell(sight, exchange);
        }
    }

    /// Counts a request that ended, and says what else is wanted of it.
    pub fn count(
        &self,
        sight: &RequestSight,
        protocol: RequestProtocol,
        outcome: Outcome,
        measured: Measured,
    ) -> Interest {
        let mut resolved = self.resolved(sight);
        resolved.series(sight, protocol, &self.shard).record(outcome, measured);
        self.interest_in(&resolved)
    }

    /// What is wanted of its requests, as things are now.
    fn interest(&self, sight: &RequestSight) -> Interest {
        self.interest_in(&self.resolved(sight))
    }

    fn interest_in(&self, resolved: &Resolved) -> Interest {
        let is_told = !resolved.settings.logs.is_empty() || self.tap.borrow().is_watched();
        if is_told { Interest::Everything } else { Interest::Counts }
    }

    /// Writes a request that was counted into access logs, and shows it to whoever looks on.
    pub fn tell(&self, sight: &RequestSight, exchange: &Exchange<'_>) {
        let resolved = self.resolved(sight);
        for format in &resolved.settings.logs {
            self.log.borrow_mut().write(format, exchange);
        }
        self.tap.borrow_mut().offer(exchange);
    }

    /// How requests take part in traces; nothing: they do not, and what they bring passes as it is.
    pub fn tracing(&self, sight: &RequestSight) -> Option<Tracing> {
        self.resolved(sight).settings.tracing
    }

    /// Counts gRPC messages that were seen since the last call, from and to the client; to be called now and
    /// then while a stream runs, and at its end.
    pub fn messages(&self, sight: &RequestSight, from_client: u64, to_client: u64) {
        self.resolved(sight).series(sight, RequestProtocol::Grpc, &self.shard).messages(from_client, to_client);
    }

    /// Counts a connection whose requests cannot be read.
    fn unread(&self) {
        self.outlets.unread.fetch_add(1, Relaxed);
    }

    /// What `sight` was resolved to, by the rules of now.
    fn resolved<'s>(&self, sight: &'s RequestSight) -> RefMut<'s, Resolved> {
        let mut resolved = sight.resolved.borrow_mut();
        let mut rules = self.rules.borrow_mut();
        if resolved.epoch != rules.epoch {
            resolved.epoch = rules.epoch;
            let own = own(&sight.parties, sight.reporter, sight.waypoint.as_ref());
            let settings = rules.settings(own, sight.reporter);
            if settings.shape != resolved.settings.shape {
                (resolved.http, resolved.grpc) = (None, None);
            }
            resolved.settings = settings;
        }
        resolved
    }
}

/// The workload whose settings count: the one that the reporter stands for.
fn own<'p>(parties: &'p Parties, reporter: Reporter, waypoint: Option<&'p Arc<Workload>>) -> Option<&'p Arc<Workload>> {
    match reporter {
        Reporter::Source => parties.source.as_ref(),
        Reporter::Destination => parties.destination.as_ref(),
        Reporter::Waypoint => waypoint,
    }
}

// === impl RequestSight ===

impl RequestSight {
    /// A request between the two, of which nothing else is known. The fields are for the caller to fill.
    pub fn exchange(&self, start: SystemTime) -> Exchange<'_> {
        let mut exchange = Exchange::new(start, self.parties.direction, &self.source, &self.destination);
        exchange.service = self.parties.service.as_deref();
        exchange.downstream.remote = Some(self.parties.source_address);
        exchange.downstream.local = Some(self.parties.destination_address);
        exchange.downstream.peer = self.parties.source_identity.as_ref();
        exchange.downstream.own = self.parties.destination_identity.as_ref();
        exchange
    }

    /// Who speaks with whom.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    fn labels(&self, protocol: RequestProtocol, settings: &Settings) -> RequestLabels {
        let callee = match (&self.called, self.parties.service.as_deref()) {
            (Called::Service, Some(service)) => Callee::Service(service),
            (Called::Service, None) => Callee::Unknown,
            (Called::Host(host), _) => Callee::Host(host),
            (Called::Passthrough(host), _) => Callee::Passthrough(host),
            (Called::BlackHole(host), _) => Callee::BlackHole(host),
        };
        let Parties { source, destination, source_identity, destination_identity, .. } = &self.parties;
        let principals = (source_identity.as_ref(), destination_identity.as_ref());
        let labels =
            RequestLabels::new(self.reporter, protocol, source.as_deref(), destination.as_deref(), callee, principals);
        match &settings.shape {
            Some(shape) => labels.with_shape(shape.clone()),
            None => labels,
        }
    }
}

// === impl Resolved ===

impl Resolved {
    fn series(&mut self, sight: &RequestSight, protocol: RequestProtocol, shard: &Shard) -> &RequestSeries {
        let Self { settings, http, grpc, .. } = self;
        let series = match protocol {
            RequestProtocol::Http => http,
            RequestProtocol::Grpc => grpc,
        };
        series.get_or_insert_with(|| shard.requests(&sight.labels(protocol, settings)))
    }
}

// === impl Rules ===

impl Rules {
    fn follow(&mut self, program: &Arc<Program>) {
        let says_the_same = Settings::rest_on_the_same(&self.program, program);
        self.program = program.clone();
        if !says_the_same {
            self.format = Arc::new(log_format(program));
            self.settings.clear();
            self.epoch += 1;
        }
    }

    fn settings(&mut self, workload: Option<&Arc<Workload>>, reporter: Reporter) -> Arc<Settings> {
        let side = match reporter {
            Reporter::Source => Side::Client,
            Reporter::Destination | Reporter::Waypoint => Side::Server,
        };
        let Some(workload) = workload else { return Arc::default() };
        let key = (workload.uid.clone(), reporter);
        if let Some(found) = self.settings.get(&key) {
            return found.clone();
        }
        if self.settings.len() >= RESOLVED {
            self.settings.clear();
        }
        let settings = Arc::new(Settings::of(&self.program, &self.format, workload, side));
        self.settings.insert(key, settings.clone());
        settings
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
