use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant as StdInstant},
};

use ripstop_balance::{Cause, Criteria, Ejections, Outcome};
use ripstop_decide::Target;
use ripstop_model::{
    BackendPolicy, Change, ClientTls, ConnectionPool, Credential, EndpointAddress, OutlierDetection, PortSettings,
    Resolution, Selector, Service, TlsFiles, TrafficChange, TrafficDefaults,
};

use super::*;
use crate::{
    backends::{
        facts::HttpVersion,
        resolve::Resolved,
        testing::{
            Names, address, behind, entry, pool, program, rule_change, rules, service, target, workload, written,
        },
    },
    secrets::Credentials,
};

fn backends() -> Backends {
    Backends::with_resolver("/nowhere".as_ref(), Arc::new(Names::default()))
}

/// The backend of `target` as `program` has it.
fn get(backends: &Backends, program: &Arc<Program>, target: &Target) -> Arc<SharedBackend> {
    let caller = Arc::new(workload("caller", 99));
    backends.get(program, &caller, &BackendKey::new(&caller, target), target.callee.as_ref())
}

fn web(version: u64, settings: PortSettings, ports: &[u16]) -> (Arc<Program>, Target) {
    let service = service("web");
    let workloads = (1..)
        .zip(ports)
        .map(|(last, port)| Change::Workload(Arc::new(behind(workload(&format!("w{last}"), last), &service, *port))));
    let changes: Vec<_> = workloads
        .chain([Change::Service(Arc::new(service.clone())), rule_change(rules(&service.key.hostname, settings))])
        .collect();
    (program(version, changes), target(&Callee::Service(Arc::new(service))))
}

fn addresses(backend: &SharedBackend) -> Vec<String> {
    let mut found: Vec<_> = backend.facts().endpoints.keys().map(ToString::to_string).collect();
    found.sort();
    found
}

fn ejecting() -> PortSettings {
    let outlier = OutlierDetection { consecutive_5xx: 1, max_ejection_percent: 100, ..OutlierDetection::default() };
    PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() }
}

#[test]
fn everybody_who_asks_for_a_key_gets_the_same_backend_until_nobody_has_it() {
    let (backends, (program, target)) = (backends(), web(1, PortSettings::default(), &[1]));
    let one = get(&backends, &program, &target);
    assert!(Arc::ptr_eq(&one, &get(&backends, &program, &target)));
    assert_eq!(backends.len(), 1);
    let before = Arc::downgrade(&one);
    drop(one);
    assert_eq!((backends.len(), before.strong_count()), (0, 0));
    get(&backends, &program, &target);
}

#[test]
fn callers_hosts_subsets_and_ports_have_backends_of_their_own() {
    let (backends, (program, target)) = (backends(), web(1, PortSettings::default(), &[1]));
    let one = get(&backends, &program, &target);
    for change in [
        (|target: &mut Target| target.backend.host = "other".into()) as fn(&mut Target),
        |target| target.backend.subset = Some("v1".into()),
        |target| target.backend.port = Some(81),
    ] {
        let mut other = target.clone();
        change(&mut other);
        assert!(!Arc::ptr_eq(&one, &get(&backends, &program, &other)));
    }
    let stranger = Arc::new(workload("stranger", 98));
    let key = BackendKey::new(&stranger, &target);
    assert!(!Arc::ptr_eq(&one, &backends.get(&program, &stranger, &key, target.callee.as_ref())));
}

#[test]
fn backends_that_are_gone_are_taken_out_as_others_come() {
    let (backends, (program, target)) = (backends(), web(1, PortSettings::default(), &[1]));
    for port in 0..1000 {
        let mut target = target.clone();
        target.backend.port = Some(port);
        get(&backends, &program, &target);
    }
    assert!(backends.known.lock().unwrap().backends.len() <= SLACK);
}

#[test]
fn a_newer_configuration_is_followed_and_what_is_known_of_endpoints_stays() {
    let (backends, (old, target)) = (backends(), web(1, ejecting(), &[1, 2]));
    let backend = get(&backends, &old, &target);
    assert_eq!(addresses(&backend), ["10.1.0.1:1", "10.1.0.2:2"]);
    let mut worker = backend.balance.worker();
    let now = StdInstant::now();
    let failing = worker.pick(&Criteria::default(), 1, now).unwrap();
    let ejected = failing.key().clone();
    failing.finish(Outcome::Status(500), now);
    assert_eq!(backend.balance.ejections(), Ejections { active: 1, consecutive_5xx: 1, ..Ejections::default() });

    let (new, _) = web(2, ejecting(), &[1, 2, 3]);
    assert!(Arc::ptr_eq(&backend, &get(&backends, &new, &target)));
    assert_eq!(addresses(&backend), ["10.1.0.1:1", "10.1.0.2:2", "10.1.0.3:3"]);
    let status = backend.balance.endpoints(now);
    let away: Vec<_> = status.iter().filter(|status| status.ejected.is_some()).map(|status| &status.key).collect();
    assert_eq!(away, [&ejected]);
    let events = backend.balance.take_events();
    let cause = match &events.list[..] {
        [Event { kind: EventKind::Ejected { cause, .. }, .. }] => *cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause, Cause::Consecutive5xx);
}

#[test]
fn an_older_configuration_is_not_brought_back_but_a_count_that_begins_anew_is_followed() {
    let backends = backends();
    let (old, target) = web(5, PortSettings::default(), &[1]);
    let (new, _) = web(6, PortSettings::default(), &[2]);
    let backend = get(&backends, &new, &target);
    get(&backends, &old, &target);
    assert_eq!(addresses(&backend), ["10.1.0.1:2"]);
    drop(new);
    get(&backends, &old, &target);
    assert_eq!(addresses(&backend), ["10.1.0.1:1"]);
}

#[test]
fn settings_follow_and_an_unchanged_list_of_endpoints_is_not_replaced() {
    let backends = backends();
    let limited = |limit| pool(ConnectionPool { max_connections: Some(limit), ..ConnectionPool::default() });
    let (one, target) = web(1, limited(1), &[1]);
    let backend = get(&backends, &one, &target);
    assert_eq!((backend.facts().limits.connections, backend.balance.settings().limits().connections), (1, 1));
    let (two, _) = web(2, limited(2), &[1]);
    get(&backends, &two, &target);
    assert_eq!((backend.facts().limits.connections, backend.balance.settings().limits().connections), (2, 2));
}

#[test]
fn a_workload_that_enrols_is_the_same_endpoint_reached_otherwise() {
    let backends = backends();
    let service = service("web");
    let plain = behind(workload("w", 1), &service, 1);
    let mut enrolled = plain.clone();
    enrolled.tunnel = ripstop_model::TunnelProtocol::Hbone;
    let changes = |workload: ripstop_model::Workload, service: &Service| {
        [Change::Workload(Arc::new(workload)), Change::Service(Arc::new(service.clone()))]
    };
    let (before, after) = (program(1, changes(plain, &service)), program(2, changes(enrolled, &service)));
    let target = target(&Callee::Service(Arc::new(service)));
    let backend = get(&backends, &before, &target);
    let picked = backend.balance.worker().pick(&Criteria::default(), 1, StdInstant::now()).unwrap();
    get(&backends, &after, &target);
    // What was picked says what was; what is current says what is.
    let stale = picked.key().clone();
    assert!(!stale.is_tunnelled());
    assert!(backend.facts().current(&stale).unwrap().is_tunnelled());
    assert!(!backend.facts().current(&stale).unwrap().is_reached_like(&stale));
}

#[test]
fn where_callers_go_becomes_an_endpoint_and_the_latest_are_kept() {
    let callee = Callee::Entry(Arc::new(entry("*.example", Resolution::Passthrough, 80, Vec::new())));
    let (backends, program) = (backends(), program(1, []));
    let backend = get(&backends, &program, &target(&callee));
    assert_eq!(addresses(&backend), Vec::<String>::new());
    let nth =
        |n: usize| SocketAddr::from(([10, 3, u8::try_from(n / 256).unwrap(), u8::try_from(n % 256).unwrap()], 80));
    for n in 0..=ORIGINALS {
        backend.add_original(nth(n));
    }
    backend.add_original(nth(ORIGINALS));
    let facts = backend.facts();
    assert_eq!(facts.endpoints.len(), ORIGINALS);
    assert!(!facts.endpoints.contains_key(&nth(0)) && facts.endpoints.contains_key(&nth(ORIGINALS)));
}

#[tokio::test(start_paused = true)]
async fn names_are_resolved_again_and_again_and_what_was_known_outlives_failures() {
    let names = Arc::new(Names::default());
    let resolved =
        |ip: &str, ttl: u64| Resolved { addresses: vec![ip.parse().unwrap()], ttl: Some(Duration::from_secs(ttl)) };
    names.set("a.example", resolved("10.2.0.1", 20));
    let backends = Backends::with_resolver("/nowhere".as_ref(), Arc::clone(&names) as Arc<dyn Resolve>);
    let named = written(EndpointAddress::Name("a.example".into()));
    let callee = Callee::Entry(Arc::new(entry("out.example", Resolution::Dns, 443, vec![named])));
    let program = program(1, []);
    let backend = get(&backends, &program, &target(&callee));
    assert!(!backend.facts().is_resolved);
    backend.resolved(Duration::from_secs(1)).await;
    assert_eq!((addresses(&backend), backend.facts().is_resolved), (vec!["10.2.0.1:443".to_owned()], true));

    names.set("a.example", resolved("10.2.0.2", 20));
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(addresses(&backend), ["10.2.0.1:443"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(addresses(&backend), ["10.2.0.2:443"]);

    names.known.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(addresses(&backend), ["10.2.0.2:443"]);
    names.set("a.example", Resolved::default());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(addresses(&backend), Vec::<String>::new());

    drop(backend);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let asked = names.asked.load(SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(names.asked.load(SeqCst), asked);
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_for_names_on_behalf_of_who_is_cut_off() {
    let names = Arc::new(Names::default());
    names.set("a.example", Resolved { addresses: vec!["10.2.0.1".parse().unwrap()], ttl: None });
    let backends = Backends::with_resolver("/nowhere".as_ref(), Arc::clone(&names) as Arc<dyn Resolve>);
    let callee = Callee::Entry(Arc::new(entry("a.example", Resolution::Dns, 443, Vec::new())));
    let target = target(&callee);
    let quarantine = ripstop_model::Quarantine { rule: ripstop_model::RuleId("q".into()), peers: Vec::new() };
    let free = workload("caller", 99);
    let held = ripstop_model::Workload { quarantine: Some(Arc::new(quarantine)), ..free.clone() };
    let get = |version: u64, caller: &ripstop_model::Workload| {
        let caller = Arc::new(caller.clone());
        let program = program(version, [Change::Workload(Arc::clone(&caller))]);
        let backend = backends.get(&program, &caller, &BackendKey::new(&caller, &target), Some(&callee));
        (backend, program)
    };
    let (backend, _first) = get(1, &held);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((names.asked.load(SeqCst), addresses(&backend)), (0, Vec::new()));
    let (_, _second) = get(2, &free);
    backend.resolved(Duration::from_secs(1)).await;
    assert_eq!(addresses(&backend), ["10.2.0.1:443"]);
    let (_, _third) = get(3, &held);
    let asked = names.asked.load(SeqCst);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(names.asked.load(SeqCst), asked, "nor is it asked again what was asked before");
}

#[test]
fn the_mesh_says_how_long_names_are_believed() {
    let believed = async |refresh: Option<Duration>, ttl: u64| {
        let names = Arc::new(Names::default());
        let resolved =
            |ip: &str| Resolved { addresses: vec![ip.parse().unwrap()], ttl: Some(Duration::from_secs(ttl)) };
        names.set("a.example", resolved("10.2.0.1"));
        let backends = Backends::with_resolver("/nowhere".as_ref(), Arc::clone(&names) as Arc<dyn Resolve>);
        let named = written(EndpointAddress::Name("a.example".into()));
        let callee = Callee::Entry(Arc::new(entry("out.example", Resolution::Dns, 443, vec![named])));
        let defaults = TrafficDefaults { name_refresh: refresh, ..TrafficDefaults::default() };
        let program = program(1, [Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults)))]);
        let backend = get(&backends, &program, &target(&callee));
        backend.resolved(Duration::from_secs(1)).await;
        let since = tokio::time::Instant::now();
        names.set("a.example", resolved("10.2.0.2"));
        while addresses(&backend) != ["10.2.0.2:443"] {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        since.elapsed().as_secs()
    };
    for (refresh, ttl, expected) in [(None, 300, 60), (Some(10), 300, 10), (Some(1), 300, 1), (Some(120), 30, 30)] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let seconds = runtime.block_on(believed(refresh.map(Duration::from_secs), ttl));
        assert!((expected..=expected + 1).contains(&seconds), "{refresh:?} {ttl}: {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_answers_for_is_waited_for_only_so_long() {
    let backends = backends();
    let callee = Callee::Entry(Arc::new(entry("out.example", Resolution::Dns, 443, Vec::new())));
    let program = program(1, []);
    let backend = get(&backends, &program, &target(&callee));
    backend.resolved(Duration::from_secs(100)).await;
    // It was told that there is no answer, and does not wait any longer.
    assert_eq!((addresses(&backend), backend.facts().is_resolved), (Vec::new(), true));
}

#[tokio::test(start_paused = true)]
async fn other_names_are_asked_for_at_once() {
    let names = Arc::new(Names::default());
    let answer = |ip: &str| Resolved { addresses: vec![ip.parse().unwrap()], ttl: Some(Duration::from_secs(60)) };
    names.set("a.example", answer("10.2.0.1"));
    names.set("b.example", answer("10.2.0.2"));
    let backends = Backends::with_resolver("/nowhere".as_ref(), Arc::clone(&names) as Arc<dyn Resolve>);
    let named = |name: &str| {
        let endpoint = written(EndpointAddress::Name(name.into()));
        Callee::Entry(Arc::new(entry("out.example", Resolution::Dns, 443, vec![endpoint])))
    };
    let (one, two) = (program(1, []), program(2, []));
    let backend = get(&backends, &one, &target(&named("a.example")));
    backend.resolved(Duration::from_secs(1)).await;
    get(&backends, &two, &target(&named("b.example")));
    assert!(!backend.facts().is_resolved);
    backend.resolved(Duration::from_secs(1)).await;
    assert_eq!(addresses(&backend), ["10.2.0.2:443"]);
}

#[test]
fn how_tls_is_made_stays_the_same_until_the_rule_changes() {
    let backends = backends();
    let tls = |sni: &str| {
        let tls = ClientTls {
            mode: ClientTlsMode::Simple,
            insecure: true,
            sni: Some(sni.into()),
            files: TlsFiles::default(),
            ..ClientTls::default()
        };
        PortSettings { tls: Some(Arc::new(tls)), ..PortSettings::default() }
    };
    let (one, target) = web(1, tls("a"), &[1]);
    let backend = get(&backends, &one, &target);
    let config = || backend.facts().origination.as_ref().unwrap().config(Some(HttpVersion::Http1)).unwrap();
    let first = config();
    let (two, _) = web(2, tls("a"), &[1, 2]);
    get(&backends, &two, &target);
    assert!(Arc::ptr_eq(&first, &config()));
    let (three, _) = web(3, tls("b"), &[1, 2]);
    get(&backends, &three, &target);
    assert!(!Arc::ptr_eq(&first, &config()));
    let (four, _) = web(4, PortSettings::default(), &[1, 2]);
    get(&backends, &four, &target);
    assert!(backend.facts().origination.is_none());
    assert!(backend.facts().endpoints.contains_key(&address("10.1.0.1:1")));
}

#[test]
fn secrets_of_rules_are_followed_where_callers_are_given_any() {
    let tls = |mode| ClientTls { mode, credential: Some("out".into()), ..ClientTls::default() };
    let settings = || PortSettings { tls: Some(Arc::new(tls(ClientTlsMode::Simple))), ..PortSettings::default() };
    let held = |authorities: &[u8]| {
        let mut held = Credentials::default();
        held.insert(Credential {
            namespace: "ns".into(),
            name: "out".into(),
            chain: Arc::default(),
            key: Arc::default(),
            authorities: authorities.into(),
            revocations: Arc::default(),
        });
        Arc::new(Secrets::from(held))
    };
    let config = |backends: &Backends, version| {
        let (program, target) = web(version, settings(), &[1]);
        let backend = get(backends, &program, &target);
        let facts = backend.facts();
        let origination = facts.origination.clone().unwrap();
        (origination.config(None).map(drop).map_err(|error| error.to_string()), backend)
    };
    let told = |backends: &Backends| config(backends, 1).0.unwrap_err();
    assert!(told(&backends()).contains("workloads are given Secrets only by rules with a workloadSelector"));
    let chosen = Backends { given: Given::Chosen(Arc::default()), ..backends() };
    assert!(told(&chosen).contains("workloads are given Secrets only by rules with a workloadSelector"));
    let none = Backends { given: Given::Everybody(Arc::default()), ..backends() };
    assert!(told(&none).contains("there is no Secret ns/out"));

    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&authority).unwrap().pem();
    let secrets = held(pem.as_bytes());
    let backends = Backends { given: Given::Everybody(Arc::clone(&secrets)), ..backends() };
    let (made, backend) = config(&backends, 1);
    made.unwrap();
    let before = backend.facts().origination.clone().unwrap();
    let (_, same) = config(&backends, 2);
    assert!(Arc::ptr_eq(&before, same.facts().origination.as_ref().unwrap()));
    secrets.replace(Credentials::default());
    assert!(config(&backends, 3).0.unwrap_err().contains("there is no Secret ns/out"));
    secrets.replace(Credentials::clone(&held(pem.as_bytes()).load()));
    config(&backends, 4).0.unwrap();

    // At a node those that rules choose get them, and no others.
    let chosen = Backends { given: Given::Chosen(secrets), ..self::backends() };
    assert!(told(&chosen).contains("workloads are given Secrets only by rules with a workloadSelector"));
    let (program, target) = {
        let service = service("web");
        let rules = BackendPolicy { client: Some(Selector::default()), ..rules(&service.key.hostname, settings()) };
        let changes = [Change::Service(Arc::new(service.clone())), rule_change(rules)];
        (self::program(1, changes), self::target(&Callee::Service(Arc::new(service))))
    };
    let backend = get(&chosen, &program, &target);
    backend.facts().origination.as_ref().unwrap().config(None).unwrap();
}
