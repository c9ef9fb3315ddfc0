//! The thread that children die with.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{Child, RoleSpawn, WorkloadSpawn, WorldSpawn};
use crate::Error;

/// Requests that may wait.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that spawns, one request after the other. Dropping it ends the thread, and with it whatever it spawned.
#[derive(Debug)]
pub struct Spawner {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Spawner {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue): (SyncSender<Job>, Receiver<Job>) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("ripstop-spawner".into()).spawn(move || {
            for job in queue {
                job();
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Spawns a world.
    pub async fn world(&self, request: WorldSpawn) -> Result<Child, Error> {
        self.run(move || request.spawn()).await
    }

    /// Spawns a role.
    pub async fn role(&self, request: RoleSpawn) -> Result<Child, Error> {
        self.run(move || request.spawn()).await
    }

    /// Spawns a workload.
    pub async fn workload(&self, request: WorkloadSpawn) -> Result<Child, Error> {
        self.run(move || request.spawn()).await
    }

    /// Runs any spawning code on the thread. If the caller stops waiting, what it would have got is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let gone = || Error::Invalid("the spawning thread has ended".to_owned());
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || drop(answer.send(work())));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.try_send(job).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(_) => Error::Invalid(format!("{QUEUE} spawns are already waiting")),
            std::sync::mpsc::TrySendError::Disconnected(_) => gone(),
        })?;
        result.await.map_err(|_| gone())?
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It ends after the request at hand; a panic there was reported by its own caller.
            let _ = thread.join();
        }
    }
}
