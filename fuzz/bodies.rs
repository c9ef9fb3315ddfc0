//! What is tried with arbitrary bytes, and what must hold whatever they are.
//!
//! Each function is the body of the fuzz target of its name. Tests replay the checked-in corpora
//! through the same functions.

mod h1;
mod http2;
mod tls_records;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use hickory_proto::op::{Message as DnsMessage, MessageType};
use prost::Message as _;
use ripstop_api::{Kind, Level, ObjectId, edit::set_metadata, parse_file};
use ripstop_compile::{Declared, Objects};
use ripstop_dns::{Asker, Decision, Transport, answer, server_failure};
use ripstop_explain::{Question, explain, offline};
use ripstop_grpc_web::{Decoder, MediaType, encode, trailers};
use ripstop_identity::peer_id;
use ripstop_model::{
    AppProtocol, Change, Enrolment, Health, Labels, PortMapping, Service, ServiceKey, ServicePort, Snapshot, SpiffeId,
    TargetPort, Traffic, TrafficChange, TrustDomain, TunnelProtocol, Visibility, Workload, WorkloadUid,
};
use ripstop_proxy_protocol::{LONGEST_V2, Parsed, Version, parse};
use ripstop_store::read_texts;
use ripstop_tunnel::Authority;
use ripstop_wire::{
    NotWell, ResourceChange,
    delta::{DeltaClient, Event},
    discovery::DeltaDiscoveryResponse,
    encode_authorization, encode_mesh, encode_peer_authentication, encode_service, encode_traffic, encode_workload,
    health_answer,
    ripstop::{self as own, Commit},
    snapshot_changes, type_url,
    workload::{Address, address::Type},
};
use rustls_pki_types::CertificateDer;

pub use self::h1::{h1_connection, h1_meter, h1_request, h1_response};
pub use self::http2::{h2_client, h2_hpack, h2_meter, h2_oracle, h2_pair, h2_server};
pub use self::tls_records::tls_records;

/// Objects of one text that are edited.
const EDITED: usize = 3;
/// Services of one mesh that are asked about.
const ASKED: usize = 4;
/// What must survive any neighbour.
const NEIGHBOUR: &str = "\
apiVersion: v1
kind: Service
metadata: {name: neighbour, namespace: neighbour}
spec: {ports: [{name: http, port: 80}]}
";
/// Largest answer over UDP, in bytes.
const UDP: usize = 1232;
/// Types that the client of [`wire_delta`] subscribes to.
const TYPES: [&str; 4] = [type_url::ADDRESS, type_url::PEER_AUTHENTICATION, type_url::AUTHORIZATION, type_url::MESH];

/// Any text is read to its end, as YAML and as JSON, with positions inside of it; and an edit of what was
/// read fails or does exactly what was asked for.
pub fn api_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for file in ["a.yaml", "a.json"] {
        let parsed = parse_file(file, text);
        let lines = text.split(['\n', '\r']).count() + 1;
        for finding in &parsed.findings {
            assert!((1..=lines).contains(&(finding.position.line as usize)), "{finding}");
        }
        let refused = parsed.findings.iter().any(|finding| finding.level == Level::Error);
        assert!(refused || (parsed.broken.is_empty() && !parsed.unreadable), "refused without a reason");
        for object in parsed.objects.iter().take(EDITED) {
            edits(file, text, &object.id);
        }
        let nobody = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: "a".into() };
        // It may be there; what counts is that it ends.
        let _either_way = set_metadata(text, &nobody, &[("key".into(), Some("value".into()))], &[]);
    }
}

fn edits(file: &str, text: &str, id: &ObjectId) {
    let set = [("fuzz.ripstop.dev/key".to_owned(), Some("value-1".to_owned()))];
    let unset = [(set[0].0.clone(), None)];
    let value = |text: &str| {
        let parsed = parse_file(file, text);
        let object = parsed.objects.into_iter().find(|object| object.id == *id);
        object.unwrap_or_else(|| panic!("{id} is lost")).meta.labels.remove(&set[0].0)
    };
    let Ok(edited) = set_metadata(text, id, &set, &[]) else { return };
    assert_eq!(value(&edited), set[0].1, "in {edited}");
    assert_eq!(set_metadata(&edited, id, &set, &[]).as_ref(), Ok(&edited), "set twice");
    if let Ok(back) = set_metadata(&edited, id, &unset, &[]) {
        assert_eq!(value(&back), None, "in {back}");
    }
}

/// Whatever else is declared, beside it or in a file of its own: a valid service stays one; the mesh of it can
/// be compiled; and any request can be explained.
pub fn mesh_explain(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let neighbour = parse_file("neighbour.yaml", NEIGHBOUR).objects;
    let ids: Vec<_> = neighbour.iter().map(|object| &object.id).collect();
    let claimed = parse_file("all.yaml", text);
    if claimed.objects.iter().map(|object| &object.id).chain(&claimed.broken).any(|id| ids.contains(&id)) {
        return;
    }
    let file = |name: &str, text: String| (name.to_owned(), text);
    for texts in [
        vec![file("all.yaml", format!("{NEIGHBOUR}---\n{text}"))],
        vec![file("all.yaml", text.to_owned()), file("neighbour.yaml", NEIGHBOUR.to_owned())],
    ] {
        let read = read_texts(texts);
        let declared = read.objects.iter().map(|(id, stored)| {
            let object = stored.object.clone();
            (id.clone(), Declared { object, created: stored.created_ms, generation: stored.generation })
        });
        let objects: Objects = declared.collect();
        let (mesh, _) = offline::world(&objects);
        let services = mesh.program.snapshot().services();
        assert!(
            services.filter(|service| &*service.key.namespace == "neighbour" && &*service.name == "neighbour").count()
                == 1,
            "the neighbour is lost"
        );
        let questions = mesh.program.snapshot().services().take(ASKED).flat_map(|service| {
            let port = service.ports.first().map_or(80, |port| port.port);
            let hosts = [service.key.hostname.to_string(), format!("neighbour.neighbour:{port}")];
            hosts.map(|host| Question {
                to: if host.contains(':') { host } else { format!("{host}:{port}") },
                method: "GET".into(),
                path: "/a/../b?c=d".into(),
                headers: vec![("x-user".into(), "jason".into())],
                claims: vec![("iss".into(), "me".into())],
                ..Question::default()
            })
        });
        for question in questions.collect::<Vec<_>>() {
            // That it cannot be asked is an answer.
            let _either_way = explain(&mesh, &question);
            let gateway = Question { via: "gateway:istio=ingressgateway".into(), ..question };
            let _either_way = explain(&mesh, &gateway);
        }
    }
}

/// Whatever is asked, the answer is a response to it that fits.
pub fn dns_answer(data: &[u8]) {
    static WORLD: OnceLock<(Snapshot, Arc<Workload>)> = OnceLock::new();
    let (snapshot, client) = WORLD.get_or_init(world);
    for client in [None, Some(&**client)] {
        for (transport, limit) in [(Transport::Udp, UDP), (Transport::Tcp, usize::from(u16::MAX))] {
            match answer(data, snapshot, &Asker { client, transport, seed: 7 }) {
                Decision::Answer(bytes) | Decision::Refuse(bytes) => is_response(data, &bytes, limit),
                Decision::Forward | Decision::Ignore => {}
            }
        }
    }
    if let Some(bytes) = server_failure(data) {
        is_response(data, &bytes, UDP);
    }
}

fn is_response(query: &[u8], bytes: &[u8], limit: usize) {
    assert!(bytes.len() <= limit, "{} bytes", bytes.len());
    let message = DnsMessage::from_vec(bytes).expect("our own answer can be read");
    assert_eq!(message.metadata.message_type, MessageType::Response);
    assert_eq!(message.metadata.id.to_be_bytes(), query[..2]);
}

/// A service with an address, a headless one with many endpoints, and one who asks.
fn world() -> (Snapshot, Arc<Workload>) {
    let service = |name: &str, namespace: &str, vips: &[&str], headless| Service {
        key: ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")),
        name: name.into(),
        addresses: vips.iter().map(|vip| vip.parse().expect("an address")).collect(),
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
    };
    let workload = |name: &str, addresses: [String; 2], of: &[&Service]| Workload {
        uid: WorkloadUid::process("Ripstop", "backend", name),
        name: name.into(),
        namespace: "backend".into(),
        addresses: addresses.iter().map(|address| address.parse().expect("an address")).collect(),
        node: "east".into(),
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
        health: Health::Healthy,
        services: of
            .iter()
            .map(|service| (service.key.clone(), vec![PortMapping { service_port: 80, target_port: 8080 }]))
            .collect(),
        cluster: "Ripstop".into(),
    };
    let addresses = |last: u8| [format!("10.244.1.{last}"), format!("fd00:10:244:1::{last:x}")];
    let plain = service("reviews", "bookinfo", &["240.240.0.1"], false);
    let headless = service("db", "backend", &[], true);
    let client = Arc::new(workload("client", addresses(250), &[]));
    let endpoints = (2..80).map(|i| workload(&format!("db-{i}"), addresses(i), &[&headless]));
    let changes = endpoints.map(|workload| Change::Workload(Arc::new(workload))).collect::<Vec<_>>();
    let services = [plain, headless].map(|service| Change::Service(Arc::new(service)));
    let all = changes.into_iter().chain(services).chain([Change::Workload(client.clone())]);
    (Snapshot::default().with(1, all), client)
}

/// Identities read from any certificate are valid ones.
pub fn identity_peer_id(data: &[u8]) {
    if let Ok(id) = peer_id(&[CertificateDer::from(data)]) {
        assert_eq!(id.as_str().parse::<SpiffeId>().as_ref(), Ok(&id));
        assert!(!id.path().is_empty(), "{id} names no workload");
    }
}

/// Any answer to a question about health says the same each time; a part of it, or more than it, says nothing.
pub fn grpc_health(data: &[u8]) {
    let said = health_answer(data);
    assert_eq!(said, health_answer(data));
    if let Err(error) = said {
        assert!(!error.to_string().is_empty());
    }
    if said == Err(NotWell::NoMessage) {
        return;
    }
    assert_eq!(health_answer(&data[..data.len() - 1]), Err(NotWell::NoMessage));
    assert_eq!(health_answer(&[data, &[0]].concat()), Err(NotWell::NoMessage));
    assert_eq!(health_answer(&[&[1], &data[1..]].concat()), Err(NotWell::NoMessage));
}

/// Authorities read from any text are written in one way, and that way is read again.
pub fn tunnel_authority(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(authority) = text.parse::<Authority>() else { return };
    assert_ne!(authority.port(), 0);
    assert_eq!(authority.to_string().parse::<Authority>().as_ref(), Ok(&authority));
    match &authority {
        Authority::Ip(address) => assert_eq!(Authority::from(*address), authority),
        Authority::Host(host, port) => {
            assert!(format!("{host}:{port}").parse::<SocketAddr>().is_err(), "{host} is an address");
        }
    }
}

/// A header of the PROXY protocol is the same however it comes, is no longer than it may be, and what it says can be
/// written in either version.
pub fn proxy_protocol(data: &[u8]) {
    let told = parse(data);
    for cut in 0..data.len().min(LONGEST_V2 + 1) {
        let before = parse(&data[..cut]);
        assert!(before == Ok(Parsed::Partial) || before == told, "{before:?}, then {told:?}");
    }
    match told {
        Ok(Parsed::Whole { header, length }) => {
            assert!((1..=LONGEST_V2.min(data.len())).contains(&length));
            for version in [Version::V1, Version::V2] {
                let encoded = header.write(version);
                let length = encoded.as_ref().len();
                assert_eq!(parse(encoded.as_ref()), Ok(Parsed::Whole { header, length }));
            }
        }
        Ok(Parsed::Partial) => assert!(data.len() < LONGEST_V2),
        Err(_) => {}
    }
}

/// Bodies of gRPC-Web: what is in base64 stands for the same however it is cut, or is refused, and can be written again;
/// trailers make as many lines as there are fields.
///
/// The first byte says how large the pieces are.
pub fn grpc_web(data: &[u8]) {
    let Some((size, text)) = data.split_first() else { return };
    let decode = |text: &[u8], size: usize| {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for piece in text.chunks(size) {
            decoder.decode(piece, &mut out)?;
        }
        decoder.finish().map(|()| out)
    };
    let whole = decode(text, text.len().max(1));
    assert_eq!(whole, decode(text, usize::from(size % 16) + 1));
    if let Ok(bytes) = whole {
        assert!(bytes.len() <= text.len() / 4 * 3);
        let mut again = Vec::new();
        encode(&bytes, &mut again);
        assert_eq!(decode(&again, 7), Ok(bytes));
    }
    if let Some(kind) = MediaType::read(text) {
        assert!(MediaType::of_answer(kind.coding, &kind.of_grpc()).is_some());
    }
    let fields: Vec<(&[u8], &[u8])> =
        text.split(|byte| *byte == b'&').map(|field| field.split_at(field.len() / 2)).collect();
    let mut frame = Vec::new();
    if trailers(fields.iter().copied(), &mut frame).is_ok() {
        let (head, lines) = frame.split_at(5);
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        assert_eq!((head[0], length as usize), (ripstop_grpc_web::TRAILERS, lines.len()));
        assert_eq!(lines.split(|byte| *byte == b'\n').count(), fields.len() + 1);
    }
}

/// A client that obeys the protocol is never confused by what it receives: what it hands out adds up to what
/// each commit says.
///
/// The bytes are steps: what to do with it (bit 0: refuse a commit, bit 1: a new stream first), length (two bytes,
/// big end first), response.
pub fn wire_delta(data: &[u8]) {
    let mut client = DeltaClient::new("fuzz", &TYPES);
    let mut applied: BTreeMap<(&str, Arc<str>), Bytes> = BTreeMap::new();
    client.connect();
    for (flags, body) in steps(data) {
        let Ok(response) = DeltaDiscoveryResponse::decode(body) else { continue };
        if flags & 2 != 0 {
            client.connect();
        }
        let commit = response.resources.first().and_then(|resource| resource.resource.clone());
        match client.receive(response).map(|received| received.event) {
            Ok(None) => {}
            Ok(Some(Event::Committed(_))) if flags & 1 != 0 => {
                let refusal = client.reject("no").expect("a commit is unanswered");
                assert!(refusal.error_detail.is_some());
            }
            Ok(Some(Event::Committed(update))) => {
                let answer = client.accept().expect("a commit is unanswered");
                assert!(answer.error_detail.is_none());
                assert_eq!(client.version(), update.version);
                for change in update.changes {
                    let key = (change.type_url, change.name);
                    match change.body {
                        Some(body) => drop(applied.insert(key, body)),
                        None => assert!(applied.remove(&key).is_some(), "{key:?} goes and was never there"),
                    }
                }
                let commit = Commit::decode(commit.unwrap_or_default().value).expect("the client could read it");
                for url in TYPES {
                    let held = applied.keys().filter(|(of, _)| *of == url).count() as u64;
                    assert_eq!(commit.counts.get(url).copied().unwrap_or(0), held, "resources of {url}");
                }
            }
            // The stream is of no use after either.
            Ok(Some(Event::Mismatch { .. })) | Err(_) => drop(client.connect()),
        }
        assert!(client.accept().is_none(), "nothing is unanswered");
    }
}

fn steps(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (flags, rest) = data.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (body, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        data = rest;
        Some((*flags, body))
    })
}

/// Resources are refused, or their model is written in one way, and taking them away again leaves nothing.
///
/// The bytes are resources of a response, whose type is that of its body where we know it; other bytes are
/// taken for an address.
pub fn wire_snapshot(data: &[u8]) {
    let resources = match DeltaDiscoveryResponse::decode(data) {
        Ok(response) if !response.resources.is_empty() => response
            .resources
            .into_iter()
            .filter_map(|resource| {
                let any = resource.resource?;
                let type_url = type_url::known(&any.type_url).unwrap_or(type_url::ADDRESS);
                Some(resource_change(type_url, resource.name, any.value))
            })
            .collect(),
        _ => vec![resource_change(type_url::ADDRESS, String::new(), Bytes::copy_from_slice(data))],
    };
    let together = snapshot_changes(&resources);
    let alone: Vec<_> = resources.iter().map(|resource| snapshot_changes(std::slice::from_ref(resource))).collect();
    assert_eq!(together.is_ok(), alone.iter().all(Result::is_ok), "all or nothing");
    let changes: Vec<Change> = alone.into_iter().flatten().flatten().collect();
    let mut removals = Vec::new();
    for change in &changes {
        if let Some(written) = encoded(change) {
            let again = snapshot_changes(std::slice::from_ref(&written)).expect("our own resource can be read");
            assert_eq!(encoded(&again[0]), Some(written), "{change:?}");
        }
        removals.extend(removal(change));
    }
    let full = Snapshot::default().with(1, changes.iter().cloned());
    let empty = full.with(2, removals);
    let counts = (empty.workloads().count(), empty.services().count(), empty.peer_authentications().count());
    assert_eq!(counts, (0, 0, 0));
    assert_eq!(empty.traffic(), &Traffic::default());
    for change in &changes {
        match change {
            Change::Workload(workload) => {
                assert!(workload.addresses.iter().all(|address| empty.workload_at(*address).is_none()));
                assert!(workload.services.iter().all(|(key, _)| empty.endpoints(key).next().is_none()));
            }
            Change::Service(service) => {
                assert!(service.addresses.iter().all(|address| empty.service_at(*address).is_none()));
                assert!(empty.services_named(&service.key.hostname).next().is_none());
            }
            Change::Authorization(policy) => assert!(empty.authorizations_in(&policy.namespace).next().is_none()),
            _ => {}
        }
    }
}

/// A resource by its given name; one without a name has the name that its content asks for.
fn resource_change(type_url: &'static str, name: String, body: Bytes) -> ResourceChange {
    let of_content = || match type_url {
        type_url::ADDRESS => match Address::decode(body.clone()).ok()?.r#type? {
            Type::Workload(workload) => Some(workload.uid),
            Type::Service(service) => Some(format!("{}/{}", service.namespace, service.hostname)),
        },
        type_url::PEER_AUTHENTICATION => {
            let policy = own::PeerAuthentication::decode(body.clone()).ok()?;
            Some(format!("{}/{}", policy.namespace, policy.name))
        }
        type_url::AUTHORIZATION => {
            let policy = own::Authorization::decode(body.clone()).ok()?;
            Some(format!("{}/{}", policy.namespace, policy.name))
        }
        _ => Some("default".to_owned()),
    };
    let name = if name.is_empty() { of_content().unwrap_or_default() } else { name };
    ResourceChange { type_url, name: name.into(), version: "1".into(), body: Some(body) }
}

fn encoded(change: &Change) -> Option<ResourceChange> {
    match change {
        Change::Workload(workload) => Some(encode_workload(workload).into()),
        Change::Service(service) => Some(encode_service(service).into()),
        Change::PeerAuthentication(policy) => Some(encode_peer_authentication(policy).into()),
        Change::Authorization(policy) => Some(encode_authorization(policy).into()),
        Change::Mesh(mesh) => Some(encode_mesh(mesh).into()),
        Change::TrafficObject(object) => encode_traffic(object),
        // All at once it is not on the wire.
        Change::Traffic(_)
        | Change::WorkloadGone(_)
        | Change::ServiceGone(_)
        | Change::PeerAuthenticationGone(..)
        | Change::AuthorizationGone(_) => None,
    }
}

fn removal(change: &Change) -> Option<Change> {
    match change {
        Change::Workload(workload) => Some(Change::WorkloadGone(workload.uid.clone())),
        Change::Service(service) => Some(Change::ServiceGone(service.key.clone())),
        Change::PeerAuthentication(policy) => {
            Some(Change::PeerAuthenticationGone(policy.namespace.clone(), policy.name.clone()))
        }
        Change::Authorization(policy) => {
            Some(Change::AuthorizationGone((policy.namespace.clone(), policy.name.clone())))
        }
        Change::TrafficObject(object) => Some(Change::TrafficObject(taken_away(object))),
        _ => None,
    }
}

fn taken_away(change: &TrafficChange) -> TrafficChange {
    match change {
        TrafficChange::Defaults(_) => TrafficChange::Defaults(Arc::default()),
        TrafficChange::Routes(name, _) => TrafficChange::Routes(name.clone(), None),
        TrafficChange::Backends(name, _) => TrafficChange::Backends(name.clone(), None),
        TrafficChange::Gateway(name, _) => TrafficChange::Gateway(name.clone(), None),
        TrafficChange::Entries(name, _) => TrafficChange::Entries(name.clone(), None),
        TrafficChange::Endpoint(name, _) => TrafficChange::Endpoint(name.clone(), None),
        TrafficChange::Group(name, _) => TrafficChange::Group(name.clone(), None),
        TrafficChange::Scope(name, _) => TrafficChange::Scope(name.clone(), None),
        TrafficChange::RequestAuthentication(name, _) => TrafficChange::RequestAuthentication(name.clone(), None),
        TrafficChange::Telemetry(name, _) => TrafficChange::Telemetry(name.clone(), None),
        TrafficChange::ProxySettings(name, _) => TrafficChange::ProxySettings(name.clone(), None),
        TrafficChange::Policy(name, _) => TrafficChange::Policy(name.clone(), None),
        TrafficChange::ProcessProxy(name, _) => TrafficChange::ProcessProxy(name.clone(), None),
    }
}
