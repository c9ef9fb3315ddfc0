//! Waypoints: proxies of the mesh that stand in front of services and workloads.

#[path = "waypoint/canaries.rs"]
mod canaries;
#[path = "waypoint/workloads.rs"]
mod workloads;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    observe::{applied, killed, logged},
    reflect, service,
    shop::SUBSETS,
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::{Value, json};

/// How the waypoint is named.
const PROXY: &str = "shop.waypoint-0";
/// The workload of that.
const INSTANCE: &str = "shop/waypoint-0";
const WEB: &str = "http://web.shop/";

/// Threads that ask on connections that they keep for so many requests; `seen()` gives how many were answered, and what
/// failed.
const CLIENT: &str = r#"
import http.client, itertools, threading

answered, failures = 0, []

def ask_for_ever(kept):
    global answered
    connection = http.client.HTTPConnection("web.shop", 80, timeout=20)
    for number in itertools.count(1):
        if number % kept == 0: connection.close()
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200: answered += 1
            else: failures.append(f"{answer.status} {body[:200]}")
        except Exception as error:
            failures.append(repr(error))
            connection = http.client.HTTPConnection("web.shop", 80, timeout=20)

def begin(connections, kept):
    for _ in range(connections):
        threading.Thread(target=ask_for_ever, args=(kept,), daemon=True).start()

def seen(): return [answered, failures]
"#;

/// Two versions of `web` in `shop`, and callers there and in `other`, all enrolled; what proxies see is logged.
fn world() -> Result<World> {
    let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\n\
                spec: {meshConfig: {accessLogFile: /dev/stdout}}\n";
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("mesh.yaml", mesh.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.enrol("other", true)?;
    world.settle()?;
    Ok(world)
}

/// The same, with a waypoint that all services of `shop` go through.
fn with_waypoint() -> Result<World> {
    let world = world()?;
    let told = world.cli(&["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait"])?;
    ensure!(told.contains("created in") && told.contains("waypoint shop/waypoint is ready"), "{told}");
    world.settle()?;
    Ok(world)
}

/// What curl prints for `options` (status and body) in a workload of `namespace`.
fn curl(world: &World, namespace: &str, options: &str) -> Result<String> {
    world.shell(namespace, &format!("curl -s -m 20 -w ' %{{http_code}}' {options} 2>&1 || echo failed $?"))
}

/// Waits until curl prints something with all `words`.
fn answers(world: &World, namespace: &str, options: &str, words: &[&str]) -> Result<String> {
    let mut last = String::new();
    let waited = wait_for(&format!("{words:?} of curl {options}"), SOON, || {
        last = curl(world, namespace, options)?;
        Ok(words.iter().all(|word| last.contains(word)).then(|| last.clone()))
    });
    waited.map_err(|error| error.context(format!("last: {last}\n{}", world.story_so_far())))
}

/// How many requests the waypoint has counted, by status.
fn passed(world: &World) -> Result<BTreeMap<String, u64>> {
    let metrics = world.cli(&["metrics", PROXY])?;
    let mut passed = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("istio_requests_total{")) {
        ensure!(line.contains("reporter=\"waypoint\""), "{line}");
        let label = |name: &str| line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let count: f64 = line.rsplit(' ').next().context("no value")?.parse()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = count as u64;
        *passed.entry(label("response_code").unwrap_or_default().to_owned()).or_default() += count;
    }
    Ok(passed)
}

/// What explain answers, whatever its status says of it.
fn explain(world: &World, question: &[&str]) -> Result<Value> {
    let output = world.try_cli(&[&["explain"], question, &["-o", "json"]].concat())?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn routes(http: &str) -> String {
    format!(
        "{SUBSETS}---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\n\
         spec:\n  hosts: [web]\n  http:\n{http}"
    )
}

#[test]
fn routes_and_policies_act_there_with_the_callers_identity() -> Result<()> {
    with_waypoint()?.tell(|world| {
        ensure!(world.get("shop", "waypoint-0")?["mesh"]["state"] == "WAYPOINT", "{}", world.get("shop", "waypoint-0")?);
        let services = world.cli(&["get", "services", "-n", "shop"])?;
        ensure!(services.contains("WAYPOINT"), "{services}");
        let described = world.cli(&["describe", "service", "web", "-n", "shop"])?;
        ensure!(described.contains("shop/waypoint (1 ready)"), "{described}");
        let listed = world.cli(&["waypoint", "list"])?;
        ensure!(listed.contains("waypoint") && listed.contains("1/1"), "{listed}");
        let findings = world.cli(&["get", "findings"])?;
        ensure!(!findings.contains("RS24"), "{findings}");

        // From either namespace it goes through, and arrives in the waypoint's name.
        answers(world, "shop", WEB, &["\"name\":\"web-v", " 200"])?;
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;
        wait_for("the waypoint to count both", SOON, || Ok((passed(world)?.get("200") >= Some(&2)).then_some(())))?;
        curl(world, "other", &format!("'{WEB}?n=[1-30]'"))?;
        wait_for("the callee's node to know the waypoint", SOON, || {
            Ok(world.cli(&["metrics", "node-west"])?.contains("sa/waypoint\"").then_some(()))
        })?;

        // Routes and faults.
        applied(
            world,
            "routes.yaml",
            "routed",
            &routes(
                "  - match: [{uri: {exact: /tea}}]\n    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}\n    \
                 route: [{destination: {host: web}}]\n  \
                 - headers: {request: {set: {x-by: waypoint}}}\n    route: [{destination: {host: web, subset: v2}}]\n",
            ),
        )?;
        answers(world, "shop", &format!("{WEB}tea"), &["fault filter abort", " 418"])?;
        for namespace in ["shop", "other"] {
            answers(world, namespace, WEB, &["\"name\":\"web-v2\"", "\"x-by\"", " 200"])?;
        }
        ensure!(passed(world)?.get("418") >= Some(&1), "{:?}", passed(world)?);

        // A policy that is attached to the service: one caller may not delete.
        let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: keep, namespace: shop}\n\
                      spec:\n  targetRefs: [{kind: Service, group: '', name: web}]\n  action: DENY\n  rules:\n  \
                      - from: [{source: {principals: [cluster.local/ns/other/sa/default]}}]\n    \
                      to: [{operation: {methods: [DELETE]}}]\n";
        applied(world, "policy.yaml", "kept", policy)?;
        answers(world, "other", &format!("-X DELETE {WEB}"), &["RBAC: access denied", " 403"])?;
        answers(world, "other", WEB, &["\"name\":\"web-v2\"", " 200"])?;
        answers(world, "shop", &format!("-X DELETE {WEB}"), &["\"name\":\"web-v2\"", " 200"])?;
        logged(world, INSTANCE, &["DELETE", "403", "rbac_access_denied"])?;
        let findings = world.cli(&["get", "findings"])?;
        ensure!(!findings.contains("targetRefs"), "{findings}");

        // explain says the same, and why.
        let explained = |method: &str, from: &str| {
            explain(world, &["--from", from, "--to", "web.shop:80", "-X", method])
        };
        let denied = explained("DELETE", "cluster.local/ns/other/sa/default")?;
        ensure!(denied["verdict"] == "denied" && denied["waypoint"]["name"] == INSTANCE, "{denied}");
        ensure!(denied["summary"].as_str().is_some_and(|said| said.contains("at the waypoint")), "{denied}");
        let allowed = explained("GET", "cluster.local/ns/other/sa/default")?;
        ensure!(allowed["verdict"] == "allowed", "{allowed}");
        ensure!(allowed["endpoints"][0]["transport"].as_str().is_some_and(|said| said.contains("sa/waypoint")), "{allowed}");

        // The callee's own policies know the waypoint alone.
        let own = |who: &str| {
            format!(
                "{policy}---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: own, namespace: shop}}\n\
                 spec:\n  selector: {{matchLabels: {{app: web}}}}\n  rules: [{{from: [{{source: {{principals: [{who}]}}}}]}}]\n"
            )
        };
        applied(world, "policy.yaml", "waypoint-only", &own("cluster.local/ns/shop/sa/waypoint"))?;
        answers(world, "other", WEB, &[" 200"])?;
        applied(world, "policy.yaml", "caller-only", &own("cluster.local/ns/other/sa/default"))?;
        let refused = answers(world, "other", WEB, &[" 403"])?;
        ensure!(!refused.contains("web-v"), "{refused}");
        let told = explained("GET", "cluster.local/ns/other/sa/default")?;
        ensure!(told["verdict"] == "denied", "{told}");
        Ok(())
    })
}

/// The lines of a proxy about requests that the limit of `web` passed or refused.
fn counted(world: &World, proxy: &str, result: &str) -> Result<u64> {
    let begin = "ripstop_rate_limit_requests_total{policy=\"shop/web\",";
    let metrics = world.cli(&["metrics", proxy])?;
    let mut lines = metrics.lines().filter(|line| line.starts_with(begin));
    let line = lines.find(|line| line.contains(&format!("result=\"{result}\"")));
    line.map_or(Ok(0), |line| line.rsplit(' ').next().and_then(|count| count.parse().ok()).context("no count"))
}

#[test]
fn limits_are_counted_at_the_waypoint_or_for_whoever_goes_past_it() -> Result<()> {
    with_waypoint()?.tell(|world| {
        let limit = "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  \
                     targetRefs: [{kind: Service, name: web}]\n  \
                     rateLimits: [{requests: 3, interval: 1h, per: {identity: {}}}]\n";
        applied(world, "limit.yaml", "three-each", limit)?;
        let asked = |namespace: &str, url: &str| {
            let all = format!("for i in 1 2 3 4 5; do curl -s -o /dev/null -m 20 -w '%{{http_code}} ' {url}; done");
            Ok::<_, anyhow::Error>(world.shell(namespace, &all)?.trim().to_owned())
        };
        // The two callers have an account of the same name, and are two.
        for namespace in ["other", "shop"] {
            let got = asked(namespace, WEB)?;
            ensure!(got == "200 200 200 429 429", "{namespace}: {got}\n{}", world.story_so_far());
        }
        wait_for("the waypoint to tell", SOON, || {
            let told = (counted(world, PROXY, "passed")?, counted(world, PROXY, "refused")?);
            Ok((told == (6, 4)).then_some(()))
        })?;
        for node in ["node-west", "node-east"] {
            ensure!(counted(world, node, "passed")? == 0, "{node} counts what the waypoint has counted");
        }
        let told = world.cli(&["explain", "--from", "cluster.local/ns/other/sa/default", "--to", "web.shop:80", "--path", "/"])?;
        ensure!(told.matches("refuses with 429").count() == 1 && told.contains("at shop/waypoint-0 a limit"), "{told}");

        // Past it, by an endpoint's own address: no way around the limit.
        let address = world.get("shop", "web-v1-0")?["addresses"][0].as_str().context("no address")?.to_owned();
        let got = asked("other", &format!("http://{address}:8080/"))?;
        ensure!(got == "200 200 200 429 429", "{got}\n{}", world.story_so_far());
        ensure!(counted(world, "node-west", "passed")? == 3, "{}", world.cli(&["metrics", "node-west"])?);

        // Nor around what is attached, where endpoints admit the waypoint alone.
        let own = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: own, namespace: shop}\n\
                   spec:\n  selector: {matchLabels: {app: web}}\n  \
                   rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/waypoint]}}]}]\n";
        applied(world, "limit.yaml", "waypoint-only", own)?;
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;
        let past = curl(world, "other", &format!("http://{address}:8080/"))?;
        ensure!(!past.contains("web-v"), "{past}");
        Ok(())
    })
}

/// Another Service of the same pods, another port, or a host that leads to them.
#[test]
fn no_other_name_of_the_same_workloads_is_a_way_around_a_limit() -> Result<()> {
    with_waypoint()?.tell(|world| {
        let address = world.get("shop", "web-v1-0")?["addresses"][0].as_str().context("no address")?.to_owned();
        let limit = "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  \
                     targetRefs: [{kind: Service, name: web}]\n  \
                     rateLimits: [{requests: 3, interval: 1h, per: {identity: {}}}]\n";
        let others = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: twin, namespace: shop}}\nspec:\n  selector: {{app: web}}\n  \
             ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp-raw, port: 81, targetPort: 8080}}]\n\
             ---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: alias, namespace: shop}}\nspec:\n  \
             hosts: [alias.example]\n  resolution: STATIC\n  \
             ports: [{{number: 80, targetPort: 8080, name: http, protocol: HTTP}}]\n  endpoints: [{{address: {address}}}]\n"
        );
        applied(world, "limit.yaml", "three-each", &format!("{limit}{others}"))?;
        let ask = |count: usize, url: &str| {
            let all = format!(
                "for i in $(seq {count}); do curl -s -o /dev/null -m 20 -w '%{{http_code}} ' {url} || true; done"
            );
            Ok::<_, anyhow::Error>(world.shell("other", &all)?.trim().to_owned())
        };
        ensure!(ask(2, "http://twin.shop/")? == "200 200", "{}", world.story_so_far());
        let got = ask(2, "http://alias.example/")?;
        ensure!(got == "200 429", "{got}\n{}", world.story_so_far());
        for url in ["http://twin.shop/", WEB, "http://alias.example/"] {
            let got = ask(1, url)?;
            ensure!(got == "429", "{url}: {got}\n{}", world.story_so_far());
        }
        // What is declared as TCP can't be counted, and is not passed on.
        let got = ask(1, "http://twin.shop:81/")?;
        ensure!(got == "000", "{got}\n{}", world.story_so_far());
        let told = world.cli(&["explain", "--from", "cluster.local/ns/other/sa/default", "--to", "twin.shop:80", "--path", "/"])?;
        ensure!(told.matches("refuses with 429").count() == 1, "{told}");
        Ok(())
    })
}

#[test]
fn a_declared_host_is_counted_at_its_waypoint_and_nowhere_before() -> Result<()> {
    with_waypoint()?.tell(|world| {
        let address = world.get("shop", "web-v1-0")?["addresses"][0].as_str().context("no address")?.to_owned();
        let host = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: out, namespace: shop}}\nspec:\n  \
             hosts: [out.example]\n  resolution: STATIC\n  location: MESH_EXTERNAL\n  \
             ports: [{{number: 80, targetPort: 8080, name: http, protocol: HTTP}}]\n  endpoints: [{{address: {address}}}]\n"
        );
        let limit = "---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: out, namespace: shop}\n\
                     spec:\n  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: out}]\n  \
                     rateLimits: [{requests: 3, interval: 1h, per: {identity: {}}}]\n";
        applied(world, "out.yaml", "declared", &host)?;
        answers(world, "other", "http://out.example/", &["\"name\":\"web-v1\"", " 200"])?;
        wait_for("the waypoint to count it", SOON, || Ok((passed(world)?.get("200") >= Some(&1)).then_some(())))?;
        applied(world, "out.yaml", "three-each", &format!("{host}{limit}"))?;
        for namespace in ["other", "shop"] {
            let all = "for i in 1 2 3 4 5; do curl -s -o /dev/null -m 20 -w '%{http_code} ' http://out.example/; done";
            let got = world.shell(namespace, all)?;
            ensure!(got.trim() == "200 200 200 429 429", "{namespace}: {got}\n{}", world.story_so_far());
        }
        Ok(())
    })
}

/// A waypoint calls in its own name: it says itself for whom, and nobody else's rules lead it elsewhere.
#[test]
fn a_waypoint_of_another_namespace_serves_whom_it_says_and_calls_nobody_else_for_them() -> Result<()> {
    world()?.tell(|world| {
        let waypoint = |serves: &str| {
            format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: front, namespace: shop}}\nspec:\n  \
                 role: waypoint\n  allowedRoutes: {{namespaces: {serves}}}\n"
            )
        };
        let api = "http://api.other/";
        world.write("api.yaml", &reflect("api", "v1", "other", "west"))?;
        applied(world, "api-service.yaml", "declared", &service("api", "other", "http"))?;
        answers(world, "shop", api, &["\"name\":\"api-v1\"", " 200"])?;
        applied(world, "front.yaml", "own-namespace", &waypoint("{from: Same}"))?;
        wait_for("the waypoint", SOON, || Ok((world.get("shop", "front-0")?["ready"] == true).then_some(())))?;
        let labels = ["istio.io/use-waypoint=front", "istio.io/use-waypoint-namespace=shop"];
        world.cli(&[&["label", "service", "-n", "other", "api"], &labels[..]].concat())?;
        world.settle()?;
        let findings = world.cli(&["get", "findings"])?;
        ensure!(findings.contains("RS244") && !findings.contains("RS240"), "{findings}");
        answers(world, "shop", api, &["failed"])?;
        let told = explain(world, &["--from", "cluster.local/ns/shop/sa/default", "--to", "api.other:80"])?;
        ensure!(told["verdict"] == "not-routed" && told.to_string().contains("does not serve namespace other"), "{told}");

        let other = "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: other}}}";
        applied(world, "front.yaml", "other-too", &waypoint(other))?;
        answers(world, "shop", api, &["\"name\":\"api-v1\"", " 200"])?;
        ensure!(!world.cli(&["get", "findings"])?.contains("RS244"), "it serves that namespace");
        let logs = world.cli(&["metrics", "shop.front-0"])?;
        ensure!(logs.contains("destination_service_name=\"api\""), "{logs}");

        // Its routes act there, and lead to no host of another namespace.
        let routes = |host: &str, path: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: api, namespace: other}}\nspec:\n  \
                 hosts: [api]\n  http:\n  - match: [{{uri: {{exact: /own}}}}]\n    rewrite: {{uri: {path}}}\n    \
                 route: [{{destination: {{host: api}}}}]\n  - route: [{{destination: {{host: {host}}}}}]\n"
            )
        };
        applied(world, "routes.yaml", "elsewhere", &routes("web.shop.svc.cluster.local", "/rewritten"))?;
        answers(world, "shop", &format!("{api}own"), &["\"name\":\"api-v1\"", "/rewritten", " 200"])?;
        let elsewhere = answers(world, "shop", api, &[" 503"])?;
        ensure!(!elsewhere.contains("web-v"), "{elsewhere}");
        Ok(())
    })
}

/// Prometheus is a workload like any other.
#[test]
fn whoever_is_enrolled_can_scrape_a_waypoint() -> Result<()> {
    with_waypoint()?.tell(|world| {
        let address = world.get("shop", "waypoint-0")?["addresses"][0].as_str().context("no address")?.to_owned();
        for (path, word) in
            [(":15020/metrics", "ripstop_"), (":15090/stats/prometheus", "ripstop_"), (":15021/healthz/ready", "")]
        {
            answers(world, "other", &format!("http://{address}{path}"), &[word, " 200"])?;
        }
        Ok(())
    })
}

#[test]
fn a_missing_waypoint_is_no_way_around_it_and_one_that_dies_comes_back() -> Result<()> {
    world()?.tell(|world| {
        answers(world, "other", WEB, &[" 200"])?;
        world.cli(&["label", "service", "-n", "shop", "web", "istio.io/use-waypoint=waypoint"])?;
        world.settle()?;
        ensure!(world.cli(&["get", "findings"])?.contains("RS240"), "nobody misses the waypoint");
        let status = world.cli(&["status"])?;
        ensure!(status.contains("calls fail") && status.contains("RS240"), "{status}");
        answers(world, "other", WEB, &["failed"])?;
        let told = explain(world, &["--from", "cluster.local/ns/other/sa/default", "--to", "web.shop:80"])?;
        ensure!(told["verdict"] == "not-routed", "{told}");

        world.cli(&["waypoint", "apply", "-n", "shop", "--wait"])?;
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;
        let status = world.cli(&["waypoint", "status", "-n", "shop"])?;
        ensure!(status.contains("ready (1 of 1 instances)") && status.contains("service shop/web"), "{status}");

        killed(world, INSTANCE)?;
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;
        // Its last good configuration is on disk.
        world.kill("control")?;
        killed(world, INSTANCE).ok();
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;

        // One that is named is kept; then it goes, and calls go to the endpoints again.
        wait_for("the control plane", SOON, || Ok(world.try_cli(&["status"])?.status.success().then_some(())))?;
        let refused = world.try_cli(&["waypoint", "delete", "-n", "shop"])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && said.contains("Service shop/web still name it"), "{said}");
        world.cli(&["label", "service", "-n", "shop", "web", "istio.io/use-waypoint-"])?;
        world.cli(&["waypoint", "delete", "-n", "shop"])?;
        answers(world, "other", WEB, &[" 200"])?;
        ensure!(world.cli(&["waypoint", "list"])?.contains("No waypoint"), "it is still listed");
        Ok(())
    })
}

#[test]
fn coming_going_and_edits_fail_no_request() -> Result<()> {
    world()?.tell(|world| {
        let mut client = world.captured_console("other", &["--node", "east"], CLIENT)?;
        client.ask("begin(6, 50)")?;
        let load = ["bookinfo", "load", "--url", "http://web.shop.svc.cluster.local/", "--rate", "200", "--connections", "8"];
        let load = world.client("shop", &[], &load)?;
        let fine = |client: &mut ripstop_world::Console, what: &str| {
            let before = client.ask("seen()")?[0].as_u64().unwrap_or_default();
            let seen = wait_for(&format!("requests after {what}"), SOON, || {
                let seen = client.ask("seen()")?;
                Ok((seen[0].as_u64().unwrap_or_default() >= before + 200).then_some(seen))
            })?;
            ensure!(seen[1] == json!([]), "{what}: {}\n{}", seen[1], world.story_so_far());
            Ok(())
        };
        fine(&mut client, "nothing")?;
        world.cli(&["waypoint", "apply", "-n", "shop", "--wait"])?;
        world.settle()?;
        for round in 0..3 {
            let before = passed(world)?.get("200").copied().unwrap_or_default();
            world.cli(&["label", "namespace", "shop", "istio.io/use-waypoint=waypoint"])?;
            world.settle()?;
            fine(&mut client, "the label came")?;
            wait_for("requests at the waypoint", SOON, || {
                Ok((passed(world)?.get("200").copied().unwrap_or_default() > before + 100).then_some(()))
            })?;
            for edit in 0..12 {
                let weight = edit * 8 % 100;
                let http = format!(
                    "  - timeout: {}s\n    route:\n    - {{destination: {{host: web, subset: v1}}, weight: {weight}}}\n    \
                     - {{destination: {{host: web, subset: v2}}, weight: {}}}\n",
                    20 + edit,
                    100 - weight
                );
                world.write("routes.yaml", &routes(&http))?;
                let policy = format!(
                    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: read, namespace: shop}}\n\
                     spec:\n  targetRefs: [{{kind: Service, group: '', name: web}}]\n  \
                     rules: [{{to: [{{operation: {{methods: [GET], notPaths: [/never-{round}-{edit}]}}}}]}}]\n"
                );
                world.write("policy.yaml", &policy)?;
                world.settle()?;
            }
            fine(&mut client, "edits")?;
            world.write("policy.yaml", "# nothing\n")?;
            if round == 1 {
                world.write("routes.yaml", "# nothing\n")?;
            }
            world.cli(&["label", "namespace", "shop", "istio.io/use-waypoint-"])?;
            world.settle()?;
            fine(&mut client, "the label went")?;
        }
        let (_, lines) = load.stop()?;
        let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
        ensure!(last["failed"] == 0, "{last}\n{}", world.story_so_far());
        Ok(())
    })
}
