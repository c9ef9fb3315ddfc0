use std::sync::Mutex;

use ripstop_balance::Usage;
use ripstop_decide::Callee;
use ripstop_exchange::Protocol;
use ripstop_model::{
    Algorithm, Change, ClientTls, ClientTlsMode, ConnectionPool, EndpointAddress, HttpUpgrade, LoadBalancer,
    OutlierDetection, PortSettings, Resolution, Service, SpiffeId, TunnelProtocol,
};
use tokio::{task::LocalSet, time};

use super::*;
use crate::backends::{
    facts::HttpVersion,
    purpose::Way,
    testing::{Names, address, behind, entry, pool, program, rule_change, rules, service, target, workload, written},
};

/// A worker, its proxy, and who calls.
struct Bed {
    backends: Backends,
    worker: WorkerBackends,
    caller: Arc<Workload>,
}

impl Bed {
    fn new() -> Self {
        Self {
            backends: Backends::with_resolver("/nowhere".as_ref(), Arc::new(Names::default())),
            worker: WorkerBackends::default(),
            caller: Arc::new(workload("caller", 99)),
        }
    }

    fn find(&self, program: &Arc<Program>, callee: &Callee) -> Rc<WorkerBackend> {
        self.worker.find(&self.backends, program, &self.caller, &target(callee))
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn web(version: u64, service: &Service, settings: PortSettings, count: u8) -> (Arc<Program>, Callee) {
    let workloads =
        (1..=count).map(|last| Change::Workload(Arc::new(behind(workload(&format!("w{last}"), last), service, 8080))));
    let changes: Vec<_> = workloads
        .chain([Change::Service(Arc::new(service.clone())), rule_change(rules(&service.key.hostname, settings))])
        .collect();
    (program(version, changes), Callee::Service(Arc::new(service.clone())))
}

fn picked(backend: &WorkerBackend, original: &str, random: u64) -> Result<String, Refused> {
    backend.pick(&Criteria::default(), address(original), random).map(|picked| picked.key().address().to_string())
}

#[test]
fn a_backend_is_the_same_until_the_configuration_is_another() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let (one, callee) = web(1, &service, PortSettings::default(), 1);
        let backend = bed.find(&one, &callee);
        assert!(Rc::ptr_eq(&backend, &bed.find(&one, &callee)));
        let limited = pool(ConnectionPool { max_requests: Some(1), ..ConnectionPool::default() });
        let (two, _) = web(2, &service, limited, 1);
        let newer = bed.find(&two, &callee);
        assert!(!Rc::ptr_eq(&backend, &newer) && Rc::ptr_eq(backend.state(), newer.state()));
        // What a request was told once stays so for it.
        assert_eq!((backend.facts.limits.requests, newer.facts.limits.requests), (u32::MAX, 1));
        let held = newer.acquire(Resource::Request).unwrap();
        assert_eq!(backend.acquire(Resource::Request).unwrap_err(), Overflow { resource: Resource::Request, limit: 1 });
        drop(held);
        assert_eq!(newer.shared().balance.usage(), Usage::default());
        assert_eq!(newer.facts.effective.ids.len(), 1);
        assert!(matches!(&newer.facts.callee, Some(Callee::Service(found)) if found.key == service.key));
    });
}

#[test]
fn a_backend_that_nobody_called_for_long_is_forgotten() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let (program, callee) = web(1, &service, PortSettings::default(), 1);
        let backend = Rc::downgrade(&bed.find(&program, &callee));
        time::sleep(Duration::from_secs(590)).await;
        bed.find(&program, &callee);
        time::sleep(Duration::from_secs(590)).await;
        assert_eq!((backend.strong_count(), bed.backends.len()), (1, 1));
        time::sleep(Duration::from_secs(1210)).await;
        assert_eq!((backend.strong_count(), bed.backends.len()), (0, 0));
    });
}

#[test]
fn of_too_many_backends_the_one_goes_that_was_not_used_for_the_longest_time() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let (program, callee) = web(1, &service, PortSettings::default(), 1);
        let nth = |n: usize| {
            let mut target = target(&callee);
            target.backend.host = n.to_string().into();
            bed.worker.find(&bed.backends, &program, &bed.caller, &target)
        };
        let first = Rc::downgrade(&nth(0));
        time::advance(Duration::from_millis(1)).await;
        let second = Rc::downgrade(&nth(1));
        time::advance(Duration::from_millis(1)).await;
        nth(0);
        for n in 2..=MOST {
            nth(n);
        }
        assert_eq!((first.strong_count(), second.strong_count()), (1, 0));
    });
}

#[test]
fn a_caller_of_a_headless_service_gets_whom_it_went_to_and_others_get_anybody() {
    run(async {
        let (bed, mut service) = (Bed::new(), service("db"));
        service.headless = true;
        let (program, callee) = web(1, &service, PortSettings::default(), 2);
        let backend = bed.find(&program, &callee);
        for random in 0..20 {
            assert_eq!(picked(&backend, "10.1.0.2:8080", random).unwrap(), "10.1.0.2:8080");
            assert_eq!(picked(&backend, "[::ffff:10.1.0.2]:8080", random).unwrap(), "10.1.0.2:8080");
        }
        let elsewhere: std::collections::BTreeSet<_> =
            (0..50).map(|random| picked(&backend, "10.9.9.9:80", random).unwrap()).collect();
        assert_eq!(elsewhere.into_iter().collect::<Vec<_>>(), ["10.1.0.1:8080", "10.1.0.2:8080"]);
    });
}

#[test]
fn passthrough_to_a_virtual_address_is_any_endpoint() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let balancer = LoadBalancer { algorithm: Algorithm::Passthrough, ..LoadBalancer::default() };
        let settings = PortSettings { balancer: Some(Arc::new(balancer)), ..PortSettings::default() };
        let (program, callee) = web(1, &service, settings, 1);
        let backend = bed.find(&program, &callee);
        assert_eq!(picked(&backend, "240.240.0.1:80", 0).unwrap(), "10.1.0.1:8080");
    });
}

#[test]
fn a_host_without_resolution_is_where_the_caller_went_if_that_may_be() {
    run(async {
        let bed = Bed::new();
        let callee = Callee::Entry(Arc::new(entry("*.example", Resolution::Passthrough, 80, Vec::new())));
        let backend = bed.find(&program(1, []), &callee);
        // The program is gone by now, as if another one had come: it is asked for with each request.
        let program = program(2, []);
        let backend_now = bed.find(&program, &callee);
        assert!(Rc::ptr_eq(backend.state(), backend_now.state()));
        assert_eq!(picked(&backend_now, "10.5.0.1:80", 0).unwrap(), "10.5.0.1:80");
        assert_eq!(picked(&backend_now, "10.5.0.2:80", 0).unwrap(), "10.5.0.2:80");
        assert_eq!(picked(&backend_now, "240.0.0.1:80", 0), Err(Refused::NoEndpoint));
        assert_eq!(picked(&backend_now, "127.0.0.1:80", 0), Err(Refused::NoEndpoint));
    });
}

/// Of several workloads behind one waypoint each is called, and nobody in its place.
#[test]
fn a_host_without_resolution_is_where_the_caller_went_through_a_waypoint() {
    run(async {
        let bed = Bed::new();
        let front = service("front");
        let waypoint = ripstop_model::Waypoint {
            service: front.key.clone(),
            callers: ripstop_model::WaypointCallers::Workloads,
            admission: ripstop_model::Admission::Admitted,
            canary: None,
        };
        let named = |name: &str, last| {
            let workload = Workload { waypoint: Some(waypoint.clone()), ..workload(name, last) };
            Change::Workload(Arc::new(workload))
        };
        let instance = Workload {
            kind: ripstop_model::ProcessKind::Waypoint,
            tunnel: ripstop_model::TunnelProtocol::Hbone,
            native_tunnel: true,
            ..behind(workload("front", 8), &front, 15008)
        };
        let changes =
            [named("a", 1), named("b", 2), Change::Workload(Arc::new(instance)), Change::Service(Arc::new(front))];
        let program = program(1, changes);
        let callee = Callee::Entry(Arc::new(entry("*.example", Resolution::Passthrough, 80, Vec::new())));
        let backend = bed.find(&program, &callee);
        for called in ["10.1.0.1:80", "10.1.0.2:80", "10.1.0.1:80"] {
            let criteria = Criteria::default();
            let picked = backend.pick(&criteria, address(called), 0).unwrap();
            assert_eq!((picked.key().address(), picked.key().called()), (address("10.1.0.8:15008"), address(called)));
            assert!(backend.shared.facts().current(picked.key()).is_some(), "{called}");
        }
    });
}

#[test]
fn the_port_and_the_rule_say_which_http_is_wanted() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let upgrade = pool(ConnectionPool { upgrade: HttpUpgrade::AsClient, ..ConnectionPool::default() });
        let (program, callee) = web(1, &service, upgrade, 1);
        let backend = bed.find(&program, &callee);
        let picked = backend.pick(&Criteria::default(), address("10.1.0.1:80"), 0).unwrap();
        let (facts, endpoint) = (&backend.facts, picked.key());
        assert_eq!(facts.version_for(Protocol::Http2, endpoint), HttpVersion::Http2);
        assert_eq!(Wanted::Configured(Protocol::Http11).version(facts, endpoint), HttpVersion::Http1);
        assert_eq!(Wanted::Http1.version(facts, endpoint), HttpVersion::Http1);
    });
}

/// What is written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn ejections_and_returns_are_written_down() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _default = tracing::subscriber::set_default(subscriber);
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let outlier = OutlierDetection { consecutive_5xx: 1, ..OutlierDetection::default() };
        let settings = PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() };
        let (program, callee) = web(1, &service, settings, 2);
        let backend = bed.find(&program, &callee);
        let failing = backend.pick(&Criteria::default(), address("240.240.0.1:80"), 1).unwrap();
        let name = failing.key().to_string();
        backend.tell(&failing, Outcome::Status(503));
        assert!(log.text().contains("endpoint ejected"), "{}", log.text());
        assert!(log.text().contains(&format!("endpoint={name}")), "{}", log.text());
        time::sleep(Duration::from_secs(29)).await;
        assert!(!log.text().contains("endpoint came back"));
        time::sleep(Duration::from_secs(2)).await;
        assert!(log.text().contains("endpoint came back"), "{}", log.text());
    });
}

/// How an endpoint of a backend with these settings is reached; or why it is not.
fn way(tunnel: TunnelProtocol, settings: PortSettings, outside: bool) -> Result<Way, String> {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let mut member = behind(workload("w", 1), &service, 8080);
        member.tunnel = tunnel;
        let out = written(EndpointAddress::Ip("10.2.0.1".parse().unwrap()));
        let callee = if outside {
            Callee::Entry(Arc::new(entry("out.example", Resolution::Static, 443, vec![out])))
        } else {
            Callee::Service(Arc::new(service.clone()))
        };
        let host = target(&callee).backend.host;
        let policy = rules(&host, settings);
        let program =
            program(1, [Change::Workload(Arc::new(member)), Change::Service(Arc::new(service)), rule_change(policy)]);
        let backend = bed.find(&program, &callee);
        let endpoint = backend.facts.endpoints.values().next().unwrap();
        let certificate = |identity: &SpiffeId| {
            assert_eq!(identity.to_string(), "spiffe://cluster.local/ns/ns/sa/caller");
            Ok(7)
        };
        open::way(
            certificate,
            backend.shared().key(),
            &backend.facts,
            endpoint,
            Some(HttpVersion::Http1),
            Some("shop.example"),
        )
        .map_err(|error| error.to_string())
    })
}

fn tls(mode: ClientTlsMode) -> PortSettings {
    let tls = ClientTls { mode, insecure: true, ..ClientTls::default() };
    PortSettings { tls: Some(Arc::new(tls)), ..PortSettings::default() }
}

#[test]
fn the_mesh_is_called_by_tunnel_whatever_the_rule_says_of_plaintext() {
    for settings in [PortSettings::default(), tls(ClientTlsMode::Disable), tls(ClientTlsMode::Mesh)] {
        let way = way(TunnelProtocol::Hbone, settings, false);
        assert!(matches!(way, Ok(Way::Tunnel { generation: 7, inside: None, .. })), "{way:?}");
    }
}

#[test]
fn outside_of_the_mesh_calls_are_plain_unless_the_rule_wants_tls() {
    for settings in [PortSettings::default(), tls(ClientTlsMode::Disable)] {
        assert!(matches!(way(TunnelProtocol::None, settings.clone(), false), Ok(Way::Plain)));
        assert!(matches!(way(TunnelProtocol::None, settings, true), Ok(Way::Plain)));
    }
    let way = way(TunnelProtocol::None, tls(ClientTlsMode::Simple), true);
    assert!(matches!(&way, Ok(Way::Tls(secured)) if *secured.server_name == *"shop.example"), "{way:?}");
}

#[test]
fn tls_of_the_rule_goes_inside_of_the_tunnel() {
    let way = way(TunnelProtocol::Hbone, tls(ClientTlsMode::Simple), false);
    let Ok(Way::Tunnel { generation: 7, inside: Some(secured), .. }) = way else { panic!("{way:?}") };
    assert_eq!(&*secured.server_name, "shop.example");
    assert_eq!(secured.config.alpn_protocols, [b"http/1.1"]);
}

#[test]
fn what_the_rule_wants_and_nobody_can_do_is_told() {
    let outside = way(TunnelProtocol::None, tls(ClientTlsMode::Mesh), true).unwrap_err();
    assert!(outside.contains("ISTIO_MUTUAL") && outside.ends_with("10.2.0.1:443 is not in the mesh"), "{outside}");
}

#[test]
fn a_certificate_is_looked_up_once_in_a_while() {
    run(async {
        let (bed, service) = (Bed::new(), service("web"));
        let (program, callee) = web(1, &service, PortSettings::default(), 1);
        let backend = bed.find(&program, &callee);
        let look = |generation| backend.state().certificate(|| Ok::<u64, ()>(generation));
        assert_eq!((look(1), look(2)), (Ok(1), Ok(1)));
        time::advance(Duration::from_secs(1)).await;
        assert_eq!(look(3), Ok(3));
        time::advance(Duration::from_secs(1)).await;
        assert_eq!(backend.state().certificate(|| Err::<u64, _>("none")), Err("none"));
        assert_eq!(backend.state().certificate(|| Err::<u64, _>("still none")), Err("still none"));
    });
}
