//! Aggregated delta discovery: each connected part gets what its role needs.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Instant,
};

use futures_util::{Stream, stream};
use ripstop_wire::{
    delta::DeltaServer,
    discovery::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, aggregated_discovery_service_server::AggregatedDiscoveryService,
    },
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    peer::{Component, Peer, Role},
    plane::Plane,
    proxies::Connection,
    published::Published,
};

/// `envoy.service.discovery.v3.AggregatedDiscoveryService`.
#[derive(Clone)]
pub(crate) struct Discovery(pub(crate) Arc<Plane>);

/// One discovery stream. It is driven by the connection that takes its responses: a
/// client that does not read is not computed for, and holds up nobody.
struct Session {
    plane: Arc<Plane>,
    component: Component,
    requests: Streaming<DeltaDiscoveryRequest>,
    current: watch::Receiver<Arc<Published>>,
    server: DeltaServer,
    connection: Connection,
    ended: bool,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Discovery {
    type DeltaAggregatedResourcesStream = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let Some(component) = peer.as_ref().and_then(Peer::component) else {
            let caller = peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::warn!(caller, "discovery refused: not a node, agent, supervisor, gateway, waypoint or sidecar");
            return Err(Status::permission_denied(
                "discovery is for nodes, agents, supervisors, gateways, waypoints and sidecars of this mesh",
            ));
        };
        let session = Session::start(self.0.clone(), component, request.into_inner());
        let responses = stream::unfold(session, |mut session| async {
            let response = session.next().await?;
            session.ended = response.is_err();
            Some((response, session))
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

// === impl Session ===

impl Session {
    fn start(plane: Arc<Plane>, component: Component, requests: Streaming<DeltaDiscoveryRequest>) -> Self {
        let mut current = plane.current.subscribe();
        current.mark_changed();
        let connection = plane.proxies.connected(&component);
        plane.metrics.connected.fetch_add(1, Relaxed);
        tracing::info!(id = %component.id, "connected");
        Self { plane, component, requests, current, server: DeltaServer::new(), connection, ended: false }
    }

    /// The next response; nothing when the client is done, an error when we are.
    async fn next(&mut self) -> Option<Result<DeltaDiscoveryResponse, Status>> {
        if self.ended {
            return None;
        }
        let stop = self.plane.stop.clone();
        loop {
            if let Some(response) = self.server.poll() {
                self.plane.metrics.pushed(&response.type_url);
                return Some(Ok(response));
            }
            self.connection.sent(self.server.sent());
            tokio::select! {
                () = stop.cancelled() => return Some(Err(Status::unavailable("the control plane stops"))),
                request = self.requests.message() => match request {
                    Ok(Some(request)) => {
                        if let Err(status) = self.receive(request) {
                            return Some(Err(status));
                        }
                    }
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::debug!(id = %self.component.id, %error, "discovery stream ended");
                        return None;
                    }
                },
                changed = self.current.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                    let published = self.current.borrow_and_update().clone();
                    // Before the first version nobody is told that there is nothing.
                    if published.version > 0 {
                        match self.component.role {
                            Role::Agent => self.server.set_target(&published.for_agent()),
                            Role::Node => self.server.set_target(&published.for_node(&self.component)),
                            Role::Waypoint => self.server.set_target(&published.for_waypoint(&self.component)),
                            Role::Sidecar => self.server.set_target(&published.for_sidecar(&self.component)),
                            Role::Supervisor => self.server.set_target(&published.for_supervisors),
                            Role::Gateway => self.server.set_target(&published.for_gateway(&self.component)),
                        }
                    }
                }
            }
        }
    }

    fn receive(&mut self, request: DeltaDiscoveryRequest) -> Result<(), Status> {
        let Self { plane, component, connection, server, .. } = self;
        let answers = !request.response_nonce.is_empty();
        if let Some(detail) = &request.error_detail {
            plane.metrics.rejected(&request.type_url);
            tracing::warn!(id = %component.id, type_url = request.type_url, reason = detail.message, "refused by the proxy");
        }
        let before = server.acked();
        server.receive(request).map_err(|error| {
            tracing::warn!(id = %component.id, %error, "discovery stream refused");
            Status::invalid_argument(error.to_string())
        })?;
        let acked = server.acked();
        if acked != before {
            connection.acked(acked);
            if answers && let Some(at) = plane.history.at(acked) {
                plane.metrics.converged(Instant::now().saturating_duration_since(at));
            }
            if component.role == Role::Agent && plane.fenced.load(SeqCst) {
                plane.registry.poke();
            }
        }
        if let Some(nack) = server.nack() {
            connection.nacked(&nack.message);
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.plane.metrics.connected.fetch_sub(1, Relaxed);
        if self.server.poll().is_some() {
            self.plane.metrics.push_errors.fetch_add(1, Relaxed);
        }
        tracing::info!(id = %self.component.id, "disconnected");
    }
}
