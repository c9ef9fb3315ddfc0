//! One supervised process: started, watched, started again by its policy, stopped and restarted on
//! request. Roles and workloads are units alike.

use std::time::{Duration, Instant};

use ripstop_model::RestartPolicy;
use ripstop_net::process::Child;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Result,
    backoff::Backoff,
    board::{Board, Key, Phase},
    child::{exited, pid_of, send_signal, terminate},
    run_protocol::Exit,
};

/// How the process of a unit is started.
pub(crate) trait Launch: Send + 'static {
    /// Waits until it may be started, however long that takes. Called before each life; dropped, and perhaps called anew,
    /// when there are orders meanwhile.
    fn prepare(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Starts it. Called again for each life.
    fn launch(&mut self) -> impl Future<Output = Result<Child>> + Send;

    /// Waits, for a bounded time, until nobody sends new traffic to it. Called before it ends on order, once it is
    /// marked as not ready.
    fn withdraw(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What a unit can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run, if it was stopped or waits.
    Start,
    /// End, and stay down.
    Stop,
    /// End and run again at once.
    Restart,
    /// Get this signal; it is no stop, so death by it is followed by a restart.
    Signal(i32),
    /// End for ever; the answer comes when it is gone.
    End(Duration, oneshot::Sender<()>),
}

/// Whether a unit starts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initially {
    Running,
    Stopped,
}

/// The controls of a unit.
#[derive(Clone, Debug)]
pub(crate) struct Controls(mpsc::Sender<Command>);

/// What a unit is made of.
pub(crate) struct UnitConfig {
    pub(crate) key: Key,
    pub(crate) policy: watch::Receiver<RestartPolicy>,
    pub(crate) backoff: Backoff,
    pub(crate) initially: Initially,
    /// Time between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// Orders that may wait for a unit.
const MAX_ORDERS: usize = 16;

// === impl Controls ===

impl Controls {
    /// Passes an order on; one too many is refused, since those before it will be obeyed first.
    pub(crate) fn order(&self, command: Command) -> bool {
        self.0.try_send(command).is_ok()
    }

    /// Ends the unit for ever, and waits until it is gone.
    pub(crate) async fn end(&self, grace: Duration) {
        let (done, gone) = oneshot::channel();
        if self.0.send(Command::End(grace, done)).await.is_ok() {
            let _dropped_with_the_unit = gone.await;
        }
    }
}

/// Starts a unit. Its task ends after [`Command::End`], or when all controls are dropped.
pub(crate) fn start(config: UnitConfig, board: Board, launch: impl Launch) -> Controls {
    let (controls, orders) = mpsc::channel(MAX_ORDERS);
    tokio::spawn(Unit { config, board, launch, orders, restarts: 0 }.run());
    Controls(controls)
}

struct Unit<L> {
    config: UnitConfig,
    board: Board,
    launch: L,
    orders: mpsc::Receiver<Command>,
    restarts: u32,
}

/// What happens next.
enum Next {
    Launch,
    Wait(Duration),
    Rest,
    End(Option<oneshot::Sender<()>>),
}

// === impl Unit ===

impl<L: Launch> Unit<L> {
    async fn run(mut self) {
        let mut next = match self.config.initially {
            Initially::Running => Next::Launch,
            Initially::Stopped => {
                self.set(Phase::Stopped);
                Next::Rest
            }
        };
        loop {
            next = match next {
                Next::Launch => self.live().await,
                Next::Wait(pause) => self.down(Some(Instant::now() + pause)).await,
                Next::Rest => self.down(None).await,
                Next::End(done) => {
                    if let Some(done) = done {
                        let _nobody_waits = done.send(());
                    }
                    return;
                }
            };
        }
    }

    /// One life, from launch to death.
    async fn live(&mut self) -> Next {
        if let Some(next) = self.prepare().await {
            return next;
        }
        let mut child = match self.launch.launch().await {
            Ok(child) => child,
            Err(error) => {
                let pause = self.config.backoff.after(Duration::ZERO);
                tracing::warn!(unit = %self.config.key, %error, retry_ms = pause.as_millis(), "could not be started");
                self.restarts += 1;
                self.board.failed(&self.config.key, self.restarts, &error.to_string());
                // Whoever looks why nothing runs looks there first.
                if let Some(entry) = self.board.get(&self.config.key) {
                    entry.log.append(format!("ripstop: it could not be started: {error}\n").as_bytes());
                }
                return Next::Wait(pause);
            }
        };
        let born = Instant::now();
        let pid = pid_of(&child);
        self.set(Phase::Running { pid });
        tracing::info!(unit = %self.config.key, pid, "runs");
        loop {
            tokio::select! {
                exit = exited(&mut child) => return self.died(exit, born.elapsed()),
                order = self.orders.recv() => match order {
                    Some(Command::Start) => {}
                    Some(Command::Signal(number)) => send_signal(&child, number),
                    Some(Command::Stop) => {
                        self.retire().await;
                        let exit = terminate(&mut child, self.config.grace).await;
                        tracing::info!(unit = %self.config.key, %exit, "stopped");
                        self.set(Phase::Stopped);
                        return Next::Rest;
                    }
                    Some(Command::Restart) => {
                        self.retire().await;
                        let exit = terminate(&mut child, self.config.grace).await;
                        tracing::info!(unit = %self.config.key, %exit, "ended to be restarted");
                        self.restarts += 1;
                        self.config.backoff.reset();
                        self.set(Phase::Pending);
                        return Next::Launch;
                    }
                    Some(Command::End(grace, done)) => {
                        self.retire().await;
                        terminate(&mut child, grace).await;
                        self.set(Phase::Stopped);
                        return Next::End(Some(done));
                    }
                    None => {
                        terminate(&mut child, self.config.grace).await;
                        return Next::End(None);
                    }
                },
            }
        }
    }

    /// Waits until it may be started; says if something else is to become of it.
    async fn prepare(&mut self) -> Option<Next> {
        loop {
            let order = tokio::select! {
                biased;
                () = self.launch.prepare() => return None,
                order = self.orders.recv() => order,
            };
            match order {
                // It starts as soon as it may in any case, and nobody is there to get a signal.
                Some(Command::Start | Command::Restart | Command::Signal(_)) => {}
                Some(Command::Stop) => {
                    self.set(Phase::Stopped);
                    return Some(Next::Rest);
                }
                Some(Command::End(_, done)) => return Some(Next::End(Some(done))),
                None => return Some(Next::End(None)),
            }
        }
    }

    /// Takes it out of service before it ends.
    async fn retire(&mut self) {
        let served = self.board.get(&self.config.key).is_some_and(|entry| entry.ready);
        self.board.unready(&self.config.key);
        if served {
            self.launch.withdraw().await;
        }
    }

    fn died(&mut self, exit: Exit, lived: Duration) -> Next {
        let policy = *self.config.policy.borrow();
        let again = match policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !exit.success(),
            RestartPolicy::Never => false,
        };
        if !again {
            tracing::info!(unit = %self.config.key, %exit, "ended");
            self.set(Phase::Exited { exit });
            return Next::Rest;
        }
        let pause = self.config.backoff.after(lived);
        tracing::warn!(unit = %self.config.key, %exit, restart_in_ms = pause.as_millis(), "died");
        self.restarts += 1;
        self.set(Phase::Backoff { exit: Some(exit) });
        Next::Wait(pause)
    }

    /// Nothing runs, until an order or the time to try again.
    async fn down(&mut self, until: Option<Instant>) -> Next {
        loop {
            let order = match until {
                Some(until) => match tokio::time::timeout_at(until.into(), self.orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => return Next::Launch,
                },
                None => self.orders.recv().await,
            };
            match order {
                Some(Command::Start | Command::Restart) => {
                    self.config.backoff.reset();
                    self.set(Phase::Pending);
                    return Next::Launch;
                }
                Some(Command::Stop) => {
                    self.set(Phase::Stopped);
                    return Next::Rest;
                }
                // Nobody is there to get it.
                Some(Command::Signal(_)) => {}
                Some(Command::End(_, done)) => return Next::End(Some(done)),
                None => return Next::End(None),
            }
        }
    }

    fn set(&self, phase: Phase) {
        self.board.phase(&self.config.key, phase, self.restarts);
    }
}

#[cfg(test)]
mod tests;
