//! Decisions of authorization, and routes.

use std::hint::black_box;

use ripstop_decide::{CallFacts, Content, InboundFacts, Program, RequestFacts, Role, Token, authorize, call, outcome};
use ripstop_model::{Snapshot, SpiffeId, Workload};

use crate::{
    Table, Unit,
    mesh::{Mesh, service},
    nanoseconds,
};

#[path = "../../../../crates/decide/tests/reference/authorization.rs"]
mod naive_authorization;
#[path = "../../../../crates/decide/tests/reference/routing.rs"]
mod naive_routing;

/// A decision by number of policies, of which only the last allows.
pub(crate) fn authorization() -> Table {
    let columns = ["connection", "connection, naive", "request", "request, naive"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for count in [0, 1, 10, 100] {
        let mut figures = Vec::new();
        for paths in [None, Some("/api/*")] {
            let program = Program::new(guarded(count, paths));
            let destination = workload(&program);
            let peer: SpiffeId = "spiffe://cluster.local/ns/ns-0/sa/web".parse().unwrap_or_else(|_| unreachable!());
            let request = RequestFacts {
                method: "GET",
                scheme: "http",
                authority: "s0.ns-0",
                path: "/api/v1/things",
                query: "",
                headers: &[],
                token: Token::Absent,
            };
            let mut facts = InboundFacts::connection(&destination, 8080, Some(&peer), None);
            if paths.is_some() {
                facts.content = Content::Request(&request);
            }
            assert!(authorize(&program, &facts).verdict.is_allow());
            figures.push(nanoseconds(|| drop(black_box(authorize(&program, black_box(&facts))))));
            let snapshot = program.snapshot();
            figures.push(nanoseconds(|| drop(black_box(naive_authorization::authorize(snapshot, black_box(&facts))))));
        }
        rows.push((format!("{count} policies"), figures));
    }
    Table { title: "authorize", columns, rows, unit: Unit::Nanoseconds }
}

/// A mesh with one service, whose namespace has that many policies: every third denies.
fn guarded(count: usize, paths: Option<&str>) -> Snapshot {
    let mut mesh = Mesh::of(1);
    for index in 0..count {
        let last = index + 1 == count;
        let action = if index % 3 == 2 && !last { "DENY" } else { "ALLOW" };
        let account = if last { "web".to_owned() } else { format!("other-{index}") };
        let to = paths.map(|paths| format!(", to: [{{operation: {{methods: [GET], paths: ['{paths}']}}}}]"));
        mesh.declare(&format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: policy-{index}, namespace: ns-0}}\n\
             spec: {{action: {action}, rules: [{{from: [{{source: {{principals: [cluster.local/ns/ns-0/sa/{account}, \
             'cluster.local/ns/other-{index}/*']}}}}]{}}}]}}\n",
            to.unwrap_or_default(),
        ));
    }
    // The one that the mesh brings along would count, too.
    mesh.remove("deny");
    mesh.compile(None).snapshot(1)
}

/// A route by number of rules, of which the last one matches.
pub(crate) fn routes() -> Table {
    let columns = ["outcome", "with its trace", "naive"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for count in [10, 100, 1_000] {
        let program = Program::new(routed(count));
        let source = workload(&program);
        let path = format!("/service-{}/things", count - 1);
        let request = RequestFacts {
            method: "GET",
            scheme: "http",
            authority: "s0.ns-0",
            path: &path,
            query: "",
            headers: &[],
            token: Token::Absent,
        };
        let facts = CallFacts {
            role: Role::Node,
            source: Some(&source),
            host: Some("s0.ns-0.svc.cluster.local"),
            address: None,
            port: 80,
            sni: None,
            request: Some(&request),
        };
        let table = program.traffic().routes.values().next().cloned();
        let table = table.unwrap_or_else(|| unreachable!("there is one"));
        let place = naive_routing::Caller { source: Some((&source.labels, "ns-0")), waypoint: false, port: 80 };
        assert_eq!(naive_routing::http(&table, &request, place), Some((count - 1, Some(0))));
        let figures = vec![
            nanoseconds(|| drop(black_box(outcome(&program, black_box(&facts))))),
            nanoseconds(|| drop(black_box(call(&program, black_box(&facts))))),
            nanoseconds(|| {
                black_box(naive_routing::http(&table, black_box(&request), place));
            }),
        ];
        rows.push((format!("{count} rules"), figures));
    }
    Table { title: "route", columns, rows, unit: Unit::Nanoseconds }
}

/// A mesh with one service and so many rules for it, each with a prefix of its own.
fn routed(count: usize) -> Snapshot {
    let mut mesh = Mesh::of(1);
    let rule = |index: usize| {
        format!(
            "{{match: [{{uri: {{prefix: /service-{index}/}}}}], route: [{{destination: {{host: s{}}}}}]}}",
            index % 10
        )
    };
    let rules: Vec<String> = (0..count).map(rule).collect();
    mesh.remove("s0");
    mesh.remove("s1");
    mesh.declare(&service(0, 0, 80));
    mesh.declare(&format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: many, namespace: ns-0}}\n\
         spec: {{hosts: [s0], http: [{}]}}\n",
        rules.join(", ")
    ));
    mesh.compile(None).snapshot(1)
}

fn workload(program: &Program) -> Workload {
    let first = program.workloads().min_by_key(|workload| workload.uid.clone());
    Workload::clone(first.unwrap_or_else(|| unreachable!("there are some")))
}
