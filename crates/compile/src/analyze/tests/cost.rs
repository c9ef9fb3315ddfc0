//! What a large mesh costs.

use std::{fmt::Write as _, time::Instant};

use crate::tests::World;

use super::documents;

const SERVICES: usize = 10_000;

/// Looks at a mesh of `count` services, each with route, rule and gateway; gives the seconds, and the findings.
fn analyze(count: usize) -> (f64, usize) {
    let mut world = World::default();
    let mut text = String::new();
    for n in 0..count {
        let namespace = format!("ns-{}", n % 50);
        let _ = write!(
            text,
            "Service {namespace}/s{n} {{selector: {{app: s{n}}}, ports: [{{name: http, port: 80}}]}}\n\
             Process {namespace}/s{n} {{app: s{n}, version: v1}}\n\
             DestinationRule {namespace}/s{n} {{host: s{n}, subsets: [{{name: v1, labels: {{version: v1}}}}]}}\n\
             VirtualService {namespace}/s{n} {{hosts: [s{n}, s{n}.example.com], gateways: [mesh, g{n}], http: [{{route: [{{destination: {{host: s{n}, subset: v1}}}}]}}]}}\n\
             ServiceEntry {namespace}/s{n} {{hosts: [e.example.com], resolution: DNS, ports: [{{number: 443, name: x, protocol: TLS}}]}}\n\
             Gateway {namespace}/g{n} {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 443, name: a, protocol: HTTPS}}, hosts: [\"*.example.com\"], tls: {{mode: SIMPLE, credentialName: c}}}}]}}\n",
        );
        // Files have a greatest size.
        if n % 1000 == 999 || n + 1 == count {
            world.objects = world.objects.union(World::of(&documents(&text)).objects);
            text.clear();
        }
    }
    let output = world.compile().clone();
    let start = Instant::now();
    let found = output.findings().len();
    (start.elapsed().as_secs_f64(), found)
}

/// Every service has the same few findings, and twice as many services cost about twice as much: quadratic rules would
/// cost four times. The bound is loose, machines are busy.
#[test]
fn cost_grows_with_the_mesh_and_no_faster() {
    let (small, few) = analyze(SERVICES / 20);
    let (large, many) = analyze(SERVICES / 5);
    assert_eq!(few * 4, many);
    assert!(large < small * 10.0 + 0.5, "{small} s, then {large} s");
}

/// `cargo test --release -- --ignored --nocapture ten_thousand` prints the seconds.
#[test]
#[ignore = "a measurement"]
fn ten_thousand_services() {
    let (seconds, found) = analyze(SERVICES);
    println!("{SERVICES} services: {found} findings in {seconds:.3} s");
}
