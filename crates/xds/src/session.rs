//! The task behind a link: connects, follows, renews, reports, for ever.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use ripstop_identity::Svid;
use ripstop_wire::{
    delta::{CommittedUpdate, DeltaClient, Event, MAX_MESSAGE},
    discovery::{DeltaDiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient},
    ripstop::registry_client::RegistryClient,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_stream::{
    StreamExt as _,
    wrappers::{ReceiverStream, WatchStream},
};
use tonic::transport::Channel;

use crate::{
    Commit, Error,
    channel::connect,
    credentials::{self, own_config, within},
    journal::Journal,
    link::Shared,
    retry::Backoff,
    updates::{Answer, Verdict},
};

/// How long the control plane may take to open a stream, or to take a request.
const STREAM_DEADLINE: Duration = Duration::from_secs(5);
/// How long the control plane has to take notice of a refusal before we go.
const FAREWELL: Duration = Duration::from_secs(1);
/// A connection that lived so long was a good one.
const GOOD_LIFE: Duration = Duration::from_secs(10);
/// Requests under way; each response leads to one at most.
const REQUESTS: usize = 64;

/// The state that outlives connections.
pub(crate) struct Session {
    shared: Arc<Shared>,
    client: DeltaClient,
    journal: Arc<Mutex<Journal>>,
    commits: mpsc::Sender<Commit>,
    /// The verdict on what was on disk.
    from_disk: Option<oneshot::Receiver<Verdict>>,
    svid: Option<Svid>,
    /// The control plane did not accept our certificate, or we not its own.
    in_doubt: bool,
    /// Something was committed since the last attempt.
    fruitful: bool,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        client: DeltaClient,
        journal: Journal,
        commits: mpsc::Sender<Commit>,
        from_disk: Option<oneshot::Receiver<Verdict>>,
    ) -> Self {
        let svid = shared.store.load(&shared.id);
        let journal = Arc::new(Mutex::new(journal));
        Self { shared, client, journal, commits, from_disk, svid, in_doubt: false, fruitful: false }
    }

    /// Runs until the link's last handle or the updates' owner is gone.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let mut last = String::new();
        loop {
            let started = Instant::now();
            let Err(error) = self.attempt().await;
            self.shared.channel.send_replace(None);
            self.shared.connected.send_replace(false);
            if matches!(error, Error::Abandoned) {
                return;
            }
            if self.fruitful || started.elapsed() > GOOD_LIFE {
                backoff.reset();
            }
            self.fruitful = false;
            self.in_doubt = error.is_about_credentials();
            let text = error.to_string();
            // The same again and again is news once.
            if text == last {
                tracing::debug!(id = %self.shared.id, error = text, "control plane not connected");
            } else {
                tracing::warn!(id = %self.shared.id, error = text, "control plane not connected; trying again");
                last = text;
            }
            sleep(backoff.wait()).await;
        }
    }

    /// One connection, from certificate to end.
    async fn attempt(&mut self) -> Result<Infallible, Error> {
        let usable = self.svid.clone().filter(|svid| !svid.is_expired(SystemTime::now()));
        let svid = match usable {
            Some(svid) if !self.in_doubt => svid,
            // A new token may have been left for us; without a good one the old certificate is tried again.
            Some(svid) => credentials::join(&self.shared).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "could not join anew");
                svid
            }),
            None => credentials::join(&self.shared).await?,
        };
        self.svid = Some(svid.clone());
        let channel = connect(self.shared.config.control, own_config(&self.shared, &svid)).await?;
        self.shared.channel.send_replace(Some(channel.clone()));
        let shared = self.shared.clone();
        let mut renewed = svid;
        let ended = tokio::select! {
            ended = self.follow(channel.clone()) => ended,
            never = renewals(&shared, channel.clone(), &mut renewed) => match never {},
            never = reports(&shared, channel) => match never {},
        };
        self.svid = Some(renewed);
        ended
    }

    /// Follows the configuration until the stream ends.
    async fn follow(&mut self, channel: Channel) -> Result<Infallible, Error> {
        self.settle_disk().await;
        let (requests, outgoing) = mpsc::channel(REQUESTS);
        for request in self.client.connect() {
            send(&requests, request).await?;
        }
        let mut service = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let call = service.delta_aggregated_resources(ReceiverStream::new(outgoing));
        let mut responses = within("opening the discovery stream", STREAM_DEADLINE, call).await?;
        self.shared.connected.send_replace(true);
        tracing::info!(id = %self.shared.id, control = %self.shared.config.control, "connected to the control plane");
        loop {
            let response = responses.message().await;
            let response = response.map_err(|status| Error::Status { what: "discovery", status: Box::new(status) })?;
            let received = self.client.receive(response.ok_or(Error::Ended)?)?;
            if let Some(request) = received.request {
                send(&requests, request).await?;
            }
            match received.event {
                None => {}
                Some(Event::Committed(update)) => {
                    let answer = self.deliver(update).await?;
                    if let Some(request) = answer {
                        send(&requests, request).await?;
                    }
                }
                Some(Event::Mismatch { version, type_url, expected, staged }) => {
                    drop(requests);
                    // Read on until the server closes: by then it has the refusal.
                    let _ = timeout(FAREWELL, async { while let Ok(Some(_)) = responses.message().await {} }).await;
                    return Err(Error::Mismatch { version, type_url, expected, staged });
                }
            }
        }
    }

    /// Waits for the verdict on what was on disk, which comes before anything else.
    async fn settle_disk(&mut self) {
        // Kept in place while waiting: the connection may end before the verdict.
        let Some(verdict) = &mut self.from_disk else { return };
        let verdict = verdict.await.unwrap_or(Verdict::Accepted);
        self.from_disk = None;
        if let Verdict::Rejected(reason) = verdict {
            tracing::warn!(reason, "saved configuration was refused and is not used");
            self.client = DeltaClient::new(self.shared.id.as_str(), &self.shared.config.types);
            if let Err(error) = self.journal.lock().unwrap_or_else(PoisonError::into_inner).clear() {
                tracing::warn!(%error, "refused configuration cannot be removed");
            }
        }
    }

    /// Hands a commit to its owner and waits for the verdict; gives what to answer.
    async fn deliver(&mut self, update: CommittedUpdate) -> Result<Option<DeltaDiscoveryRequest>, Error> {
        let CommittedUpdate { version, changes } = update;
        let (answer, verdict) = Answer::new();
        let commit = Commit { version, from_disk: false, resources: changes.clone(), answer };
        self.commits.send(commit).await.map_err(|_| Error::Abandoned)?;
        // A commit that is dropped unseen comes as accepted; then nobody takes updates any more.
        let verdict = verdict.await.map_err(|_| Error::Abandoned)?;
        if self.commits.is_closed() {
            return Err(Error::Abandoned);
        }
        if let Verdict::Rejected(reason) = verdict {
            tracing::warn!(version, reason, "configuration refused; the last good one stays");
            return Ok(self.client.reject(&reason));
        }
        // On disk before it is acknowledged: what was acknowledged survives a restart.
        let journal = self.journal.clone();
        let write = move || journal.lock().unwrap_or_else(PoisonError::into_inner).append(version, changes);
        let written = tokio::task::spawn_blocking(write).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::warn!(version, %error, "configuration is in force but cannot be saved: a restart begins with an older one");
        }
        let answer = self.client.accept();
        self.shared.commits.send_replace(version);
        self.fruitful = true;
        Ok(answer)
    }
}

/// Keeps our own certificate fresh; the connection stays.
async fn renewals(shared: &Shared, channel: Channel, svid: &mut Svid) -> Infallible {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
    loop {
        if let Ok(wait) = svid.renew_at().duration_since(SystemTime::now()) {
            sleep(wait).await;
        }
        match credentials::renew(shared, channel.clone()).await {
            Ok(next) => {
                *svid = next;
                backoff.reset();
            }
            Err(error) => tracing::warn!(%error, "own certificate cannot be renewed; trying again"),
        }
        // Also after a success: a certificate so short that it is due at once must not spin.
        sleep(backoff.wait()).await;
    }
}

/// Sends the newest report, and each newer one.
async fn reports(shared: &Shared, channel: Channel) -> Infallible {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        // Nothing to say, nothing to open.
        let mut newest = shared.report.subscribe();
        if newest.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
        let reports = WatchStream::new(shared.report.subscribe()).filter_map(|report| report);
        let mut service = RegistryClient::new(channel.clone());
        let opened = Instant::now();
        let outcome = async {
            let mut answers = within("opening the report stream", STREAM_DEADLINE, service.report(reports)).await?;
            while let Some(_answer) = answers
                .message()
                .await
                .map_err(|status| Error::Status { what: "reporting", status: Box::new(status) })?
            {}
            Err::<Infallible, _>(Error::Ended)
        };
        let Err(error) = outcome.await;
        tracing::debug!(%error, "report stream ended");
        if opened.elapsed() > GOOD_LIFE {
            backoff.reset();
        }
        sleep(backoff.wait()).await;
    }
}

async fn send(requests: &mpsc::Sender<DeltaDiscoveryRequest>, request: DeltaDiscoveryRequest) -> Result<(), Error> {
    match timeout(STREAM_DEADLINE, requests.send(request)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Error::Ended),
        Err(_) => Err(Error::Deadline { what: "sending on the discovery stream", seconds: STREAM_DEADLINE.as_secs() }),
    }
}
