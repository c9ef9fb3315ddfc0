//! Findings of a large mesh.

use std::fmt::Write as _;

use crate::tests::{World, now};

use super::documents;

/// How many findings a mesh of `count` services has, each with route, rule and gateway.
fn analyze(count: usize) -> usize {
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
    world.compile().findings(now()).len()
}

#[test]
fn every_service_has_its_own_findings_however_many_there_are() {
    let few = analyze(500);
    assert!(few > 0);
    assert_eq!(few * 4, analyze(2_000));
}
