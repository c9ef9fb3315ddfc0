//! Requests, rules and backends for tests.

use std::sync::Arc;

use ripstop_decide::Target;
use ripstop_exchange::FieldChange;
use ripstop_model::{BackendRef, Fault, HeaderOperations, HttpAction, HttpRule, Rewrite, RuleId, WeightedBackend};
use ripstop_telemetry::Headers;

use super::{Fields, Request, Spelling};

/// Fields in order.
pub(super) struct List(pub Vec<(&'static str, &'static str)>);

impl Headers for List {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        self.0.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).for_each(|(_, value)| visit(value.as_bytes()));
    }
}

impl Fields for List {
    fn each<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name.as_bytes(), value.as_bytes()));
    }
}

pub(super) fn list(fields: &[(&'static str, &'static str)]) -> List {
    List(fields.to_vec())
}

/// `GET http://reviews:9080/v1/books?page=2`
pub(super) fn request(headers: &List) -> Request<'_> {
    Request {
        method: "GET",
        scheme: "http",
        authority: "reviews:9080",
        path: "/v1/books",
        spelling: Spelling::AsItCame,
        query: "page=2",
        headers,
    }
}

pub(super) fn operations(set: &[(&str, &str)], add: &[(&str, &str)], remove: &[&str]) -> HeaderOperations {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    HeaderOperations { set: pairs(set), add: pairs(add), remove: remove.iter().map(|name| (*name).into()).collect() }
}

pub(super) fn backend(host: &str, weight: u32) -> WeightedBackend {
    WeightedBackend {
        backend: BackendRef { host: host.into(), subset: None, port: Some(80) },
        weight,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
        authority: None,
        path: "spec.http[0].route[0]".into(),
    }
}

pub(super) fn target(written: &WeightedBackend) -> Target {
    Target {
        backend: written.backend.clone(),
        weight: written.weight,
        written: Some(written.clone()),
        callee: None,
        missing: None,
    }
}

/// A rule that sends everything to these.
pub(super) fn rule(backends: Vec<WeightedBackend>) -> HttpRule {
    HttpRule {
        id: RuleId(Arc::from("VirtualService/shop/reviews/spec.http[0]")),
        name: "reviews".into(),
        matches: Vec::new(),
        action: HttpAction::Forward(backends),
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

/// Changes as lines: `=name: value` for a field that is set, `+` for one that is added, `-name` for one that is gone.
pub(super) fn lines(changes: &[FieldChange<'_>]) -> Vec<String> {
    let text = String::from_utf8_lossy;
    changes
        .iter()
        .map(|change| match change {
            FieldChange::Set { name, value } => format!("={}: {}", text(name), text(value)),
            FieldChange::Add { name, value } => format!("+{}: {}", text(name), text(value)),
            FieldChange::Remove { name } => format!("-{}", text(name)),
        })
        .collect()
}
