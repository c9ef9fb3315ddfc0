//! Where calls go: every row of `tests/routing`, from text to outcome.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use ripstop_decide::{
    ActingRule, CallFacts, CallVerdict, Callee, Claim, Claims, Client, MissingPart, Outcome, Program, RequestFacts,
    Role, RuleList, Target, Token, backend_settings, call, normalized, rewritten,
};
use ripstop_model::{
    Abort, Algorithm, ClientTlsMode, Enrolment, HeaderOperations, Health, HttpRule, Labels, RuleId, TrustDomain,
    TunnelProtocol, Workload, WorkloadUid,
};

mod table;

#[derive(Default)]
struct Asked {
    from: Option<Workload>,
    via: String,
    host: Option<String>,
    address: Option<IpAddr>,
    port: u16,
    sni: Option<String>,
    request: Option<(String, String)>,
    authority: Option<String>,
    scheme: Option<String>,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    claims: Option<Claims>,
}

#[test]
fn the_table_holds() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for group in table::groups("routing") {
        let program = Program::new(group.output.snapshot(1));
        for row in &group.rows {
            rows += 1;
            let asked = read(&row.request, &row.place);
            let seen = outcome(&program, &asked);
            let is_destination = |word: &&String| {
                !word.contains('=')
                    && !["set:", "add:", "remove:", "rset:", "radd:", "rremove:"]
                        .iter()
                        .any(|start| word.starts_with(start))
            };
            let destinations = |words: &[String]| {
                let mut found: Vec<String> = words.iter().skip(1).filter(is_destination).cloned().collect();
                found.sort();
                found
            };
            let missing = row.expected.iter().any(|word| !seen.contains(word));
            if missing || destinations(&row.expected) != destinations(&seen) {
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
    assert!(rows >= 150, "{rows} rows");
    assert!(wrong.is_empty(), "{} of {rows} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn read(words: &[String], place: &str) -> Asked {
    let mut asked = Asked { via: "node".into(), port: 80, ..Asked::default() };
    let (mut from, mut labels, mut bare) = ("shop/client".to_owned(), Vec::new(), Vec::new());
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            _ if word.starts_with('/') => bare.push(word.clone()),
            _ if word.starts_with("via=") => asked.via = word["via=".len()..].into(),
            "from" => from = value.into(),
            "labels" => labels.extend(value.split(',').map(|pair| pair.split_once('=').unwrap())),
            "to" => {
                let (host, port) = value.rsplit_once(':').unwrap();
                asked.port = port.parse().unwrap();
                match host.trim_matches(['[', ']']).parse() {
                    Ok(address) => asked.address = Some(address),
                    Err(_) => asked.host = Some(host.into()).filter(|host: &String| !host.is_empty()),
                }
            }
            "dst" => asked.address = Some(value.parse().unwrap()),
            "host" => asked.authority = Some(value.into()),
            "scheme" => asked.scheme = Some(value.into()),
            "sni" => asked.sni = Some(value.into()),
            _ => {
                if let Some(name) = key.strip_prefix("h:") {
                    asked.headers.push((name.to_ascii_lowercase().into(), value.to_owned().into()));
                } else if let Some(name) = key.strip_prefix("claim:") {
                    let claims = asked.claims.get_or_insert_default();
                    claim(&mut claims.others, &name.split('.').collect::<Vec<_>>(), value);
                } else {
                    bare.push(word.clone());
                }
            }
        }
    }
    let (namespace, name) = from.split_once('/').unwrap();
    let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    asked.from = Some(workload(namespace, name, labels));
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

fn workload(namespace: &str, name: &str, labels: Labels) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        addresses: vec!["10.244.1.10".parse().unwrap()],
        node: "node-1".into(),
        service_account: name.into(),
        trust_domain: TrustDomain::default(),
        labels,
        workload_name: name.into(),
        canonical_name: name.into(),
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

/// What becomes of it, in the table's words.
fn outcome(program: &Program, asked: &Asked) -> Vec<String> {
    let from = asked.from.as_ref().unwrap();
    let gateway: Labels = match asked.via.strip_prefix("gateway:") {
        Some(label) => {
            let (key, value) = label.split_once('=').unwrap();
            [(key.into(), value.into())].into()
        }
        None => Labels::new(),
    };
    let role = match asked.via.as_str() {
        "node" => Role::Node,
        "sidecar" => Role::Sidecar,
        "waypoint" => Role::Waypoint { called: None },
        _ => Role::Gateway { labels: &gateway, namespace: "istio-system", address: None },
    };
    let host = asked.host.as_ref().map(|host| full_name(host, &from.namespace, program));
    let authority = asked.authority.clone().or_else(|| asked.host.clone()).unwrap_or_default();
    let authority =
        if matches!(role, Role::Sidecar) { full_name(&authority, &from.namespace, program) } else { authority };
    let (path, query) = asked.request.as_ref().map_or(("", ""), |(_, path)| path.split_once('?').unwrap_or((path, "")));
    let path = normalized(path, program.traffic().defaults.normalization).unwrap_or_else(|why| panic!("{path}: {why}"));
    let scheme = asked.scheme.clone().unwrap_or_else(|| "http".into());
    let request = asked.request.as_ref().map(|(method, _)| RequestFacts {
        method,
        scheme: &scheme,
        authority: &authority,
        path: &path,
        query,
        headers: &asked.headers,
        token: asked.claims.as_ref().map_or(Token::Absent, Token::Valid),
    });
    let facts = CallFacts {
        role,
        source: Some(from).filter(|_| gateway.is_empty()),
        host: host.as_deref(),
        address: asked.address,
        port: asked.port,
        sni: asked.sni.as_deref(),
        request: request.as_ref(),
    };
    let verdict = call(program, &facts);
    let client = if gateway.is_empty() {
        Client { namespace: &from.namespace, labels: Some(&from.labels) }
    } else {
        Client { namespace: "istio-system", labels: Some(&gateway) }
    };
    words(program, &verdict, client, &path)
}

/// As the resolver of a workload completes a name.
fn full_name(host: &str, namespace: &str, program: &Program) -> String {
    let host = host.to_ascii_lowercase();
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    let domain = &program.mesh().service_domain;
    let candidates = [
        host.clone(),
        format!("{host}.{namespace}.{domain}"),
        format!("{host}.{domain}"),
        format!("{host}.{}", domain.trim_start_matches("svc.")),
    ];
    let known = |name: &&String| program.services_named(name).next().is_some();
    match candidates.iter().find(known) {
        Some(name) => name.clone(),
        None if !host.contains('.') => candidates[1].clone(),
        None => host,
    }
}

fn words(program: &Program, verdict: &CallVerdict, client: Client<'_>, path: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    match &verdict.outcome {
        Outcome::Forward { rule, backends } => {
            words.push(if rule.is_some() { "route" } else { "service" }.into());
            words.extend(rule.as_ref().map(|rule| format!("rule={}", short(rule.id()))));
            words.extend(backends.iter().map(|target| destination(target, backends.len() > 1)));
            for written in backends.iter().filter_map(|target| target.written.as_ref()) {
                headers(&written.request_headers, "", &mut words);
                headers(&written.response_headers, "r", &mut words);
            }
            if let Some(rule) = rule {
                describe_rule(program, rule, path, &mut words);
            }
            // What no route says is the mesh's default.
            if rule.as_ref().is_none_or(|rule| rule.list != RuleList::Http) {
                let retries = &program.traffic().defaults.retries;
                words.push("timeout=none".into());
                words.push(format!("retries={}", retries.attempts));
                words.push(format!("retry-on={}", retries.on.join(",")));
                words.push(format!("backoff={}", duration(retries.backoff)));
            }
            if let Some(first) = backends.first() {
                describe_backend(program, client, first, &mut words);
            }
        }
        Outcome::Redirect { rule, status, location } => {
            words.push("redirect".into());
            words.extend(rule.as_ref().map(|rule| format!("rule={}", short(rule.id()))));
            words.extend([format!("status={status}"), format!("location={location}")]);
        }
        Outcome::Respond { rule, status, body } => {
            words.push("direct".into());
            words.push(format!("rule={}", short(rule.id())));
            words.extend([format!("status={status}"), format!("body={}", String::from_utf8_lossy(body))]);
            describe_rule(program, rule, path, &mut words);
        }
        Outcome::NoRule { .. } => words.push("404".into()),
        Outcome::Passthrough => words.push("passthrough".into()),
        Outcome::Refused => words.push("blackhole".into()),
        Outcome::Reset => words.push("reset".into()),
    }
    words
}

fn destination(target: &Target, several: bool) -> String {
    let host = match &target.callee {
        Some(Callee::Entry(entry)) => entry.host.to_string(),
        _ => target.backend.host.trim_end_matches(".svc.cluster.local").to_owned(),
    };
    let mut text = format!("{host}:{}", target.backend.port.unwrap_or_default());
    if let Some(subset) = &target.backend.subset {
        text = format!("{text}/{subset}");
    }
    if several {
        text = format!("{text}@{}", target.weight);
    }
    if matches!(target.missing, Some(MissingPart::Host | MissingPart::Port | MissingPart::Subset)) {
        text.push('!');
    }
    text
}

fn short(rule: &RuleId) -> String {
    let parts: Vec<&str> = rule.0.split('/').collect();
    format!("{}/{}[{}]", parts[1], parts[2], parts[4].trim_start_matches("spec."))
}

fn describe_rule(program: &Program, acting: &ActingRule, path: &str, words: &mut Vec<String>) {
    let Some(rule) = acting.table.http.get(acting.index).filter(|_| acting.list == RuleList::Http) else { return };
    let HttpRule { timeout, fault, mirrors, cors, request_headers, response_headers, .. } = rule;
    words.push(format!("timeout={}", timeout.map_or("none".into(), duration)));
    let retries = rule.retries.as_ref().unwrap_or(&program.traffic().defaults.retries);
    words.push(format!("retries={}", retries.attempts));
    words.extend(retries.per_try_timeout.map(|timeout| format!("per-try={}", duration(timeout))));
    let codes = retries.status_codes.iter().map(ToString::to_string);
    let on: Vec<String> = retries.on.iter().map(ToString::to_string).chain(codes).collect();
    words.push(format!("retry-on={}", on.join(",")));
    words.push(format!("backoff={}", duration(retries.backoff)));
    words.push(format!("rewrite-path={}", rewritten(program, acting, path)));
    words.extend(rule.rewrite.authority.iter().map(|host| format!("rewrite-host={host}")));
    if let Some((delay, share)) = &fault.delay {
        words.push(format!("fault-delay={}@{share}", duration(*delay)));
    }
    match &fault.abort {
        Some((Abort::Http(status), share)) => words.push(format!("fault-abort={status}@{share}")),
        Some((Abort::Grpc(status), share)) => {
            let names = [
                "OK",
                "CANCELLED",
                "UNKNOWN",
                "INVALID_ARGUMENT",
                "DEADLINE_EXCEEDED",
                "NOT_FOUND",
                "ALREADY_EXISTS",
                "PERMISSION_DENIED",
                "RESOURCE_EXHAUSTED",
                "FAILED_PRECONDITION",
                "ABORTED",
                "OUT_OF_RANGE",
                "UNIMPLEMENTED",
                "INTERNAL",
                "UNAVAILABLE",
                "DATA_LOSS",
                "UNAUTHENTICATED",
            ];
            words.push(format!("fault-abort=grpc:{}@{share}", names[usize::from(*status)]));
        }
        None => {}
    }
    for mirror in mirrors {
        let host = mirror.backend.host.trim_end_matches(".svc.cluster.local");
        let port = mirror.backend.port.unwrap_or(80);
        let subset = mirror.backend.subset.as_ref().map(|subset| format!("/{subset}")).unwrap_or_default();
        words.push(format!("mirror={host}:{port}{subset}@{}", mirror.share));
    }
    if cors.is_some() {
        words.push("cors=yes".into());
    }
    headers(request_headers, "", words);
    headers(response_headers, "r", words);
}

fn headers(operations: &HeaderOperations, start: &str, words: &mut Vec<String>) {
    words.extend(operations.set.iter().map(|(name, value)| format!("{start}set:{name}={value}")));
    words.extend(operations.add.iter().map(|(name, value)| format!("{start}add:{name}={value}")));
    words.extend(operations.remove.iter().map(|name| format!("{start}remove:{name}")));
}

fn describe_backend(program: &Program, client: Client<'_>, target: &Target, words: &mut Vec<String>) {
    let Some(callee) = &target.callee else { return };
    let settings = backend_settings(program, client, callee, &target.backend);
    match settings.ids.first() {
        Some(_) => words.extend(settings.ids.iter().map(|id| {
            let parts: Vec<&str> = id.0.split('/').collect();
            let kind = if parts[0] == "TrafficPolicy" { "tp" } else { "dr" };
            format!("{kind}={}/{}", parts[1], parts[2])
        })),
        None => words.push("dr=none".into()),
    }
    let algorithm = settings.balancer.as_ref().map(|balancer| balancer.algorithm.clone()).unwrap_or_default();
    words.push(format!(
        "lb={}",
        match algorithm {
            Algorithm::LeastRequest => "LEAST_REQUEST",
            Algorithm::RoundRobin => "ROUND_ROBIN",
            Algorithm::Random => "RANDOM",
            Algorithm::PeakEwma(_) => "PEAK_EWMA",
            Algorithm::Passthrough => "PASSTHROUGH",
            Algorithm::Hash { .. } => "HASH",
        }
    ));
    let pool = settings.pool.as_deref().cloned().unwrap_or_default();
    words.extend(pool.max_connections.map(|limit| format!("max-connections={limit}")));
    words.extend(pool.max_pending_requests.map(|limit| format!("max-pending={limit}")));
    words.extend(pool.max_requests.map(|limit| format!("max-requests={limit}")));
    let timeout = pool.connect_timeout.unwrap_or(program.traffic().defaults.connect_timeout);
    words.push(format!("connect-timeout={}", duration(timeout)));
    match settings.outlier.as_deref() {
        None => words.push("ejection=off".into()),
        Some(outlier) => {
            if outlier.consecutive_5xx > 0 {
                words.push(format!("ejection=5xx:{}", outlier.consecutive_5xx));
            }
            if outlier.consecutive_gateway > 0 {
                words.push(format!("ejection=gateway:{}", outlier.consecutive_gateway));
            }
        }
    }
    words.extend(settings.health_checks.iter().map(|checks| format!("checks={}", checks.check).replace(' ', "_")));
    words.push(format!(
        "tls={}",
        match settings.tls.as_ref().map(|tls| tls.mode) {
            None => "auto",
            Some(ClientTlsMode::Disable) => "DISABLE",
            Some(ClientTlsMode::Simple) => "SIMPLE",
            Some(ClientTlsMode::Mutual) => "MUTUAL",
            Some(ClientTlsMode::Mesh) => "ISTIO_MUTUAL",
        }
    ));
}

fn duration(duration: std::time::Duration) -> String {
    if duration.subsec_nanos() == 0 && duration.as_secs() > 0 {
        format!("{}s", duration.as_secs())
    } else if duration.subsec_millis().is_multiple_of(100) && duration.as_secs() > 0 {
        format!("{}s", duration.as_secs_f64())
    } else {
        format!("{}ms", duration.as_millis())
    }
}
