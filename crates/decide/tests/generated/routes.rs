//! Tables of routes and calls, made of few words, so that they meet.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use proptest::{collection::vec, option, prelude::*, sample::select};
use ripstop_decide::{Claim, Claims, RequestFacts, Token};
use ripstop_model::{
    AppProtocol, Enrolment, Fault, GatewayName, HeaderOperations, Health, HostPattern, HttpAction, HttpMatch, HttpRule,
    Rewrite, RouteTable, RuleId, Selector, Service, ServiceKey, ServicePort, SourceMatch, StringMatch, TargetPort,
    TrustDomain, TunnelProtocol, Visibility, Workload, WorkloadUid,
};

/// Host of the service whose routes these are.
pub const HOST: &str = "web.shop.svc.cluster.local";

/// A request, and who makes it where.
#[derive(Clone, Debug)]
pub struct Called {
    pub method: &'static str,
    pub scheme: &'static str,
    pub authority: &'static str,
    pub path: &'static str,
    pub query: &'static str,
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub claims: Option<Claims>,
    pub source: Option<Workload>,
    pub port: u16,
}

impl Called {
    pub fn request(&self) -> RequestFacts<'_> {
        RequestFacts {
            method: self.method,
            scheme: self.scheme,
            authority: self.authority,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            token: self.claims.as_ref().map_or(Token::Absent, Token::Valid),
        }
    }
}

/// A table whose rules answer with their own number; `rules` of them, each with up to three alternatives.
pub fn table(rules: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = RouteTable> {
    let matches = prop_oneof![1 => Just(Vec::new()), 12 => vec(http_match(), 1..4)];
    vec(matches, rules).prop_map(|rules| {
        let http = rules.into_iter().enumerate().map(|(index, matches)| rule(index, matches)).collect();
        named("shop", "web", &[HOST], http)
    })
}

pub fn named(namespace: &str, name: &str, hosts: &[&str], http: Vec<HttpRule>) -> RouteTable {
    RouteTable {
        id: RuleId(format!("VirtualService/{namespace}/{name}/1").into()),
        namespace: namespace.into(),
        name: name.into(),
        created: 1,
        hosts: hosts.iter().map(|host| HostPattern::new(host)).collect(),
        gateways: vec![GatewayName::Mesh],
        visibility: Visibility::Everybody,
        http,
        tls: Vec::new(),
        tcp: Vec::new(),
    }
}

pub fn rule(index: usize, mut matches: Vec<HttpMatch>) -> HttpRule {
    for (at, each) in matches.iter_mut().enumerate() {
        each.path = format!("spec.http[{index}].match[{at}]").into();
    }
    HttpRule {
        id: RuleId(format!("VirtualService/shop/web/1/spec.http[{index}]").into()),
        name: "".into(),
        matches,
        action: HttpAction::Respond { status: 200, body: Arc::from(&b""[..]) },
        rewrite: Rewrite::default(),
        timeout: None,
        retries: None,
        fault: Fault::default(),
        mirrors: Vec::new(),
        cors: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
    }
}

const PATHS: [&str; 12] = ["/", "/a", "/A", "/a/b", "/ab", "/a/b/c", "/b", "/b/", "/aé", "/%41", "/cc", "/a/b/c/d"];

fn http_match() -> impl Strategy<Value = HttpMatch> {
    let pairs = |names: Vec<&'static str>| vec((select(names).prop_map(Arc::from), any_text()), 0..2);
    let names = select(vec![vec!["group"], vec!["realm", "role"], vec!["realm"]]);
    let names = names.prop_map(|names| names.into_iter().map(Arc::from).collect::<Vec<Arc<str>>>());
    let claims = || option::weighted(0.1, (names.clone(), any_text()).prop_map(|claim| vec![claim]));
    let rarely = |strategy| option::weighted(0.15, strategy);
    (
        option::weighted(0.8, uri()),
        any::<bool>(),
        (
            rarely(text(vec!["http", "https"])),
            rarely(text(vec!["GET", "POST"])),
            rarely(text(vec!["web", "web:80", "x"])),
        ),
        (pairs(vec!["x-user", "x-none"]), pairs(vec!["x-user", "x-other"]), pairs(vec!["q", "r"])),
        (claims(), claims()),
        option::weighted(0.15, select(vec![80, 8080])),
        source(),
    )
        .prop_map(|(uri, ignore_uri_case, texts, pairs, claims, port, source)| HttpMatch {
            name: "".into(),
            path: "".into(),
            uri,
            ignore_uri_case,
            scheme: texts.0,
            method: texts.1,
            authority: texts.2,
            headers: sparse(pairs.0),
            without_headers: sparse(pairs.1),
            query: sparse(pairs.2),
            claims: claims.0.unwrap_or_default(),
            without_claims: claims.1.unwrap_or_default(),
            port,
            source,
        })
}

/// Most blocks look at the path alone; the others at one thing more.
fn sparse(pairs: Vec<(Arc<str>, StringMatch)>) -> Vec<(Arc<str>, StringMatch)> {
    pairs.into_iter().filter(|(_, wanted)| !matches!(wanted, StringMatch::Exact(text) if text.is_empty())).collect()
}

fn uri() -> impl Strategy<Value = StringMatch> {
    let paths = || select(PATHS.to_vec());
    prop_oneof![
        3 => paths().prop_map(|text| StringMatch::Exact(text.into())),
        3 => paths().prop_map(|text| StringMatch::Prefix(text.into())),
        1 => select(vec!["/a.*", "/(a|b)(/.*)?", "/[ab]+", ".*", "/a/?b?", "/.", "/[A-C]/b|/cc", "(/[a-d])+"])
            .prop_map(|text| StringMatch::Regex(text.into())),
    ]
}

fn any_text() -> impl Strategy<Value = StringMatch> {
    prop_oneof![
        3 => Just(StringMatch::Exact("".into())),
        1 => Just(StringMatch::Present),
        2 => text(vec!["alice", "al", "a,b", "a"]),
        1 => select(vec!["a.*", "(al)?ice", ".*", "a|b"]).prop_map(|text| StringMatch::Regex(text.into())),
    ]
}

fn text(pool: Vec<&'static str>) -> impl Strategy<Value = StringMatch> {
    (select(pool), 0..3).prop_map(|(text, form)| match form {
        0 => StringMatch::Prefix(text.into()),
        1 => StringMatch::Exact(text.into()),
        _ => StringMatch::Regex(text.replace('.', "[.]").into()),
    })
}

fn source() -> impl Strategy<Value = SourceMatch> {
    let labels = select(vec![vec![], vec![], vec![], vec!["cart"], vec!["web"]]);
    let gateways = select(vec![
        vec![],
        vec![],
        vec![],
        vec![],
        vec![GatewayName::Mesh],
        vec![GatewayName::Named(("shop".into(), "edge".into()))],
    ]);
    (labels, option::weighted(0.15, select(vec!["shop", "bank"])), gateways).prop_map(
        |(labels, namespace, gateways)| SourceMatch {
            labels: Selector(labels.into_iter().map(|app| ("app".into(), app.into())).collect()),
            namespace: namespace.map(Arc::from),
            gateways,
        },
    )
}

pub fn called() -> impl Strategy<Value = Called> {
    let header = (select(vec!["x-user", "x-other"]), select(vec!["alice", "", "a", "b", "al"]));
    let headers = vec(header.prop_map(|(name, value)| (name.into(), value.into())), 0..3);
    let claims = option::of(vec(select(vec!["alice", "a"]).prop_map(str::to_owned), 0..3)).prop_map(|texts| {
        texts.map(|texts| {
            let realm = Claim::Nested(BTreeMap::from([("role".to_owned(), Claim::Texts(texts.clone()))]));
            let others = BTreeMap::from([("group".to_owned(), Claim::Texts(texts)), ("realm".to_owned(), realm)]);
            Claims { others, ..Claims::default() }
        })
    });
    let source = option::weighted(0.8, (select(vec!["shop", "bank"]), select(vec!["cart", "other"])));
    (
        (
            select(vec!["GET", "POST"]),
            select(vec!["http", "https"]),
            select(vec!["web.shop", "web.shop:80", "WEB.shop"]),
        ),
        select(PATHS.to_vec()),
        select(vec!["", "q=alice", "q", "r=a&q=al", "q=&q=alice", "q=a=b", "qq=1"]),
        headers,
        claims,
        source,
        select(vec![80, 8080]),
    )
        .prop_map(|((method, scheme, authority), path, query, headers, claims, source, port)| Called {
            method,
            scheme,
            authority,
            path,
            query,
            headers,
            claims,
            source: source.map(|(namespace, app)| workload(namespace, app)),
            port,
        })
}

/// The service itself, with HTTP on both ports.
pub fn service(namespace: &str, name: &str, address: &str) -> Service {
    let port = |port| ServicePort {
        port,
        name: "http".into(),
        target: TargetPort::Number(port),
        protocol: AppProtocol::Http11,
    };
    Service {
        key: ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")),
        name: name.into(),
        addresses: vec![address.parse().expect("an address")],
        ports: vec![port(80), port(8080)],
        selector: None,
        headless: false,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}

pub fn workload(namespace: &str, app: &str) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, app),
        name: app.into(),
        namespace: namespace.into(),
        addresses: vec!["10.244.1.1".parse().expect("an address")],
        node: "node-1".into(),
        service_account: app.into(),
        trust_domain: TrustDomain::default(),
        labels: [("app".into(), app.into())].into(),
        workload_name: app.into(),
        canonical_name: app.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "Ripstop".into(),
    }
}
