//! Requests of a connection that is relayed as it is, read as their bytes pass.
//!
//! A port that is declared HTTP or gRPC is metered at the callee's node. Nothing is held back or changed for it, and
//! what cannot be read is carried all the same: then there is only the connection to tell of.

mod messages;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use ripstop_h1 as h1;
use ripstop_h2::{self as h2, Farewell};
use ripstop_model::{AppProtocol, Service, Snapshot, Workload};
use ripstop_telemetry::{ClusterName, Direction, Reporter, ResponseFlag};
use ripstop_tunnel::{Observer, RelayFault, Side, Way, Wish};

use self::messages::Told;
use super::{Called, Interest, Recorder, RequestSight};
use crate::{
    opening::{Language, Opening},
    record::Parties,
    takeover::{Heard, Progress, Takeover},
};

/// Fields that default formats of access logs and traces need. Others are not read on their way.
const REQUEST_FIELDS: [&str; 7] =
    ["user-agent", "x-request-id", "x-forwarded-for", "traceparent", "b3", "x-b3-traceid", "x-b3-spanid"];
const RESPONSE_FIELDS: [&str; 1] = ["x-envoy-upstream-service-time"];

/// Follows one connection to a workload of this node, and tells of its requests.
pub struct Metering {
    recorder: Rc<Recorder>,
    sight: RequestSight,
    /// `inbound|8080||`.
    cluster: Box<str>,
    version: u64,
    reading: Reading,
    /// The application has ended its side first.
    server_ended: bool,
    takeover: Rc<Takeover>,
    /// When what the client said was about to be handed on: the application may answer before that is done.
    handed_on: Option<Instant>,
}

/// What is spoken.
enum Reading {
    /// Not known yet.
    Beginning(Opening),
    Http1(Box<h1::Meter>),
    Http2(Box<h2::Meter>),
    /// The last message is over, and the connection ends by itself.
    Over,
    /// Nothing that is followed any more.
    Nothing,
}

// === impl Metering ===

impl Metering {
    /// A meter for a connection of `parties`, if the port is declared to speak HTTP or gRPC.
    pub fn of(recorder: &Rc<Recorder>, snapshot: &Snapshot, parties: &Parties) -> Option<Box<Self>> {
        let workload = parties.destination.as_ref()?;
        let port = parties.destination_address.port();
        let service = metered(snapshot, workload, parties.service.as_ref(), port)?;
        let parties = Parties { service: Some(service), ..parties.clone() };
        let cluster = ClusterName { direction: Direction::Inbound, port, subset: "", host: "" };
        Some(Box::new(Self {
            sight: recorder.sight(parties, Reporter::Destination, Called::Service),
            recorder: recorder.clone(),
            cluster: cluster.to_string().into(),
            version: snapshot.version(),
            reading: Reading::Beginning(Opening::default()),
            server_ended: false,
            takeover: Rc::default(),
            handed_on: None,
        }))
    }

    /// By what it may be taken over.
    pub fn takeover(&self) -> Rc<Takeover> {
        self.takeover.clone()
    }

    /// What was heard, of a connection that is let go of.
    pub fn heard(&self) -> Heard {
        match &self.reading {
            Reading::Http1(_) => Heard::Http1,
            Reading::Http2(meter) => Heard::Http2(meter.farewell()),
            // Its server has begun to speak HTTP/2 with it.
            Reading::Beginning(opening) if !opening.is_silent() => {
                Heard::Http2(Farewell { last_stream: 0, is_greeted: true })
            }
            Reading::Beginning(_) | Reading::Over | Reading::Nothing => Heard::Nothing,
        }
    }

    /// The connection is over, by a fault if there is one: tells of requests that have no complete response.
    pub fn finish(mut self: Box<Self>, fault: Option<&RelayFault>) {
        let flag = match fault {
            Some(RelayFault::Broken { side: Side::First, .. }) => ResponseFlag::UpstreamConnectionTermination,
            Some(RelayFault::Stopped) => ResponseFlag::LocalReset,
            None if self.server_ended => ResponseFlag::UpstreamConnectionTermination,
            Some(RelayFault::Broken { side: Side::Second, .. }) | None => ResponseFlag::DownstreamConnectionTermination,
        };
        let now = Instant::now();
        let (mut reading, teller) = self.split(flag, now);
        match &mut reading {
            Reading::Http1(meter) => meter.end(now, |record| teller.tell(&Told::of_http1(&record))),
            Reading::Http2(meter) => meter.end(now, |record| teller.tell(&Told::of_http2(&record))),
            Reading::Beginning(_) | Reading::Over | Reading::Nothing => {}
        }
    }

    /// What is read, and who tells of it.
    fn split(&mut self, cut: ResponseFlag, now: Instant) -> (&mut Reading, Teller<'_>) {
        let Self { recorder, sight, cluster, version, reading, .. } = self;
        (reading, Teller { recorder, sight, cluster, version: *version, cut, now })
    }

    /// It speaks that, and `bytes` of the client told it.
    fn begin(&mut self, opening: &Opening, language: Language, bytes: &[u8], now: Instant) {
        self.reading = match language {
            Language::Http2 => {
                let keep = h2::Keep { request: &REQUEST_FIELDS, response: &RESPONSE_FIELDS };
                Reading::Http2(Box::new(h2::Meter::new(h2::MeterLimits::default(), keep)))
            }
            Language::Http1 => {
                let keep = h1::Keep { request: &REQUEST_FIELDS, response: &RESPONSE_FIELDS };
                Reading::Http1(Box::new(h1::Meter::new(h1::Limits::default(), keep)))
            }
            Language::Other => return self.give_up("the server speaks first"),
        };
        let (asked, said) = opening.heard();
        self.server(said, now);
        self.client(asked, now);
        self.client(bytes, now);
    }

    fn client(&mut self, bytes: &[u8], now: Instant) {
        let detail = match self.recorder.interest(&self.sight) {
            Interest::Counts => h1::Detail::Counts,
            Interest::Everything => h1::Detail::Full,
        };
        let (reading, teller) = self.split(ResponseFlag::DownstreamConnectionTermination, now);
        match reading {
            Reading::Beginning(opening) => {
                if let Some(language) = opening.client(bytes) {
                    let opening = std::mem::take(opening);
                    self.begin(&opening, language, bytes, now);
                }
            }
            Reading::Http1(meter) => {
                meter.tell(detail);
                meter.client(bytes, now);
            }
            Reading::Http2(meter) => {
                meter.tell(detail);
                meter.client(bytes, now, |record| teller.tell(&Told::of_http2(&record)));
            }
            Reading::Over | Reading::Nothing => {}
        }
    }

    fn server(&mut self, bytes: &[u8], now: Instant) {
        let (reading, teller) = self.split(ResponseFlag::UpstreamConnectionTermination, now);
        match reading {
            Reading::Http1(meter) => meter.server(bytes, now, |record| teller.tell(&Told::of_http1(&record))),
            Reading::Http2(meter) => meter.server(bytes, now, |record| teller.tell(&Told::of_http2(&record))),
            Reading::Beginning(opening) => {
                if opening.server(bytes).is_some() {
                    self.give_up("the server speaks first");
                }
            }
            Reading::Over | Reading::Nothing => {}
        }
    }

    /// Forgets a reader that has stopped.
    fn look(&mut self) {
        let odd = match &self.reading {
            Reading::Http1(meter) => match meter.stopped() {
                None => return,
                Some(h1::Stopped::Closed) => return self.reading = Reading::Over,
                Some(h1::Stopped::Odd(rejected)) => Some(rejected.to_string()),
                Some(h1::Stopped::Early) => Some("the client did not wait for an upgrade".to_owned()),
                // As it should be.
                Some(h1::Stopped::Switched) => None,
            },
            Reading::Http2(meter) => match meter.stopped() {
                None => return,
                Some(h2::Stopped::Closed) => return self.reading = Reading::Over,
                Some(stopped) => Some(stopped.to_string()),
            },
            Reading::Beginning(_) | Reading::Over | Reading::Nothing => return,
        };
        self.reading = Reading::Nothing;
        self.takeover.give_up();
        if let Some(reason) = odd {
            self.unread(&reason);
        }
    }

    fn give_up(&mut self, reason: &str) {
        self.reading = Reading::Nothing;
        self.takeover.give_up();
        self.unread(reason);
    }

    /// Its requests are not told of.
    fn unread(&self, reason: &str) {
        self.recorder.unread();
        let Parties { source_address, destination_address, .. } = self.sight.parties();
        tracing::debug!(%source_address, %destination_address, reason, "requests of a connection cannot be read");
    }

    /// A number that is greater once a further request has begun.
    fn begun(&self) -> u64 {
        match &self.reading {
            Reading::Http1(meter) => meter.begun(),
            Reading::Http2(meter) => meter.last_stream().into(),
            // Of a request that begins like the preface of HTTP/2, or as its first one.
            Reading::Beginning(opening) => u64::from(!opening.is_only_greeted()),
            Reading::Over | Reading::Nothing => 0,
        }
    }

    /// Whether it had requests, and all of them are answered.
    pub fn is_idle(&self) -> bool {
        self.begun() > 0 && matches!(self.progress(), Progress::Idle)
    }

    fn progress(&self) -> Progress {
        let of = |is_idle, is_received| match (is_idle, is_received) {
            (true, _) => Progress::Idle,
            (false, true) => Progress::Asked,
            (false, false) => Progress::Asking,
        };
        match &self.reading {
            Reading::Beginning(opening) if opening.is_only_greeted() => Progress::Idle,
            // What was said is passed on already; what comes will tell.
            Reading::Beginning(_) => Progress::Asking,
            Reading::Http1(meter) => of(meter.is_idle(), meter.is_received()),
            Reading::Http2(meter) => of(meter.is_idle(), meter.is_received()),
            Reading::Over => Progress::Over,
            Reading::Nothing => Progress::Unreadable,
        }
    }
}

impl Observer for Metering {
    fn hands_on(&mut self, way: Way) {
        if way == Way::Backward {
            self.handed_on = Some(Instant::now());
        }
    }

    /// Forward is from the application to its client.
    fn bytes(&mut self, way: Way, bytes: &[u8]) {
        match way {
            Way::Backward => {
                let now = self.handed_on.unwrap_or_else(Instant::now);
                self.client(bytes, now);
            }
            Way::Forward => self.server(bytes, Instant::now()),
        }
        self.look();
        if way == Way::Backward && matches!(self.reading, Reading::Over) && self.takeover.is_wanted() {
            // It speaks on though it has said that it would not.
            self.takeover.give_up();
        }
    }

    fn end(&mut self, way: Way) {
        if way == Way::Backward {
            return;
        }
        self.server_ended = true;
        let now = Instant::now();
        let (reading, teller) = self.split(ResponseFlag::UpstreamConnectionTermination, now);
        if let Reading::Http1(meter) = reading {
            meter.end_of_server(now, |record| teller.tell(&Told::of_http1(&record)));
        }
        self.look();
    }

    fn is_done(&self) -> bool {
        matches!(self.reading, Reading::Nothing)
    }

    fn wish(&self) -> Wish {
        if self.takeover.is_wanted() { self.takeover.wish(self.progress(), self.begun()) } else { Wish::GoOn }
    }
}

/// The service whose port leads to `port` of `workload` and is declared to speak HTTP or gRPC: the one that was
/// called, else the first by name.
fn metered(snapshot: &Snapshot, workload: &Workload, called: Option<&Arc<Service>>, port: u16) -> Option<Arc<Service>> {
    let speaks = |service: &Service| {
        let mappings = workload.services.iter().filter(|(key, _)| *key == service.key).flat_map(|(_, ports)| ports);
        let mut mappings = mappings.filter(|mapping| mapping.target_port == port);
        mappings.any(|mapping| {
            service.ports.iter().any(|declared| {
                let http = matches!(declared.protocol, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc);
                declared.port == mapping.service_port && http
            })
        })
    };
    if let Some(called) = called {
        return speaks(called).then(|| called.clone());
    }
    let services = workload.services.iter().filter_map(|(key, _)| snapshot.service(key));
    services.filter(|service| speaks(service)).min_by(|a, b| a.key.cmp(&b.key)).cloned()
}

/// Tells of what was read.
struct Teller<'a> {
    recorder: &'a Recorder,
    sight: &'a RequestSight,
    cluster: &'a str,
    version: u64,
    /// Why a request has no complete response, if the connection ends with it.
    cut: ResponseFlag,
    now: Instant,
}

// === impl Teller ===

impl Teller<'_> {
    fn tell(&self, told: &Told<'_>) {
        let Self { recorder, sight, .. } = self;
        if let Some((from_client, to_client)) = told.messages {
            recorder.messages(sight, from_client, to_client);
        }
        let (outcome, measured) = (told.outcome(self.cut), told.measured());
        if recorder.count(sight, told.kind, outcome, measured) == Interest::Counts {
            return;
        }
        let ago = self.now.saturating_duration_since(told.started);
        let start = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut exchange = sight.exchange(start);
        exchange.duration = measured.duration;
        told.fill(&mut exchange, self.cut);
        exchange.upstream.host = exchange.downstream.local;
        exchange.upstream.cluster = Some(self.cluster);
        exchange.upstream.attempts = 1;
        exchange.verdict.route_name = Some("default");
        exchange.verdict.version = self.version;
        recorder.tell(sight, &exchange);
    }
}

#[cfg(test)]
mod tests;
