//! A small mesh, and a worker's recorder, for tests.

use std::{
    io::{self, Write},
    rc::Rc,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use ripstop_decide::Program;
use ripstop_model::{
    AccessLogSettings, AppProtocol, Change, DefaultProviders, Enrolment, Health, PolicyTarget, PortMapping, RuleId,
    Selector, Service, ServiceKey, ServicePort, Side, TargetPort, Telemetry, TrafficChange, TrafficDefaults,
    TrustDomain, TunnelProtocol, Visibility, Workload, WorkloadUid,
};
use ripstop_telemetry::{Direction, Registry, Reporter};

use super::{Outlets, Recorder};
use crate::record::Parties;

/// What was logged.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<(Mutex<Vec<u8>>, Condvar)>);

/// One worker that serves `cart` of namespace `shop`, which has ports 8080 (HTTP) and 9000 (TCP).
pub(super) struct Bench {
    pub(super) registry: Registry,
    pub(super) outlets: Arc<Outlets>,
    pub(super) recorder: Rc<Recorder>,
    pub(super) program: Arc<Program>,
    pub(super) lines: Lines,
}

impl Bench {
    /// With access logs, and further objects.
    pub(super) fn new(changes: impl IntoIterator<Item = Change>) -> Self {
        let lines = Lines::default();
        let registry = Registry::default();
        let outlets = Outlets::start(lines.clone()).unwrap();
        let program = Arc::new(mesh().with(7, changes));
        let recorder = Rc::new(Recorder::new(registry.shard(), outlets.clone(), program.clone()));
        Self { registry, outlets, recorder, program, lines }
    }

    /// From `web` to `cart`, by mutual TLS.
    pub(super) fn parties(&self, port: u16) -> Parties {
        let (web, cart) = (workload("web", 1), workload("cart", 2));
        Parties {
            direction: Direction::Inbound,
            source_address: "10.0.0.1:40000".parse().unwrap(),
            source_identity: web.identity().ok(),
            source: self.program.workload(&web.uid).cloned(),
            destination_address: ([10, 0, 0, 2], port).into(),
            destination_identity: cart.identity().ok(),
            destination: self.program.workload(&cart.uid).cloned(),
            service: None,
            hbone: None,
            reporter: Reporter::Destination,
        }
    }

    /// The series of a metric: the values of `labels`, and the count.
    pub(super) fn counted(&self, metric: &str, labels: &[&str]) -> Vec<String> {
        let mut text = String::new();
        self.registry.render(&mut text);
        let series = text.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
        let mut found: Vec<String> = series
            .map(|line| {
                let value = |name: &&str| {
                    let rest = line.split_once(&format!("{name}=\"")).map_or("(none)", |(_, rest)| rest);
                    rest.split('"').next().unwrap_or_default().to_owned()
                };
                let values: Vec<String> = labels.iter().map(value).collect();
                format!("{} {}", values.join(" "), line.rsplit(' ').next().unwrap_or_default()).trim().to_owned()
            })
            .collect();
        found.sort();
        found
    }
}

impl Lines {
    /// Waits for `count` lines.
    pub(super) fn wait(&self, count: usize) -> Vec<String> {
        let (bytes, more) = &*self.0;
        let whole = |bytes: &mut Vec<u8>| bytes.split(|byte| *byte == b'\n').count() <= count;
        let (bytes, late) = more.wait_timeout_while(bytes.lock().unwrap(), Duration::from_secs(60), whole).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!late.timed_out(), "{text}");
        text.lines().map(ToOwned::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `web` and `cart`, whose access is logged.
fn mesh() -> Program {
    let defaults = TrafficDefaults {
        default_providers: DefaultProviders { access_logging: vec!["envoy".into()], ..DefaultProviders::default() },
        ..TrafficDefaults::default()
    };
    Program::default().with(
        1,
        [
            Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))),
            Change::Service(Arc::new(service())),
            Change::Workload(Arc::new(workload("web", 1))),
            Change::Workload(Arc::new(workload("cart", 2))),
        ],
    )
}

pub(super) fn workload(name: &str, last: u8) -> Workload {
    let mappings = [(80, 8080), (9000, 9000)];
    let mappings = mappings.map(|(service_port, target_port)| PortMapping { service_port, target_port });
    Workload {
        uid: WorkloadUid::process("c", "shop", name),
        name: format!("{name}-0").into(),
        namespace: "shop".into(),
        addresses: vec![[10, 0, 0, last].into()],
        node: "n".into(),
        service_account: name.into(),
        trust_domain: TrustDomain::default(),
        labels: [("app".into(), name.into())].into(),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: if name == "cart" { vec![(service().key, mappings.to_vec())] } else { Vec::new() },
        cluster: "c".into(),
    }
}

/// `cart`.
pub(super) fn service() -> Service {
    let port = |port, name: &str, target, protocol| ServicePort {
        port,
        name: name.into(),
        target: TargetPort::Number(target),
        protocol,
    };
    Service {
        key: ServiceKey::new("shop", "cart.shop.svc.cluster.local"),
        name: "cart".into(),
        addresses: vec![[240, 240, 0, 1].into()],
        ports: vec![port(80, "http", 8080, AppProtocol::Http11), port(9000, "tcp", 9000, AppProtocol::Tcp)],
        selector: None,
        headless: false,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}

/// A `Telemetry` of the namespace `shop`.
pub(super) fn telemetry(fill: impl FnOnce(&mut Telemetry)) -> Change {
    let mut telemetry = Telemetry {
        id: RuleId("Telemetry/shop/t/1".into()),
        namespace: "shop".into(),
        name: "t".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        tracing: Vec::new(),
        metrics: Vec::new(),
        access_logs: Vec::new(),
        created: 1,
    };
    fill(&mut telemetry);
    let name = (telemetry.namespace.clone(), telemetry.name.clone());
    Change::TrafficObject(TrafficChange::Telemetry(name, Some(Arc::new(telemetry))))
}

/// No access logs at the server.
pub(super) fn silent(telemetry: &mut Telemetry) {
    telemetry.access_logs =
        vec![AccessLogSettings { side: Side::Server, disabled: Some(true), ..AccessLogSettings::default() }];
}
