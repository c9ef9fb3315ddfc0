//! The rules that bring a workload's traffic to its proxy, in the workload's network namespace.
//!
//! Packets that the application sends are marked in the output hook; a mark selects a routing table in which everything
//! is local, so they come back in by the loopback device, where `tproxy` gives them to the proxy's transparent
//! listener. Packets from outside for the workload's addresses go to the proxy by `tproxy` alone. The original
//! destination is the accepted socket's local address, nothing is translated, no connection is tracked. The proxy's
//! own packets carry one mark, those it sends with the address of a peer another, so that the application's answers to
//! that peer (which inherit it, `tcp_fwmark_accept`) come back to the proxy. Where `tproxy` finds no proxy the chain
//! refuses: nothing falls through to the application or to the network. Nor does anything but captured packets, and
//! tunnels, reach the proxy's listeners.
//!
//! **Enrolment is live.** At first ([`Phase::Starting`]) only connections whose SYN passes are captured, and the rule
//! that captures remembers their 4-tuple in the same step; all others pass. Then the open connections are asked of the
//! kernel, and those that were not captured become exempt ([`Phase::Full`] captures everything else). There is no
//! moment in which a connection is in neither or both. A SYN is of a new connection, whatever had the same ends before,
//! unless its socket was connecting at that moment. Leaving mirrors it: new SYNs are remembered as exempt
//! ([`Phase::Stopping`]), then what is open and not exempt is what was captured, and stays so ([`Phase::Leaving`]).

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::batch::{Batch, Data};
use super::{contains, elements_by, open, table_exists};
use crate::diag::{self, TcpSocket, TcpState, Tuple};
use crate::link::{Links, Route, Rule, set_sysctls};
use crate::netlink::Socket;
use crate::source::Family;
use crate::{Error, MARK_CAPTURED, MARK_MASK, MARK_SPOOFED, NetNs, run_in};

mod rules;

use rules::Set;

/// Where the proxy takes connections of the application.
pub const PORT_OUTBOUND: u16 = 15001;
/// Where the proxy takes plaintext connections to the application.
pub const PORT_INBOUND: u16 = 15006;
/// Where the proxy takes tunnels.
pub const PORT_TUNNEL: u16 = 15008;
/// Where the proxy takes DNS questions, UDP and TCP.
pub const PORT_DNS: u16 = 15053;
/// All of them: whoever else listens there is in the way.
pub const PORTS: [u16; 4] = [PORT_OUTBOUND, PORT_INBOUND, PORT_TUNNEL, PORT_DNS];

/// Routing table of captured packets.
const TABLE_CAPTURED: u32 = 100;
/// Routing table of answers to addresses that the proxy borrowed.
const TABLE_SPOOFED: u32 = 101;
const PRIORITY_SPOOFED: u32 = 100;
const PRIORITY_CAPTURED: u32 = 101;
/// Between a socket's being seen as connecting and its SYN's being sent: microseconds, unless the system is busy.
const SYN_GRACE: Duration = Duration::from_millis(20);
/// Set elements changed by one batch.
const ELEMENTS_PER_BATCH: usize = 2_000;

/// How far capture has come; read from the kernel, so it survives whoever installed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No rules.
    None,
    /// New connections are captured, what was open is not yet told apart. Passed through by [`Capture::enrol`].
    Starting,
    /// Everything is captured but the connections that were open before.
    Full,
    /// New connections are not captured any more, what is open is not yet told apart. Passed through by
    /// [`Capture::leave`].
    Stopping,
    /// Only connections that were captured before, and tunnels, are.
    Leaving,
}

/// The capture rules of one namespace. All state is in the kernel: handles may be dropped and made anew. Calls for one
/// namespace must not overlap; they block for microseconds, with many open connections for milliseconds.
#[derive(Clone, Debug)]
pub struct Capture {
    netns: NetNs,
}

impl Capture {
    /// For a workload's namespace.
    pub fn new(netns: NetNs) -> Self {
        Self { netns }
    }

    /// Captures everything but the connections that are open now, which go on as they are; gives how many these are.
    ///
    /// The proxy's listeners must be open before. Harmless when repeated, takes back [`Capture::leave`], and completes
    /// what a predecessor began.
    pub fn enrol(&self) -> Result<usize, Error> {
        self.prepare()?;
        let mut socket = open(&self.netns)?;
        match self.phase_by(&mut socket)? {
            Phase::Full => {}
            // What is exempt is known.
            Phase::Stopping => {
                install(&mut socket, Phase::Full)?;
                // Only now: until then new connections became exempt. A SYN is not sent again for a second.
                self.spare_connecting(&mut socket)?;
            }
            Phase::None | Phase::Starting | Phase::Leaving => {
                install(&mut socket, Phase::Starting)?;
                self.remember(&mut socket, Set::Plain, Set::Captured)?;
                self.spare_connecting(&mut socket)?;
                install(&mut socket, Phase::Full)?;
            }
        }
        drop(socket);
        Ok(self.plain()?.len())
    }

    /// How far it has come.
    pub fn phase(&self) -> Result<Phase, Error> {
        self.phase_by(&mut open(&self.netns)?)
    }

    /// The connections open since before capture, from the workload's end; forgets those that have ended.
    pub fn plain(&self) -> Result<Vec<Tuple>, Error> {
        self.still_open(Set::Plain, Phase::Full)
    }

    /// Captures no new connection any more, but tunnels to port 15008; what is captured stays so until it ends. Gives
    /// how many of the application's connections these are. Harmless when repeated.
    pub fn leave(&self) -> Result<usize, Error> {
        let mut socket = open(&self.netns)?;
        match self.phase_by(&mut socket)? {
            Phase::None | Phase::Leaving => {}
            // What is captured is known.
            Phase::Starting => install(&mut socket, Phase::Leaving)?,
            Phase::Full | Phase::Stopping => {
                install(&mut socket, Phase::Stopping)?;
                self.remember(&mut socket, Set::Captured, Set::Plain)?;
                install(&mut socket, Phase::Leaving)?;
            }
        }
        drop(socket);
        Ok(self.draining()?.len())
    }

    /// The application's captured connections that are still open while leaving, from the application's end; forgets
    /// those that have ended. Connections *to* the application are the proxy's to count.
    pub fn draining(&self) -> Result<Vec<Tuple>, Error> {
        self.still_open(Set::Captured, Phase::Leaving)
    }

    /// Ends plaintext connections that were open before capture: those that `select` picks are no longer exempt and
    /// are reset, at once where the kernel can ([`diag::destroy`]), else with their next packet. Gives them.
    pub fn sever(&self, select: impl Fn(&Tuple) -> bool) -> Result<Vec<Tuple>, Error> {
        let chosen: Vec<Tuple> = self.plain()?.into_iter().filter(|tuple| select(tuple)).collect();
        let mut socket = open(&self.netns)?;
        let spared = read_set(&mut socket, Set::Connecting)?;
        let connecting: Vec<Tuple> = chosen.iter().filter(|tuple| spared.contains(tuple)).copied().collect();
        forgotten(change(&mut socket, Set::Connecting, &connecting, Batch::delete_elements))?;
        change(&mut socket, Set::Plain, &chosen, Batch::delete_elements)?;
        match diag::destroy(&self.netns, &chosen) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            other => drop(other?),
        }
        Ok(chosen)
    }

    /// Removes rules and routes. Connections that are captured still break.
    pub fn remove(&self) -> Result<(), Error> {
        let mut socket = open(&self.netns)?;
        if table_exists(&mut socket)? {
            let mut batch = Batch::default();
            batch.delete_table();
            batch.commit(&mut socket)?;
        }
        let mut links = Links::open(&self.netns)?;
        for (rule, route) in policy() {
            links.delete_rule(rule)?;
            match links.delete_route(&route) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// What the rules rely on; of no effect until something is marked.
    fn prepare(&self) -> Result<(), Error> {
        let interfaces = run_in(&self.netns, || -> io::Result<Vec<String>> {
            let entries = fs::read_dir("/proc/sys/net/ipv4/conf")?;
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        });
        let interfaces = interfaces
            .and_then(|result| result)
            .map_err(|error| Error::io("list the interfaces of a workload", error))?;
        let filters: Vec<String> = interfaces.iter().map(|name| format!("net/ipv4/conf/{name}/rp_filter")).collect();
        let mut settings = vec![
            // An application's answers to a connection that the proxy made for a peer carry its mark.
            ("net/ipv4/tcp_fwmark_accept", "1"),
            // The proxy connects to the application from the address of each peer, and closes first as the peer does:
            // ports in TIME_WAIT must be of use again.
            ("net/ipv4/tcp_tw_reuse", "1"),
            // DNS answers come from port 53, by sockets of a proxy without capabilities.
            ("net/ipv4/ip_unprivileged_port_start", "0"),
        ];
        settings.extend(filters.iter().map(|name| (name.as_str(), "0")));
        set_sysctls(&self.netns, &settings)?;
        let mut links = Links::open(&self.netns)?;
        for (rule, route) in policy() {
            links.add_route(&route)?;
            links.add_rule(rule)?;
        }
        Ok(())
    }

    fn phase_by(&self, socket: &mut Socket) -> Result<Phase, Error> {
        if !table_exists(socket)? {
            return Ok(Phase::None);
        }
        let rules = super::rules(&self.netns)?;
        let first = rules.iter().find(|rule| rule.chain == rules::PHASE_CHAIN);
        let phases = [Phase::Starting, Phase::Full, Phase::Stopping, Phase::Leaving];
        let known = |phase: &Phase| first.is_some_and(|rule| rule.comment == rules::phase_comment(*phase));
        Ok(phases.into_iter().find(known).unwrap_or(Phase::None))
    }

    /// Fills a set, which no rule asks yet, with what is open and not in the set that new connections are added to.
    fn remember(&self, socket: &mut Socket, set: Set, new: Set) -> Result<(), Error> {
        // Sockets first: a connection that is seen has been added to the set by its SYN, if it is new. A connecting
        // socket is there a moment before its SYN, though: wait until it shows what it is. One that is still connecting
        // then was so before.
        let deadline = Instant::now() + SYN_GRACE;
        let old = loop {
            let sockets = diag::tcp_sockets(&self.netns)?;
            let connecting = connecting(&sockets);
            let mut old = Vec::new();
            for tuple in open_connections(&sockets) {
                if !is_in(socket, new, &tuple)? {
                    old.push(tuple);
                }
            }
            if Instant::now() >= deadline || !old.iter().any(|tuple| connecting.contains(tuple)) {
                break old;
            }
            std::thread::yield_now();
        };
        let mut batch = Batch::default();
        rules::clear(&mut batch, set);
        rules::clear(&mut batch, Set::Connecting);
        batch.commit(socket)?;
        change(socket, set, &old, Batch::add_elements)
    }

    /// Lets the exempt connections that are still connecting send their SYN again.
    fn spare_connecting(&self, socket: &mut Socket) -> Result<(), Error> {
        let mut spared = Vec::new();
        for tuple in connecting(&diag::tcp_sockets(&self.netns)?) {
            if is_in(socket, Set::Plain, &tuple)? {
                spared.push(tuple);
            }
        }
        change(socket, Set::Connecting, &spared, Batch::add_elements)
    }

    fn still_open(&self, set: Set, in_phase: Phase) -> Result<Vec<Tuple>, Error> {
        let mut socket = open(&self.netns)?;
        if self.phase_by(&mut socket)? != in_phase {
            return Ok(Vec::new());
        }
        let known = read_set(&mut socket, set)?;
        if known.is_empty() {
            return Ok(Vec::new());
        }
        // Read before the sockets: what is added meanwhile is not taken for ended.
        let spared = read_set(&mut socket, Set::Connecting)?;
        let sockets = diag::tcp_sockets(&self.netns)?;
        let (open, connecting) = (HashSet::<Tuple>::from_iter(open_connections(&sockets)), connecting(&sockets));
        let (open, ended): (Vec<_>, Vec<_>) = known.into_iter().partition(|tuple| open.contains(tuple));
        let connected: Vec<Tuple> = spared.difference(&connecting).copied().collect();
        // The kernel may have forgotten one first; then the others have time until the next look.
        forgotten(change(&mut socket, Set::Connecting, &connected, Batch::delete_elements))?;
        forgotten(change(&mut socket, set, &ended, Batch::delete_elements))?;
        Ok(open)
    }
}

/// The connections of applications with the world outside of their namespace.
fn open_connections(sockets: &[TcpSocket]) -> Vec<Tuple> {
    let own = |socket: &&TcpSocket| socket.state != TcpState::Listen && !socket.is_marked();
    let ends: HashSet<Tuple> = sockets.iter().filter(own).map(|socket| socket.tuple).collect();
    // With both ends here it never leaves the loopback device. (The other end of a captured one is the proxy's, and
    // marked.)
    let local = |tuple: &Tuple| {
        tuple.remote.ip().is_loopback() || ends.contains(&Tuple { local: tuple.remote, remote: tuple.local })
    };
    ends.iter().filter(|tuple| !local(tuple)).copied().collect()
}

/// Those whose SYN was not answered yet.
fn connecting(sockets: &[TcpSocket]) -> HashSet<Tuple> {
    sockets.iter().filter(|socket| socket.state == TcpState::SynSent).map(|socket| socket.tuple).collect()
}

/// Passes over that an element was removed already, with which the kernel refuses the whole change.
fn forgotten(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

fn install(socket: &mut Socket, phase: Phase) -> Result<(), Error> {
    let mut batch = Batch::default();
    rules::install(&mut batch, phase);
    batch.commit(socket)
}

fn is_in(socket: &mut Socket, set: Set, tuple: &Tuple) -> Result<bool, Error> {
    let (family, key) = rules::key(tuple);
    contains(socket, set.name(family), &key)
}

/// All of a set that no rule adds to.
fn read_set(socket: &mut Socket, set: Set) -> Result<HashSet<Tuple>, Error> {
    let mut tuples = HashSet::new();
    for family in [Family::V4, Family::V6] {
        tuples.extend(elements_by(socket, set.name(family))?.iter().filter_map(|key| rules::tuple_of(key)));
    }
    Ok(tuples)
}

fn change(
    socket: &mut Socket,
    set: Set,
    tuples: &[Tuple],
    command: impl Fn(&mut Batch, &str, &[(Vec<u8>, Option<Data>)]),
) -> Result<(), Error> {
    for some in tuples.chunks(ELEMENTS_PER_BATCH) {
        let mut batch = Batch::default();
        for family in [Family::V4, Family::V6] {
            let keys = some.iter().map(rules::key).filter(|(of, _)| *of == family);
            let keys: Vec<_> = keys.map(|(_, key)| (key, None)).collect();
            if !keys.is_empty() {
                command(&mut batch, set.name(family), &keys);
            }
        }
        batch.commit(socket)?;
    }
    Ok(())
}

/// Routing by mark: everything is local, by two tables so that each can be told from the other.
fn policy() -> impl Iterator<Item = (Rule, Route)> {
    let both = [(MARK_SPOOFED, PRIORITY_SPOOFED, TABLE_SPOOFED), (MARK_CAPTURED, PRIORITY_CAPTURED, TABLE_CAPTURED)];
    [Family::V4, Family::V6].into_iter().flat_map(move |family| {
        both.map(|(mark, priority, table)| {
            let rule = Rule { family, mark, mask: MARK_MASK, priority, table };
            (rule, Route::everything_local(family, table))
        })
    })
}
