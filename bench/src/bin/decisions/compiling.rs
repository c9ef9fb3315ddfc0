//! A mesh from scratch, and one change of it.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use ripstop_api::{Object, parse_file};
use ripstop_compile::{Instance, Output};

use crate::{
    Table, Unit, median,
    mesh::{Mesh, destination_rule, namespace_object, policy, service, virtual_service},
};

/// How often each change is made, there and back.
const TIMES: usize = 41;

/// Times for meshes of these sizes.
pub(crate) fn measure(sizes: &[usize]) -> Table {
    let columns = sizes.iter().map(|size| format!("{size} services")).collect();
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for size in sizes {
        for (at, (title, taken)) in of_size(*size).into_iter().enumerate() {
            if rows.len() <= at {
                rows.push((title.to_owned(), Vec::new()));
            }
            rows[at].1.push(taken.as_secs_f64() * 1e6);
        }
    }
    Table { title: "compile", columns, rows, unit: Unit::Microseconds }
}

fn of_size(services: usize) -> Vec<(&'static str, Duration)> {
    let mut mesh = Mesh::of(services);
    let mut rows = Vec::new();
    rows.push((
        "from scratch",
        median(3, || {
            let start = Instant::now();
            black_box(mesh.compile(None));
            start.elapsed()
        }),
    ));
    let mut output = mesh.compile(None);
    // In the middle, where nothing is at an edge.
    let middle = services / 20;
    let texts: [(&'static str, [String; 2]); 5] = [
        ("a Service's port", [8080, 80].map(|port| service(middle, 3, port))),
        ("a VirtualService", ["/b", "/a"].map(|prefix| virtual_service(middle, 1, prefix))),
        ("a subset of a DestinationRule", ["v3", "v2"].map(|version| destination_rule(middle, 1, version))),
        ("an AuthorizationPolicy", ["b", "a"].map(|account| policy(middle, account))),
        ("a label of a Namespace with 20 workloads", ["none", "ambient"].map(|mode| namespace_object(middle, mode))),
    ];
    for (title, texts) in texts {
        let objects = texts.map(|text| read(&text));
        let mut turn = 0;
        let taken = median(TIMES, || {
            mesh.put(objects[turn % 2].clone());
            turn += 1;
            follow(&mesh, &mut output)
        });
        rows.push((title, taken));
    }
    let uid = mesh.instances.keys().nth(services).cloned();
    let Some((uid, instance)) = uid.and_then(|uid| Some((uid.clone(), mesh.instances.get(&uid)?.clone()))) else {
        return rows;
    };
    let states = [false, true].map(|ready| Arc::new(Instance { ready, ..Instance::clone(&instance) }));
    let mut turn = 0;
    let taken = median(TIMES, || {
        mesh.instances.insert(uid.clone(), states[turn % 2].clone());
        turn += 1;
        follow(&mesh, &mut output)
    });
    rows.push(("an instance's readiness", taken));
    rows
}

/// Compiles what changed, and goes on from there.
fn follow(mesh: &Mesh, output: &mut Output) -> Duration {
    let start = Instant::now();
    let next = mesh.compile(Some(output));
    let taken = start.elapsed();
    *output = next;
    taken
}

fn read(text: &str) -> Arc<Object> {
    let mut parsed = parse_file("mesh.yaml", text);
    assert!(parsed.broken.is_empty() && parsed.objects.len() == 1, "{:?}", parsed.findings);
    Arc::new(parsed.objects.remove(0))
}
