//! Looking after connections that nobody uses.

use std::{
    rc,
    sync::{Arc, Weak},
    task::Wake,
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{shared::SharedBackend, state::State};

/// Longest time between two looks.
const LONGEST: Duration = Duration::from_secs(600);

/// What calls whoever looks after a backend's connections. As a waker it is told when one of them ends.
#[derive(Debug, Default)]
pub(super) struct Tending(Notify);

/// Looks after the connections of `state`, as long as there is one: when one ends, when one is too old, when somebody
/// waits for one to end, and when an ejected endpoint comes back.
pub(super) async fn tend(state: rc::Weak<State>, tending: Arc<Tending>, shared: Weak<SharedBackend>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let shed = shared.shed.notified();
        tokio::pin!(shed);
        shed.as_mut().enable();
        let look = {
            let Some(state) = state.upgrade() else { return };
            let now = Instant::now();
            if shared.balance.sweep(now.into_std()) > 0 {
                shared.log_events();
            }
            state.forget_if_unused(now);
            let returns = shared.balance.next_return().map(Instant::from_std);
            let next = state.sweep(now).into_iter().chain(returns).min();
            state.looks_at.set(next);
            next.unwrap_or(now + LONGEST)
        };
        tokio::select! {
            () = tending.0.notified() => {}
            () = shed => {}
            () = sleep_until(look) => {}
        }
    }
}

// === impl Tending ===

impl Tending {
    /// Calls.
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }
}

impl Wake for Tending {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
