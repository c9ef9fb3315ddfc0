//! Who may do what: every row of `tests/authorization`, from text to verdict.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use ripstop_decide::{
    Claim, Claims, Content, Decision, DenyReason, InboundFacts, Program, RequestFacts, Token, Verdict, authorize,
    authorize_at_waypoint, examine, examine_at_waypoint, normalized,
};
use ripstop_model::{
    Change, Enrolment, Health, MeshConfig, RuleId, ServiceKey, SpiffeId, TrustDomain, TunnelProtocol, Workload,
    WorkloadUid,
};

mod table;

/// What a row asks.
struct Asked {
    peer: Option<SpiffeId>,
    source: IpAddr,
    remote: Option<IpAddr>,
    address: IpAddr,
    destination: Workload,
    port: u16,
    sni: Option<String>,
    service: Option<ServiceKey>,
    request: Option<(String, String)>,
    authority: String,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    claims: Option<Claims>,
}

#[test]
fn the_table_holds() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for group in table::groups("authorization") {
        let program = Program::new(group.output.snapshot(1));
        for row in &group.rows {
            rows += 1;
            let mut asked = read(&row.request, &row.place);
            // What was proven counts as trusted: these rows are about policies.
            let mut mesh = MeshConfig::clone(&group.output.mesh);
            mesh.federated_domains.extend(asked.peer.as_ref().map(SpiffeId::trust_domain));
            let program = program.with(2, [Change::Mesh(mesh.into())]);
            name_entry(&program, &mut asked);
            let (decision, examined) = decide(&program, &asked);
            assert_eq!(decision, examined, "{}: authorize and examine differ", row.place);
            let seen = words(&decision);
            let missing = row.expected.iter().filter(|word| !seen.contains(word));
            let audits = |words: &[String]| words.iter().filter(|word| word.starts_with("audit=")).count();
            if missing.count() > 0 || audits(&seen) != audits(&row.expected) {
                wrong.push(format!(
                    "{} ({})\n  {} => {}\n  seen {}",
                    row.place,
                    group.place,
                    row.request.join(" "),
                    row.expected.join(" "),
                    seen.join(" ")
                ));
            }
        }
    }
    assert!(rows >= 300, "{rows} rows");
    assert!(wrong.is_empty(), "{} of {rows} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn decide(program: &Program, asked: &Asked) -> (Decision, Decision) {
    let (path, query) = asked.request.as_ref().map_or(("", ""), |(_, path)| path.split_once('?').unwrap_or((path, "")));
    let path = normalized(path, program.traffic().defaults.normalization).unwrap_or_else(|why| panic!("{path}: {why}"));
    let request = asked.request.as_ref().map(|(method, _)| RequestFacts {
        method,
        scheme: "http",
        authority: &asked.authority,
        path: &path,
        query,
        headers: &asked.headers,
        token: asked.claims.as_ref().map_or(Token::Absent, Token::Valid),
    });
    let facts = InboundFacts {
        destination: &asked.destination,
        address: Some(asked.address),
        port: asked.port,
        peer: asked.peer.as_ref(),
        source: Some((asked.source, 40000).into()),
        remote: asked.remote,
        sni: asked.sni.as_deref(),
        service: asked.service.as_ref(),
        content: request.as_ref().map_or(Content::Opaque, Content::Request),
    };
    // What names a service is decided at its waypoint.
    if facts.service.is_some() {
        return (authorize_at_waypoint(program, &facts), examine_at_waypoint(program, &facts).0);
    }
    (authorize(program, &facts), examine(program, &facts).0)
}

/// A service that is a declared host is known by its host.
fn name_entry(program: &Program, asked: &mut Asked) {
    let Some(service) = &mut asked.service else { return };
    let name = service.hostname.split('.').next().unwrap_or_default().into();
    if let Some(hosts) = program.traffic().entries.get(&(service.namespace.clone(), name)) {
        *service = ServiceKey::new(service.namespace.clone(), &hosts[0].host.to_string());
    }
}

fn read(words: &[String], place: &str) -> Asked {
    let mut asked = Asked {
        peer: None,
        source: "10.244.1.10".parse().unwrap(),
        remote: None,
        address: "10.244.2.20".parse().unwrap(),
        destination: workload("shop", "reviews"),
        port: 8080,
        sni: None,
        service: None,
        request: None,
        authority: "reviews.shop".into(),
        headers: Vec::new(),
        claims: None,
    };
    let mut bare = Vec::new();
    let mut labels = Vec::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            _ if word.starts_with('/') => bare.push(word.clone()),
            "from" if value == "plain" => {}
            "from" => {
                let (namespace, account) = value.split_once('/').unwrap();
                asked.peer = Some(format!("spiffe://cluster.local/ns/{namespace}/sa/{account}").parse().unwrap());
            }
            "principal" => asked.peer = Some(format!("spiffe://{value}").parse().unwrap()),
            "ip" => asked.source = value.parse().unwrap(),
            "remote" => asked.remote = Some(value.parse().unwrap()),
            "dst" => asked.address = value.parse().unwrap(),
            "to" => {
                let (name, port) = value.split_once(':').unwrap_or((value, "8080"));
                let (namespace, app) = name.split_once('/').unwrap();
                asked.destination = workload(namespace, app);
                asked.port = port.parse().unwrap();
            }
            "labels" => labels.extend(value.split(',').map(|pair| pair.split_once('=').unwrap())),
            "host" => asked.authority = value.into(),
            "sni" => asked.sni = Some(value.into()),
            "service" => {
                let (namespace, name) = value.split_once('/').unwrap();
                let host =
                    if name.contains('.') { name.to_owned() } else { format!("{name}.{namespace}.svc.cluster.local") };
                asked.service = Some(ServiceKey::new(namespace, &host));
            }
            "jwt" => {
                let (issuer, subject) = value.rsplit_once(',').unwrap();
                let claims = asked.claims.get_or_insert_default();
                (claims.issuer, claims.subject) = (issuer.into(), subject.into());
            }
            "aud" => asked.claims.get_or_insert_default().audiences.push(value.into()),
            "azp" => asked.claims.get_or_insert_default().presenter = Some(value.into()),
            _ => {
                if let Some(name) = key.strip_prefix("h:") {
                    asked.headers.push((name.to_ascii_lowercase().into(), value.to_owned().into()));
                } else if let Some(name) = key.strip_prefix("claim:") {
                    let path: Vec<&str> = name.split('.').collect();
                    claim(&mut asked.claims.get_or_insert_default().others, &path, value);
                } else {
                    bare.push(word.clone());
                }
            }
        }
    }
    for (key, value) in labels {
        asked.destination.labels.insert(key.into(), value.into());
    }
    match &bare[..] {
        [] => {}
        [method, path] => asked.request = Some((method.clone(), path.clone())),
        other => panic!("{place}: {other:?}"),
    }
    asked
}

fn claim(claims: &mut BTreeMap<String, Claim>, path: &[&str], value: &str) {
    let (first, rest) = path.split_first().unwrap();
    if rest.is_empty() {
        match claims.entry((*first).to_owned()).or_insert_with(|| Claim::Texts(Vec::new())) {
            Claim::Texts(texts) => texts.push(value.to_owned()),
            Claim::Nested(_) => panic!("{first} is nested"),
        }
    } else {
        match claims.entry((*first).to_owned()).or_insert_with(|| Claim::Nested(BTreeMap::new())) {
            Claim::Nested(inner) => claim(inner, rest, value),
            Claim::Texts(_) => panic!("{first} is a text"),
        }
    }
}

fn workload(namespace: &str, app: &str) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, app),
        name: app.into(),
        namespace: namespace.into(),
        addresses: vec!["10.244.2.20".parse().unwrap()],
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

/// What was decided, in the table's words.
fn words(decision: &Decision) -> Vec<String> {
    let mut words = Vec::new();
    let (first, by) = match (&decision.verdict, &decision.ask) {
        (Verdict::Allow { .. }, Some(ask)) => (format!("custom:{}", ask.provider), Some(ask.rule.clone())),
        (Verdict::Allow { rule }, None) => ("allow".into(), rule.clone()),
        (Verdict::Deny { reason, policy }, _) => {
            let mtls = matches!(
                reason,
                DenyReason::Plaintext { .. } | DenyReason::Tunnel { .. } | DenyReason::TrustDomain { .. }
            );
            if mtls {
                words.push("by=mtls".into());
            }
            ("deny".into(), policy.clone().filter(|_| !mtls))
        }
    };
    words.insert(0, first);
    match by {
        Some(rule) => words.extend(short(&rule, "by")),
        None if words.len() == 1 => words.push("by=none".into()),
        None => {}
    }
    for rule in &decision.audit {
        words.extend(short(rule, "audit").into_iter().take(1));
    }
    if let Some(trial) = &decision.dry_run {
        words.push(format!("dry-run={}", if trial.allowed { "allow" } else { "deny" }));
    }
    words
}

/// `AuthorizationPolicy/ns/name/1/spec.rules[0]` with and without its rule.
fn short(rule: &RuleId, word: &str) -> Vec<String> {
    let parts: Vec<&str> = rule.0.split('/').collect();
    let index = parts.get(4).and_then(|path| path.strip_prefix("spec.rules")).unwrap_or_default();
    let name = format!("{}/{}", parts[1], parts[2]);
    vec![format!("{word}={name}{index}"), format!("{word}={name}")]
}
