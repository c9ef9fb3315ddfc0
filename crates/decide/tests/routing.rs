//! Routes for HTTP against a naive evaluator, and programs that change.

use std::sync::Arc;

use proptest::{prelude::*, sample::select};
use ripstop_decide::{
    CallFacts, CallStep, CallVerdict, Callee, Client, Outcome, Program, RequestFacts, Role, RuleList, backend_settings,
    call, outcome,
};
use ripstop_model::{
    AppProtocol, BackendPolicy, BackendRef, BackendSettings, CallerScope, Change, EgressScope, EntryPort, Gateway,
    GatewayName, HostEntry, HostPattern, HttpMatch, ImportedHost, Labels, ObjectName, Resolution, RouteTable, RuleId,
    Selector, Server, ServerHost, ServerProtocol, Snapshot, StringMatch, Subset, Traffic, TrafficChange, Visibility,
};

#[path = "generated/routes.rs"]
mod generated;
#[path = "reference/routing.rs"]
mod reference;

use generated::{Called, HOST, called, named, rule, service, table, workload};

/// Tables with fewer alternatives than this are looked through, others have an index.
const THRESHOLD: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Node,
    Sidecar,
    Waypoint,
}

fn program(table: &RouteTable) -> Program {
    let mut traffic = Traffic::default();
    traffic.routes.insert((table.namespace.clone(), table.name.clone()), Arc::new(table.clone()));
    let service = service("shop", "web", "240.240.0.1");
    Program::new(Snapshot::default().with(1, [Change::Service(service.into()), Change::Traffic(traffic.into())]))
}

/// What is called, whatever the authority says: rules see the authority, a sidecar finds the service by it.
fn verdict(program: &Program, called: &Called, place: Place) -> CallVerdict {
    let request = called.request();
    call(program, &facts(called, &request, place))
}

fn short(program: &Program, called: &Called, place: Place) -> Outcome {
    let request = called.request();
    outcome(program, &facts(called, &request, place))
}

fn facts<'a>(called: &'a Called, request: &'a RequestFacts<'a>, place: Place) -> CallFacts<'a> {
    CallFacts {
        role: match place {
            Place::Node => Role::Node,
            Place::Sidecar => Role::Sidecar,
            Place::Waypoint => Role::Waypoint { called: None },
        },
        source: called.source.as_ref(),
        host: Some(HOST),
        address: None,
        port: called.port,
        sni: None,
        request: Some(request),
    }
}

fn agrees(table: &RouteTable, program: &Program, called: &Called, place: Place) -> Result<(), TestCaseError> {
    let caller = reference::Caller {
        source: called.source.as_ref().map(|source| (&source.labels, &*source.namespace)),
        waypoint: place == Place::Waypoint,
        port: called.port,
    };
    let expected = reference::http(table, &called.request(), caller);
    let verdict = verdict(program, called, place);
    prop_assert_eq!(format!("{:?}", short(program, called, place)), format!("{:?}", verdict.outcome));
    let seen = match &verdict.outcome {
        Outcome::Respond { rule, .. } => {
            prop_assert_eq!(rule.list, RuleList::Http);
            Some((rule.index, rule.alternative))
        }
        Outcome::NoRule { table: Some(_) } => None,
        // Nothing is routed by a table without rules.
        Outcome::Forward { rule: None, .. } if table.http.is_empty() => None,
        other => panic!("{other:?}"),
    };
    prop_assert_eq!(seen, expected, "{:?}", place);
    // The trace tells the same story.
    let told = verdict.trace.iter().find_map(|step| match step {
        CallStep::Match(id) => Some(id.clone()),
        _ => None,
    });
    prop_assert_eq!(told, expected.map(|(index, _)| table.http[index].id.clone()));
    Ok(())
}

fn alternatives(table: &RouteTable) -> usize {
    table.http.iter().map(|rule| rule.matches.len().max(1)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn small_tables_are_those_of_the_reference(
        table in table(0..6), calls in prop::collection::vec(called(), 8), place in places(),
    ) {
        let program = program(&table);
        for called in &calls {
            agrees(&table, &program, &at_home(called, place), place)?;
        }
    }

    #[test]
    fn large_tables_are_those_of_the_reference(
        table in table(THRESHOLD..40), calls in prop::collection::vec(called(), 8), place in places(),
    ) {
        prop_assert!(alternatives(&table) >= THRESHOLD);
        let program = program(&table);
        for called in &calls {
            agrees(&table, &program, &at_home(called, place), place)?;
        }
    }

    /// The index changes nothing: with rules behind it that match nothing, a table decides as before.
    #[test]
    fn an_index_changes_nothing(table in table(1..5), calls in prop::collection::vec(called(), 8)) {
        let mut longer = table.clone();
        let never = || HttpMatch { method: Some(StringMatch::Exact("NEVER".into())), ..HttpMatch::default() };
        longer.http.extend((table.http.len()..THRESHOLD + 4).map(|index| rule(index, vec![never()])));
        prop_assert!(alternatives(&longer) >= THRESHOLD);
        let (short, long) = (program(&table), program(&longer));
        for called in &calls {
            let hit = |program: &Program| match verdict(program, called, Place::Node).outcome {
                Outcome::Respond { rule, .. } => Some((rule.index, rule.alternative)),
                _ => None,
            };
            prop_assert_eq!(hit(&short), hit(&long));
        }
    }
}

fn places() -> impl Strategy<Value = Place> {
    select(vec![Place::Node, Place::Sidecar, Place::Waypoint])
}

/// A sidecar goes by the authority.
fn at_home(called: &Called, place: Place) -> Called {
    let mut called = called.clone();
    if place == Place::Sidecar {
        called.authority = if called.authority.contains(':') { "web.shop.svc.cluster.local:80" } else { HOST };
    }
    called
}

/// One change of what shapes traffic.
#[derive(Clone, Debug)]
enum Step {
    Routes(u8, Option<RouteTable>),
    Entries(u8, Option<Vec<HostEntry>>),
    Backends(u8, Option<BackendPolicy>),
    Scope(u8, Option<CallerScope>),
    Gateway(u8, Option<Gateway>),
    Service(u8, bool),
}

const HOSTS: [&str; 7] = [
    "web.shop.svc.cluster.local",
    "s1.bank.svc.cluster.local",
    "*.shop.svc.cluster.local",
    "a.example",
    "b.example",
    "*.example",
    "*",
];

fn steps() -> impl Strategy<Value = Step> {
    let hosts = || prop::collection::vec(select(HOSTS.to_vec()), 1..3);
    let namespaces = || select(vec!["shop", "bank", "istio-system"]);
    let visibility = || {
        prop_oneof![
            3 => Just(Visibility::Everybody),
            1 => namespaces().prop_map(Visibility::only),
            1 => Just(Visibility::Nobody)
        ]
    };
    let routes = (namespaces(), hosts(), visibility(), 0..3_u64, any::<bool>()).prop_map(
        |(namespace, hosts, visibility, created, at_gateway)| {
            let mut table = named(namespace, "", &hosts, vec![rule(0, Vec::new())]);
            table.created = created;
            table.visibility = visibility;
            if at_gateway {
                table.gateways.push(GatewayName::Named(("shop".into(), "g0".into())));
            }
            table
        },
    );
    let address = select(vec!["192.0.2.0/24", "192.0.2.1/32", "192.0.2.0/25", "198.51.100.7/32"]);
    let ports = prop::collection::vec(select(vec![80, 443, 9000]), 0..3);
    let entry = (namespaces(), select(HOSTS.to_vec()), address, ports, visibility(), 0..3_u64).prop_map(
        |(namespace, host, address, ports, visibility, created)| HostEntry {
            id: RuleId("".into()),
            object: (namespace.into(), "".into()),
            host: HostPattern::new(host),
            addresses: vec![address.parse().expect("a block")],
            ports: ports
                .into_iter()
                .map(|port| EntryPort { port, name: "".into(), protocol: AppProtocol::Http11, target: port })
                .collect(),
            internal: false,
            allocates: true,
            waypoint: None,
            resolution: Resolution::Dns,
            endpoints: Vec::new(),
            selector: None,
            visibility,
            subject_alt_names: Vec::new(),
            created,
        },
    );
    let backend = (namespaces(), select(HOSTS.to_vec()), visibility(), 0..3_u64).prop_map(
        |(namespace, host, visibility, created)| BackendPolicy {
            ids: vec![RuleId(format!("DestinationRule/{namespace}/{host}/1").into())],
            namespace: namespace.into(),
            host: HostPattern::new(host),
            policy: BackendSettings::default(),
            subsets: vec![Subset { name: "v1".into(), ..subset() }],
            visibility,
            client: None,
            created,
        },
    );
    let scope = (select(vec!["shop", "bank", "istio-system"]), any::<bool>(), select(HOSTS.to_vec()), 0..3_u64)
        .prop_map(|(namespace, selecting, host, created)| CallerScope {
            id: RuleId("".into()),
            namespace: namespace.into(),
            name: "".into(),
            selector: Selector(if selecting { [("app".into(), "cart".into())].into() } else { Labels::new() }),
            egress: Some(vec![EgressScope {
                port: None,
                protocol: ripstop_model::AppProtocol::Unknown,
                bind: None,
                mode: ripstop_model::ListenerMode::Captured,
                hosts: vec![ImportedHost { namespace: None, host: HostPattern::new(host) }],
                without: Vec::new(),
            }]),
            ingress: Vec::new(),
            outbound: None,
            egress_proxy: None,
            inbound_pool: None,
            created,
        });
    let gateway = (hosts(), 0..3_u64).prop_map(|(hosts, created)| Gateway {
        id: RuleId("".into()),
        namespace: "shop".into(),
        name: "".into(),
        selector: Selector::default(),
        servers: vec![Server {
            id: RuleId("".into()),
            name: "".into(),
            port: 80,
            protocol: ServerProtocol::Http,
            bind: None,
            hosts: hosts.iter().map(|host| ServerHost { namespace: None, host: HostPattern::new(host) }).collect(),
            tls: None,
            https_redirect: false,
        }],
        created,
    });
    let key = || 0..4_u8;
    prop_oneof![
        4 => (key(), prop::option::weighted(0.7, routes)).prop_map(|(key, table)| Step::Routes(key, table)),
        4 => (key(), prop::option::weighted(0.7, prop::collection::vec(entry, 1..3)))
            .prop_map(|(key, entries)| Step::Entries(key, entries)),
        2 => (key(), prop::option::weighted(0.7, backend)).prop_map(|(key, policy)| Step::Backends(key, policy)),
        1 => (key(), prop::option::weighted(0.6, scope)).prop_map(|(key, scope)| Step::Scope(key, scope)),
        1 => (key(), prop::option::weighted(0.6, gateway)).prop_map(|(key, gateway)| Step::Gateway(key, gateway)),
        1 => (key(), any::<bool>()).prop_map(|(key, there)| Step::Service(key, there)),
    ]
}

fn subset() -> Subset {
    Subset { name: "".into(), labels: Selector::default(), policy: BackendSettings::default(), id: RuleId("".into()) }
}

/// What a step changes; ids and names come from its key, so that objects meet themselves again.
fn change(step: &Step) -> Change {
    let name = |letter: char, key: &u8| -> ObjectName { ("shop".into(), format!("{letter}{key}").into()) };
    Change::TrafficObject(match step {
        Step::Routes(key, table) => {
            let name = name('r', key);
            let table = table.as_ref().map(|table| {
                let id = RuleId(format!("VirtualService/{}/r{key}/1", table.namespace).into());
                RouteTable { id, name: name.1.clone(), ..table.clone() }.into()
            });
            TrafficChange::Routes(name, table)
        }
        Step::Entries(key, entries) => {
            let name = name('e', key);
            let entries = entries.as_ref().map(|entries| {
                let mut entries = entries.clone();
                for entry in &mut entries {
                    entry.object = name.clone();
                    entry.id = RuleId(format!("ServiceEntry/shop/e{key}/1").into());
                    entry.created = entries_age(entry);
                }
                Arc::new(entries)
            });
            TrafficChange::Entries(name, entries)
        }
        Step::Backends(key, policy) => {
            let host = HOSTS[usize::from(*key)];
            let policies = policy.as_ref().map(|policy| {
                let policy = BackendPolicy { namespace: "shop".into(), host: HostPattern::new(host), ..policy.clone() };
                Arc::new(vec![policy])
            });
            TrafficChange::Backends(("shop".into(), host.into()), policies)
        }
        Step::Scope(key, scope) => {
            let name = name('s', key);
            let scope = scope.as_ref().map(|scope| {
                let id = RuleId(format!("Sidecar/shop/s{key}/1").into());
                CallerScope { id, name: name.1.clone(), ..scope.clone() }.into()
            });
            TrafficChange::Scope(name, scope)
        }
        Step::Gateway(key, gateway) => {
            let name = name('g', key);
            let gateway = gateway.as_ref().map(|gateway| Gateway { name: name.1.clone(), ..gateway.clone() }.into());
            TrafficChange::Gateway(name, gateway)
        }
        Step::Service(key, there) => {
            let name = if *key == 0 { "web".to_owned() } else { format!("s{key}") };
            let namespace = if *key == 0 { "shop" } else { "bank" };
            let service = service(namespace, &name, &format!("240.240.0.{}", key + 1));
            return if *there { Change::Service(service.into()) } else { Change::ServiceGone(service.key) };
        }
    })
}

/// How steps arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Arrival {
    /// Object by object, as at a proxy.
    ByObject,
    /// All that shapes traffic at each step, as from the compiler.
    Whole,
}

fn changes(steps: &[Step], arrival: Arrival, traffic: &mut Traffic) -> Vec<Change> {
    let change = |step| match change(step) {
        Change::TrafficObject(object) => {
            traffic.apply(object.clone());
            match arrival {
                Arrival::ByObject => Change::TrafficObject(object),
                Arrival::Whole => Change::Traffic(Box::new(traffic.clone())),
            }
        }
        other => other,
    };
    steps.iter().map(change).collect()
}

/// All hosts of one object are of one age.
fn entries_age(entry: &HostEntry) -> u64 {
    entry.created / 2
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// A program that changes is the program of what it changed to: everybody's calls to everything go the
    /// same way, for the same reasons. Ages repeat on purpose: where they tie, history must not decide.
    #[test]
    fn changes_lead_where_a_new_start_does(
        steps in prop::collection::vec(
            (prop::collection::vec(steps(), 1..4), select(vec![Arrival::ByObject, Arrival::Whole])),
            1..10,
        ),
    ) {
        let mut program = Program::new(Snapshot::default());
        let mut traffic = Traffic::default();
        for (version, (steps, arrival)) in (1..).zip(&steps) {
            program = program.with(version, changes(steps, *arrival, &mut traffic));
        }
        prop_assert_eq!(program.traffic(), &traffic);
        let anew = Program::new(program.snapshot().clone());
        let (labels, callers) = (Labels::new(), [workload("shop", "cart"), workload("bank", "other")]);
        let hosts = ["web.shop.svc.cluster.local", "s1.bank.svc.cluster.local", "a.example", "x.example", "z"];
        let addresses = ["192.0.2.1", "192.0.2.200", "198.51.100.7", "240.240.0.1"];
        let targets = hosts.iter().map(|host| (Some(*host), None)).chain(
            addresses.iter().map(|address| (None, Some(address.parse().expect("an address")))));
        for (host, address) in targets {
            for source in &callers {
                let places = [Role::Node, Role::Sidecar, Role::Waypoint { called: None }, Role::Gateway { labels: &labels, namespace: "shop", address: None }];
                for role in places {
                    for port in [80, 443, 9000] {
                        let called = Called {
                            method: "GET", scheme: "http", authority: "", path: "/", query: "", headers: Vec::new(),
                            claims: None, source: None, port,
                        };
                        let mut request = called.request();
                        request.authority = host.unwrap_or("192.0.2.1");
                        for request in [None, Some(&request)] {
                            let facts = CallFacts { role, source: Some(source), host, address, port, sni: None, request };
                            let (one, two) = (call(&program, &facts), call(&anew, &facts));
                            prop_assert_eq!(format!("{one:#?}"), format!("{two:#?}"), "{:?}", facts);
                            if let Some(callee) = &one.callee {
                                let settings = |program: &Program| settings(program, source, callee);
                                prop_assert_eq!(settings(&program), settings(&anew));
                            }
                        }
                    }
                }
            }
        }
    }
}

fn settings(program: &Program, source: &ripstop_model::Workload, callee: &Callee) -> String {
    let client = Client { namespace: &source.namespace, labels: Some(&source.labels) };
    let host = match callee {
        Callee::Service(service) => service.key.hostname.clone(),
        Callee::Entry(entry) => entry.host.to_string().into(),
        Callee::Workload(workload) => workload.name.clone(),
    };
    let backend = BackendRef { host, subset: Some("v1".into()), port: Some(80) };
    format!("{:?}", backend_settings(program, client, callee, &backend))
}
