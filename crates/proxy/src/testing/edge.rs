//! A gateway.

use std::{net::SocketAddr, path::Path, sync::Arc};

use ripstop_model::{
    BackendRef, Change, ConnectionRule, EndpointAddress, Fault, Gateway, GatewayName, HeaderOperations, HostPattern,
    HttpAction, HttpRule, PortSettings, Resolution, Rewrite, RouteTable, RuleId, Selector, Server, ServerHost,
    ServerProtocol, ServerTls, TrafficChange, Visibility, WeightedBackend,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::spawn_local};
use tokio_util::sync::CancellationToken;

use super::{Worker, pair};
use crate::{
    backends::{
        Backends,
        testing::{behind, entry, rule_change, rules, service, unresolved, workload, written},
    },
    gateway::{self, Door, Terminators},
    local::LocalWorkload,
};

/// Where its routes lead.
pub(super) const HOST: &str = "web.ns.svc.cluster.local";

/// A gateway whose routes lead to one server, which is not enrolled.
pub(crate) struct Edge {
    pub(crate) worker: Worker,
    pub(crate) door: Arc<Door>,
    workload: Arc<LocalWorkload>,
}

/// Where the routes of [`Edge`] lead.
pub(crate) enum Leads {
    To(SocketAddr),
    /// To a name of which nobody knows anything.
    Nowhere,
}

impl Edge {
    /// One that speaks `protocol` on port 80.
    pub(crate) async fn new(protocol: ServerProtocol, leads: Leads, settings: PortSettings, rule: HttpRule) -> Self {
        let own = Arc::new(workload("edge", 1));
        let (known, knows): (Vec<Change>, fn(&Path) -> Backends) = match leads {
            Leads::To(server) => {
                let service = service("web");
                let mut web = behind(workload("web", 2), &service, server.port());
                web.addresses = vec![server.ip()];
                (vec![Change::Service(Arc::new(service)), Change::Workload(Arc::new(web))], Backends::new)
            }
            Leads::Nowhere => {
                let name = written(EndpointAddress::Name("nowhere.example".into()));
                let entries = vec![entry(HOST, Resolution::Dns, 80, vec![name])];
                let entries = TrafficChange::Entries(("ns".into(), HOST.into()), Some(Arc::new(entries)));
                (vec![Change::TrafficObject(entries)], unresolved)
            }
        };
        let changes = [
            Change::Workload(own.clone()),
            rule_change(rules(HOST, settings)),
            listener(Some(protocol)),
            routes(Some(rule)),
        ];
        let changes = known.into_iter().chain(changes);
        let worker = Worker::new(changes, knows).await;
        let terminators = Arc::new(Terminators::new("/nowhere".as_ref()));
        let door = Arc::new(Door { port: 80, closed: CancellationToken::new(), terminators });
        Self { worker, door, workload: LocalWorkload::alone(own.uid.clone()) }
    }

    /// Endpoints that are ejected.
    pub(crate) fn ejected(&self) -> Vec<String> {
        let told = self.worker.context.shared.backends.inspect(std::time::Instant::now());
        let endpoints = told[0]["endpoints"].as_array().unwrap();
        let ejected = endpoints.iter().filter(|endpoint| !endpoint["ejected_ms"].is_null());
        ejected.map(|endpoint| endpoint["address"].as_str().unwrap().to_owned()).collect()
    }

    /// A connection of a client.
    pub(crate) async fn connect(&self) -> TcpStream {
        let (client, accepted, peer) = pair().await;
        let (context, workload, door) = (self.worker.context.clone(), self.workload.clone(), self.door.clone());
        spawn_local(gateway::serve(context, workload, (door, gateway::Taker::Host), accepted, peer));
        client
    }

    /// A connection of a client that has sent `bytes`.
    pub(crate) async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(bytes).await.unwrap();
        client
    }
}

/// What port 80 of the gateway speaks; nothing: there is no such port.
pub(crate) fn listener(protocol: Option<ServerProtocol>) -> Change {
    port(protocol.map(|protocol| (protocol, None)))
}

/// That port 80 of the gateway speaks TLS.
pub(crate) fn secured(protocol: ServerProtocol, tls: ServerTls) -> Change {
    port(Some((protocol, Some(Arc::new(tls)))))
}

fn port(speaks: Option<(ServerProtocol, Option<Arc<ServerTls>>)>) -> Change {
    let gateway = |(protocol, tls)| Gateway {
        id: RuleId("Gateway/ns/edge/1".into()),
        namespace: "ns".into(),
        name: "edge".into(),
        selector: Selector::default(),
        servers: vec![Server {
            id: RuleId("Gateway/ns/edge/1/servers[0]".into()),
            name: "web".into(),
            port: 80,
            protocol,
            bind: None,
            hosts: vec![ServerHost { namespace: None, host: HostPattern::Any }],
            tls,
            https_redirect: false,
        }],
        created: 1,
    };
    let gateway = speaks.map(|speaks| Arc::new(gateway(speaks)));
    Change::TrafficObject(TrafficChange::Gateway(("ns".into(), "edge".into()), gateway))
}

/// What becomes of requests and of connections; nothing: nobody takes them.
pub(crate) fn routes(rule: Option<HttpRule>) -> Change {
    let table = rule.map(|rule| {
        let HttpAction::Forward(backends) = rule.action.clone() else { panic!("a rule that forwards") };
        let tcp = ConnectionRule { id: RuleId("tcp".into()), matches: Vec::new(), backends };
        Arc::new(RouteTable {
            id: RuleId("VirtualService/ns/web/1".into()),
            namespace: "ns".into(),
            name: "web".into(),
            created: 1,
            hosts: vec![HostPattern::Any],
            gateways: vec![GatewayName::Named(("ns".into(), "edge".into()))],
            visibility: Visibility::default(),
            http: vec![rule],
            tls: vec![tcp.clone()],
            tcp: vec![tcp],
        })
    });
    Change::TrafficObject(TrafficChange::Routes(("ns".into(), "web".into()), table))
}

/// A rule that sends on every request, and asks for nothing else.
pub(crate) fn forward() -> HttpRule {
    HttpRule {
        id: RuleId("VirtualService/ns/web/1/http[0]".into()),
        name: "".into(),
        matches: Vec::new(),
        action: HttpAction::Forward(vec![WeightedBackend {
            backend: BackendRef { host: HOST.into(), subset: None, port: Some(80) },
            weight: 1,
            request_headers: HeaderOperations::default(),
            response_headers: HeaderOperations::default(),
            authority: None,
            path: "".into(),
        }]),
        rewrite: Rewrite::default(),
        timeout: None,
        retries: None,
        fault: Fault::default(),
        mirrors: Vec::new(),
        cors: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
    }
}
