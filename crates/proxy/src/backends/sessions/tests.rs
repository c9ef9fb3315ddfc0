use std::{rc::Rc, sync::Arc};

use ripstop_balance::{Criteria, Outcome, Picked};
use ripstop_decide::{Callee, Program};
use ripstop_model::{
    Change, Health, MeshConfig, OutlierDetection, PortSettings, RuleId, Service, SessionAffinity, TrafficChange,
    TrafficPolicy, TrafficTarget, TrafficTargetKind, Workload,
};
use tokio::task::LocalSet;

use super::*;
use crate::backends::{
    Backends, Session, WorkerBackend, WorkerBackends,
    testing::{Names, address, behind, program, rule_change, rules, service, target, workload},
};

/// A proxy of its own.
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

    fn find(&self, program: &Arc<Program>, service: &Service) -> Rc<WorkerBackend> {
        let callee = Callee::Service(Arc::new(service.clone()));
        self.worker.find(&self.backends, program, &self.caller, &target(&callee))
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn policy(service: &Service) -> Change {
    let policy = TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/ns/{}/1", service.name).into()),
        namespace: "ns".into(),
        name: service.name.clone(),
        targets: vec![TrafficTarget { kind: TrafficTargetKind::Service, name: service.name.clone(), section: None }],
        rate_limits: Vec::new(),
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        retry_budget: None,
        session_affinity: Some(Arc::new(SessionAffinity {
            id: RuleId("TrafficPolicy/ns/web/1/spec.sessionAffinity".into()),
            cookie: "seat".into(),
            path: "/".into(),
            ttl: None,
        })),
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), service.name.clone()), Some(Arc::new(policy))))
}

/// A mesh with that key, where `service` has so many endpoints, of which one is not well.
fn mesh(version: u64, key: Option<u8>, service: &Service, count: u8, unwell: Option<&str>) -> Arc<Program> {
    let session_key = key.map(|byte| SessionKey::new([byte; SessionKey::LENGTH]));
    let workloads = (1..=count).map(|last| {
        let mut workload = behind(workload(&format!("w{last}"), last), service, 8080);
        if unwell == Some(&*workload.name) {
            workload.health = Health::Unhealthy;
        }
        Change::Workload(Arc::new(workload))
    });
    let outlier = OutlierDetection { consecutive_5xx: 1, ..OutlierDetection::default() };
    let settings = PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() };
    let others = [
        Change::Mesh(Arc::new(MeshConfig { session_key, ..MeshConfig::default() })),
        Change::Service(Arc::new(service.clone())),
        policy(service),
        rule_change(rules(&service.key.hostname, settings)),
    ];
    program(version, workloads.chain(others))
}

fn come(backend: &WorkerBackend, value: Option<&str>) -> Session {
    let cookie = |name: &str| {
        assert_eq!(name, "seat");
        value.map(|value| value.as_bytes().to_vec())
    };
    *backend.session(address("240.240.0.1:80"), cookie).unwrap()
}

fn picked(backend: &WorkerBackend, session: &Session, random: u64) -> Picked<EndpointKey> {
    backend.pick_of_session(Some(session), &Criteria::default(), address("240.240.0.1:80"), random).unwrap()
}

fn name(picked: &Picked<EndpointKey>) -> String {
    picked.key().workload().unwrap().name.to_string()
}

/// Where those come who have a cookie, and the cookie they are given.
fn visit(backend: &WorkerBackend, value: &str, random: u64) -> (String, Option<String>) {
    let session = come(backend, Some(value));
    let picked = picked(backend, &session, random);
    (name(&picked), backend.session_value(&session, picked.key()))
}

#[test]
fn a_session_stays_where_it_began_whatever_else_changes() {
    run(async {
        let (bed, web) = (Bed::new(), service("web"));
        let backend = bed.find(&mesh(1, Some(1), &web, 4, None), &web);
        let stranger = come(&backend, None);
        let mut seats = HashMap::new();
        for random in 0..64_u64 {
            let picked = picked(&backend, &stranger, random.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            seats.insert(name(&picked), backend.session_value(&stranger, picked.key()).unwrap());
        }
        assert_eq!(seats.len(), 4);
        let elsewhere = Bed::new();
        for (endpoint, value) in &seats {
            assert_eq!(value.len(), WRITTEN);
            for count in 4..9 {
                let program = mesh(count.into(), Some(1), &web, count, None);
                // At another proxy, too.
                for bed in [&bed, &elsewhere] {
                    let backend = bed.find(&program, &web);
                    for random in [1, u64::MAX / 3, u64::MAX] {
                        assert_eq!(visit(&backend, value, random), (endpoint.clone(), None));
                    }
                }
            }
        }
    });
}

#[test]
fn whoever_cannot_be_served_there_is_given_another_endpoint() {
    run(async {
        let (bed, web) = (Bed::new(), service("web"));
        let backend = bed.find(&mesh(1, Some(1), &web, 2, None), &web);
        let stranger = come(&backend, None);
        let first = picked(&backend, &stranger, 1);
        let endpoint = name(&first);
        let value = backend.session_value(&stranger, first.key()).unwrap();
        // Not ready.
        let backend = bed.find(&mesh(2, Some(1), &web, 2, Some(&endpoint)), &web);
        let (other, given) = visit(&backend, &value, 1);
        assert!(other != endpoint && given.is_some_and(|given| given != value));
        // Ejected.
        let backend = bed.find(&mesh(3, Some(1), &web, 2, None), &web);
        assert_eq!(visit(&backend, &value, 1), (endpoint.clone(), None));
        backend.tell(&picked(&backend, &come(&backend, Some(&value)), 1), Outcome::Status(503));
        let (other, given) = visit(&backend, &value, 1);
        assert!(other != endpoint && given.is_some());
    });
}

/// A name leads nowhere but to an endpoint of its own host, by the mesh's own key.
#[test]
fn nobody_finds_an_endpoint_by_a_name_that_was_not_given() {
    run(async {
        let bed = Bed::new();
        let (web, mut other) = (service("web"), service("other"));
        other.addresses = vec!["240.240.0.2".parse().unwrap()];
        let named = |key: u8, service: &Service| {
            let bed = Bed::new();
            let backend = bed.find(&mesh(1, Some(key), service, 1, None), service);
            let stranger = come(&backend, None);
            let picked = picked(&backend, &stranger, 1);
            backend.session_value(&stranger, picked.key()).unwrap()
        };
        let backend = bed.find(&mesh(1, Some(1), &web, 1, None), &web);
        let good = named(1, &web);
        assert!(come(&backend, Some(&good)).endpoint.is_some());
        let (spaced, padded) = (format!(" {good}"), format!("{good}=="));
        let long = "a".repeat(8000);
        let bad = [
            &*named(2, &web),
            &named(1, &other),
            "",
            "10.1.0.1:8080",
            "w1",
            &good[1..],
            &spaced,
            &padded,
            &long,
            "%%%%%%%%%%%%%%%%%%%%%%",
        ];
        for value in bad {
            assert_eq!(come(&backend, Some(value)).endpoint, None, "{value}");
        }
    });
}

#[test]
fn without_a_key_there_are_no_sessions() {
    run(async {
        let (bed, web) = (Bed::new(), service("web"));
        let backend = bed.find(&mesh(1, None, &web, 1, None), &web);
        assert_eq!(backend.session(address("240.240.0.1:80"), |_| None), None);
    });
}

#[test]
fn who_chooses_the_endpoint_has_no_session() {
    run(async {
        let (bed, mut db) = (Bed::new(), service("db"));
        db.headless = true;
        let backend = bed.find(&mesh(1, Some(1), &db, 2, None), &db);
        assert_eq!(backend.session(address("10.1.0.2:8080"), |_| None), None);
        assert_eq!(backend.session(address("[::ffff:10.1.0.2]:8080"), |_| None), None);
        assert!(backend.session(address("10.9.9.9:80"), |_| None).is_some());
    });
}
