//! Where applications get what comes for them.

use anyhow::{Result, ensure};
use ripstop_e2e::{NODES, observe::applied, service};
use ripstop_world::World;

/// Fails the first request of each path.
const FLAKY: &str = include_str!("flaky.py");

/// A server of HTTP that listens at the loopback alone.
fn hidden(app: &str, labels: &str, listen: &str) -> String {
    format!(
        "\
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {app}, namespace: shop, labels: {{app: {app}{labels}}}}}
spec:
  node: west
  command: [bookinfo, reflect, --name, {app}, --listen, '{listen}']
  ports: [{{name: http, containerPort: 8080}}]
"
    )
}

/// What callers inside and outside of the mesh get: status and how curl ended.
fn got(world: &World, app: &str) -> Result<[String; 2]> {
    let script = format!("curl -s -m 20 -o /dev/null -w '%{{http_code}}' http://{app}.shop/; echo \" $?\"");
    let told = |namespace| -> Result<String> {
        Ok(String::from_utf8_lossy(&world.run(namespace, &[], &script)?.stdout).trim().to_owned())
    };
    Ok([told("office")?, told("outside")?])
}

fn expect(world: &World, mark: &str, app: &str, served: bool) -> Result<()> {
    for (got, place) in got(world, app)?.into_iter().zip(["inside", "outside"]) {
        let good = if served { got == "200 0" } else { got.starts_with("000 ") };
        ensure!(good, "{mark}, {app} from {place}: {got}\n{}", world.story_so_far());
    }
    Ok(())
}

#[test]
fn applications_get_calls_where_they_listen() -> Result<()> {
    let near = service("near", "shop", "http") + &hidden("near", "", "127.0.0.1:8080");
    let aside =
        service("aside", "shop", "http") + &hidden("aside", ", sidecar.istio.io/inject: 'true'", "127.0.0.1:9999");
    let world = World::start(&[("nodes.yaml", NODES), ("near.yaml", &near), ("aside.yaml", &aside)])?;
    world.tell(|world| {
        for namespace in ["shop", "office"] {
            world.enrol(namespace, true)?;
        }
        world.settle()?;
        for app in ["near", "aside"] {
            expect(world, "nothing said", app, false)?;
        }
        let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: aside, namespace: shop}\nspec:\n  workloadSelector: {labels: {app: aside}}\n  ingress: [{port: {number: 8080, protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:9999'}]\n";
        applied(world, "sidecar.yaml", "sidecar", sidecar)?;
        expect(world, "sidecar", "aside", true)?;
        expect(world, "sidecar", "near", false)?;
        let explained = world.try_cli(&["explain", "--from", "shop/near-0", "--to", "aside.shop:80", "--path", "/"])?;
        let text = String::from_utf8_lossy(&explained.stdout).into_owned();
        ensure!(text.contains("shop/aside gets it at 127.0.0.1:9999"), "{text}");
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {inboundTrafficPolicy: {mode: LOCALHOST}}}\n";
        applied(world, "mesh.yaml", "localhost", mesh)?;
        expect(world, "localhost", "near", true)?;
        expect(world, "localhost", "aside", true)?;
        // Where requests are judged one by one, too.
        let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: reads, namespace: shop}\nspec: {rules: [{to: [{operation: {paths: [/]}}]}]}\n";
        applied(world, "policy.yaml", "reads", policy)?;
        expect(world, "judged", "near", true)?;
        expect(world, "judged", "aside", true)
    })
}

/// The proxy of the callee tries again, as its mesh says, though its caller does not.
#[test]
fn applications_are_asked_again_where_the_mesh_says_so() -> Result<()> {
    let mut files = service("web", "shop", "http");
    files += "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{retries: {attempts: 0}, route: [{destination: {host: web}}]}]}\n";
    // Requests are judged one by one, and so read at the callee.
    files += "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: reads, namespace: shop}\nspec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n";
    let world = World::start(&[("nodes.yaml", NODES), ("web.yaml", &files)])?;
    world.tell(|world| {
        for namespace in ["shop", "office"] {
            world.enrol(namespace, true)?;
        }
        let mut web = world.captured_console("shop", &["--node", "west", "--label", "app=web"], FLAKY)?;
        world.settle()?;
        let get = |path: &str| -> Result<String> {
            let script = format!("curl -s -m 20 -o /dev/null -w '%{{http_code}}' http://web.shop/{path}");
            Ok(String::from_utf8_lossy(&world.run("office", &[], &script)?.stdout).trim().to_owned())
        };
        let got = get("a")?;
        ensure!(got == "500" && web.ask("seen['/a']")? == 1, "{got}\n{}", world.story_so_far());
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {defaultInboundHttpRetryPolicy: {attempts: 2, retryOn: 5xx}}}\n";
        applied(world, "mesh.yaml", "again", mesh)?;
        let got = get("b")?;
        ensure!(got == "200" && web.ask("seen['/b']")? == 2, "{got}\n{}", world.story_so_far());
        applied(world, "mesh.yaml", "once", &mesh.replace("attempts: 2, retryOn: 5xx", "attempts: 0"))?;
        let got = get("c")?;
        ensure!(got == "500" && web.ask("seen['/c']")? == 1, "{got}\n{}", world.story_so_far());
        Ok(())
    })
}
