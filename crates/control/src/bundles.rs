//! SPIFFE bundles that the settings of the mesh name: fetched, kept up to date, and kept when they can't be had.

mod document;
mod fetch;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use ripstop_api::{Finding, Level, finding::Code};
use ripstop_compile::BundleSource;
use ripstop_model::{MeshConfig, TrustAnchor};
use ripstop_telemetry::exposition::{escape, header};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{document::Document, fetch::FetchError};
use crate::{Error, disk, keeper::Keeper, outside::Outside, plane, plane::Plane};

/// A bundle that cannot be had.
pub(crate) const NOT_FETCHED: Code =
    Code { code: "RS403", level: Level::Warning, meaning: "a SPIFFE bundle cannot be fetched, or vouches for nobody" };

/// How often a bundle is looked at that does not say it (SPIFFE Trust Domain and Bundle 4.1.2).
const USUAL: Duration = Duration::from_secs(300);
/// However often a bundle asks for it.
const SHORTEST: Duration = Duration::from_secs(1);
/// After one that has changed: each change is one of the whole mesh.
const AFTER_CHANGE: Duration = Duration::from_secs(10);
/// However seldom.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Wait after the first failure; it doubles with each further one, up to [`USUAL`].
const RETRY: Duration = Duration::from_secs(1);
/// Nothing is heard of a fetch any more: longer than it may take.
const OVERDUE: Duration = Duration::from_secs(60);

/// The bundles that are known, by their URLs.
pub(crate) struct Bundles {
    known: Mutex<BTreeMap<Arc<str>, Known>>,
    /// Something is known now that was not.
    changed: watch::Sender<()>,
    keeper: Keeper,
}

/// What is known of one.
#[derive(Clone, Debug, Default)]
struct Known {
    good: Option<Good>,
    /// Why it could not be had the last time.
    failure: Option<Arc<str>>,
    fetched: u64,
    failed: u64,
}

/// A bundle as it was when it could be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Good {
    /// Its authorities; empty: none.
    pem: String,
    /// Seconds since the epoch.
    at: u64,
}

/// When a bundle is fetched next.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    failures: u32,
}

// === impl Bundles ===

impl Bundles {
    /// Takes up what a former life had fetched, from `path`.
    pub(crate) fn open(path: &Path, keeper: Keeper) -> Result<Self, Error> {
        let good: BTreeMap<String, Good> = match disk::read(path).map_err(Error::state("read", path))? {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "SPIFFE bundles are lost: who is believed by them is not until they are fetched anew");
                BTreeMap::new()
            }),
        };
        let known = good.into_iter().map(|(url, good)| (url.into(), Known { good: Some(good), ..Known::default() }));
        Ok(Self { known: Mutex::new(known.collect()), changed: watch::Sender::default(), keeper })
    }

    /// Tells of what is known from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Adds the authorities of `sources` to those whom `mesh` believes.
    pub(crate) fn add_to(&self, mesh: &mut MeshConfig, sources: &[BundleSource]) {
        let known = self.lock();
        for source in sources {
            let good = known.get(&source.url).and_then(|known| known.good.as_ref());
            let Some(good) = good.filter(|good| !good.pem.is_empty()) else { continue };
            mesh.trust_anchors.push(TrustAnchor { domains: source.domains.clone(), pem: good.pem.as_str().into() });
            for domain in &source.domains {
                if !mesh.federated_domains.contains(domain) {
                    mesh.federated_domains.push(domain.clone());
                }
            }
        }
    }

    /// What is to be said of `sources`.
    pub(crate) fn findings(&self, sources: &[BundleSource]) -> Vec<Finding> {
        let known = self.lock();
        let wrong = sources.iter().filter_map(|source| {
            let known = known.get(&source.url)?;
            let (message, hint) = match (&known.failure, &known.good) {
                (Some(failure), None) => (
                    format!("{failure}: it vouches for nobody yet"),
                    "it is tried again; look at its server, and at what the broker grants",
                ),
                (Some(failure), Some(_)) => (
                    format!("{failure}: what it said before counts on"),
                    "it is tried again; look at its server, and at what the broker grants",
                ),
                (None, Some(good)) if good.pem.is_empty() => {
                    ("it has no key with use x509-svid: it vouches for nobody".to_owned(), "ask whoever publishes it")
                }
                (None, _) => return None,
            };
            Some(source.finding(NOT_FETCHED, message, hint))
        });
        wrong.collect()
    }

    /// Its numbers, in Prometheus' text format.
    pub(crate) fn write_metrics(&self, out: &mut String) {
        let known = self.lock();
        if known.is_empty() {
            return;
        }
        header(
            out,
            "ripstop_spiffe_bundle_fetches_total",
            "counter",
            "SPIFFE bundles that were fetched, or could not be.",
        );
        for (url, known) in &*known {
            let url = escape(url);
            for (result, count) in [("success", known.fetched), ("failure", known.failed)] {
                let _ =
                    writeln!(out, "ripstop_spiffe_bundle_fetches_total{{url=\"{url}\",result=\"{result}\"}} {count}");
            }
        }
        let name = "ripstop_spiffe_bundle_last_success_timestamp_seconds";
        header(out, name, "gauge", "When a SPIFFE bundle was fetched last, seconds since the epoch.");
        for (url, good) in known.iter().filter_map(|(url, known)| Some((url, known.good.as_ref()?))) {
            let _ = writeln!(out, "{name}{{url=\"{}\"}} {}", escape(url), good.at);
        }
    }

    /// Forgets all but these.
    fn retain(&self, urls: &BTreeSet<Arc<str>>) {
        let mut known = self.lock();
        let before = known.len();
        known.retain(|url, _| urls.contains(url));
        if known.len() != before {
            self.keep(&known);
        }
    }

    /// One was fetched, or could not be; gives when to look again, after so many `failures` in a row.
    fn note(&self, url: &Arc<str>, outcome: Result<Document, FetchError>, failures: u32) -> (Duration, u32) {
        let mut all = self.lock();
        let known = all.entry(url.clone()).or_default();
        let before = (known.failure.clone(), known.good.as_ref().map(|good| good.pem.clone()));
        let next = match outcome {
            Ok(Document { pem, refresh }) => {
                known.fetched += 1;
                known.failure = None;
                let shortest = if before.1.as_deref() == Some(&*pem) {
                    SHORTEST
                } else {
                    tracing::info!(%url, "SPIFFE bundle fetched");
                    if before.1.is_some() { AFTER_CHANGE } else { SHORTEST }
                };
                known.good = Some(Good { pem, at: plane::seconds(SystemTime::now()) });
                (refresh.unwrap_or(USUAL).clamp(shortest, LONGEST), 0)
            }
            Err(error) => {
                known.failed += 1;
                known.failure = Some(error.to_string().into());
                (RETRY.saturating_mul(1 << failures.min(16)).min(USUAL), failures + 1)
            }
        };
        let now = (known.failure.clone(), known.good.as_ref().map(|good| good.pem.clone()));
        if before.1 != now.1 {
            self.keep(&all);
        }
        drop(all);
        if before != now {
            self.changed.send_replace(());
        }
        next
    }

    fn keep(&self, known: &BTreeMap<Arc<str>, Known>) {
        let good: BTreeMap<String, Good> =
            known.iter().filter_map(|(url, known)| Some((url.to_string(), known.good.clone()?))).collect();
        // Texts and numbers can always be written.
        self.keeper.keep(move || serde_json::to_vec_pretty(&good).unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches what the published settings name, each as often as it asks for, until `stop`.
pub(crate) async fn run(plane: Arc<Plane>, outside: Outside, stop: CancellationToken) {
    let outside = Arc::new(outside);
    let mut current = plane.current.subscribe();
    current.mark_changed();
    let mut due: BTreeMap<Arc<str>, Due> = BTreeMap::new();
    let mut fetching: JoinSet<(Arc<str>, u32, Result<Document, FetchError>)> = JoinSet::new();
    let mut wanted: Option<BTreeSet<Arc<str>>> = None;
    loop {
        let next = due.values().map(|due| due.at).min();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = current.changed() => {
                if changed.is_err() {
                    return;
                }
                let objects = current.borrow_and_update().objects.clone();
                let named: BTreeSet<Arc<str>> =
                    ripstop_compile::bundle_sources(&objects).into_iter().map(|source| source.url).collect();
                if wanted.as_ref() != Some(&named) {
                    plane.bundles.retain(&named);
                    due.retain(|url, _| named.contains(url));
                    for url in &named {
                        due.entry(url.clone()).or_insert_with(|| Due { at: Instant::now(), failures: 0 });
                    }
                    wanted = Some(named);
                }
            }
            () = until(next) => {
                let now = Instant::now();
                let ready: Vec<_> = due.iter().filter(|(_, due)| due.at <= now).map(|(url, due)| (url.clone(), due.failures)).collect();
                for (url, failures) in ready {
                    due.insert(url.clone(), Due { at: now + OVERDUE, failures });
                    let outside = outside.clone();
                    fetching.spawn(async move {
                        let outcome = fetch::fetch(&url, &outside).await;
                        (url, failures, outcome)
                    });
                }
            }
            Some(done) = fetching.join_next() => match done {
                Ok((url, failures, outcome)) => {
                    // It may be named no more.
                    if wanted.as_ref().is_some_and(|wanted| wanted.contains(&url)) {
                        let (wait, failures) = plane.bundles.note(&url, outcome, failures);
                        due.insert(url, Due { at: Instant::now() + wait, failures });
                    }
                }
                Err(error) => tracing::error!(%error, "fetching a SPIFFE bundle has failed"),
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
