//! From configuration and reports to commits.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

use ripstop_model::Workload;
use ripstop_store::StoreSnapshot;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    compiled::Compiled,
    fences::Fences,
    plane::Plane,
    proxies::Proxies,
    published::Published,
    registry::{View, is_at_node},
    version::Versions,
    world::{Agents, World},
};

/// Least time between two commits: what changes meanwhile goes into the next one together. The
/// first change after a quiet time is not delayed at all.
const COALESCE: Duration = Duration::from_millis(20);
/// Wait before a commit is tried again that the disk prevented.
const RETRY: Duration = Duration::from_millis(500);

/// The only maker of commits.
pub(crate) struct Pipeline {
    plane: Arc<Plane>,
    objects: watch::Receiver<Arc<StoreSnapshot>>,
    /// Fires when others are to be believed by SPIFFE bundles.
    bundles: watch::Receiver<()>,
    versions: Versions,
    compiled: Compiled,
    fences: Fences,
    /// As last committed.
    world: Option<World>,
}

/// What agents say at one moment.
struct AgentView<'a> {
    view: &'a View,
    proxies: &'a Proxies,
}

// === impl Pipeline ===

impl Pipeline {
    pub(crate) fn new(plane: Arc<Plane>, versions: Versions, compiled: Compiled) -> Self {
        let (objects, bundles) = (plane.store.subscribe(), plane.bundles.subscribe());
        Self { plane, objects, bundles, versions, compiled, fences: Fences::default(), world: None }
    }

    /// Makes the first commit; a disk that cannot be written is an error here.
    pub(crate) async fn start(self) -> Result<Self, Error> {
        let (pipeline, result) = self.commit().await?;
        result?;
        Ok(pipeline)
    }

    /// Commits at each change until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut next = Instant::now();
        let mut failed = false;
        let mut followed = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.objects.changed(), if followed => if changed.is_err() {
                    tracing::error!("the store has ended: files are no longer followed until this process restarts");
                    followed = false;
                    continue;
                },
                () = self.plane.registry.changed() => {}
                // Their sender is the plane's, which is here.
                Ok(()) = self.bundles.changed() => {}
                () = sleep(RETRY), if failed => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(next.into()) => {}
            }
            let result;
            (self, result) = match self.commit().await {
                Ok(done) => done,
                Err(error) => {
                    // The last commit goes on being served; a restart starts anew.
                    tracing::error!(%error, "commits are no longer possible");
                    return;
                }
            };
            failed = result.is_err();
            if let Err(error) = result {
                tracing::error!(%error, "no commit could be made; it is tried again");
            }
            next = Instant::now() + COALESCE;
        }
    }

    /// Compiles what there is and, if something changed, makes it the current version. Works on a
    /// thread of its own: compiling and the disk must not hold up the connections.
    async fn commit(mut self) -> Result<(Self, Result<(), Error>), Error> {
        let done = spawn_blocking(move || {
            let result = self.commit_now();
            (self, result)
        });
        done.await.map_err(|error| Error::Pipeline(error.to_string()))
    }

    fn commit_now(&mut self) -> Result<(), Error> {
        let plane = self.plane.clone();
        let objects = self.objects.borrow_and_update().clone();
        self.bundles.mark_unchanged();
        let view = plane.registry.view();
        let mut world = self.compiled.compile(&objects, &view);

        let agents = AgentView { view: &view, proxies: &plane.proxies };
        world.set_tunnels(self.world.as_ref(), &mut self.fences, self.versions.peek(), &agents);
        let step = world.step_from(self.world.as_ref());
        let before = plane.published();
        let mut published = if step.is_empty() {
            Published::clone(&before)
        } else {
            let version = self.versions.next()?;
            tracing::info!(version, resources = step.len(), "commit");
            let at = Instant::now();
            plane.history.committed(version, at);
            step.apply(&before, version)
        };
        published.revision = objects.revision;
        published.objects = self.compiled.objects().clone();
        published.subject = self.compiled.subject(&objects);
        plane.metrics.services.store(world.services.len() as u64, Relaxed);
        plane.metrics.version.store(published.version, Relaxed);
        plane.proxies.forget(|component| {
            published.has_instance(component).unwrap_or_else(|| world.nodes.contains_key(&component.name))
        });
        // Before anybody can acknowledge what is waited for.
        plane.fenced.store(self.fences.any(), SeqCst);
        plane.current.send_replace(Arc::new(published));
        self.world = Some(world);
        Ok(())
    }
}

impl Agents for AgentView<'_> {
    fn reports_captured(&self, workload: &Workload) -> bool {
        self.view.instance(workload.uid.as_str()).is_some_and(|instance| self.view.is_captured(instance))
    }

    fn reports_open(&self, workload: &Workload) -> bool {
        self.view.instance(workload.uid.as_str()).is_some_and(|instance| self.view.has_open(instance))
    }

    fn reports_apart(&self, workload: &Workload) -> bool {
        let capture = self.view.instance(workload.uid.as_str()).and_then(|instance| self.view.capture(instance));
        capture.is_some_and(|capture| !is_at_node(capture))
    }

    fn acked(&self, node: &str) -> u64 {
        self.proxies.agent_acked(node)
    }
}
