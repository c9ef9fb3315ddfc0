use ripstop_decide::Endpoint;
use ripstop_model::{BackendPolicy, Change, PortSettings, Resolution, Service, TrafficChange, TrafficDefaults};

use super::*;
use crate::backends::testing::{address, entry, pool, program, rule_change, rules, service, target, workload};

fn facts(callee: &Callee, policy: Option<BackendPolicy>, defaults: TrafficDefaults) -> Facts {
    let defaults = Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults)));
    let program = program(1, policy.map(rule_change).into_iter().chain([defaults]));
    let caller = Arc::new(workload("caller", 9));
    let key = BackendKey::new(&caller, &target(callee));
    let outlook = Outlook { program: &program, caller: &caller, key: &key, callee: Some(callee) };
    let effective = outlook.effective();
    Facts::new(&outlook, effective, None)
}

fn speaking(protocol: AppProtocol) -> Service {
    let mut service = service("web");
    service.ports[0].protocol = protocol;
    service
}

fn web(settings: ConnectionPool) -> BackendPolicy {
    rules("web.ns.svc.cluster.local", pool(settings))
}

#[test]
fn which_http_is_spoken_follows_from_port_rule_mesh_and_client() {
    use AppProtocol::{Grpc, Http2 as Declared2, Http11 as Declared1, Unknown};
    use HttpUpgrade::{AsClient, Default, No, Yes};
    use HttpVersion::{Http1, Http2};
    let endpoint = |tunnel| {
        let (workload, target) = (Arc::new(workload("a", 1)), address("10.1.0.1:80"));
        EndpointKey::workload_at(Endpoint { workload, target, tunnel, expected: Vec::new() })
    };
    let (outside, in_mesh) = (endpoint(false), endpoint(true));
    // For a client of HTTP/1 and for one of HTTP/2, and by a tunnel for both.
    for (declared, upgrade, mesh, for_http1, for_http2, by_tunnel) in [
        (Declared1, Default, false, Http1, Http1, [Http1, Http1]),
        (Declared1, Default, true, Http2, Http2, [Http1, Http1]),
        (Declared1, No, true, Http1, Http1, [Http1, Http1]),
        (Declared1, Yes, false, Http2, Http2, [Http1, Http1]),
        (Declared1, AsClient, true, Http1, Http2, [Http1, Http2]),
        (Declared2, Default, false, Http2, Http2, [Http2, Http2]),
        (Grpc, No, false, Http2, Http2, [Http2, Http2]),
        (Unknown, Default, true, Http1, Http2, [Http1, Http2]),
        (Unknown, Default, false, Http1, Http2, [Http1, Http2]),
        (Unknown, Yes, false, Http2, Http2, [Http2, Http2]),
    ] {
        let callee = Callee::Service(Arc::new(speaking(declared)));
        let defaults = TrafficDefaults { h2_upgrade: mesh, ..TrafficDefaults::default() };
        let facts = facts(&callee, Some(web(ConnectionPool { upgrade, ..ConnectionPool::default() })), defaults);
        let clients = [Protocol::Http10, Protocol::Http11, Protocol::Http2];
        let spoken = clients.map(|client| facts.version_for(client, &outside));
        assert_eq!(spoken, [for_http1, for_http1, for_http2], "{declared:?} {upgrade:?} {mesh}");
        let spoken = [Protocol::Http11, Protocol::Http2].map(|client| facts.version_for(client, &in_mesh));
        assert_eq!(spoken, by_tunnel, "{declared:?} {upgrade:?} {mesh} by a tunnel");
    }
}

#[test]
fn timeouts_come_from_the_rule_then_the_mesh_then_istio() {
    let callee = Callee::Service(Arc::new(service("web")));
    let seconds = Duration::from_secs;
    let defaults = || TrafficDefaults { connect_timeout: seconds(7), ..TrafficDefaults::default() };
    let plain = facts(&callee, None, defaults());
    assert_eq!((plain.connect_timeout, plain.idle_timeout, plain.lifetime()), (seconds(7), Some(seconds(3600)), None));

    let settings = ConnectionPool {
        connect_timeout: Some(seconds(2)),
        idle_timeout: Some(seconds(3)),
        http_idle_timeout: Some(seconds(4)),
        max_connection_duration: Some(seconds(5)),
        ..ConnectionPool::default()
    };
    let ruled = facts(&callee, Some(web(settings.clone())), defaults());
    assert_eq!(
        (ruled.connect_timeout, ruled.idle_timeout, ruled.lifetime()),
        (seconds(2), Some(seconds(4)), Some(seconds(5)))
    );

    let of_tcp = ConnectionPool { http_idle_timeout: None, ..settings };
    assert_eq!(facts(&callee, Some(web(of_tcp.clone())), defaults()).idle_timeout, Some(seconds(3)));
    let never = ConnectionPool { idle_timeout: Some(Duration::ZERO), ..of_tcp };
    assert_eq!(facts(&callee, Some(web(never)), defaults()).idle_timeout, None);
}

#[test]
fn who_says_where_to_depends_on_resolution_headlessness_and_algorithm() {
    let passthrough = || PortSettings {
        balancer: Some(Arc::new(LoadBalancer { algorithm: Algorithm::Passthrough, ..LoadBalancer::default() })),
        ..PortSettings::default()
    };
    let mut headless = service("web");
    headless.headless = true;
    let of = |callee: Callee, settings: Option<PortSettings>| {
        let host = target(&callee).backend.host;
        let facts = facts(&callee, settings.map(|settings| rules(&host, settings)), TrafficDefaults::default());
        (facts.choice, super::settings(&facts.effective).balancer.algorithm.clone())
    };
    let web = || Callee::Service(Arc::new(service("web")));
    let out = |resolution| Callee::Entry(Arc::new(entry("out.example", resolution, 80, Vec::new())));
    assert_eq!(of(web(), None), (Choice::Balanced, Algorithm::LeastRequest));
    assert_eq!(of(web(), Some(passthrough())), (Choice::Named, Algorithm::Random));
    assert_eq!(of(Callee::Service(Arc::new(headless)), None), (Choice::Named, Algorithm::LeastRequest));
    assert_eq!(of(out(Resolution::Passthrough), None), (Choice::Original, Algorithm::LeastRequest));
    assert_eq!(of(out(Resolution::Dns), None), (Choice::Balanced, Algorithm::LeastRequest));
}

#[test]
fn settings_are_those_for_the_caller() {
    let callee = Callee::Service(Arc::new(service("web")));
    let mut policy = web(ConnectionPool { max_connections: Some(3), ..ConnectionPool::default() });
    let limit =
        |policy: &BackendPolicy| facts(&callee, Some(policy.clone()), TrafficDefaults::default()).limits.connections;
    assert_eq!(limit(&policy), 3);
    policy.client = Some(ripstop_model::Selector(crate::backends::testing::labels(&[("app", "somebody-else")])));
    assert_eq!(limit(&policy), u32::MAX);
    policy.client = Some(ripstop_model::Selector(crate::backends::testing::labels(&[("app", "caller")])));
    assert_eq!(limit(&policy), 3);
    policy.policy.ports.insert(80, pool(ConnectionPool { max_connections: Some(5), ..ConnectionPool::default() }));
    assert_eq!(limit(&policy), 5);
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_connecting_may_is_given_up() {
    let callee = Callee::Service(Arc::new(service("web")));
    let settings = ConnectionPool { connect_timeout: Some(Duration::from_secs(2)), ..ConnectionPool::default() };
    let facts = facts(&callee, Some(web(settings)), TrafficDefaults::default());
    let address = "10.1.0.1:8080".parse().unwrap();
    let opening = async |seconds| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(seconds)
    };
    assert_eq!(facts.in_time(address, opening(1)).await.unwrap(), 1);
    let error = facts.in_time(address, opening(3)).await.unwrap_err();
    assert!(matches!(error, BackendError::Timeout { limit, .. } if limit == Duration::from_secs(2)), "{error}");
}
