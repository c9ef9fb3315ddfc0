//! The life of one workload's capture, as a state machine without sockets or clock.
//!
//! ```text
//! NONE ──► PENDING ──► SYN_PHASE ──► CAPTURED ──► DRAINING ──► NONE
//!             ▲                                       │
//!             └───────────── enrolled again ◄─────────┘
//! ```
//!
//! It is driven by levels, not by edges: [`Machine::observe`] takes what became
//! known, [`Machine::poll`] says what is to be done next, if anything. So an
//! agent that starts anew only has to observe what the kernel shows, and goes on.
//! Time is a [`Duration`] since any fixed moment.

use std::{fmt, time::Duration};

use super::sides::Side;

/// Which rules are in place in a workload's namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// None.
    #[default]
    None,
    /// New connections are captured; those that were open are not known yet. Seen only where an
    /// agent died in the middle.
    Starting,
    /// Everything is captured but for the exempt connections.
    Full,
    /// New connections are no longer captured; those that are, are not known yet.
    Stopping,
    /// New connections are no longer captured; tunnels still are, and what was captured stays so.
    Leaving,
}

/// Where a workload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not captured, and not meant to be.
    None,
    /// Meant to be captured; [`Machine::reason`] says what is in the way.
    Pending,
    /// Rules are being put in place: for new connections first, then, once the open ones are known,
    /// for everything else.
    SynPhase,
    /// In the mesh.
    Captured,
    /// Leaving: what was captured is still served.
    Draining,
}

/// What to do next. `Open` to `Remove` are answered by an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open the listening sockets and hand them to the proxy.
    Open,
    /// Capture new connections, exempt those that are open, capture the rest.
    Enrol,
    /// Stop capturing new connections.
    Leave,
    /// Remove all rules.
    Remove,
    /// Tell the proxy to finish what is open. Needs no answer.
    Drain,
    /// Tell the proxy to drop the workload. Needs no answer.
    Delete,
}

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Whether the workload is meant to be captured; nothing if configuration does not say, which
    /// keeps things as they are.
    Wanted(Option<bool>),
    /// The workload's namespace appeared, with these rules in it.
    Namespace(Rules),
    /// The workload's namespace is gone, and with it rules and connections.
    NamespaceGone,
    /// A proxy connected, or another one did.
    ProxyUp {
        /// It still holds the workload's listeners: the agent is the one that restarted.
        held: bool,
    },
    /// The proxy is gone, and with it its listeners and connections.
    ProxyDown,
    /// Another proxy is in the place of the one that was meant so far. Whether it serves the workload is as it was.
    Moved(Side),
    /// Outcome of [`Action::Open`].
    Opened(Opened),
    /// The proxy took the listeners, or said why not.
    Acknowledged(Result<(), String>),
    /// Outcome of [`Action::Enrol`]: how many connections are exempt.
    Enrolled(Result<u64, String>),
    /// Outcome of [`Action::Leave`].
    Left(Result<(), String>),
    /// Outcome of [`Action::Remove`].
    Removed(Result<(), String>),
    /// Captured connections that are open at the proxy.
    CapturedCount(u64),
    /// Exempt connections that are still open.
    PlainCount(u64),
}

/// Outcome of [`Action::Open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The proxy has them, or had them already.
    Handed,
    /// A process of the workload holds one of the ports; text names it.
    Held(String),
    /// A former proxy has not let go of them yet.
    NotYet,
    /// Something else went wrong.
    Failed(String),
}

/// Whether the proxy that is connected holds the listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Serving {
    #[default]
    No,
    /// Handed over; the proxy has not said yet that it serves them.
    Handed,
    Yes,
    /// It holds listeners that cannot be those of this namespace, for no rules lead to them.
    Stale,
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    wanted: Option<bool>,
    present: bool,
    rules: Rules,
    proxy: bool,
    /// Which proxy is meant.
    side: Side,
    serving: Serving,
    busy: Option<Action>,
    /// What went wrong last, and when it is tried again.
    trouble: Option<Trouble>,
    /// When leaving began.
    leaving: Option<Duration>,
    /// The proxy was told to drain.
    drain_told: bool,
    captured: Option<u64>,
    plain: u64,
}

#[derive(Clone, Debug)]
struct Trouble {
    reason: String,
    /// Nothing once the moment has come.
    retry: Option<Duration>,
}

/// Failed steps are tried again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// A former proxy that still holds the listeners is about to end.
const RETRY_SOON: Duration = Duration::from_millis(50);
/// Capture is kept this long after leaving began, so that senders of tunnels have learned of it.
const LINGER: Duration = Duration::from_secs(3);
/// A proxy that has not told its connections for so long after leaving began has none.
const ABANDON: Duration = Duration::from_secs(10);

const NO_PROXY: &str = "the proxy of the node is not connected to its agent";
const NOT_TAKEN: &str = "the proxy of the node has not taken the workload's listeners yet";
const NO_SIDECAR: &str = "the workload's sidecar is not connected to the agent of its node";
const NOT_TAKEN_BY_SIDECAR: &str = "the workload's sidecar has not taken its listeners yet";
const FORMER: &str = "a former proxy still holds the workload's listeners";
const TAKING_OVER: &str = "connections are being taken over";

// === impl Machine ===

impl Machine {
    /// Takes note of what became known at `now`.
    pub fn observe(&mut self, event: Event, now: Duration) {
        match event {
            Event::Wanted(wanted) => {
                if self.wanted != wanted {
                    self.wanted = wanted;
                    self.trouble = None;
                }
            }
            Event::Namespace(rules) => {
                let (wanted, proxy, side, serving) = (self.wanted, self.proxy, self.side, self.serving.clone());
                *self = Self { wanted, present: true, rules, proxy, side, serving, ..Self::default() };
                self.leaving = (rules == Rules::Leaving).then_some(now);
            }
            Event::NamespaceGone => {
                let (proxy, side, serving) = (self.proxy, self.side, self.serving.clone());
                *self = Self { wanted: self.wanted, proxy, side, serving, ..Self::default() };
            }
            Event::ProxyUp { held } => {
                self.proxy = true;
                self.serving = match (held, self.rules) {
                    (false, _) => Serving::No,
                    (true, Rules::None) => Serving::Stale,
                    (true, _) => Serving::Yes,
                };
                self.drain_told = false;
                self.captured = None;
                self.trouble = None;
            }
            Event::ProxyDown => {
                self.proxy = false;
                self.serving = Serving::No;
                self.drain_told = false;
                // What a proxy carries ends with it.
                self.captured = Some(0);
                self.trouble = None;
            }
            Event::Moved(side) => {
                self.side = side;
                // It was told nothing.
                self.drain_told = false;
            }
            Event::Opened(outcome) => {
                self.busy = None;
                match outcome {
                    // Whoever holds them came meanwhile: of course they could not be opened once more.
                    Opened::Held(_) | Opened::Failed(_) | Opened::NotYet if self.serving == Serving::Yes => {}
                    Opened::Handed => self.serving = Serving::Handed,
                    Opened::Held(reason) | Opened::Failed(reason) => self.fail(reason, now + RETRY),
                    Opened::NotYet => self.fail(FORMER.into(), now + RETRY_SOON),
                }
            }
            Event::Acknowledged(Ok(())) => {
                if matches!(self.serving, Serving::Handed) {
                    self.serving = Serving::Yes;
                    self.trouble = None;
                }
            }
            Event::Acknowledged(Err(reason)) => {
                self.serving = Serving::No;
                self.fail(format!("{} refused the workload: {reason}", self.side), now + RETRY);
            }
            Event::Enrolled(outcome) => {
                match outcome {
                    Ok(exempt) => self.plain = exempt,
                    // It may have failed half way.
                    Err(_) if self.rules == Rules::None => self.rules = Rules::Starting,
                    Err(_) => {}
                }
                self.ended(outcome.map(drop), Rules::Full, now);
            }
            Event::Left(outcome) => {
                self.ended(outcome, Rules::Leaving, now);
                if self.rules == Rules::Leaving {
                    self.leaving = Some(now);
                }
            }
            Event::Removed(outcome) => {
                self.ended(outcome, Rules::None, now);
                if self.rules == Rules::None {
                    self.plain = 0;
                }
            }
            Event::CapturedCount(count) => self.captured = Some(count),
            Event::PlainCount(count) => self.plain = count,
        }
    }

    /// The next thing to do at `now`, or nothing. Call again until there is nothing.
    pub fn poll(&mut self, now: Duration) -> Option<Action> {
        if self.busy.is_some() {
            return None;
        }
        if !self.present || (!self.wants() && self.rules == Rules::None) {
            return self.delete();
        }
        if self.serving == Serving::Stale {
            return self.delete();
        }
        if let Some(trouble) = &mut self.trouble {
            if trouble.retry.is_some_and(|retry| now < retry) {
                return None;
            }
            trouble.retry = None;
        }
        let action = if self.wants() { self.poll_wanted() } else { self.poll_unwanted(now) }?;
        self.busy = Some(action).filter(|action| !matches!(action, Action::Drain | Action::Delete));
        Some(action)
    }

    /// When [`Machine::poll`] has something to do although nothing happens; nothing: never.
    pub fn wake(&self) -> Option<Duration> {
        if self.busy.is_some() || !self.present {
            return None;
        }
        match self.trouble.as_ref().and_then(|trouble| trouble.retry) {
            Some(retry) => Some(retry),
            None => self.remove_at().filter(|_| !self.wants()),
        }
    }

    /// Where the workload stands.
    pub fn state(&self) -> State {
        match (self.present, self.wants(), self.rules) {
            (false, _, _) | (true, false, Rules::None) => State::None,
            (true, true, Rules::Full) => State::Captured,
            (true, true, _) if self.busy == Some(Action::Enrol) => State::SynPhase,
            (true, true, _) => State::Pending,
            (true, false, _) => State::Draining,
        }
    }

    /// What is in the way, if anything.
    pub fn reason(&self) -> &str {
        if let Some(trouble) = &self.trouble {
            return &trouble.reason;
        }
        match self.state() {
            // What is captured stays so, and is refused meanwhile.
            State::Pending | State::Captured if !self.proxy => match self.side {
                Side::Node => NO_PROXY,
                Side::Sidecar => NO_SIDECAR,
            },
            State::Pending | State::Captured if self.serving != Serving::Yes => match self.side {
                Side::Node => NOT_TAKEN,
                Side::Sidecar => NOT_TAKEN_BY_SIDECAR,
            },
            State::Pending | State::SynPhase => TAKING_OVER,
            _ => "",
        }
    }

    /// Exempt connections that were still open when last counted.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// Captured connections still open while leaving.
    pub fn draining(&self) -> u64 {
        if self.state() == State::Draining { self.captured.unwrap_or(0) } else { 0 }
    }

    /// Whether an action is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether the proxy that is meant says that it serves the workload.
    pub fn is_serving(&self) -> bool {
        self.present && self.serving == Serving::Yes
    }

    /// Whether rules lead its connections to a proxy.
    pub fn is_captured(&self) -> bool {
        self.present && self.rules != Rules::None
    }

    /// Whether sockets for this workload may be given to the proxy.
    pub fn is_served(&self) -> bool {
        self.present && matches!(self.serving, Serving::Handed | Serving::Yes)
    }

    /// Whether the proxy that is connected is about to get the listeners.
    pub fn is_to_be_handed(&self) -> bool {
        let blocked = self.trouble.as_ref().is_some_and(|trouble| trouble.reason != FORMER);
        self.present && self.wants() && self.serving == Serving::No && !blocked
    }

    /// Configuration that says nothing changes nothing.
    fn wants(&self) -> bool {
        self.wanted.unwrap_or(matches!(self.rules, Rules::Starting | Rules::Full))
    }

    fn poll_wanted(&mut self) -> Option<Action> {
        if !self.proxy {
            return None;
        }
        if self.drain_told {
            // Handing over again, though the proxy has them, tells it to stay.
            self.drain_told = false;
            self.serving = Serving::No;
        }
        match (&self.serving, self.rules) {
            (Serving::No, _) => Some(Action::Open),
            (Serving::Handed | Serving::Stale, _) | (Serving::Yes, Rules::Full) => None,
            (Serving::Yes, _) => Some(Action::Enrol),
        }
    }

    fn poll_unwanted(&mut self, now: Duration) -> Option<Action> {
        if self.rules != Rules::Leaving {
            self.captured = self.captured.filter(|_| !self.proxy);
            return Some(Action::Leave);
        }
        if self.remove_at().is_some_and(|at| now >= at) {
            return Some(Action::Remove);
        }
        match self.serving {
            // Tunnels that were opened before still find somebody.
            Serving::No if self.proxy => Some(Action::Open),
            Serving::Yes if !self.drain_told => {
                self.drain_told = true;
                Some(Action::Drain)
            }
            _ => None,
        }
    }

    /// When the rules of a leaving workload may go, unless something changes until then.
    fn remove_at(&self) -> Option<Duration> {
        let since = self.leaving?;
        match self.captured {
            Some(0) => Some(since + LINGER),
            None => Some(since + ABANDON),
            Some(_) => None,
        }
    }

    fn delete(&mut self) -> Option<Action> {
        let told = std::mem::take(&mut self.serving) != Serving::No;
        self.drain_told = false;
        told.then_some(Action::Delete)
    }

    fn fail(&mut self, reason: String, retry: Duration) {
        self.trouble = Some(Trouble { reason, retry: Some(retry) });
    }

    fn ended(&mut self, outcome: Result<(), String>, rules: Rules, now: Duration) {
        self.busy = None;
        match outcome {
            Ok(()) => {
                self.rules = rules;
                self.trouble = None;
                if rules != Rules::Leaving {
                    self.leaving = None;
                }
            }
            Err(reason) => self.fail(reason, now + RETRY),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NONE",
            Self::Pending => "PENDING",
            Self::SynPhase => "SYN_PHASE",
            Self::Captured => "CAPTURED",
            Self::Draining => "DRAINING",
        })
    }
}

#[cfg(test)]
mod tests;
