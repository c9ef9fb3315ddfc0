use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, option, prelude::*, sample::select};
use ripstop_model::{
    AppProtocol, BackendSettings, CallerScope, ClientTls, Gateway, GatewayName, HttpAction, HttpMatch, HttpRule,
    IngressScope, ListenerMode, PolicyTarget, PortSettings, Resolution, Selector, ServerProtocol, StringMatch,
    TrafficChange, TrafficDefaults, TrafficTarget, Visibility,
};

use super::*;
use crate::samples::{gateway, server};

const HOSTS: [&str; 4] = ["a.example", "b.example", "*.example", "*"];

fn name(key: u8) -> ObjectName {
    (Arc::from(["bank", "shop"][usize::from(key % 2)]), format!("o{key}").into())
}

/// Of the mesh, and of two gateways of which the one is sometimes there.
fn places(created: u64) -> Vec<GatewayName> {
    let places = [GatewayName::Mesh, GatewayName::Named(name(0)), GatewayName::Named(name(1))];
    places[..=usize::try_from(created % 3).unwrap()].to_vec()
}

fn table(key: u8, hosts: &[&str], created: u64) -> RouteTable {
    let (namespace, name) = name(key);
    let id = RuleId(format!("VirtualService/{namespace}/{name}/{created}").into());
    let uri = Some(StringMatch::Regex(format!("/{created}.*").into()));
    RouteTable {
        http: vec![HttpRule {
            id: id.clone(),
            name: "".into(),
            matches: vec![HttpMatch { uri, ..HttpMatch::default() }],
            action: HttpAction::Respond { status: 200, body: Arc::from(&b""[..]) },
            rewrite: ripstop_model::Rewrite::default(),
            timeout: None,
            retries: None,
            fault: ripstop_model::Fault::default(),
            mirrors: Vec::new(),
            cors: None,
            request_headers: ripstop_model::HeaderOperations::default(),
            response_headers: ripstop_model::HeaderOperations::default(),
        }],
        id,
        namespace,
        name,
        created,
        hosts: hosts.iter().map(|host| HostPattern::new(host)).collect(),
        gateways: places(created),
        visibility: Visibility::Everybody,
        tls: Vec::new(),
        tcp: Vec::new(),
    }
}

/// Of every other age with a `Secret`.
fn rules(key: u8, created: u64) -> BackendPolicy {
    let credential = created.is_multiple_of(2).then(|| Arc::from("a"));
    let tls = Some(Arc::new(ClientTls { credential, ..ClientTls::default() }));
    let general = PortSettings { tls, ..PortSettings::default() };
    BackendPolicy {
        ids: Vec::new(),
        namespace: name(key).0,
        host: HostPattern::new(&name(key).1),
        visibility: Visibility::Everybody,
        client: None,
        policy: BackendSettings { general, ..BackendSettings::default() },
        subsets: Vec::new(),
        created,
    }
}

fn entry(key: u8, host: &str, created: u64) -> HostEntry {
    HostEntry {
        id: RuleId(format!("ServiceEntry/o{key}/{created}").into()),
        object: name(key),
        host: HostPattern::new(host),
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: false,
        allocates: true,
        waypoint: None,
        resolution: Resolution::Dns,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::Everybody,
        subject_alt_names: Vec::new(),
        created,
    }
}

fn authorization(key: u8, created: u64) -> Authorization {
    let (namespace, name) = name(key);
    Authorization {
        id: RuleId(format!("AuthorizationPolicy/{namespace}/{name}/{created}").into()),
        namespace,
        name,
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: Vec::new(),
        created,
    }
}

fn listeners(key: u8, hosts: &[&str], created: u64) -> Gateway {
    let (namespace, name) = name(key);
    let servers = hosts.iter().zip([80, 443, 80]).map(|(host, port)| server(port, ServerProtocol::Http, host, None));
    gateway(&namespace, &name, created, servers.collect())
}

fn attached(key: u8, things: &[&str], created: u64) -> TrafficPolicy {
    let (namespace, name) = name(key);
    let target =
        |thing: &&str| TrafficTarget { kind: TrafficTargetKind::Service, name: (*thing).into(), section: None };
    TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/{namespace}/{name}/{created}").into()),
        namespace,
        name,
        targets: things.iter().map(target).collect(),
        rate_limits: Vec::new(),
        balancing: None,
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        created,
    }
}

/// Of every other age with a listener of the proxy's own.
fn scope(key: u8, created: u64) -> CallerScope {
    let (namespace, name) = name(key);
    let mode = if created.is_multiple_of(2) { ListenerMode::Own } else { ListenerMode::Captured };
    let ingress = IngressScope {
        port: 8080,
        protocol: AppProtocol::Http11,
        bind: None,
        mode,
        tls: None,
        endpoint: None,
        pool: None,
    };
    CallerScope {
        id: RuleId(format!("Sidecar/{namespace}/{name}/{created}").into()),
        namespace,
        name,
        selector: Selector::default(),
        egress: None,
        ingress: vec![ingress],
        outbound: None,
        egress_proxy: None,
        inbound_pool: None,
        created,
    }
}

fn change() -> impl Strategy<Value = Change> {
    let key = || 0..6_u8;
    let age = || 0..3_u64;
    let hosts = || vec(select(HOSTS.to_vec()), 1..4);
    let routes = (key(), option::weighted(0.7, (hosts(), age()))).prop_map(|(key, there)| {
        TrafficChange::Routes(name(key), there.map(|(hosts, created)| Arc::new(table(key, &hosts, created))))
    });
    let entries = (key(), option::weighted(0.7, (hosts(), age()))).prop_map(|(key, there)| {
        let entries = |(hosts, created): (Vec<&str>, u64)| {
            Arc::new(hosts.iter().map(|host| entry(key, host, created)).collect::<Vec<_>>())
        };
        TrafficChange::Entries(name(key), there.map(entries))
    });
    let gateways = (key(), option::weighted(0.7, (hosts(), age()))).prop_map(|(key, there)| {
        TrafficChange::Gateway(name(key), there.map(|(hosts, created)| Arc::new(listeners(key, &hosts, created))))
    });
    let backends = (key(), option::weighted(0.7, age())).prop_map(|(key, there)| {
        TrafficChange::Backends(name(key), there.map(|created| Arc::new(vec![rules(key, created)])))
    });
    let attached = (key(), option::weighted(0.7, (hosts(), age()))).prop_map(|(key, there)| {
        TrafficChange::Policy(name(key), there.map(|(things, created)| Arc::new(attached(key, &things, created))))
    });
    let scopes = (key(), option::weighted(0.7, age()))
        .prop_map(|(key, there)| TrafficChange::Scope(name(key), there.map(|created| Arc::new(scope(key, created)))));
    let defaults = any::<bool>().prop_map(|auto_mtls| {
        TrafficChange::Defaults(Arc::new(TrafficDefaults { auto_mtls, ..TrafficDefaults::default() }))
    });
    let policies = (key(), option::weighted(0.7, age())).prop_map(|(key, there)| match there {
        Some(created) => Change::Authorization(Arc::new(authorization(key, created))),
        None => Change::AuthorizationGone(name(key)),
    });
    prop_oneof![
        3 => routes.prop_map(Change::TrafficObject),
        3 => entries.prop_map(Change::TrafficObject),
        3 => gateways.prop_map(Change::TrafficObject),
        2 => backends.prop_map(Change::TrafficObject),
        2 => attached.prop_map(Change::TrafficObject),
        2 => scopes.prop_map(Change::TrafficObject),
        1 => defaults.prop_map(Change::TrafficObject),
        1 => policies,
    ]
}

/// Everything that is derived, in an order of its own, by what it was made from.
#[derive(Debug, PartialEq)]
struct Contents {
    policies: BTreeMap<Arc<str>, Vec<RuleId>>,
    tables: BTreeMap<ObjectName, RuleId>,
    tables_by_host: BTreeMap<String, Vec<ObjectName>>,
    tables_to: BTreeMap<Arc<str>, Vec<ObjectName>>,
    tables_by_gateway: BTreeMap<ObjectName, BTreeMap<String, Vec<ObjectName>>>,
    listeners: Listeners,
    with_credentials: Vec<ObjectName>,
    with_own_listeners: Vec<ObjectName>,
    entries: BTreeMap<String, Vec<HostEntryOf>>,
    by_target: ByTarget,
}

/// Object, age and id of an entry.
type HostEntryOf = (ObjectName, u64, RuleId);

fn contents(program: &Program) -> Contents {
    let Program {
        snapshot,
        policies,
        tables,
        tables_by_host,
        tables_to,
        tables_by_gateway,
        listeners,
        with_credentials,
        with_own_listeners,
        entries,
        by_target,
    } = program;
    for (name, table) in tables {
        assert_eq!(table.source, snapshot.traffic().routes[name], "{name:?} is made from what the snapshot holds");
    }
    let by_host = |tables: &TablesByHost| -> BTreeMap<String, Vec<ObjectName>> {
        tables.iter().map(|(host, names)| (host.to_string(), names.iter().cloned().collect())).collect()
    };
    let of_entry = |entry: &Arc<HostEntry>| (entry.object.clone(), entry.created, entry.id.clone());
    Contents {
        policies: policies
            .iter()
            .map(|(name, all)| (name.clone(), all.iter().map(|policy| policy.source.id.clone()).collect()))
            .collect(),
        tables: tables.iter().map(|(name, table)| (name.clone(), table.source.id.clone())).collect(),
        tables_by_host: by_host(tables_by_host),
        tables_to: tables_to.iter().map(|(host, names)| (host.clone(), names.iter().cloned().collect())).collect(),
        tables_by_gateway: tables_by_gateway.iter().map(|(name, tables)| (name.clone(), by_host(tables))).collect(),
        listeners: listeners.clone(),
        with_credentials: with_credentials.iter().cloned().collect(),
        with_own_listeners: with_own_listeners.iter().cloned().collect(),
        entries: entries
            .iter()
            .map(|(host, entries)| (host.to_string(), entries.iter().map(of_entry).collect()))
            .collect(),
        by_target: by_target.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, changes and goes, in whatever portions: what is derived is what a new start derives, and
    /// of what did not change it is the very same.
    #[test]
    fn changes_lead_where_a_new_start_does(portions in vec(vec(change(), 0..5), 1..12)) {
        let mut program = Program::new(Snapshot::default());
        for (version, portion) in (1..).zip(portions) {
            let next = program.with(version, portion);
            prop_assert_eq!(next.version(), version);
            prop_assert_eq!(contents(&next), contents(&Program::new(next.snapshot().clone())));
            for gateway in (0..6).map(name) {
                for host in [None, Some("a.example"), Some("b.example"), Some("c.example"), Some("other")] {
                    let found = next.tables_at(&gateway, host).into_iter().map(|table| &table.source.id);
                    let at_gateway = GatewayName::Named(gateway.clone());
                    let has = |own: &HostPattern| host.is_none_or(|host| own.contains(host));
                    let acts = |table: &&Table| {
                        table.source.gateways.contains(&at_gateway) && table.source.hosts.iter().any(has)
                    };
                    let scanned = next.tables().filter(acts).map(|table| &table.source.id);
                    prop_assert_eq!(found.collect::<Vec<_>>(), scanned.collect::<Vec<_>>());
                }
            }
            for (name, table) in &next.tables {
                let equal = program.tables.get(name).filter(|old| old.source == table.source);
                prop_assert!(equal.is_none_or(|old| Arc::ptr_eq(old, table)), "{:?} is made anew", name);
            }
            program = next;
        }
    }
}

#[test]
fn a_change_makes_only_its_own_anew() {
    let all = (0..100).map(|key| TrafficChange::Routes(name(key), Some(Arc::new(table(key, &HOSTS[..1], 1)))));
    let entries = (0..100).map(|key| {
        let host = format!("h{key}.example");
        TrafficChange::Entries(name(key), Some(Arc::new(vec![entry(key, &host, 1)])))
    });
    let before = Program::default().with(1, all.chain(entries).map(Change::TrafficObject));
    let routes = TrafficChange::Routes(name(7), Some(Arc::new(table(7, &HOSTS[1..2], 2))));
    let hosts = TrafficChange::Entries(name(8), Some(Arc::new(vec![entry(8, "h8.example", 2)])));
    let after = before.with(2, [routes, hosts].map(Change::TrafficObject));
    let anew: BTreeSet<&ObjectName> = after
        .tables
        .iter()
        .filter(|(name, table)| !Arc::ptr_eq(table, &before.tables[*name]))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(anew, BTreeSet::from([&name(7)]));
    let anew: Vec<String> = after
        .entries
        .iter()
        .filter(|(host, entries)| !before.entries.get(host).is_some_and(|same| Arc::ptr_eq(entries, same)))
        .map(|(host, _)| host.to_string())
        .collect();
    assert_eq!(anew, ["h8.example"]);
}

/// An object that comes again as it is leaves everything in place, also the object itself.
#[test]
fn equal_objects_stay_the_same() {
    let routes = |created| TrafficChange::Routes(name(1), Some(Arc::new(table(1, &HOSTS, created))));
    let hosts = |created| TrafficChange::Entries(name(1), Some(Arc::new(vec![entry(1, HOSTS[0], created)])));
    let before = Program::default().with(1, [routes(1), hosts(1)].map(Change::TrafficObject));
    let after = before.with(2, [routes(2), routes(1), hosts(1)].map(Change::TrafficObject));
    assert_eq!(contents(&before), contents(&after));
    let again = before.with(2, [routes(1), hosts(1)].map(Change::TrafficObject));
    assert!(Arc::ptr_eq(&before.traffic().routes[&name(1)], &again.traffic().routes[&name(1)]));
    assert!(Arc::ptr_eq(&before.traffic().entries[&name(1)], &again.traffic().entries[&name(1)]));
    assert!(Arc::ptr_eq(&before.tables[&name(1)], &again.tables[&name(1)]));
    let host = HostPattern::new(HOSTS[0]);
    assert!(Arc::ptr_eq(before.entries.get(&host).unwrap(), again.entries.get(&host).unwrap()));
}
