use std::sync::Arc;

use hickory_proto::rr::DNSClass;
use proptest::prelude::*;
use ripstop_model::{
    AppProtocol, Change, Enrolment, HostEntry, HostPattern, Labels, PortMapping, Resolution, RuleId, ServiceKey,
    ServicePort, TargetPort, Traffic, TrustDomain, TunnelProtocol, Visibility, WorkloadUid,
};

use super::*;

fn service(name: &str, namespace: &str, vips: &[&str], headless: bool) -> Service {
    Service {
        key: ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")),
        name: name.into(),
        addresses: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        ports: vec![ServicePort {
            port: 80,
            name: "http".into(),
            target: TargetPort::Number(8080),
            protocol: AppProtocol::Http11,
        }],
        selector: None,
        headless,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}

fn workload(name: &str, namespace: &str, addresses: &[&str], health: Health, services: &[&Service]) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        node: "node-1".into(),
        service_account: "default".into(),
        trust_domain: TrustDomain::default(),
        labels: Labels::new(),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health,
        services: services
            .iter()
            .map(|s| (s.key.clone(), vec![PortMapping { service_port: 80, target_port: 8080 }]))
            .collect(),
        cluster: "Ripstop".into(),
    }
}

fn world() -> Snapshot {
    let reviews = service("reviews", "bookinfo", &["240.240.0.1"], false);
    let dual = service("dual", "backend", &["240.240.0.2", "fd00::2"], false);
    let db = service("db", "backend", &[], true);
    let idle = service("idle", "backend", &[], true);
    let mut early = service("early", "backend", &[], true);
    early.publish_not_ready = true;
    let many = service("many", "backend", &[], true);
    let mut workloads = vec![
        workload("db-0", "backend", &["10.244.1.2", "fd00:10::2"], Health::Healthy, &[&db]),
        workload("db-1", "backend", &["10.244.1.3"], Health::Healthy, &[&db]),
        workload("db-2", "backend", &["10.244.1.4"], Health::Unhealthy, &[&db, &idle, &early]),
        workload("client", "bookinfo", &["10.244.1.9"], Health::Healthy, &[]),
    ];
    for i in 0..200 {
        workloads.push(workload(
            &format!("many-{i}"),
            "backend",
            &[&format!("10.244.2.{i}")],
            Health::Healthy,
            &[&many],
        ));
    }
    let services = [reviews, dual, db, idle, early, many].map(|s| Change::Service(Arc::new(s)));
    Snapshot::default()
        .with(7, services.into_iter().chain(workloads.into_iter().map(|w| Change::Workload(Arc::new(w)))))
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

#[test]
fn who_is_in_quarantine_asks_nobody_outside() {
    let peers = Vec::new();
    let quarantine = std::sync::Arc::new(ripstop_model::Quarantine { rule: ripstop_model::RuleId("r".into()), peers });
    let client = Workload { quarantine: Some(quarantine), ..workload("asker", "backend", &[], Health::Healthy, &[]) };
    let asked = |name: &str| {
        let query = query(name, RecordType::A).to_vec().unwrap();
        answer(&query, &world(), &Asker { client: Some(&client), transport: Transport::Udp, seed: 3 })
    };
    let Decision::Refuse(reply) = asked("secret.example.com.") else { panic!("it was not refused") };
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!((reply.metadata.id, reply.metadata.response_code), (0x1234, ResponseCode::Refused));
    assert!(matches!(asked("db.backend.svc.cluster.local."), Decision::Answer(_)));
}

fn decide(message: &Message, own: Option<&str>, transport: Transport) -> Decision {
    let client = own.map(|namespace| workload("asker", namespace, &[], Health::Healthy, &[]));
    answer(&message.to_vec().unwrap(), &world(), &Asker { client: client.as_ref(), transport, seed: 3 })
}

fn answered(decision: Decision) -> Message {
    match decision {
        Decision::Answer(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("expected an answer, not {other:?}"),
    }
}

/// Everything of an answer in one line: code, then the records' data in order of their text.
fn line(name: &str, kind: RecordType, own: Option<&str>) -> String {
    match decide(&query(name, kind), own, Transport::Udp) {
        Decision::Answer(bytes) => {
            let message = Message::from_vec(&bytes).unwrap();
            assert!(message.metadata.authoritative && message.metadata.recursion_available, "{name}");
            assert_eq!((message.metadata.id, message.queries[0].name.to_ascii()), (0x1234, name.to_owned()));
            let mut data: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
            data.sort();
            let soa = message.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
            assert_eq!(soa, data.is_empty(), "{name}: SOA exactly with negative answers");
            if message.metadata.response_code == ResponseCode::NXDomain { "NXDOMAIN".into() } else { data.join(" ") }
        }
        Decision::Forward => "forward".into(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn names_types_and_namespaces() {
    use RecordType as T;
    let table: &[(&str, T, Option<&str>, &str)] = &[
        // Every spelling of a service.
        ("reviews.bookinfo.svc.cluster.local.", T::A, None, "240.240.0.1"),
        ("ReViews.Bookinfo.SVC.cluster.local.", T::A, None, "240.240.0.1"),
        ("reviews.bookinfo.svc.", T::A, None, "240.240.0.1"),
        ("reviews.bookinfo.", T::A, None, "240.240.0.1"),
        ("reviews.", T::A, Some("bookinfo"), "240.240.0.1"),
        ("reviews.", T::A, Some("backend"), "forward"),
        ("reviews.", T::A, None, "forward"),
        // Families.
        ("reviews.bookinfo.svc.cluster.local.", T::AAAA, None, ""),
        ("dual.backend.svc.cluster.local.", T::A, None, "240.240.0.2"),
        ("dual.backend.svc.cluster.local.", T::AAAA, None, "fd00::2"),
        ("dual.backend.svc.cluster.local.", T::ANY, None, "240.240.0.2 fd00::2"),
        ("reviews.bookinfo.svc.cluster.local.", T::TXT, None, ""),
        ("reviews.bookinfo.svc.cluster.local.", T::HTTPS, None, ""),
        // What search lists make of unknown and of complete names.
        ("reviews.bookinfo.bookinfo.svc.cluster.local.", T::A, Some("bookinfo"), "NXDOMAIN"),
        ("reviews.bookinfo.svc.cluster.local.bookinfo.svc.cluster.local.", T::A, Some("bookinfo"), "NXDOMAIN"),
        ("reviews.bookinfo.svc.cluster.local.cluster.local.", T::A, Some("bookinfo"), "NXDOMAIN"),
        ("example.org.cluster.local.", T::A, Some("bookinfo"), "NXDOMAIN"),
        ("nothing.bookinfo.svc.cluster.local.", T::A, None, "NXDOMAIN"),
        ("reviews.elsewhere.svc.cluster.local.", T::AAAA, None, "NXDOMAIN"),
        // Names that exist without records.
        ("bookinfo.svc.cluster.local.", T::A, None, ""),
        ("elsewhere.svc.cluster.local.", T::A, None, "NXDOMAIN"),
        ("svc.cluster.local.", T::A, None, ""),
        ("cluster.local.", T::A, None, ""),
        ("_tcp.reviews.bookinfo.svc.cluster.local.", T::A, None, ""),
        // Headless.
        ("db.backend.svc.cluster.local.", T::A, None, "10.244.1.2 10.244.1.3"),
        ("db.backend.svc.cluster.local.", T::AAAA, None, "fd00:10::2"),
        ("db.backend.", T::A, None, "10.244.1.2 10.244.1.3"),
        ("idle.backend.svc.cluster.local.", T::A, None, ""),
        ("early.backend.svc.cluster.local.", T::A, None, "10.244.1.4"),
        ("db-0.db.backend.svc.cluster.local.", T::A, None, "10.244.1.2"),
        ("DB-0.db.backend.svc.cluster.local.", T::AAAA, None, "fd00:10::2"),
        ("db-2.db.backend.svc.cluster.local.", T::A, None, ""),
        ("db-2.early.backend.svc.cluster.local.", T::A, None, "10.244.1.4"),
        ("db-9.db.backend.svc.cluster.local.", T::A, None, "NXDOMAIN"),
        ("client.reviews.bookinfo.svc.cluster.local.", T::A, None, "NXDOMAIN"),
        // Named ports.
        (
            "_http._tcp.reviews.bookinfo.svc.cluster.local.",
            T::SRV,
            None,
            "0 100 80 reviews.bookinfo.svc.cluster.local.",
        ),
        (
            "_http._tcp.db.backend.svc.cluster.local.",
            T::SRV,
            None,
            "0 100 8080 db-0.db.backend.svc.cluster.local. 0 100 8080 db-1.db.backend.svc.cluster.local.",
        ),
        ("_http._tcp.reviews.bookinfo.svc.cluster.local.", T::A, None, ""),
        ("_grpc._tcp.reviews.bookinfo.svc.cluster.local.", T::SRV, None, "NXDOMAIN"),
        ("_http._udp.reviews.bookinfo.svc.cluster.local.", T::SRV, None, "NXDOMAIN"),
        // Addresses.
        ("1.0.240.240.in-addr.arpa.", T::PTR, None, "reviews.bookinfo.svc.cluster.local."),
        ("2.1.244.10.in-addr.arpa.", T::PTR, None, "db-0.db.backend.svc.cluster.local."),
        ("9.1.244.10.in-addr.arpa.", T::PTR, None, "NXDOMAIN"),
        ("8.8.8.8.in-addr.arpa.", T::PTR, None, "forward"),
        // The rest of the world.
        ("example.org.", T::A, Some("bookinfo"), "forward"),
        ("reviews.elsewhere.", T::A, None, "forward"),
        ("xcluster.local.", T::A, None, "forward"),
        (".", T::NS, None, "forward"),
    ];
    for (name, kind, own, expected) in table {
        assert_eq!(line(name, *kind, *own), *expected, "{name} {kind} from {own:?}");
    }
}

fn entry(namespace: &str, host: &str, addresses: &[&str], resolution: Resolution, created: u64) -> HostEntry {
    HostEntry {
        id: RuleId(format!("ServiceEntry/{namespace}/{host}/1").into()),
        object: (namespace.into(), host.into()),
        host: HostPattern::new(host),
        addresses: addresses.iter().map(|block| block.parse().unwrap()).collect(),
        ports: Vec::new(),
        internal: false,
        allocates: true,
        waypoint: None,
        resolution,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created,
    }
}

#[test]
fn declared_hosts_have_addresses() {
    let api = entry("shop", "api.example", &[], Resolution::Dns, 1);
    let own = api.own_address().unwrap().to_string();
    let nearer = entry("bank", "api.example", &["192.0.2.9/32"], Resolution::Static, 2);
    let hidden =
        HostEntry { visibility: Visibility::Nobody, ..entry("shop", "hidden.example", &[], Resolution::Dns, 1) };
    let entries = [
        api,
        nearer,
        hidden,
        entry(
            "shop",
            "two.example",
            &["192.0.2.1/32", "2001:db8::1/128", "198.51.100.0/24"],
            Resolution::Passthrough,
            1,
        ),
        entry("shop", "block.example", &["198.51.100.0/24"], Resolution::Static, 1),
        entry("shop", "none.example", &[], Resolution::Passthrough, 1),
        entry("shop", "*.wild.example", &[], Resolution::Static, 1),
    ];
    let mut traffic = Traffic::default();
    for entry in entries {
        traffic.entries.insert(entry.object.clone(), Arc::new(vec![entry]));
    }
    let snapshot = Snapshot::default().with(1, [Change::Traffic(traffic.into())]);
    let ask = |name: &str, kind, own: &str| {
        let client = workload("asker", own, &[], Health::Healthy, &[]);
        let asker = Asker { client: Some(&client), transport: Transport::Udp, seed: 3 };
        match answer(&query(name, kind).to_vec().unwrap(), &snapshot, &asker) {
            Decision::Answer(bytes) => {
                let message = Message::from_vec(&bytes).unwrap();
                assert!(message.authorities.is_empty());
                message.answers.iter().map(|record| record.data.to_string()).collect::<Vec<_>>().join(" ")
            }
            Decision::Forward => "forward".into(),
            other => panic!("{name}: {other:?}"),
        }
    };
    assert_eq!(ask("api.example.", RecordType::A, "shop"), own);
    assert_eq!(ask("API.example.", RecordType::A, "elsewhere"), own);
    assert_eq!(ask("api.example.", RecordType::A, "bank"), "192.0.2.9");
    // There is no other, which is not to be looked for elsewhere.
    assert_eq!(ask("api.example.", RecordType::AAAA, "shop"), "");
    assert_eq!(ask("two.example.", RecordType::A, "shop"), "192.0.2.1");
    assert_eq!(ask("two.example.", RecordType::AAAA, "shop"), "2001:db8::1");
    for name in ["hidden.example.", "block.example.", "none.example.", "a.wild.example.", "other.example."] {
        assert_eq!(ask(name, RecordType::A, "shop"), "forward", "{name}");
    }
}

#[test]
fn keeps_the_case_of_the_question() {
    let reply = answered(decide(&query("ReViews.bookINFO.svc.cluster.local.", RecordType::A), None, Transport::Udp));
    assert_eq!(reply.queries[0].name.to_ascii(), "ReViews.bookINFO.svc.cluster.local.");
    assert_eq!(reply.answers[0].name.to_ascii(), "ReViews.bookINFO.svc.cluster.local.");
    assert_eq!(reply.answers[0].ttl, 30);
}

#[test]
fn answers_are_cut_to_what_fits() {
    let name = "many.backend.svc.cluster.local.";
    let small = decide(&query(name, RecordType::A), None, Transport::Udp);
    let Decision::Answer(bytes) = &small else { panic!("{small:?}") };
    assert!(bytes.len() <= 512, "{}", bytes.len());
    let reply = answered(small);
    assert!(reply.metadata.truncation && reply.answers.len() > 20, "{}", reply.answers.len());

    let mut with_edns = query(name, RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    with_edns.set_edns(edns);
    let larger = decide(&with_edns, None, Transport::Udp);
    let Decision::Answer(bytes) = &larger else { panic!("{larger:?}") };
    assert!((513..=1232).contains(&bytes.len()), "{}", bytes.len());
    let reply = answered(larger);
    assert!(reply.metadata.truncation && reply.edns.is_some());

    let whole = answered(decide(&query(name, RecordType::A), None, Transport::Tcp));
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (200, false));
}

#[test]
fn additional_records_go_first() {
    let reply =
        answered(decide(&query("_http._tcp.db.backend.svc.cluster.local.", RecordType::SRV), None, Transport::Udp));
    assert_eq!(reply.additionals.len(), 3, "addresses of the targets");
    let reply =
        answered(decide(&query("_http._tcp.many.backend.svc.cluster.local.", RecordType::SRV), None, Transport::Udp));
    assert!(reply.metadata.truncation && reply.additionals.is_empty());
}

#[test]
fn seeds_shuffle() {
    let world = world();
    let bytes = query("many.backend.svc.cluster.local.", RecordType::A).to_vec().unwrap();
    let first = |seed| {
        let decision = answer(&bytes, &world, &Asker { client: None, transport: Transport::Tcp, seed });
        answered(decision).answers[0].data.to_string()
    };
    assert_eq!(first(1), first(1));
    assert!((2..20).any(|seed| first(seed) != first(1)));
}

#[test]
fn refuses_what_is_no_question() {
    let code = |message: &Message| match decide(message, None, Transport::Udp) {
        Decision::Refuse(bytes) => Message::from_vec(&bytes).unwrap().metadata.response_code,
        other => panic!("{other:?}"),
    };
    let good = query("reviews.bookinfo.svc.cluster.local.", RecordType::A);
    let mut update = good.clone();
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update), ResponseCode::NotImp);
    let mut two = good.clone();
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two), ResponseCode::FormErr);
    let mut none = good.clone();
    none.queries.clear();
    assert_eq!(code(&none), ResponseCode::FormErr);
    let mut chaos = good.clone();
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
    let mut version = good.clone();
    let mut edns = Edns::new();
    edns.set_version(1);
    version.set_edns(edns);
    // 16 is BADVERS here; the codec reads it as BADSIG, which shares the number.
    assert_eq!(u16::from(code(&version)), u16::from(ResponseCode::BADVERS));
    let mut response = good.clone();
    response.metadata.message_type = MessageType::Response;
    assert_eq!(decide(&response, None, Transport::Udp), Decision::Ignore);

    let bytes = good.to_vec().unwrap();
    let asker = Asker { client: None, transport: Transport::Udp, seed: 0 };
    assert_eq!(answer(&bytes[..11], &world(), &asker), Decision::Ignore);
    let Decision::Refuse(reply) = answer(&bytes[..bytes.len() - 1], &world(), &asker) else { panic!("short question") };
    assert_eq!(Message::from_vec(&reply).unwrap().metadata.response_code, ResponseCode::FormErr);
}

#[test]
fn failure_repeats_id_and_question() {
    let reply = server_failure(&query("example.org.", RecordType::A).to_vec().unwrap()).unwrap();
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!((reply.metadata.id, reply.metadata.response_code), (0x1234, ResponseCode::ServFail));
    assert_eq!(reply.queries[0].name.to_ascii(), "example.org.");
    assert!(!reply.metadata.authoritative);
    assert_eq!(server_failure(&[0; 4]), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), seed: u64) {
        let world = world();
        for transport in [Transport::Udp, Transport::Tcp] {
            let asker = Asker { client: None, transport, seed };
            if let Decision::Answer(reply) | Decision::Refuse(reply) = answer(&bytes, &world, &asker) {
                prop_assert!(Message::from_vec(&reply).is_ok());
                prop_assert_eq!(&reply[..2], &bytes[..2]);
            }
        }
        server_failure(&bytes);
    }

    #[test]
    fn damaged_queries_never_panic(at in 0usize..60, value: u8, name in "[a-z_.]{1,20}", kind: u16) {
        let world = world();
        let Ok(name) = Name::from_ascii(format!("{name}.backend.svc.cluster.local.")) else { return Ok(()) };
        let mut message = Message::new(9, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name, RecordType::from(kind)));
        message.set_edns(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        let asker = Asker { client: None, transport: Transport::Udp, seed: 0 };
        if let Decision::Answer(reply) = answer(&bytes, &world, &asker) {
            prop_assert!(reply.len() <= 1232 && Message::from_vec(&reply).is_ok());
        }
    }
}
