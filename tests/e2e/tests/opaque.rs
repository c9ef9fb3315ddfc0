//! Where connections go that carry no requests: `tcp` and `tls` routes of `VirtualService`, at the caller's node.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ripstop_e2e::{NODES, observe::applied, reflect, tls_server};
use ripstop_world::World;

const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: tls, namespace: shop}
spec: {selector: {app: tls}, ports: [{name: tls, port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Service
metadata: {name: raw, namespace: shop}
spec: {selector: {app: web}, ports: [{name: tcp, port: 90, targetPort: 8080}, {name: tcp-other, port: 91, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: tls, namespace: shop}
spec: {host: tls, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: raw, namespace: shop}
spec: {host: raw, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
";

fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("services.yaml", SERVICES.to_owned()),
        ("web-v1.yaml", reflect("web", "v1", "shop", "west")),
        ("web-v2.yaml", reflect("web", "v2", "shop", "east")),
        ("tls-v1.yaml", tls_server("v1", "west")),
        ("tls-v2.yaml", tls_server("v2", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// Which server answers each of `count` connections.
fn answered(world: &World, command: &str, count: usize) -> Result<BTreeMap<String, usize>> {
    let script = format!("for i in $(seq {count}); do {command} || true; done");
    let told = world.shell("shop", &script)?;
    let mut names = BTreeMap::new();
    for line in told.lines().map(str::trim).filter(|line| !line.is_empty()) {
        *names.entry(line.to_owned()).or_default() += 1;
    }
    Ok(names)
}

#[test]
fn connections_are_split_by_weight_and_port() -> Result<()> {
    world()?.tell(|world| {
        let ask =
            |port: u16| format!("curl -s -m 20 -o /dev/null -w '%header{{x-reflect-name}}\\n' http://raw.shop:{port}/");
        let routes = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw, namespace: shop}
spec:
  hosts: [raw]
  tcp:
  - match: [{port: 91}]
    route: [{destination: {host: raw, subset: v2, port: {number: 91}}}]
  - match: [{port: 90}]
    route:
    - {destination: {host: raw, subset: v1, port: {number: 90}}, weight: 75}
    - {destination: {host: raw, subset: v2, port: {number: 90}}, weight: 25}
";
        applied(world, "routes.yaml", "weighted", routes)?;
        let names = answered(world, &ask(91), 20)?;
        ensure!(names == BTreeMap::from([("web-v2".to_owned(), 20)]), "{names:?}");
        let names = answered(world, &ask(90), 200)?;
        // Five standard deviations of a binomial with n = 200 and p = 0.25.
        let v2 = names.get("web-v2").copied().unwrap_or_default();
        ensure!((20..=80).contains(&v2) && names.get("web-v1") == Some(&(200 - v2)), "{names:?}");
        // Whoever calls counts, too.
        let by_caller = routes.replace("  - match: [{port: 91}]", "  - match: [{port: 91, sourceLabels: {app: till}}]\n    route: [{destination: {host: raw, subset: v1, port: {number: 91}}}]\n  - match: [{port: 91}]");
        applied(world, "routes.yaml", "by-caller", &by_caller)?;
        for (labels, expected) in [(&["app=till"][..], "web-v1"), (&[][..], "web-v2")] {
            let output = world.run("shop", labels, &format!("{0} && {0} && {0}", ask(91)))?;
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(told.split_whitespace().eq([expected; 3]), "{labels:?}: {told}\n{}", world.story_so_far());
        }
        // Without routes everybody answers again.
        applied(world, "routes.yaml", "unrouted", "")?;
        ensure!(answered(world, &ask(91), 40)?.len() == 2);
        Ok(())
    })
}

#[test]
fn tls_is_routed_by_its_server_name() -> Result<()> {
    world()?.tell(|world| {
        let ask = |name: &str| {
            format!(
                "openssl s_client -connect tls.shop:443 {name} </dev/null 2>/dev/null | openssl x509 -noout -subject 2>/dev/null | sed 's/.*= *//'"
            )
        };
        let routes = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls, namespace: shop}
spec:
  hosts: [tls, '*.example']
  tls:
  - match: [{port: 443, sniHosts: [one.example]}]
    route: [{destination: {host: tls, subset: v1}}]
  - match: [{port: 443, sniHosts: ['*.example']}]
    route: [{destination: {host: tls, subset: v2}}]
";
        applied(world, "routes.yaml", "names", routes)?;
        for (name, expected) in
            [("-servername one.example", "tls-v1"), ("-servername two.example", "tls-v2"), ("-servername ONE.example", "tls-v1")]
        {
            let names = answered(world, &ask(name), 5)?;
            ensure!(names == BTreeMap::from([(expected.to_owned(), 5)]), "{name}: {names:?}");
        }
        // Other names, and none, are the service's own.
        for name in ["-servername other.test", "-noservername"] {
            let names = answered(world, &ask(name), 20)?;
            ensure!(names.len() == 2, "{name}: {names:?}");
        }
        Ok(())
    })
}
