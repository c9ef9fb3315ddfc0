//! Policies and what they decide about, made of few words, so that they meet.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use proptest::{collection::vec, option, prelude::*, sample::select};
use ripstop_decide::{Claim, Claims, Content, InboundFacts, RequestFacts, Token};
use ripstop_model::{
    Action, Attribute, Authorization, Authorizer, AuthorizerProtocol, Change, Condition, Enrolment, Health, MeshConfig,
    PolicyTarget, Rule, RuleId, Selector, Sense, ServiceKey, Snapshot, SpiffeId, TargetKind, TargetRef, TrustDomain,
    TunnelProtocol, Value, Workload, WorkloadUid,
};

/// What is asked, owned.
#[derive(Clone, Debug)]
pub struct Asked {
    pub destination: Workload,
    pub address: Option<IpAddr>,
    pub port: u16,
    pub peer: Option<SpiffeId>,
    pub source: Option<SocketAddr>,
    pub remote: Option<IpAddr>,
    pub sni: Option<String>,
    pub service: Option<ServiceKey>,
    pub request: Option<AskedRequest>,
    /// Nobody looked what the connection carries, where it is no request.
    pub unread: bool,
}

/// A request, owned.
#[derive(Clone, Debug)]
pub struct AskedRequest {
    pub method: &'static str,
    pub authority: &'static str,
    pub path: &'static str,
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub token: AskedToken,
}

/// A token, owned.
#[derive(Clone, Debug)]
pub enum AskedToken {
    Unchecked,
    Absent,
    Valid(Claims),
}

impl Asked {
    pub fn with<T>(&self, then: impl FnOnce(&InboundFacts<'_>) -> T) -> T {
        let request = self.request.as_ref().map(|request| RequestFacts {
            method: request.method,
            scheme: "http",
            authority: request.authority,
            path: request.path,
            query: "",
            headers: &request.headers,
            token: match &request.token {
                AskedToken::Unchecked => Token::Unchecked,
                AskedToken::Absent => Token::Absent,
                AskedToken::Valid(claims) => Token::Valid(claims),
            },
        });
        then(&InboundFacts {
            destination: &self.destination,
            address: self.address,
            port: self.port,
            peer: self.peer.as_ref(),
            source: self.source,
            remote: self.remote,
            sni: self.sni.as_deref(),
            service: self.service.as_ref(),
            content: match &request {
                Some(request) => Content::Request(request),
                None if self.unread => Content::Unread,
                None => Content::Opaque,
            },
        })
    }
}

/// A mesh with just these policies.
pub fn snapshot(policies: &[Authorization]) -> Snapshot {
    let federated_domains = vec!["partner.example".parse().expect("a trust domain")];
    let mesh = MeshConfig { federated_domains, ..MeshConfig::default() };
    let policies = policies.iter().map(|policy| Change::Authorization(Arc::new(policy.clone())));
    Snapshot::default().with(1, [Change::Mesh(mesh.into())].into_iter().chain(policies))
}

/// Policies, each with a name of its own in its namespace.
pub fn policies(most: usize) -> impl Strategy<Value = Vec<Authorization>> {
    vec(policy(), 0..=most).prop_map(|mut policies| {
        for (index, policy) in policies.iter_mut().enumerate() {
            rename(policy, &format!("p{index}"));
        }
        policies
    })
}

/// Another name.
pub fn rename(policy: &mut Authorization, name: &str) {
    policy.name = name.into();
    policy.id = RuleId(format!("AuthorizationPolicy/{}/{name}/1", policy.namespace).into());
}

pub fn policy() -> impl Strategy<Value = Authorization> {
    let action = prop_oneof![
        4 => Just(Action::Allow),
        3 => Just(Action::Deny),
        1 => Just(Action::Audit),
        1 => select(vec![
            ("http", Some(AuthorizerProtocol::Http)),
            ("grpc", Some(AuthorizerProtocol::Grpc)),
            ("nobody", None),
        ])
        .prop_map(|(name, protocol)| Action::Custom(Authorizer { name: name.into(), protocol })),
    ];
    let namespace = select(vec!["istio-system", "shop", "bank"]);
    (namespace, target(), action, prop::bool::weighted(0.15), vec(rule(), 0..4), 0..3_u64).prop_map(
        |(namespace, target, action, dry_run, rules, created)| Authorization {
            id: RuleId("".into()),
            namespace: namespace.into(),
            name: "p".into(),
            target,
            action,
            dry_run,
            rules,
            created,
        },
    )
}

fn target() -> impl Strategy<Value = PolicyTarget> {
    let labels = |pairs: &[(&str, &str)]| {
        PolicyTarget::Workloads(Selector(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()))
    };
    let attached =
        |name: &str| PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: name.into() }]);
    prop_oneof![
        5 => Just(labels(&[])),
        2 => Just(labels(&[("app", "reviews")])),
        1 => Just(labels(&[("app", "reviews"), ("version", "v2")])),
        1 => Just(attached("reviews")),
    ]
}

pub fn rule() -> impl Strategy<Value = Rule> {
    let group = |attributes: BoxedStrategy<Condition>| vec(vec(attributes, 1..3), 0..3);
    let from = prop_oneof![identity(), addresses(Attribute::SourceIp), addresses(Attribute::RemoteIp), principals()];
    let to = prop_oneof![ports(), texts(Attribute::Host), texts(Attribute::Method), paths()];
    let when = prop_oneof![
        identity(),
        principals(),
        addresses(Attribute::DestinationIp),
        texts(Attribute::Sni),
        texts(Attribute::Header("x-user".into())),
        texts(Attribute::Header(":method".into())),
        texts(Attribute::Audiences),
        texts(Attribute::Presenter),
        texts(Attribute::Claim(vec!["group".into()])),
        texts(Attribute::Claim(vec!["realm".into(), "role".into()])),
        texts(Attribute::Claim(vec!["sub".into()])),
        texts(Attribute::Metadata("experimental.envoy.filters.x[y]".into())),
    ];
    (group(from.boxed()), group(to.boxed()), vec(when, 0..2)).prop_map(|(from, to, when)| {
        let mut rule = Rule { from, to, when };
        let all = rule.from.iter_mut().flatten().chain(rule.to.iter_mut().flatten()).chain(&mut rule.when);
        for (index, condition) in all.enumerate() {
            condition.path = format!("condition[{index}]").into();
        }
        rule
    })
}

fn condition(attribute: Attribute, value: impl Strategy<Value = Value>) -> impl Strategy<Value = Condition> {
    let sense = prop_oneof![2 => Just(Sense::AnyOf), 1 => Just(Sense::NoneOf)];
    (sense, vec(value, 1..3)).prop_map(move |(sense, values)| Condition {
        attribute: attribute.clone(),
        sense,
        values,
        path: "".into(),
    })
}

fn identity() -> BoxedStrategy<Condition> {
    let account = (select(vec!["shop", "bank"]), select(vec!["web", "cart"]));
    let account =
        account.prop_map(|(namespace, name)| Value::Account { namespace: namespace.into(), name: name.into() });
    prop_oneof![
        condition(Attribute::Principal, words(vec!["cluster.local/ns/shop/sa/web", "cluster.local/ns/", "/sa/cart"])),
        condition(
            Attribute::Namespace,
            prop_oneof![
                words(vec!["shop", "bank"]),
                select(vec!["*o*", "s*p", "*", "b**k"]).prop_map(|glob| Value::Glob(glob.into()))
            ]
        ),
        condition(Attribute::TrustDomain, words(vec!["cluster.local", "partner.example", "cluster"])),
        condition(Attribute::ServiceAccount, account),
    ]
    .boxed()
}

fn principals() -> BoxedStrategy<Condition> {
    let pool =
        vec!["https://idp/alice", "https://idp/", "https://idp/al", "/alice", "idp/alice", "ice", "https://idp/a/b"];
    condition(Attribute::RequestPrincipal, words(pool)).boxed()
}

fn addresses(attribute: Attribute) -> BoxedStrategy<Condition> {
    let blocks = vec!["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "fd00::/16", "::/0"];
    condition(attribute, select(blocks).prop_map(|block| Value::Block(block.parse().expect("a block")))).boxed()
}

fn ports() -> BoxedStrategy<Condition> {
    condition(Attribute::Port, select(vec![80, 8080, 9090]).prop_map(Value::Port)).boxed()
}

fn texts(attribute: Attribute) -> BoxedStrategy<Condition> {
    condition(attribute, words(vec!["GET", "POST", "reviews.shop", "Reviews", "alice", "admin", "a", "e"])).boxed()
}

fn paths() -> BoxedStrategy<Condition> {
    let templates = vec!["/{*}", "/a/{*}", "/{*}/b", "/a/{**}", "/{**}", "/{*}/{**}", "/{**}/b", "/a/{**}/b"];
    let templates = select(templates).prop_map(|template| Value::Template(template.into()));
    condition(Attribute::Path, prop_oneof![words(vec!["/", "/a", "/a/b", "b"]), templates]).boxed()
}

/// Any form of any of these texts.
fn words(pool: Vec<&'static str>) -> impl Strategy<Value = Value> {
    (select(pool), 0..8).prop_map(|(text, form)| match form {
        0..4 => Value::Exact(text.into()),
        4 | 5 => Value::Prefix(text.into()),
        6 => Value::Suffix(text.into()),
        _ => Value::Present,
    })
}

pub fn asked() -> impl Strategy<Value = Asked> {
    let place = (select(vec!["shop", "bank", "istio-system"]), select(vec!["v1", "v2"]), select(vec!["reviews", "x"]));
    let address = || select(vec!["10.1.2.3", "10.9.9.9", "192.0.2.1", "fd00::1", "::ffff:10.1.2.3"]);
    let ip = move || address().prop_map(|text| text.parse::<IpAddr>().expect("an address"));
    let peer = select(vec![
        "cluster.local/ns/shop/sa/web",
        "cluster.local/ns/bank/sa/cart",
        "partner.example/ns/shop/sa/web",
        "cluster.local/ripstop/gateway/edge",
    ]);
    let peer = peer.prop_map(|peer| format!("spiffe://{peer}").parse::<SpiffeId>().expect("an id"));
    let service = select(vec![("shop", "reviews"), ("shop", "other"), ("bank", "reviews")]);
    let service = service
        .prop_map(|(namespace, name)| ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")));
    (
        place,
        option::weighted(0.9, ip()),
        select(vec![80, 8080, 9090]),
        option::weighted(0.7, peer),
        option::weighted(0.9, ip()),
        option::weighted(0.3, ip()),
        option::weighted(0.3, select(vec!["reviews.shop", "a", ""])),
        option::weighted(0.5, service),
        option::weighted(0.7, request()),
        any::<bool>(),
    )
        .prop_map(
            |((namespace, version, app), address, port, peer, source, remote, sni, service, request, unread)| Asked {
                destination: workload(namespace, app, version),
                address,
                port,
                peer,
                source: source.map(|ip| (ip, 40_000).into()),
                remote,
                sni: sni.map(str::to_owned),
                service,
                request,
                unread,
            },
        )
}

fn request() -> impl Strategy<Value = AskedRequest> {
    let header = (select(vec!["x-user", "x-other"]), select(vec!["alice", "", "admin", "a"]));
    let headers = vec(header.prop_map(|(name, value)| (name.into(), value.into())), 0..3);
    let token = prop_oneof![1 => Just(AskedToken::Unchecked), 1 => Just(AskedToken::Absent), 3 => claims().prop_map(AskedToken::Valid)];
    (
        select(vec!["GET", "POST", "get"]),
        select(vec!["reviews.shop", "REVIEWS.shop", "Reviews", "a", "reviews.shop:80"]),
        select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "//b", "/c/b", "/A"]),
        headers,
        token,
    )
        .prop_map(|(method, authority, path, headers, token)| AskedRequest {
            method,
            authority,
            path,
            headers,
            token,
        })
}

fn claims() -> impl Strategy<Value = Claims> {
    let texts = || vec(select(vec!["alice", "admin", "a", "e"]).prop_map(str::to_owned), 0..3);
    (
        select(vec!["https://idp", "https://idp/a", "https://idp/al", ""]),
        select(vec!["alice", "al", "b", "x/alice", ""]),
        texts(),
        option::of(select(vec!["alice", "a"])),
        option::of(texts()),
        option::of(texts()),
    )
        .prop_map(|(issuer, subject, audiences, presenter, group, role)| {
            let mut others = BTreeMap::new();
            others.extend(group.map(|texts| ("group".to_owned(), Claim::Texts(texts))));
            let realm = |texts| Claim::Nested([("role".to_owned(), Claim::Texts(texts))].into());
            others.extend(role.map(|texts| ("realm".to_owned(), realm(texts))));
            Claims {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
                audiences,
                presenter: presenter.map(str::to_owned),
                others,
            }
        })
}

pub fn workload(namespace: &str, app: &str, version: &str) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, app),
        name: app.into(),
        namespace: namespace.into(),
        addresses: vec!["10.244.1.1".parse().expect("an address")],
        node: "node-1".into(),
        service_account: app.into(),
        trust_domain: TrustDomain::default(),
        labels: [("app".into(), app.into()), ("version".into(), version.into())].into(),
        workload_name: app.into(),
        canonical_name: app.into(),
        canonical_revision: version.into(),
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
