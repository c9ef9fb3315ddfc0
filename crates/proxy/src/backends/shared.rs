//! What all workers of the proxy share of backends.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use ripstop_balance::{Backend, Endpoint, Event, EventKind, Settings};
use ripstop_decide::{Callee, EffectiveBackend, Program};
use ripstop_model::{ClientTlsMode, Workload};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use super::{
    counts::Counts,
    endpoint::EndpointKey,
    endpoints::{Addresses, Found, Question, endpoints},
    facts::{Facts, Outlook, settings},
    key::BackendKey,
    originate::{Origination, Secret},
    resolve::{NodeResolver, Resolve},
};
use crate::{secrets::Secrets, trusted_files::TrustedFiles};

/// Addresses of its callers' own choice that a backend knows at most; of more, the latest.
const ORIGINALS: usize = 1024;
/// Forgotten backends that are looked for when a new one comes, at least.
const SLACK: usize = 64;

/// What all workers of the proxy share of the backends that they call. A backend is there as long as a worker uses it.
#[derive(Debug)]
pub struct Backends {
    known: Mutex<Known>,
    resolver: Arc<dyn Resolve>,
    files: Arc<TrustedFiles>,
    given: Given,
}

/// To which callers `Secret`s are given.
#[derive(Clone, Debug)]
enum Given {
    /// To none.
    Nobody,
    /// To those that rules choose (`workloadSelector`).
    Chosen(Arc<Secrets>),
    /// To all: the proxy is the caller.
    Everybody(Arc<Secrets>),
}

#[derive(Debug, Default)]
struct Known {
    backends: HashMap<BackendKey, Weak<SharedBackend>>,
    /// With so many, those that are gone are taken out.
    tidy_at: usize,
}

/// One backend of one caller: its limits, its endpoints and what is known of them.
#[derive(Debug)]
pub struct SharedBackend {
    key: BackendKey,
    /// Its name in access logs.
    cluster: Arc<str>,
    pub(super) balance: Arc<Backend<EndpointKey>>,
    facts: ArcSwap<Facts>,
    building: Mutex<Building>,
    resolver: Arc<dyn Resolve>,
    files: Arc<TrustedFiles>,
    given: Given,
    /// Rings when a connection has ended, for one of those who wait to open one.
    pub(super) freed: Notify,
    /// Rings when idle connections are wanted back.
    pub(super) shed: Notify,
    /// How many wait for one to end.
    pub(super) starving: AtomicUsize,
    /// Rings when DNS has answered.
    learned: Notify,
    /// Rings when there are other names.
    renamed: Notify,
    /// Somebody checks its endpoints.
    pub(super) checking: AtomicBool,
    /// Rings when there are other endpoints to be checked, or other checks.
    pub(super) to_check: Notify,
    /// What is counted of it.
    pub(super) counts: Counts,
}

/// What the current facts were made of.
#[derive(Debug, Default)]
struct Building {
    program: Weak<Program>,
    caller: Option<Arc<Workload>>,
    callee: Option<Callee>,
    settings: Settings,
    endpoints: Vec<Endpoint<EndpointKey>>,
    addresses: Addresses,
    originals: VecDeque<SocketAddr>,
    /// Somebody asks DNS.
    resolving: bool,
}

// === impl Backends ===

impl Backends {
    /// None yet. Names are resolved by the node's DNS. Files below `private`, where the mesh keeps its keys, are nobody's
    /// certificates.
    pub fn new(private: &Path) -> Self {
        Self::with_resolver(private, Arc::new(NodeResolver::default()))
    }

    /// As [`Self::new`], for a proxy in the namespace of a workload: the node's DNS is at `server`, and rules may name
    /// Secrets.
    pub fn of_gateway(private: &Path, server: Option<std::net::IpAddr>, secrets: Arc<Secrets>) -> Self {
        let given = Given::Everybody(secrets);
        Self { given, ..Self::with_resolver(private, Arc::new(NodeResolver { server })) }
    }

    /// As [`Self::new`], and rules for certain workloads may name Secrets.
    pub fn of_node(private: &Path, secrets: Arc<Secrets>) -> Self {
        Self { given: Given::Chosen(secrets), ..Self::new(private) }
    }

    /// As [`Self::of_gateway`], for a waypoint: only rules for certain callers may name Secrets.
    pub fn of_waypoint(private: &Path, server: Option<std::net::IpAddr>, secrets: Arc<Secrets>) -> Self {
        Self { given: Given::Chosen(secrets), ..Self::with_resolver(private, Arc::new(NodeResolver { server })) }
    }

    /// The files that rules may name.
    pub(crate) fn files(&self) -> &Arc<TrustedFiles> {
        &self.files
    }

    /// As [`Self::new`], with names resolved by `resolver`.
    pub(super) fn with_resolver(private: &Path, resolver: Arc<dyn Resolve>) -> Self {
        let files = Arc::new(TrustedFiles::outside(private));
        Self { known: Mutex::default(), resolver, files, given: Given::Nobody }
    }

    /// The backend with that key, as `program` has it or a newer one.
    pub(super) fn get(
        &self,
        program: &Arc<Program>,
        caller: &Arc<Workload>,
        key: &BackendKey,
        callee: Option<&Callee>,
    ) -> Arc<SharedBackend> {
        let backend = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(backend) = known.backends.get(key).and_then(Weak::upgrade) {
                backend
            } else {
                let backend = SharedBackend::new(self, program, caller, key, callee);
                known.insert(&backend);
                backend
            }
        };
        backend.follow(program, caller, callee);
        backend
    }

    /// The backends that are in use, their endpoints, and what is known of these.
    pub fn inspect(&self, now: std::time::Instant) -> Value {
        let mut rows: Vec<((String, String), Value)> = self
            .in_use()
            .iter()
            .map(|backend| ((backend.cluster.to_string(), backend.key.caller.to_string()), backend.inspect(now)))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Those that somebody uses.
    pub(super) fn in_use(&self) -> Vec<Arc<SharedBackend>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.backends.values().filter_map(Weak::upgrade).collect()
    }

    /// Backends that somebody uses.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let known = self.known.lock().unwrap();
        known.backends.values().filter(|backend| backend.strong_count() > 0).count()
    }
}

impl Known {
    fn insert(&mut self, backend: &Arc<SharedBackend>) {
        if self.backends.len() >= self.tidy_at {
            self.backends.retain(|_, backend| backend.strong_count() > 0);
            self.tidy_at = self.backends.len() * 2 + SLACK;
        }
        self.backends.insert(backend.key.clone(), Arc::downgrade(backend));
    }
}

// === impl SharedBackend ===

impl SharedBackend {
    fn new(
        backends: &Backends,
        program: &Program,
        caller: &Arc<Workload>,
        key: &BackendKey,
        callee: Option<&Callee>,
    ) -> Arc<Self> {
        let now = Instant::now().into_std();
        let outlook = Outlook { program, caller, key, callee };
        let facts = Facts::new(&outlook, EffectiveBackend::default(), None);
        Arc::new(Self {
            key: key.clone(),
            cluster: key.cluster_name().into(),
            balance: Backend::new(Settings::default(), [], now),
            facts: ArcSwap::from_pointee(facts),
            building: Mutex::default(),
            resolver: Arc::clone(&backends.resolver),
            files: Arc::clone(&backends.files),
            given: backends.given.clone(),
            freed: Notify::new(),
            shed: Notify::new(),
            starving: AtomicUsize::new(0),
            learned: Notify::new(),
            renamed: Notify::new(),
            checking: AtomicBool::new(false),
            to_check: Notify::new(),
            counts: Counts::default(),
        })
    }

    fn inspect(&self, now: std::time::Instant) -> Value {
        let endpoints = self.balance.endpoints(now).into_iter().map(|status| {
            json!({
                "address": status.key.address().to_string(),
                "workload": status.key.workload().map(|workload| workload.uid.to_string()),
                "tunnelled": status.key.is_tunnelled(),
                "weight": status.weight,
                "priority": status.priority,
                "health": format!("{:?}", status.health).to_lowercase(),
                "active": status.active,
                "ejected_ms": status.ejected.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                "ejections": status.ejections,
                "failing": status.failing.as_deref(),
            })
        });
        let (usage, settings) = (self.balance.usage(), self.balance.settings());
        json!({
            "cluster": &*self.cluster,
            "caller": self.key.caller.to_string(),
            "host": &*self.key.host,
            "balancer": format!("{:?}", settings.balancer.algorithm),
            "checks": settings.checks.map(|checks| checks.to_string()),
            "connections": usage.connections,
            "requests": usage.requests,
            "pending": usage.pending_requests,
            "retries": usage.retries,
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    }

    /// Its key.
    pub(super) fn key(&self) -> &BackendKey {
        &self.key
    }

    /// Its name in access logs.
    pub(super) fn cluster(&self) -> &Arc<str> {
        &self.cluster
    }

    /// What holds now.
    pub(super) fn facts(&self) -> Guard<Arc<Facts>> {
        self.facts.load()
    }

    /// Takes over what `program` says, unless it is older than what is known.
    pub(super) fn follow(self: &Arc<Self>, program: &Arc<Program>, caller: &Arc<Workload>, callee: Option<&Callee>) {
        let mut building = self.building();
        if std::ptr::eq(building.program.as_ptr(), Arc::as_ptr(program)) {
            return;
        }
        // Whoever still decides by an old configuration must not bring it back. A control plane that begins to count
        // anew is followed, since then nobody has the one with the higher number any more.
        if building.program.upgrade().is_some_and(|known| known.version() > program.version()) {
            return;
        }
        building.program = Arc::downgrade(program);
        building.caller = Some(Arc::clone(caller));
        building.callee = callee.cloned();
        self.rebuild(&mut building, program);
    }

    /// Makes an address one of its endpoints, since a caller goes there.
    pub(super) fn add_original(self: &Arc<Self>, original: SocketAddr) {
        let mut building = self.building();
        if building.originals.contains(&original) {
            return;
        }
        if building.originals.len() >= ORIGINALS {
            building.originals.pop_front();
        }
        building.originals.push_back(original);
        if let Some(program) = building.program.upgrade() {
            self.rebuild(&mut building, &program);
        }
    }

    /// Where a name leads.
    pub(super) fn learn(self: &Arc<Self>, name: &Arc<str>, addresses: Option<Vec<std::net::IpAddr>>) {
        let mut building = self.building();
        match (addresses, building.addresses.get(name)) {
            // What was known before may still be true.
            (None, Some(_)) => return,
            (Some(new), Some(old)) if new == *old => return,
            (addresses, _) => building.addresses.insert(name.clone(), addresses.unwrap_or_default()),
        };
        if let Some(program) = building.program.upgrade() {
            self.rebuild(&mut building, &program);
        }
        drop(building);
        self.learned.notify_waiters();
    }

    /// Waits until DNS was asked for all names, or until `deadline` has passed.
    pub(super) async fn resolved(&self, deadline: Duration) {
        let asked = async {
            loop {
                let learned = self.learned.notified();
                tokio::pin!(learned);
                learned.as_mut().enable();
                if self.facts().is_resolved {
                    return;
                }
                learned.await;
            }
        };
        // Without an answer there are no endpoints, and the request is told so.
        let _ = tokio::time::timeout(deadline, asked).await;
    }

    /// Waits until the names are others.
    pub(super) async fn renamed(&self) {
        self.renamed.notified().await;
    }

    /// Whoever asks DNS does so no more, unless there are names again.
    pub(super) fn stop_resolving(&self) -> bool {
        let mut building = self.building();
        building.resolving = !self.facts().names.is_empty();
        !building.resolving
    }

    /// Writes down what outlier detection and checks did.
    pub(super) fn log_events(&self) {
        let events = self.balance.take_events();
        let backend = &self.key;
        if events.missed > 0 {
            tracing::info!(%backend, missed = events.missed, "more endpoints were ejected or came back than are told here");
        }
        for Event { endpoint, kind, .. } in events.list {
            match kind {
                EventKind::Ejected { cause, lasts, times } => {
                    tracing::info!(%backend, %endpoint, ?cause, ?lasts, times, "endpoint ejected");
                }
                EventKind::Spared { cause } => {
                    tracing::info!(%backend, %endpoint, ?cause, "endpoint not ejected: too many are");
                }
                EventKind::Returned => tracing::info!(%backend, %endpoint, "endpoint came back"),
                EventKind::Failing { why } => tracing::info!(%backend, %endpoint, %why, "endpoint fails its checks"),
                EventKind::Passing => tracing::info!(%backend, %endpoint, "endpoint passes its checks again"),
                other => tracing::info!(%backend, %endpoint, event = ?other, "outlier detection"),
            }
        }
    }

    /// Whether idle connections should end because somebody waits to open another.
    pub(super) fn is_starving(&self) -> bool {
        self.starving.load(Relaxed) > 0
    }

    fn building(&self) -> MutexGuard<'_, Building> {
        // What is half done is done anew with the next configuration.
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rebuild(self: &Arc<Self>, building: &mut Building, program: &Program) {
        let Some(caller) = building.caller.clone() else { return };
        let callee = building.callee.as_ref();
        let outlook = Outlook { program, caller: &caller, key: &self.key, callee };
        let effective = outlook.effective();
        let mut found = callee.map_or_else(Found::default, |callee| {
            endpoints(Question {
                program,
                caller: &caller,
                key: &self.key,
                callee,
                effective: &effective,
                addresses: &building.addresses,
                originals: building.originals.make_contiguous(),
            })
        });
        if caller.quarantine.is_some() {
            // Nobody asks in its name, and whoever has no workload is nobody whom it may call.
            found.names.clear();
        }
        let settings = settings(&effective);
        if settings != building.settings || !are_unchanged(&found.endpoints, &building.endpoints) {
            self.balance.replace(settings.clone(), found.endpoints.clone(), Instant::now().into_std());
            building.settings = settings;
            building.endpoints.clone_from(&found.endpoints);
        }
        let before = self.facts();
        let mut facts = Facts::new(&outlook, effective, None);
        facts.origination = self.origination(&facts, before.origination.as_ref());
        let endpoints = found.endpoints.into_iter().map(|found| (facts.looked_up(&found.key), found.key));
        facts.endpoints = endpoints.collect();
        facts.is_resolved = found.names.iter().all(|name| building.addresses.contains_key(name));
        building.addresses.retain(|name, _| found.names.contains(name));
        let renamed = before.names != found.names;
        facts.names = found.names;
        let resolves = !facts.names.is_empty();
        let checked = facts.effective.health_checks.is_some() || before.effective.health_checks.is_some();
        self.facts.store(Arc::new(facts));
        if renamed {
            self.renamed.notify_one();
        }
        if checked {
            self.to_check.notify_one();
        }
        if resolves && !building.resolving {
            building.resolving = true;
            super::resolve::start(self, &self.resolver);
        }
    }

    /// How TLS is made; the same as before if nothing about it changed.
    fn origination(&self, facts: &Facts, before: Option<&Arc<Origination>>) -> Option<Arc<Origination>> {
        let tls = facts.effective.tls.as_ref()?;
        if !matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
            return None;
        }
        let declared = match &facts.callee {
            Some(Callee::Entry(entry)) => &entry.subject_alt_names[..],
            _ => &[],
        };
        let names = if tls.subject_alt_names.is_empty() { declared } else { &tls.subject_alt_names[..] };
        let before = before.filter(|before| before.is_for(tls, names));
        let secrets = match &self.given {
            Given::Everybody(secrets) => Some(secrets),
            Given::Chosen(secrets) => Some(secrets).filter(|_| facts.effective.is_chosen),
            Given::Nobody => None,
        };
        let secret = secrets.filter(|_| tls.credential.is_some()).map(|secrets| {
            let before = before.and_then(|before| before.secret());
            Secret::follow(before, &facts.caller.namespace, tls, &secrets.load())
        });
        match before.filter(|before| before.has(secret.as_ref())) {
            Some(same) => Some(Arc::clone(same)),
            None => Some(Arc::new(Origination::new(tls.clone(), names.into(), self.files.clone(), secret))),
        }
    }
}

/// Whether two lists say the same, of what is known of endpoints too.
fn are_unchanged(new: &[Endpoint<EndpointKey>], old: &[Endpoint<EndpointKey>]) -> bool {
    new.len() == old.len() && new.iter().zip(old).all(|(new, old)| new == old && new.key.is_unchanged(&old.key))
}

#[cfg(test)]
mod tests;
