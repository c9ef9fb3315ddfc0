//! Whether the endpoints of backends are well: the proxy asks them, as long as the backend is in use.
//!
//! One worker asks for all, by a task of the backend's own. It goes the way of requests: in the caller's name, through a
//! tunnel or TLS where they go by one, and by a connection of its own each time. What is found out is the balancer's to
//! keep, so it outlives the task and all configurations.

mod plan;
mod probe;

use std::{
    rc::Rc,
    sync::{
        Arc, Weak,
        atomic::Ordering::{AcqRel, Acquire, Release},
    },
};

use ripstop_balance::CheckResult;
use ripstop_decide::{Callee, health_checks};
use ripstop_exchange::Protocol;
use ripstop_model::{Health, HealthCheck, HealthChecks};
use tokio::{
    task::{JoinSet, spawn_local},
    time::{Instant, sleep_until, timeout},
};

use self::{plan::Plan, probe::Said};
use super::{
    announced::Announced,
    endpoint::EndpointKey,
    error::BackendError,
    facts::{Facts, HttpVersion},
    key::BackendKey,
    open,
    purpose::Purpose,
    shared::SharedBackend,
    through,
};
use crate::{
    outbound::{may_leave, random},
    worker::Context,
};

/// Checks of one backend that are under way at once, at most.
const AT_ONCE: usize = 32;

/// Has the endpoints of `backend` checked from now on, unless somebody does already.
pub(super) fn keep_up(context: &Rc<Context>, backend: &Arc<SharedBackend>) {
    if !backend.checking.load(Acquire) && !backend.checking.swap(true, AcqRel) {
        spawn_local(run(Rc::clone(context), Turn(Arc::downgrade(backend))));
    }
}

/// Whoever has it checks the backend.
struct Turn(Weak<SharedBackend>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(backend) = self.0.upgrade() {
            backend.checking.store(false, Release);
        }
    }
}

/// What a check found out; nothing: it says nothing of the endpoint.
type Found = (EndpointKey, Option<CheckResult>);

/// Checks until nobody uses the backend, or nobody asks for checks any more.
async fn run(context: Rc<Context>, turn: Turn) {
    let mut changed = context.shared.changed.subscribe();
    let mut plan = Plan::default();
    let mut planned: Option<Arc<Facts>> = None;
    let mut asking: JoinSet<Found> = JoinSet::new();
    loop {
        let Some(backend) = turn.0.upgrade() else { return };
        let to_check = backend.to_check.notified();
        tokio::pin!(to_check);
        to_check.as_mut().enable();
        let Some(facts) = current(&context, &backend) else { return };
        let Some(checks) = facts.effective.health_checks.clone() else { return };
        let now = Instant::now();
        if !planned.as_ref().is_some_and(|planned| Arc::ptr_eq(planned, &facts)) {
            let endpoints = backend.balance.endpoints(now.into_std());
            let ready = endpoints.into_iter().filter(|status| status.health == Health::Healthy);
            plan.follow(ready.map(|status| status.key), &checks, now, random);
            planned = Some(Arc::clone(&facts));
        }
        while asking.len() < AT_ONCE
            && let Some(endpoint) = plan.begin(now)
        {
            let (context, facts, key) = (Rc::clone(&context), Arc::clone(&facts), backend.key().clone());
            asking.spawn_local(check(context, facts, key, Arc::clone(&checks), endpoint));
        }
        let next = plan.next().filter(|_| asking.len() < AT_ONCE);
        tokio::select! {
            Some(found) = asking.join_next() => {
                let Ok((endpoint, result)) = found else { return };
                let now = Instant::now();
                plan.end(endpoint.clone(), &checks, now, random());
                backend.counts.checked(result.as_ref());
                if result.is_some_and(|result| backend.balance.check(&endpoint, result, now.into_std())) {
                    backend.log_events();
                }
            }
            () = async { sleep_until(next.unwrap_or(now)).await }, if next.is_some() => {}
            () = to_check => {}
            told = changed.changed() => if told.is_err() { return },
            () = context.shared.shutdown.cancelled() => return,
        }
    }
}

/// What holds for a backend by the configuration of now, whether or not anybody calls it; nothing: it is no more, or is
/// not checked.
fn current(context: &Context, backend: &Arc<SharedBackend>) -> Option<Arc<Facts>> {
    let program = context.shared.snapshot.load_full();
    let caller = program.workload(&backend.key().caller)?;
    let facts = backend.facts().callee.clone()?;
    match &facts {
        Callee::Service(service) => {
            let service = program.service(&service.key)?.clone();
            backend.follow(&program, caller, Some(&Callee::Service(service)));
        }
        // Nobody says anything of a workload by its address.
        Callee::Workload(_) => return None,
        // What a caller finds under the host of several of them is found for it anew with its next request.
        Callee::Entry(entry) => {
            program.traffic().entries.get(&entry.object)?;
            health_checks(&program, &facts, backend.key().port)?;
        }
    }
    Some(Arc::clone(&*backend.facts()))
}

/// Checks an endpoint.
async fn check(
    context: Rc<Context>,
    facts: Arc<Facts>,
    key: BackendKey,
    checks: Arc<HealthChecks>,
    endpoint: EndpointKey,
) -> Found {
    let limit = checks.timeout;
    let result = match timeout(limit, ask(&context, &facts, &key, &checks.check, &endpoint)).await {
        Ok(Ok(Ok(Said::Well))) => Some(CheckResult::Passed),
        Ok(Ok(Ok(Said::Nothing(status)))) => {
            tracing::debug!(backend = %key, %endpoint, status, "who checks an endpoint may not ask it");
            None
        }
        Ok(Ok(Err(why))) => Some(CheckResult::Failed(why.into())),
        Ok(Err(error)) if error.outcome().is_some() => Some(CheckResult::Failed(error.to_string().into())),
        Ok(Err(error)) => {
            tracing::debug!(backend = %key, %endpoint, %error, "an endpoint could not be checked");
            None
        }
        Err(_) => Some(CheckResult::Failed(format!("nothing within {limit:?}").into())),
    };
    (endpoint, result)
}

/// Connects and asks; what the endpoint said, unless it could not be asked.
async fn ask(
    context: &Rc<Context>,
    facts: &Facts,
    key: &BackendKey,
    check: &HealthCheck,
    endpoint: &EndpointKey,
) -> Result<Result<Said, String>, BackendError> {
    let endpoint = facts.current(endpoint).ok_or(BackendError::Gone(endpoint.address()))?.clone();
    {
        // Whoever is cut off asks nobody.
        let program = context.shared.snapshot.load();
        let caller = program.workload(&key.caller).unwrap_or(&facts.caller);
        may_leave(caller, endpoint.workload(), endpoint.way())?;
    }
    let version = match check {
        HealthCheck::Http { .. } => Some(facts.version_for(Protocol::Http11, &endpoint)),
        HealthCheck::Grpc { .. } => Some(HttpVersion::Http2),
        HealthCheck::Tcp { .. } => None,
    };
    let authority = match check {
        HealthCheck::Http { host: Some(host), .. } => host.to_string(),
        _ if matches!(key.port, 80 | 443) => key.host.to_string(),
        _ => format!("{}:{}", key.host, key.port),
    };
    let certificate = |identity: &_| Ok(open::credential(context, identity)?.generation);
    let way = open::way(certificate, key, facts, &endpoint, version, version.map(|_| authority.as_str()))?;
    let announced = facts.effective.proxy_protocol.map(Announced::of_proxy);
    let address = endpoint.address();
    let mut io = open::open(context, facts, &Purpose { endpoint, way, announced }).await?;
    if let (HealthCheck::Tcp { .. }, Some(tunnel)) = (check, &facts.effective.tunnel) {
        io = through::lead(io, address, tunnel).await?;
    }
    Ok(probe::ask(io, check, version.unwrap_or(HttpVersion::Http1), &authority).await)
}

#[cfg(test)]
mod tests;
