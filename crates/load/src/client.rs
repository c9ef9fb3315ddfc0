//! Virtual users, and the connections that they share.

mod exchange;
mod server;

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use ripstop_exchange::{Fault, Upstream};
use tokio::time::{sleep, sleep_until, timeout};

use self::exchange::{Outgoing, exchange};
pub(crate) use self::server::{Names, Server};
use crate::{
    Failure, Pace, Plan, Reuse,
    failure::{Connection, Lost},
    schedule::{Schedule, Turn},
    shares::Shares,
    tally::{Ended, Tally},
};

/// Sends one request after the other.
pub(crate) struct User {
    pub(crate) line: Rc<Line>,
    pub(crate) shares: Shares,
    /// Of each target.
    pub(crate) tallies: Arc<[Mutex<Tally>]>,
}

/// A connection to each server that the targets are on, for as many requests at once as its protocol takes.
pub(crate) struct Line {
    plan: Arc<Plan>,
    message: Outgoing,
    servers: Vec<Server>,
    /// The server of each target.
    of_target: Vec<usize>,
    /// Requests that were sent again, since the server said that it has not looked at them.
    resent: Cell<u64>,
}

/// Pauses after connections that came to nothing, at least and at most, where nothing else says when to go on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How often a request is sent that the server says it has not looked at.
const TRIES: usize = 5;

// === impl User ===

impl User {
    /// Makes its connections before anything is counted. It is well if one can be made.
    pub(crate) async fn prepare(&self) -> Result<(), Lost> {
        self.line.prepare().await
    }

    /// Sends until it is over.
    pub(crate) async fn run(&mut self, schedule: &Schedule) {
        let mut pause = PAUSES.0;
        let mut woken = schedule.begin();
        while let Some(turn) = schedule.take(Instant::now()) {
            let from = match turn {
                Turn::Now => Instant::now(),
                Turn::At(due) if due <= Instant::now() => {
                    // While it slept its timer was late, and not the server.
                    due.max(woken)
                }
                Turn::At(due) => {
                    sleep_until(due.into()).await;
                    woken = Instant::now();
                    woken
                }
            };
            let target = self.shares.next();
            let (ended, unheard) = self.line.request(target).await;
            let took = from.elapsed();
            let counts = match turn {
                Turn::Now => from >= schedule.begin(),
                Turn::At(due) => due >= schedule.begin(),
            };
            if counts {
                let resent = self.line.resent.take();
                let mut tally = self.tallies[target].lock().unwrap_or_else(PoisonError::into_inner);
                tally.resent += resent;
                tally.record(took, ended);
            }
            // A closed loop would try as fast as it can.
            if unheard && self.line.plan.pace == Pace::Closed {
                sleep(pause).await;
                woken = Instant::now();
                pause = (pause * 2).min(PAUSES.1);
            } else {
                pause = PAUSES.0;
            }
        }
    }
}

// === impl Line ===

impl Line {
    /// The one of that number.
    pub(crate) fn new(plan: &Arc<Plan>, names: &Arc<Names>, number: usize) -> Self {
        let servers = names.origins().map(|origin| Server::new(origin, plan, names, number)).collect();
        let of_target = plan.targets.iter().map(|target| names.position(&target.origin)).collect();
        let message = Outgoing::new(&plan.message, plan.protocol);
        Self { plan: plan.clone(), message, servers, of_target, resent: Cell::new(0) }
    }

    /// Ends its connections in good order.
    pub(crate) async fn end(&self) {
        join_all(self.servers.iter().map(Server::end)).await;
    }

    async fn prepare(&self) -> Result<(), Lost> {
        if self.plan.reuse == Reuse::Fresh {
            return Ok(());
        }
        let prepared = self.servers.iter().map(|server| async {
            let prepared = timeout(self.plan.timeout, server.prepare()).await;
            prepared.unwrap_or_else(|_| Err(self.late()))
        });
        let prepared = join_all(prepared).await;
        let mut lost = None;
        for prepared in prepared {
            match prepared {
                Ok(()) => return Ok(()),
                Err(error) => lost = lost.or(Some(error)),
            }
        }
        lost.map_or(Ok(()), Err)
    }

    /// One request, and its answer; and whether another one would fare as badly at once.
    async fn request(&self, target: usize) -> (Ended, bool) {
        let answered = timeout(self.plan.timeout, self.answer(target)).await;
        match answered.unwrap_or_else(|_| Err(self.late())) {
            Ok(ended) => (ended, false),
            Err(Lost { failure, reason, unheard }) => (Ended::Failed(failure, reason), unheard),
        }
    }

    async fn answer(&self, target: usize) -> Result<Ended, Lost> {
        let server = &self.servers[self.of_target[target]];
        let target = &self.plan.targets[target];
        if !self.plan.protocol.is_http2() {
            let (mut client, connection) = server.take_http1().await?;
            let ended = exchange(&self.plan, &self.message, &mut Upstream::Http1(&mut client), target).await;
            let ended = ended.map_err(|fault| Lost::on(connection, target.is_secure(), &fault))?;
            server.give_http1(client);
            return Ok(ended);
        }
        let mut tries = 1;
        loop {
            let (client, connection) = server.http2().await?;
            let mut call = client.call();
            match exchange(&self.plan, &self.message, &mut Upstream::Http2(&mut call), target).await {
                Ok(ended) => {
                    server.has_answered();
                    return Ok(ended);
                }
                // RFC 9113 8.7: it is safe to send it again.
                Err(Fault::Unprocessed) if tries < TRIES => {
                    tries += 1;
                    self.resent.set(self.resent.get() + 1);
                }
                Err(fault) => return Err(Lost::on(connection, target.is_secure(), &fault)),
            }
        }
    }

    fn late(&self) -> Lost {
        let reason = format!("it took longer than {:?}", self.plan.timeout);
        Lost { failure: Failure::Timeout, reason, unheard: false }
    }
}

impl Connection {
    pub(crate) fn after(answers: bool) -> Self {
        if answers { Self::Used } else { Self::New }
    }
}
