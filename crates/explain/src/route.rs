//! The route of a question, told.

use ripstop_decide::{
    ActingRule, CallStep, CallVerdict, Callee, Client, EffectiveBackend, MissingPart, Outcome, RuleList, Target,
    backend_settings, retry_budget_of_route, rewritten,
};
use ripstop_model::{Abort, Algorithm, ClientTlsMode, HashKey, HeaderOperations, RetryBudget, RetryPolicy, UriRewrite};

use crate::{
    World,
    answer::{BackendAnswer, RouteAnswer, Settings},
    transport::preamble,
};

/// What the verdict says, in words.
pub(crate) fn told(world: &World, verdict: &CallVerdict, client: Client<'_>, path: Option<&str>) -> RouteAnswer {
    let rule = acting(&verdict.outcome).map(|rule| world.place(rule.id()));
    let mut answer = RouteAnswer {
        outcome: outcome(world, &verdict.outcome),
        rule,
        steps: verdict.trace.iter().map(|step| self::step(world, step)).collect(),
        ..RouteAnswer::default()
    };
    if let Outcome::Forward { rule, backends } = &verdict.outcome {
        let sum: f64 = backends.iter().map(|target| f64::from(target.weight)).sum();
        for target in backends {
            let share = match (backends.len(), sum) {
                (1, _) => 100.0,
                (_, sum) if sum > 0.0 => f64::from(target.weight) * 100.0 / sum,
                _ => 0.0,
            };
            answer.backends.push(BackendAnswer {
                name: target.backend.to_string(),
                share,
                missing: missing(target.missing).into(),
                settings: target
                    .callee
                    .as_ref()
                    .map(|callee| settings(world, client, callee, target))
                    .unwrap_or_default(),
            });
        }
        if let Some(rule) = rule {
            answer.settings = rule_settings(world, rule, path);
        }
    }
    answer
}

/// The rule that acts.
pub(crate) fn acting(outcome: &Outcome) -> Option<&ActingRule> {
    match outcome {
        Outcome::Forward { rule, .. } | Outcome::Redirect { rule, .. } => rule.as_ref(),
        Outcome::Respond { rule, .. } => Some(rule),
        Outcome::NoRule { .. } | Outcome::Passthrough | Outcome::Refused | Outcome::Reset => None,
    }
}

fn outcome(world: &World, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Forward { rule: None, backends } => match backends.first() {
            Some(target) => format!("no route says otherwise: it goes to {} itself", target.backend),
            None => "it goes nowhere".into(),
        },
        Outcome::Forward { rule: Some(_), backends } => match &backends[..] {
            [] => "the rule that matches names no destination".into(),
            [one] => format!("it goes to {}", one.backend),
            several => format!("it goes to one of {} destinations, by weight", several.len()),
        },
        Outcome::Redirect { status, location, .. } => format!("it is answered {status}, sent to {location}"),
        Outcome::Respond { status, body, .. } if body.is_empty() => format!("it is answered {status}"),
        Outcome::Respond { status, body, .. } => format!("it is answered {status} with {} bytes", body.len()),
        Outcome::NoRule { table: Some(table) } => {
            format!("{} has the routes of this host, and no rule of it matches: 404", world.place(table))
        }
        Outcome::NoRule { table: None } => "no VirtualService is bound to the gateway for this host: 404".into(),
        Outcome::Passthrough => "the mesh does not know the destination: it goes there as it is (ALLOW_ANY)".into(),
        Outcome::Refused => "the mesh does not know the destination, and refuses such calls (REGISTRY_ONLY)".into(),
        Outcome::Reset => "no listener of the gateway takes it: the connection is reset".into(),
    }
}

fn step(world: &World, step: &CallStep) -> String {
    match step {
        CallStep::Scope(id) => format!("what the caller sees is limited by {}", world.place(id)),
        CallStep::Table(id) => format!("{} has its routes", world.place(id)),
        CallStep::Shadowed(id) => {
            format!("{} has routes for the same host and does not act: the other is nearer or older", world.place(id))
        }
        CallStep::NoMatch { rule, because } => {
            let because: Vec<String> = because.iter().map(ToString::to_string).collect();
            format!("{} does not match: {}", world.place(rule), because.join("; "))
        }
        CallStep::Match(id) => format!("{} matches", world.place(id)),
        CallStep::Server(id) => format!("{} takes it", world.place(id)),
        CallStep::Called(_) | CallStep::Unknown(_) | CallStep::Waypoint(_) | CallStep::NotOfTls(_) => step.to_string(),
    }
}

pub(crate) fn missing(part: Option<MissingPart>) -> &'static str {
    match part {
        None => "",
        Some(MissingPart::Host) => "host",
        Some(MissingPart::Port) => "port",
        Some(MissingPart::Subset) => "subset",
    }
}

fn rule_settings(world: &World, acting: &ActingRule, path: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(rule) = acting.table.http.get(acting.index).filter(|_| acting.list == RuleList::Http) else {
        return lines;
    };
    if let Some(path) = path {
        let new = rewritten(&world.program, acting, path);
        if new != path {
            lines.push(format!("path becomes {new}"));
        } else if let Some(UriRewrite::Matched(_) | UriRewrite::Regex { .. }) = rule.rewrite.uri {
            lines.push("the rewrite leaves the path as it is".into());
        }
    }
    lines.extend(rule.rewrite.authority.iter().map(|authority| format!("authority becomes {authority}")));
    lines.extend(rule.timeout.map(|timeout| format!("timeout {timeout:?}")));
    lines.push(match &rule.retries {
        Some(retries) => self::retries(retries),
        None => format!("{} (default)", self::retries(&world.program.traffic().defaults.retries)),
    });
    let limiting = retry_budget_of_route(&world.program, rule);
    if let Some((policy, settings)) =
        limiting.and_then(|limiting| Some((limiting.policy, limiting.policy.retry_budget?)))
    {
        lines.push(format!("{} by this route ({})", budget(&settings), world.place(&policy.id)));
    }
    if let Some((delay, share)) = &rule.fault.delay {
        lines.push(format!("fault: {share} % are delayed by {delay:?}"));
    }
    match &rule.fault.abort {
        Some((Abort::Http(status), share)) => lines.push(format!("fault: {share} % are answered {status}")),
        Some((Abort::Grpc(status), share)) => lines.push(format!("fault: {share} % get gRPC status {status}")),
        None => {}
    }
    lines.extend(
        rule.mirrors.iter().map(|mirror| format!("mirror: {} % are copied to {}", mirror.share, mirror.backend)),
    );
    if rule.cors.is_some() {
        lines.push("CORS is answered for other origins".into());
    }
    lines.extend(headers("request", &rule.request_headers));
    lines.extend(headers("response", &rule.response_headers));
    lines
}

fn headers(of: &str, operations: &HeaderOperations) -> Vec<String> {
    let set = operations.set.iter().map(|(name, value)| format!("{of} header {name} is set to {value}"));
    let add = operations.add.iter().map(|(name, value)| format!("{of} header {name} is added: {value}"));
    let remove = operations.remove.iter().map(|name| format!("{of} header {name} is removed"));
    set.chain(add).chain(remove).collect()
}

fn retries(policy: &RetryPolicy) -> String {
    if policy.attempts == 0 {
        return "no retries".into();
    }
    let mut text = format!("up to {} retries on {}", policy.attempts, policy.on.join(", "));
    if !policy.status_codes.is_empty() {
        let codes: Vec<String> = policy.status_codes.iter().map(ToString::to_string).collect();
        text = format!("{text} ({})", codes.join(", "));
    }
    match policy.per_try_timeout {
        Some(timeout) => format!("{text}, {timeout:?} each"),
        None => text,
    }
}

fn budget(budget: &RetryBudget) -> String {
    let least = match (budget.min_concurrency, budget.min_per_second) {
        (0, 0) => String::new(),
        (0, rate) => format!(", and {rate} a second"),
        (least, _) => format!(", but {least} at once in any case"),
    };
    let percent = f64::from(budget.share.millionths()) / 10_000.0;
    format!("at most {percent}% of requests are retries{least}")
}

fn settings(world: &World, client: Client<'_>, callee: &Callee, target: &Target) -> Settings {
    let effective = backend_settings(&world.program, client, callee, &target.backend);
    let mut from: Vec<_> = effective.ids.iter().map(|id| world.place(id)).collect();
    from.extend(effective.subset.as_ref().map(|subset| world.place(&subset.id)));
    Settings { from, lines: lines(&effective) }
}

fn lines(effective: &EffectiveBackend) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(subset) = &effective.subset {
        let labels: Vec<String> = subset.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let labels = if labels.is_empty() { "all endpoints".to_owned() } else { labels.join(", ") };
        lines.push(format!("subset {}: {labels}", subset.name));
    }
    if let Some(balancer) = &effective.balancer {
        lines.push(match &balancer.algorithm {
            Algorithm::LeastRequest => "balanced by least request".into(),
            Algorithm::RoundRobin => "balanced round robin".into(),
            Algorithm::Random => "balanced at random".into(),
            Algorithm::PeakEwma(_) => "balanced by latency (peak EWMA)".into(),
            Algorithm::Passthrough => "goes to the address that was called".into(),
            Algorithm::Hash { key, .. } => match key {
                HashKey::Header(name) => format!("picked by a hash of header {name}"),
                HashKey::Cookie { name, .. } => format!("picked by a hash of cookie {name}"),
                HashKey::Query(name) => format!("picked by a hash of query parameter {name}"),
                HashKey::SourceIp => "picked by a hash of the caller's address".into(),
            },
        });
    }
    if let Some(pool) = &effective.pool {
        let limits = [
            ("connections", pool.max_connections),
            ("pending requests", pool.max_pending_requests),
            ("requests at once", pool.max_requests),
            ("requests a connection", pool.max_requests_per_connection),
            ("retries at once", pool.max_retries),
        ];
        lines.extend(limits.iter().filter_map(|(what, limit)| Some(format!("at most {} {what}", (*limit)?))));
        lines.extend(pool.connect_timeout.map(|timeout| format!("connect timeout {timeout:?}")));
    }
    if let Some(session) = &effective.session {
        lines.push(format!("whoever has cookie {} stays at its endpoint", session.cookie));
    }
    if let Some(budget) = &effective.retry_budget {
        lines.push(self::budget(budget));
    }
    if let Some(outlier) = &effective.outlier {
        let mut rules = Vec::new();
        if outlier.consecutive_5xx > 0 {
            rules.push(format!("{} errors (5xx) in a row", outlier.consecutive_5xx));
        }
        if outlier.consecutive_gateway > 0 {
            rules.push(format!("{} gateway errors in a row", outlier.consecutive_gateway));
        }
        if let Some(local) = outlier.consecutive_local {
            rules.push(format!("{local} connection failures in a row"));
        }
        lines.push(format!(
            "ejected for {:?} after {}, at most {} %",
            outlier.base_ejection,
            rules.join(" or "),
            outlier.max_ejection_percent
        ));
    }
    lines.extend(effective.hedging.as_ref().map(|hedging| format!("hedged: {hedging}")));
    lines.extend(effective.health_checks.as_ref().map(|checks| format!("checked: {checks}")));
    if let Some(tls) = &effective.tls {
        lines.push(match tls.mode {
            ClientTlsMode::Disable => "plaintext (tls.mode DISABLE)".into(),
            ClientTlsMode::Simple => "TLS (SIMPLE)".into(),
            ClientTlsMode::Mutual => "mutual TLS with its own certificate (MUTUAL)".into(),
            ClientTlsMode::Mesh => "mutual TLS with the mesh's identity (ISTIO_MUTUAL)".into(),
        });
    }
    lines.extend(effective.tunnel.as_ref().map(|tunnel| {
        let protocol = if tunnel.post { "POST" } else { "CONNECT" };
        format!("connections that nobody reads go through it to {}:{}, by {protocol}", tunnel.host, tunnel.port)
    }));
    lines.extend(effective.proxy_protocol.map(|version| format!("connections begin with {}", preamble(version))));
    lines
}
