//! What is done inside workloads' namespaces, each on a thread that enters one.

use std::{collections::HashSet, fmt::Write as _, io, os::fd::OwnedFd, sync::Arc};

use ripstop_decide::{InboundFacts, Program, Verdict, authorize, departure};
use ripstop_model::{TunnelProtocol, Workload, WorkloadUid};
use ripstop_net::{
    Error as NetError, Family, NamespaceSockets, NetNs, SocketKind,
    diag::{self, Holder, TcpState, Tuple},
    nft::{
        self,
        capture::{Capture, PORT_DNS, PORT_INBOUND, PORT_OUTBOUND, PORT_TUNNEL, PORTS, Phase},
    },
    socket,
};
use ripstop_wire::ripstop::{SocketKind as WireKind, SocketRequest};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
};
use tracing::{info, warn};

use super::machine::{Action, Event, Opened, Rules};
use crate::proxy_link::Outbox;

/// Operations at a time; a namespace each.
const AT_A_TIME: usize = 8;
/// Batches of sockets in work at a time; further wishes are refused, and made again.
const BATCHES: usize = 256;
/// Sockets of a batch at most.
const BATCH: u32 = 64;
/// Local ports below this are services' (`ip_local_port_range` begins here).
const FIRST_EPHEMERAL: u16 = 32768;

/// What to do.
pub(super) enum Operation {
    /// Read which rules are there.
    Probe,
    /// Open the proxy's listeners.
    Open,
    Enrol,
    Leave,
    Remove,
    /// Count exempt connections, and reset those that policy forbids, where it is to be asked.
    Refresh(Option<Judge>),
}

/// By which policy exempt connections are judged.
pub(super) struct Judge {
    pub(super) workload: Arc<Workload>,
    pub(super) program: Arc<Program>,
}

/// What came of it.
pub(super) struct Done {
    pub(super) uid: WorkloadUid,
    pub(super) epoch: u64,
    pub(super) outcome: Outcome,
    /// Rules in the namespace afterwards, if they can be read.
    pub(super) rules: Option<usize>,
}

/// See [`Done`].
pub(super) enum Outcome {
    Probed(Result<Rules, String>),
    Opened(Result<Vec<OwnedFd>, Opened>),
    Step(Event),
    /// Exempt connections that are still open.
    Plain(Result<u64, String>),
}

/// A batch of sockets that the proxy asked for.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    kind: SocketKind,
    family: Family,
    count: usize,
}

/// Everything under way; ends with its owner.
pub(super) struct Operations {
    running: JoinSet<Done>,
    giving: JoinSet<()>,
    places: Arc<Semaphore>,
}

// === impl Operations ===

impl Default for Operations {
    fn default() -> Self {
        Self { running: JoinSet::new(), giving: JoinSet::new(), places: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Operations {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The next one that is done. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Done> {
        self.running.join_next().await?.ok()
    }

    /// Starts `operation` in the namespace of `uid`.
    pub(super) fn start(&mut self, uid: &WorkloadUid, epoch: u64, netns: NetNs, operation: Operation) {
        let (uid, places) = (uid.clone(), self.places.clone());
        self.running.spawn(async move {
            let _place = places.acquire_owned().await;
            let crashed = operation.crashed();
            let name = uid.clone();
            let outcome = spawn_blocking(move || {
                let outcome = operation.run(&name, &netns);
                let changed = matches!(outcome, Outcome::Probed(_) | Outcome::Step(_));
                let rules = changed.then(|| nft::rules(&netns).ok()).flatten();
                (outcome, rules.map(|rules| rules.len()))
            })
            .await;
            let (outcome, rules) = outcome.unwrap_or_else(|error| (crashed(&error.to_string()), None));
            Done { uid, epoch, outcome, rules }
        });
    }

    /// Opens sockets and gives them to the proxy.
    pub(super) fn give(&mut self, netns: NetNs, wish: Wish, id: u64, outbox: Outbox) {
        while self.giving.try_join_next().is_some() {}
        if self.giving.len() >= BATCHES {
            outbox.sockets(id, Err("too many batches of sockets are asked for at a time".to_owned()));
            return;
        }
        self.giving.spawn(async move {
            let Wish { kind, family, count } = wish;
            let opened = spawn_blocking(move || NamespaceSockets::new(netns).batch(kind, family, count)).await;
            let sockets = opened.map_err(io::Error::other).and_then(|sockets| sockets);
            outbox.sockets(id, sockets.map_err(|error| format!("sockets of a workload: {error}")));
        });
    }
}

/// Checks what the proxy asks for.
pub(super) fn prepared(request: &SocketRequest) -> Result<Wish, String> {
    let kind = match WireKind::try_from(request.kind) {
        Ok(WireKind::Plain) => SocketKind::Plain,
        Ok(WireKind::Transparent) => SocketKind::Transparent,
        Ok(WireKind::DnsReply) => SocketKind::DnsReply,
        Err(_) => return Err(format!("kind {} of sockets is not known", request.kind)),
    };
    let family = if request.ipv6 { Family::V6 } else { Family::V4 };
    let count = usize::try_from(request.count.clamp(1, BATCH)).map_err(|error| error.to_string())?;
    Ok(Wish { kind, family, count })
}

// === impl Operation ===

impl Operation {
    /// The operation behind an action that needs one; the others never come here.
    pub(super) fn of(action: Action) -> Self {
        match action {
            Action::Open => Self::Open,
            Action::Enrol => Self::Enrol,
            Action::Leave => Self::Leave,
            Action::Remove => Self::Remove,
            Action::Drain | Action::Delete => Self::Refresh(None),
        }
    }

    /// How the machine hears that it failed.
    pub(super) fn failed(&self, reason: &str) -> Event {
        let failed = Err(reason.to_owned());
        match self {
            Self::Open => Event::Opened(Opened::Failed(reason.to_owned())),
            Self::Enrol => Event::Enrolled(Err(reason.to_owned())),
            Self::Leave => Event::Left(failed),
            Self::Remove => Event::Removed(failed),
            Self::Probe | Self::Refresh(_) => Event::PlainCount(0),
        }
    }

    /// The outcome if its thread ends without one.
    fn crashed(&self) -> impl FnOnce(&str) -> Outcome + Send + use<> {
        let make: fn(&str) -> Outcome = match self {
            Self::Probe => |reason| Outcome::Probed(Err(reason.to_owned())),
            Self::Open => |reason| Outcome::Opened(Err(Opened::Failed(reason.to_owned()))),
            Self::Enrol => |reason| Outcome::Step(Event::Enrolled(Err(reason.to_owned()))),
            Self::Leave => |reason| Outcome::Step(Event::Left(Err(reason.to_owned()))),
            Self::Remove => |reason| Outcome::Step(Event::Removed(Err(reason.to_owned()))),
            Self::Refresh(_) => |reason| Outcome::Plain(Err(reason.to_owned())),
        };
        make
    }

    fn run(self, uid: &WorkloadUid, netns: &NetNs) -> Outcome {
        let said = |error: NetError| error.to_string();
        let capture = Capture::new(netns.clone());
        match self {
            Self::Probe => Outcome::Probed(capture.phase().map(rules).map_err(said)),
            Self::Open => Outcome::Opened(listeners(netns)),
            Self::Enrol => Outcome::Step(Event::Enrolled(capture.enrol().map(|exempt| exempt as u64).map_err(said))),
            Self::Leave => Outcome::Step(Event::Left(capture.leave().map(drop).map_err(said))),
            Self::Remove => Outcome::Step(Event::Removed(capture.remove().map_err(said))),
            Self::Refresh(judge) => Outcome::Plain(refresh(uid, netns, &capture, judge.as_ref()).map_err(said)),
        }
    }
}

fn rules(phase: Phase) -> Rules {
    match phase {
        Phase::None => Rules::None,
        Phase::Starting => Rules::Starting,
        Phase::Full => Rules::Full,
        Phase::Stopping => Rules::Stopping,
        Phase::Leaving => Rules::Leaving,
    }
}

/// The six sockets in the order of the protocol: 15001, 15006, 15008, 15053 TCP; 15053 UDP for
/// IPv4 and IPv6.
fn listeners(netns: &NetNs) -> Result<Vec<OwnedFd>, Opened> {
    let holders = diag::holders(netns, &PORTS).map_err(|error| Opened::Failed(error.to_string()))?;
    if !holders.is_empty() {
        return Err(Opened::Held(in_the_way(&holders)));
    }
    let open = || {
        let mut sockets = Vec::with_capacity(6);
        for port in [PORT_OUTBOUND, PORT_INBOUND, PORT_TUNNEL, PORT_DNS] {
            sockets.push(socket::transparent_listener(netns, port)?);
        }
        for family in [Family::V4, Family::V6] {
            sockets.push(socket::transparent_datagram(netns, PORT_DNS, family)?);
        }
        Ok(sockets)
    };
    open().map_err(|error: io::Error| match error.kind() {
        // No process of the workload has them: it can only be a proxy that is about to end.
        io::ErrorKind::AddrInUse => Opened::NotYet,
        _ => Opened::Failed(format!("the proxy's listeners cannot be opened: {error}")),
    })
}

/// Names what is in the way: `port 15001 is held by envoy (pid 7)`.
fn in_the_way(holders: &[Holder]) -> String {
    let mut text = String::new();
    for Holder { address, udp, processes } in holders {
        let separator = if text.is_empty() { "" } else { "; " };
        let protocol = if *udp { "UDP port" } else { "port" };
        let _ = write!(text, "{separator}{protocol} {} is held by ", address.port());
        if processes.is_empty() {
            text.push_str("a process that cannot be seen");
        }
        for (index, (pid, program)) in processes.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}{program} (pid {pid})");
        }
    }
    text
}

/// Counts exempt connections. Plaintext that came in before and that policy forbids now (mutual TLS is
/// required, or authorization denies) is reset and told.
fn refresh(uid: &WorkloadUid, netns: &NetNs, capture: &Capture, judge: Option<&Judge>) -> Result<u64, NetError> {
    // While leaving the other connections are the exception, and those that ended are forgotten.
    capture.draining()?;
    let open = capture.plain()?;
    let Some(judge) = judge.filter(|_| !open.is_empty()) else { return Ok(open.len() as u64) };
    let listening = listening(netns)?;
    let forbidden = |tuple: &Tuple| judge.refusal(tuple, &listening).is_some();
    let doomed: Vec<Tuple> = open.iter().filter(|tuple| forbidden(tuple)).copied().collect();
    if doomed.is_empty() {
        return Ok(open.len() as u64);
    }
    // Reset while they are exempt, so that the peer hears of it; what is left loses its exemption.
    match diag::destroy(netns, &doomed) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        destroyed => drop(destroyed?),
    }
    capture.sever(forbidden)?;
    for tuple in &doomed {
        judge.log(uid, tuple, &listening);
    }
    warn!(workload = %uid, count = doomed.len(), "open plaintext connections were reset: policy forbids them now");
    Ok(open.len().saturating_sub(doomed.len()) as u64)
}

fn listening(netns: &NetNs) -> Result<HashSet<u16>, NetError> {
    let sockets = diag::tcp_sockets(netns)?;
    let listeners = sockets.iter().filter(|socket| socket.state == TcpState::Listen);
    Ok(listeners.map(|socket| socket.tuple.local.port()).collect())
}

/// Whether somebody connected to the workload, and not the other way round. The listener may be
/// closed already, so ports of services count as well.
fn is_inbound(tuple: &Tuple, listening: &HashSet<u16>) -> bool {
    listening.contains(&tuple.local.port()) || tuple.local.port() < FIRST_EPHEMERAL
}

// === impl Judge ===

impl Judge {
    /// Why plaintext that is open may not stay: what came in, by policy; what the workload itself opened, by quarantine.
    fn refusal(&self, tuple: &Tuple, listening: &HashSet<u16>) -> Option<Verdict> {
        if is_inbound(tuple, listening) {
            return Some(self.verdict(tuple)).filter(|verdict| !verdict.is_allow());
        }
        let ip = tuple.remote.ip();
        let called = self.program.workload_at(ip).map(AsRef::as_ref);
        let is_away = !ip.to_canonical().is_loopback();
        departure(&self.workload, called, TunnelProtocol::None).filter(|_| is_away)
    }

    /// Whether plaintext that came in may stay.
    fn verdict(&self, tuple: &Tuple) -> Verdict {
        let (local, remote) = (tuple.local, tuple.remote);
        let facts = InboundFacts::connection(&self.workload, local.port(), None, Some(remote));
        authorize(&self.program, &InboundFacts { address: Some(local.ip()), ..facts }).without_authorizer()
    }

    fn log(&self, uid: &WorkloadUid, tuple: &Tuple, listening: &HashSet<u16>) {
        let Some(verdict) = self.refusal(tuple, listening) else { return };
        if !is_inbound(tuple, listening) {
            info!(workload = %uid, destination = %tuple.remote, %verdict, "plaintext connection of before reset");
            return;
        }
        let source = self.program.workload_at(tuple.remote.ip());
        info!(
            workload = %uid,
            port = tuple.local.port(),
            source = %tuple.remote,
            source_workload = source.map_or("unknown", |workload| workload.uid.as_str()),
            %verdict,
            "plaintext connection of before reset"
        );
    }
}

#[cfg(test)]
mod tests;
