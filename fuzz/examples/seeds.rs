//! Writes the seeds that are no text: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

#[path = "seeds/grpc_health.rs"]
mod grpc_health;
#[path = "seeds/http2.rs"]
mod http2;
#[path = "seeds/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "seeds/traffic.rs"]
mod traffic;

use std::{fs, path::Path};

use bytes::Bytes;
use hickory_proto::{
    op::{Edns, Message as DnsMessage, MessageType, OpCode, Query},
    rr::{DNSClass, Name, RecordType},
};
use prost::Message as _;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
    string::Ia5String,
};
use ripstop_wire::{
    discovery::{Any, DeltaDiscoveryResponse, Resource},
    ripstop::{self as own, Commit},
    type_url,
    workload::{
        Address, AppProtocol, Extension, NetworkAddress, Port, PortList, Service, TunnelProtocol, Workload,
        address::Type,
    },
};

fn main() {
    dns();
    certificates();
    snapshots();
    deltas();
    http();
    grpc_health::seeds();
    http2::seeds();
    records();
    proxy_protocol::seeds();
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(name), bytes).expect("a seed");
}

fn dns() {
    let query = |name: &str, kind| {
        let mut message = DnsMessage::new(0x1234, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        message
    };
    let put = |name: &str, message: &DnsMessage| write("dns_answer", name, &message.to_vec().expect("a message"));
    put("service-a", &query("reviews.bookinfo.svc.cluster.local.", RecordType::A));
    put("service-aaaa", &query("Reviews.BookInfo.svc.cluster.local.", RecordType::AAAA));
    put("service-any", &query("reviews.bookinfo.svc.cluster.local.", RecordType::ANY));
    put("headless-cut", &query("db.backend.svc.cluster.local.", RecordType::A));
    put("instance", &query("db-3.db.backend.svc.cluster.local.", RecordType::AAAA));
    put("named-port", &query("_http._tcp.db.backend.svc.cluster.local.", RecordType::SRV));
    put("short-name", &query("db.", RecordType::A));
    put("missing", &query("nobody.backend.svc.cluster.local.", RecordType::A));
    put("apex-soa", &query("svc.cluster.local.", RecordType::SOA));
    put("foreign", &query("example.com.", RecordType::A));
    put("reverse-v4", &query("3.1.244.10.in-addr.arpa.", RecordType::PTR));
    let nibbles = "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.";
    put("reverse-v6", &query(nibbles, RecordType::PTR));
    let mut edns = query("db.backend.svc.cluster.local.", RecordType::A);
    let mut extra = Edns::new();
    extra.set_max_payload(4096).set_dnssec_ok(true);
    edns.set_edns(extra);
    put("edns", &edns);
    let mut version = query("db.backend.svc.cluster.local.", RecordType::A);
    let mut extra = Edns::new();
    extra.set_version(9);
    version.set_edns(extra);
    put("edns-version", &version);
    let mut chaos = query("db.backend.svc.cluster.local.", RecordType::A);
    chaos.queries[0].query_class = DNSClass::CH;
    put("chaos-class", &chaos);
    let mut two = query("db.backend.svc.cluster.local.", RecordType::A);
    two.add_query(Query::query(Name::root(), RecordType::NS));
    put("two-questions", &two);
    let mut notify = query("svc.cluster.local.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    put("notify", &notify);
    let mut response = query("db.backend.svc.cluster.local.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    put("response", &response);
    let whole = query("reviews.bookinfo.svc.cluster.local.", RecordType::A).to_vec().expect("a message");
    write("dns_answer", "cut-off", &whole[..whole.len() - 3]);
    // A name that points at itself.
    let mut ring = whole[..12].to_vec();
    ring.extend([0xc0, 0x0c, 0, 1, 0, 1]);
    write("dns_answer", "pointer-ring", &ring);
}

fn certificates() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let uri = |text: &str| SanType::URI(Ia5String::try_from(text).expect("ASCII"));
    let put = |name: &str, edit: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        edit(&mut params);
        let certificate = params.self_signed(&key).expect("a certificate");
        write("identity_peer_id", name, certificate.der());
        certificate.der().to_vec()
    };
    let id = "spiffe://cluster.local/ns/bookinfo/sa/reviews";
    let good = put("svid", &|params| params.subject_alt_names = vec![uri(id)]);
    put("no-san", &|_| ());
    put("two-uris", &|params| params.subject_alt_names = vec![uri(id), uri("https://example.com/")]);
    put("uri-and-names", &|params| {
        let dns = Ia5String::try_from("reviews.bookinfo").expect("ASCII");
        params.subject_alt_names = vec![SanType::DnsName(dns), uri(id), SanType::IpAddress([10, 0, 0, 1].into())];
    });
    put("https-uri", &|params| params.subject_alt_names = vec![uri("https://cluster.local/ns/a/sa/b")]);
    put("no-path", &|params| params.subject_alt_names = vec![uri("spiffe://cluster.local")]);
    put("nul-in-id", &|params| params.subject_alt_names = vec![uri("spiffe://cluster.local/ns/a/sa/b\0/x")]);
    put("dots-in-path", &|params| params.subject_alt_names = vec![uri("spiffe://cluster.local/ns/../sa/b")]);
    put("capitals-in-domain", &|params| params.subject_alt_names = vec![uri("spiffe://Cluster.Local/ns/a/sa/b")]);
    put("long-id", &|params| {
        params.subject_alt_names = vec![uri(&format!("spiffe://cluster.local/{}", "a".repeat(2100)))];
    });
    put("authority", &|params| {
        params.subject_alt_names = vec![uri(id)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    put("signs-certificates", &|params| {
        params.subject_alt_names = vec![uri(id)];
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    write("identity_peer_id", "cut-off", &good[..good.len() / 2]);
    write("identity_peer_id", "bytes-behind", &[&good[..], &[0]].concat());
    write("identity_peer_id", "indefinite-length", &[0x30, 0x80, 0x30, 0x80, 0, 0, 0, 0]);
}

fn workload(name: &str, address: &[u8]) -> Workload {
    let extension = own::WorkloadExtension {
        labels: [("app".to_owned(), name.to_owned())].into(),
        enrolment: Some(own::Enrolment { mode: 1, key: "istio.io/dataplane-mode=ambient".to_owned(), level: 2 }),
        quarantine: Some(own::Quarantine {
            rule: format!("Process/bookinfo/{name}/1/metadata.labels.ripstop.dev/quarantine"),
            peers: vec!["spiffe://cluster.local/ns/ops/sa/debug".to_owned()],
        }),
        kind: own::process::Kind::Command.into(),
        group: None,
        waypoint_refuses: false,
    };
    Workload {
        uid: format!("Ripstop/ripstop.dev/Process/bookinfo/{name}"),
        name: name.to_owned(),
        namespace: "bookinfo".to_owned(),
        addresses: vec![Bytes::copy_from_slice(address)],
        tunnel_protocol: TunnelProtocol::Hbone.into(),
        trust_domain: "cluster.local".to_owned(),
        service_account: "reviews".to_owned(),
        node: "east".to_owned(),
        canonical_name: "reviews".to_owned(),
        canonical_revision: "v1".to_owned(),
        workload_name: name.to_owned(),
        cluster_id: "Ripstop".to_owned(),
        services: [(
            "bookinfo/reviews.bookinfo.svc.cluster.local".to_owned(),
            PortList { ports: vec![Port { service_port: 80, target_port: 9080, app_protocol: 0 }] },
        )]
        .into(),
        extensions: vec![Extension {
            name: "ripstop.dev/workload".to_owned(),
            config: Some(any("type.googleapis.com/ripstop.v1.WorkloadExtension", &extension)),
        }],
        ..Workload::default()
    }
}

fn any(type_url: &str, message: &impl prost::Message) -> ripstop_wire::workload::Any {
    ripstop_wire::workload::Any { type_url: type_url.to_owned(), value: message.encode_to_vec().into() }
}

fn service() -> Service {
    let extension = own::ServiceExtension {
        headless: false,
        port_names: vec!["http".to_owned(), "tls".to_owned()],
        target_names: vec![String::new(), "secure".to_owned()],
        ..own::ServiceExtension::default()
    };
    Service {
        name: "reviews".to_owned(),
        namespace: "bookinfo".to_owned(),
        hostname: "reviews.bookinfo.svc.cluster.local".to_owned(),
        addresses: vec![NetworkAddress {
            network: String::new(),
            address: Bytes::from_static(&[240, 240, 1, 2]),
            length: None,
        }],
        ports: vec![
            Port { service_port: 80, target_port: 9080, app_protocol: AppProtocol::Http11.into() },
            Port { service_port: 443, target_port: 0, app_protocol: AppProtocol::Tls.into() },
        ],
        extensions: vec![Extension {
            name: "ripstop.dev/service".to_owned(),
            config: Some(any("type.googleapis.com/ripstop.v1.ServiceExtension", &extension)),
        }],
        canonical: true,
        ..Service::default()
    }
}

fn address(of: Type) -> Address {
    Address { r#type: Some(of) }
}

fn policy() -> own::PeerAuthentication {
    own::PeerAuthentication {
        id: "PeerAuthentication/bookinfo/default/1/spec".to_owned(),
        namespace: "bookinfo".to_owned(),
        name: "default".to_owned(),
        selector: [("app".to_owned(), "reviews".to_owned())].into(),
        mode: own::MtlsMode::Strict.into(),
        ports: [(9080, own::MtlsMode::Disable.into())].into(),
        created: 1_700_000_000_000,
    }
}

fn authorization() -> own::Authorization {
    use own::{authorization_value::Kind, condition::Attribute};
    let condition = |attribute: Attribute, names: &[&str], values: Vec<Kind>| own::Condition {
        attribute: attribute.into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        none_of: names.is_empty(),
        values: values.into_iter().map(|kind| own::AuthorizationValue { kind: Some(kind) }).collect(),
        path: "to[0].operation".to_owned(),
    };
    let account = own::authorization_value::Account { namespace: "backend".to_owned(), name: "echo".to_owned() };
    let all = vec![
        condition(Attribute::Path, &[], vec![Kind::Template("/a/{*}/b".to_owned()), Kind::Glob("*/b".to_owned())]),
        condition(Attribute::Header, &["x-user"], vec![Kind::Prefix("ja".to_owned()), Kind::Present(true)]),
        condition(Attribute::SourceIp, &[], vec![Kind::Block("10.0.0.0/8".to_owned())]),
        condition(Attribute::ServiceAccount, &[], vec![Kind::Account(account)]),
        condition(Attribute::Port, &[], vec![Kind::Port(9080)]),
    ];
    let rule = own::AuthorizationRule {
        to: vec![own::Conditions { all }],
        when: vec![condition(Attribute::Claim, &["realm", "roles"], vec![Kind::Exact("admin".to_owned())])],
        ..own::AuthorizationRule::default()
    };
    own::Authorization {
        id: "AuthorizationPolicy/bookinfo/readers/1/spec".to_owned(),
        namespace: "bookinfo".to_owned(),
        name: "readers".to_owned(),
        action: own::authorization::Action::Custom.into(),
        authorizer: "opa".to_owned(),
        authorizer_protocol: own::authorization::AuthorizerProtocol::Grpc.into(),
        rules: vec![rule],
        created: 1_700_000_000_000,
        ..own::Authorization::default()
    }
}

fn mesh() -> own::Mesh {
    own::Mesh {
        trust_domain: "mesh.test".to_owned(),
        default_mtls: own::MtlsMode::Permissive.into(),
        log_level: "debug".to_owned(),
        egress_allow: vec!["127.0.0.0/8".to_owned()],
        dns_upstream: vec!["9.9.9.9".to_owned()],
        ..own::Mesh::default()
    }
}

fn resource(type_url: &str, name: &str, message: &impl prost::Message) -> Resource {
    let body = Any { type_url: type_url.to_owned(), value: message.encode_to_vec().into() };
    Resource { version: "1".to_owned(), resource: Some(body), name: name.to_owned(), aliases: Vec::new() }
}

fn response(type_url: &str, resources: Vec<Resource>, removed: &[&str]) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        resources,
        type_url: type_url.to_owned(),
        nonce: "1".to_owned(),
        removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn snapshots() {
    let put = |name: &str, message: &dyn Fn() -> Vec<u8>| write("wire_snapshot", name, &message());
    let one = || address(Type::Workload(workload("reviews-v1-0", &[10, 244, 1, 7])));
    let whole = || address(Type::Service(service()));
    put("workload", &|| one().encode_to_vec());
    put("service", &|| whole().encode_to_vec());
    put("foreign-workload", &|| {
        let uid = "Kubernetes//Pod/shop/cart-7d9f".to_owned();
        let name = "cart-7d9f".to_owned();
        address(Type::Workload(Workload { uid, name, namespace: "shop".to_owned(), ..Workload::default() }))
            .encode_to_vec()
    });
    put("foreign-service", &|| {
        let bare = Service { extensions: Vec::new(), addresses: Vec::new(), ..service() };
        address(Type::Service(bare)).encode_to_vec()
    });
    put("capitals", &|| {
        let hostname = "Reviews.BookInfo.example.com".to_owned();
        address(Type::Service(Service { hostname, ..service() })).encode_to_vec()
    });
    put("mapped-address", &|| {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
        address(Type::Workload(workload("a", &mapped))).encode_to_vec()
    });
    put("bad-address", &|| address(Type::Workload(workload("a", &[1, 2, 3]))).encode_to_vec());
    put("neither", &|| Address::default().encode_to_vec());
    put("unknown-fields", &|| [&one().encode_to_vec()[..], &[0xfa, 0x3f, 1, 7]].concat());
    put("cut-off", &|| {
        let bytes = one().encode_to_vec();
        bytes[..bytes.len() - 5].to_vec()
    });
    put("push", &|| {
        let resources = vec![
            resource(type_url::MESH, "default", &mesh()),
            resource(type_url::ADDRESS, "", &whole()),
            resource(type_url::ADDRESS, "", &one()),
            resource(type_url::ADDRESS, "", &address(Type::Workload(workload("reviews-v2-0", &[10, 244, 1, 7])))),
            resource(type_url::PEER_AUTHENTICATION, "bookinfo/default", &policy()),
        ];
        response(type_url::ADDRESS, resources, &[]).encode_to_vec()
    });
    put("wrong-name", &|| {
        response(type_url::ADDRESS, vec![resource(type_url::ADDRESS, "a/b", &whole())], &[]).encode_to_vec()
    });
    put("authorization", &|| {
        let resources = vec![resource(type_url::AUTHORIZATION, "bookinfo/readers", &authorization())];
        response(type_url::AUTHORIZATION, resources, &[]).encode_to_vec()
    });
    put("half-an-authorization", &|| {
        let mut policy = authorization();
        policy.rules[0].to[0].all[0].values.push(own::AuthorizationValue::default());
        response(type_url::AUTHORIZATION, vec![resource(type_url::AUTHORIZATION, "", &policy)], &[]).encode_to_vec()
    });
    put("traffic", &|| response(type_url::ROUTE_TABLE, traffic::resources(), &[]).encode_to_vec());
    put("half-a-route", &|| {
        let rule = own::HttpRule { id: "r".to_owned(), ..own::HttpRule::default() };
        let table = own::RouteTable {
            id: "VirtualService/bookinfo/reviews/1".to_owned(),
            namespace: "bookinfo".to_owned(),
            name: "reviews".to_owned(),
            http: vec![rule],
            ..own::RouteTable::default()
        };
        let resources = vec![resource(type_url::ROUTE_TABLE, "bookinfo/reviews", &table)];
        response(type_url::ROUTE_TABLE, resources, &[]).encode_to_vec()
    });
    put("bad-trust-domain", &|| {
        let mesh = own::Mesh { trust_domain: "Not Valid".to_owned(), ..mesh() };
        response(type_url::MESH, vec![resource(type_url::MESH, "default", &mesh)], &[]).encode_to_vec()
    });
}

fn deltas() {
    let put = |name: &str, steps: &[(u8, DeltaDiscoveryResponse)]| {
        let mut bytes = Vec::new();
        for (flags, response) in steps {
            let body = response.encode_to_vec();
            bytes.push(*flags);
            bytes.extend(u16::try_from(body.len()).expect("a small response").to_be_bytes());
            bytes.extend(body);
        }
        write("wire_delta", name, &bytes);
    };
    let versioned = |name: &str, version: &str| {
        let message = address(Type::Workload(workload(name, &[10, 244, 1, 7])));
        Resource { version: version.to_owned(), ..resource(type_url::ADDRESS, name, &message) }
    };
    let commit = |version, counts: &[(&str, u64)]| {
        let counts = counts.iter().map(|(url, count)| ((*url).to_owned(), *count)).collect();
        response(type_url::COMMIT, vec![resource(type_url::COMMIT, "commit", &Commit { version, counts })], &[])
    };
    let of = |names: &[&str], removed: &[&str]| {
        response(type_url::ADDRESS, names.iter().map(|name| versioned(name, "1")).collect(), removed)
    };
    let (a, ab) = ([(type_url::ADDRESS, 1)], [(type_url::ADDRESS, 2)]);
    put("nothing", &[(0, commit(1, &[]))]);
    put("one-commit", &[(0, of(&["a", "b"], &[])), (0, commit(1, &ab))]);
    put("two-commits", &[(0, of(&["a", "b"], &[])), (0, commit(1, &ab)), (0, of(&[], &["b"])), (0, commit(2, &a))]);
    put("refused", &[(0, of(&["a"], &[])), (1, commit(1, &a)), (0, of(&["a"], &[])), (0, commit(2, &a))]);
    put("mismatch", &[(0, of(&["a"], &[])), (0, commit(1, &ab)), (0, of(&["a", "b"], &[])), (0, commit(1, &ab))]);
    put(
        "mismatch-after-commit",
        &[(0, of(&["a", "b"], &[])), (0, commit(1, &ab)), (0, commit(2, &a)), (0, of(&["b"], &[])), (0, commit(3, &a))],
    );
    put("new-stream", &[(0, of(&["a"], &[])), (2, of(&["b"], &[])), (0, commit(1, &a))]);
    put("new-stream-between", &[(0, of(&["a"], &[])), (0, commit(1, &a)), (2, of(&["b"], &[])), (0, commit(2, &ab))]);
    put("unknown-type", &[(0, response("type.example/Other", Vec::new(), &["x"])), (0, commit(1, &[]))]);
    put(
        "wrong-body",
        &[(0, response(type_url::ADDRESS, vec![resource(type_url::MESH, "a", &mesh())], &[])), (0, commit(1, &[]))],
    );
    put("no-body", &[(0, response(type_url::ADDRESS, vec![Resource::default()], &[]))]);
    put("gone-and-back", &[(0, of(&["a"], &[])), (0, commit(1, &a)), (0, of(&["a"], &["a"])), (0, commit(2, &a))]);
    put("gone-unknown", &[(0, of(&[], &["never"])), (0, commit(1, &[]))]);
    put("commit-removed", &[(0, response(type_url::COMMIT, Vec::new(), &["commit"]))]);
    put(
        "several-types",
        &[
            (0, response(type_url::MESH, vec![resource(type_url::MESH, "default", &mesh())], &[])),
            (0, of(&["a"], &[])),
            (
                0,
                response(
                    type_url::PEER_AUTHENTICATION,
                    vec![resource(type_url::PEER_AUTHENTICATION, "n/p", &policy())],
                    &[],
                ),
            ),
            (0, commit(1, &[(type_url::ADDRESS, 1), (type_url::MESH, 1), (type_url::PEER_AUTHENTICATION, 1)])),
        ],
    );
}

/// How the bytes arrive, as the bodies read it: whole, in pieces of 1, 2 and 3 bytes with small limits, or in pieces of 7.
const WHOLE: &[u8] = &[0];
const SMALL: &[u8] = &[3 | 8 << 3, 0, 1, 2];
const SEVENS: &[u8] = &[1, 6];
/// The same for a response to HEAD, to CONNECT and to an upgrade.
const TO_HEAD: &[u8] = &[1 << 3];
const TO_CONNECT: &[u8] = &[2 << 3];
const TO_UPGRADE: &[u8] = &[6 << 3];

fn http() {
    let requests: [(&str, &[u8], &str); 18] = [
        ("plain", WHOLE, "GET /a?b HTTP/1.1\r\nHost: shop:80\r\nX-One:  1 \t\r\nx-two:\r\n\r\n"),
        ("old", SEVENS, "\r\nGET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
        (
            "length",
            SEVENS,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "chunked",
            SEVENS,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a;b=\"c\\\"\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
        ),
        (
            "small",
            SMALL,
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\nX: y\r\n\r\n",
        ),
        (
            "hop",
            WHOLE,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-a\r\nX-A: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\n",
        ),
        (
            "upgrade",
            WHOLE,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ),
        ("connect", SEVENS, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n\x16\x03\x01"),
        ("options", WHOLE, "OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
        (
            "both-lengths",
            WHOLE,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two-lengths", WHOLE, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        ("codings", WHOLE, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("bare-lf", WHOLE, "GET / HTTP/1.1\nHost: a\n\n"),
        ("folded", SEVENS, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
        ("two-hosts", WHOLE, "GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (
            "bad-size",
            SEVENS,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "bad-trailer",
            WHOLE,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
        ),
        ("cut", SEVENS, "GET / HTTP/1.1\r\nHost: a\r\nX: y"),
    ];
    for (name, pieces, raw) in requests {
        write("h1_request", name, &[pieces, raw.as_bytes()].concat());
    }
    let responses: [(&str, &[u8], &str); 17] = [
        ("length", SEVENS, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 \r\n\r\n"),
        ("chunked", SEVENS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        ("until-close", WHOLE, "HTTP/1.1 200 OK\r\n\r\nhello"),
        ("small", SMALL, "HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello"),
        ("old", WHOLE, "HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
        (
            "informational",
            SEVENS,
            "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n",
        ),
        ("many-informational", SMALL, "HTTP/1.1 102 \r\n\r\nHTTP/1.1 102 \r\n\r\n"),
        ("head", TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("tunnel", TO_CONNECT, "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01"),
        ("no-tunnel", TO_CONNECT, "HTTP/1.1 403 \r\nContent-Length: 2\r\n\r\nno"),
        ("switch", TO_UPGRADE, "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\u{81}"),
        ("other-switch", TO_UPGRADE, "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
        ("both-lengths", WHOLE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("close", WHOLE, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nabc"),
        ("bodiless", WHOLE, "HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\nhello"),
        ("no-space", WHOLE, "HTTP/1.1 200\r\n\r\n"),
        ("bare-cr", SEVENS, "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"),
    ];
    for (name, pieces, raw) in responses {
        write("h1_response", name, &[pieces, raw.as_bytes()].concat());
    }
    // Each request with each response that fits to it or does not.
    for (number, (name, pieces, client)) in requests.into_iter().enumerate() {
        let (other, _, server) = responses[number % responses.len()];
        let length = u16::try_from(client.len()).expect("a short one").to_be_bytes();
        let bytes = [pieces, &length[..], client.as_bytes(), server.as_bytes()].concat();
        for target in ["h1_connection", "h1_meter"] {
            write(target, &format!("{name}-{other}"), &bytes);
        }
    }
}

/// Each seed is a way to hear, and steps (`fuzz/tls_records.rs`).
fn records() {
    const SEAL: u8 = 0;
    const SEAL_AND_REKEY: u8 = 1;
    const SEAL_AS: u8 = 2;
    const RAW: u8 = 3;
    let put = |name: &str, way: u8, steps: &[(u8, &[u8])]| {
        let mut bytes = vec![way];
        for (what, body) in steps {
            bytes.push(*what);
            bytes.extend(u16::try_from(body.len()).expect("a short body").to_be_bytes());
            bytes.extend_from_slice(body);
        }
        write("tls_records", name, &bytes);
    };
    let ticket: &[u8] =
        &[4, 0, 0, 26, 0, 0, 0, 1, 0, 0, 0, 2, 2, 9, 9, 0, 3, 7, 7, 7, 0, 8, 0, 42, 0, 4, 0, 0, 1, 0, 22];
    let data: &[u8] = b"some data\x17";
    let largest = [vec![1; 16_384], vec![23]].concat();
    let too_large = [vec![1; 16_385], vec![23]].concat();
    put("data", 6, &[(SEAL, data), (SEAL, b"\x17"), (SEAL, b"padded\x17\0\0\0"), (SEAL, data)]);
    put("data-in-bytes", 0, &[(SEAL, data), (SEAL, data)]);
    put("data-to-client", 7, &[(SEAL, data), (SEAL, data)]);
    put("little-room", 14, &[(SEAL, &[[7; 200].as_slice(), &[23]].concat()), (SEAL, data)]);
    put("largest", 6, &[(SEAL, &largest)]);
    put("too-large", 6, &[(SEAL, data), (SEAL, &too_large)]);
    put("key-update", 6, &[(SEAL_AND_REKEY, &[24, 0, 0, 1, 0, 22]), (SEAL, data)]);
    put("key-update-requested", 3, &[(SEAL_AND_REKEY, &[24, 0, 0, 1, 1, 22]), (SEAL, data)]);
    put("key-update-in-pieces", 6, &[(SEAL, &[24, 0, 22]), (SEAL_AND_REKEY, &[0, 1, 1, 22]), (SEAL, data)]);
    put("key-update-not-done", 6, &[(SEAL, &[24, 0, 0, 1, 0, 22]), (SEAL, data)]);
    put("key-update-twice-in-one", 6, &[(SEAL_AND_REKEY, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0, 22])]);
    put("key-update-of-2", 6, &[(SEAL_AND_REKEY, &[24, 0, 0, 1, 2, 22])]);
    put("ticket", 7, &[(SEAL, ticket), (SEAL, data)]);
    put("ticket-to-server", 6, &[(SEAL, ticket)]);
    put("ticket-interleaved", 7, &[(SEAL, &[4, 0, 0, 25, 0, 22]), (SEAL, data)]);
    put("close", 6, &[(SEAL, data), (SEAL, &[1, 0, 21]), (RAW, b"ignored")]);
    put("alert", 6, &[(SEAL, &[2, 40, 21])]);
    put("alert-cancelled", 6, &[(SEAL, &[1, 90, 21]), (SEAL, data)]);
    put("alert-empty", 6, &[(SEAL, &[21])]);
    put("alert-plain", 6, &[(RAW, &[21, 3, 3, 0, 2, 2, 40])]);
    put("change-cipher-spec", 6, &[(RAW, &[20, 3, 3, 0, 1, 1])]);
    put("change-cipher-spec-sealed", 6, &[(SEAL, &[1, 20])]);
    put("padding-only", 6, &[(SEAL, &[0; 20])]);
    put("nothing", 6, &[(SEAL, &[])]);
    put("unknown-type", 6, &[(SEAL, &[1, 2, 99])]);
    put("outer-handshake", 6, &[(SEAL_AS, &[22, 24, 0, 0, 1, 0, 22])]);
    put("request", 2, &[(RAW, b"GET / HTTP/1.1\r\n\r\n")]);
    put("first-byte", 0, &[(RAW, b"G")]);
    put("empty-records", 6, &[(SEAL, &[23][..]); 34]);
    put("key-updates", 6, &[(SEAL_AND_REKEY, &[24, 0, 0, 1, 1, 22][..]); 34]);
}
