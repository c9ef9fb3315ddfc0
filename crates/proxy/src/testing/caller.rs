//! A workload whose calls are captured.

use std::sync::Arc;

use ripstop_model::{
    AppProtocol, Change, DataplaneMode, Enrolment, GatewayName, PortMapping, Quarantine, RuleId, Service, ServicePort,
    TargetPort, TrafficChange, Workload,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use super::{Played, Worker, forward, routes};
use crate::{
    backends::{
        Backends,
        testing::{service, workload},
    },
    local::LocalWorkload,
    outbound,
};

/// A workload that calls a service with routes, which lead to one server.
pub(crate) struct Caller {
    pub(crate) worker: Worker,
    workload: Arc<LocalWorkload>,
    /// Takes calls for the proxy.
    listener: TcpListener,
}

impl Caller {
    /// Of a service that speaks `protocol`.
    pub(crate) async fn new(protocol: AppProtocol, server: &Played) -> Self {
        Self::of(workload("caller", 1), protocol, server).await
    }

    /// The same, of a workload that has a sidecar.
    pub(crate) async fn with_sidecar(protocol: AppProtocol, server: &Played) -> Self {
        let enrolment = Enrolment { mode: DataplaneMode::Sidecar, decided_by: None };
        Self::of(Workload { enrolment, ..workload("caller", 1) }, protocol, server).await
    }

    async fn of(own: Workload, protocol: AppProtocol, server: &Played) -> Self {
        let local = LocalWorkload::new(own.uid.clone());
        // No call of another test goes there.
        let listener = TcpListener::bind("127.77.0.31:0").await.unwrap();
        let called = listener.local_addr().unwrap();
        let port = |port| ServicePort { port, name: "web".into(), target: TargetPort::Number(port), protocol };
        let web = service("web");
        let web = Service { addresses: vec![called.ip()], ports: vec![port(80), port(called.port())], ..web };
        let mut behind = workload("web", 2);
        behind.addresses = vec![server.address().ip()];
        let leads = |service_port| PortMapping { service_port, target_port: server.address().port() };
        behind.services.push((web.key.clone(), vec![leads(80), leads(called.port())]));
        let Change::TrafficObject(TrafficChange::Routes(name, Some(table))) = routes(Some(forward())) else {
            panic!("routes")
        };
        let table = ripstop_model::RouteTable { gateways: vec![GatewayName::Mesh], ..(*table).clone() };
        let changes = [
            Change::Service(Arc::new(web)),
            Change::Workload(Arc::new(own)),
            Change::Workload(Arc::new(behind)),
            Change::TrafficObject(TrafficChange::Routes(name, Some(Arc::new(table)))),
        ];
        Self { worker: Worker::new(changes, Backends::new).await, workload: local, listener }
    }

    /// Whoever calls is cut off, also from the server.
    pub(crate) fn cut_off(&self) {
        let quarantine = Quarantine { rule: RuleId("Process/test/caller/2/quarantine".into()), peers: Vec::new() };
        let own = Workload { quarantine: Some(Arc::new(quarantine)), ..workload("caller", 1) };
        self.worker.change(Change::Workload(Arc::new(own)));
        self.workload.cut_off();
    }

    /// A call that has sent `bytes`.
    pub(crate) async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let connecting = TcpStream::connect(self.listener.local_addr().unwrap());
        let (caller, accepted) = tokio::join!(connecting, self.listener.accept());
        let (accepted, peer) = accepted.unwrap();
        let gone = self.workload.outlet();
        spawn_local(outbound::serve(self.worker.context.clone(), self.workload.clone(), gone, accepted, peer));
        let mut caller = caller.unwrap();
        caller.write_all(bytes).await.unwrap();
        caller
    }
}
