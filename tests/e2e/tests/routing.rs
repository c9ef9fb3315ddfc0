//! Where requests go by `VirtualService` and `DestinationRule`, at the caller's node.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::{Got, curl, one, shares},
    observe::applied,
    shop::{routed, routes, world},
};
use ripstop_world::{SOON, wait_for};

#[test]
fn weights_and_matches_choose_the_version() -> Result<()> {
    world()?.tell(|world| {
        routed(world, "all-v1", "  - route: [{destination: {host: web, subset: v1}}]\n")?;
        let all = shares(world, "", 50)?;
        ensure!(all == BTreeMap::from([("web-v1".to_owned(), 50)]), "{all:?}");

        let canary = "  - route:\n    - {destination: {host: web, subset: v1}, weight: 90}\n    - {destination: {host: web, subset: v2}, weight: 10}\n";
        routed(world, "canary", canary)?;
        let split = shares(world, "", 2000)?;
        // 4.5 standard deviations of a binomial with n = 2,000 and p = 0.1.
        let v2 = split.get("web-v2").copied().unwrap_or_default();
        ensure!((140..=260).contains(&v2) && split.get("web-v1") == Some(&(2000 - v2)), "{split:?}");

        let matches = "  - match: [{headers: {end-user: {exact: jason}}}, {queryParams: {beta: {exact: 'yes'}}}]
    route: [{destination: {host: web, subset: v2}}]
  - match: [{uri: {prefix: /v3/}, method: {regex: GET|HEAD}}]
    route: [{destination: {host: web, subset: v3}}]
  - match: [{uri: {exact: /other}, ignoreUriCase: true}]
    route: [{destination: {host: other}}]
  - match: [{withoutHeaders: {x-stay: {}}, uri: {regex: '/re[0-9]+'}}]
    route: [{destination: {host: web, subset: v3}}]
  - match: [{authority: {prefix: special}}]
    route: [{destination: {host: web, subset: v3}}]
  - route: [{destination: {host: web, subset: v1}}]
";
        routed(world, "matches", matches)?;
        let cases = [
            ("http://web.shop/", "web-v1"),
            ("-H 'End-User: jason' http://web.shop/", "web-v2"),
            ("-H 'End-User: Jason' http://web.shop/", "web-v1"),
            ("'http://web.shop/?a=b&beta=yes'", "web-v2"),
            ("http://web.shop/v3/x", "web-v3"),
            ("-X POST http://web.shop/v3/x", "web-v1"),
            ("http://web.shop/OTHER", "other-v1"),
            ("http://web.shop/re17", "web-v3"),
            ("-H 'x-stay: 1' http://web.shop/re17", "web-v1"),
            ("-H 'Host: special.example' http://web.shop/", "web-v3"),
        ];
        let options: Vec<&str> = cases.iter().map(|(options, _)| *options).collect();
        for version in ["", "--http2-prior-knowledge", "--http1.0"] {
            let options: Vec<String> = options.iter().map(|options| format!("{version} {options}")).collect();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            for ((options, name), got) in cases.iter().zip(curl(world, &options)?) {
                ensure!(got.name() == *name, "{version} {options}: {} instead of {name}: {}", got.name(), got.body);
            }
        }

        // Rules of a delegate stand where it is named.
        let delegate = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  http:
  - match: [{uri: {prefix: /api/v3}}]
    route: [{destination: {host: web, subset: v3}}]
  - route: [{destination: {host: web, subset: v2}}]
";
        let root = "  - match: [{uri: {prefix: /api}}]\n    delegate: {name: api, namespace: shop}\n  - route: [{destination: {host: web, subset: v1}}]\n";
        routed(world, "delegated", &(root.to_owned() + delegate))?;
        let got = curl(world, &["http://web.shop/api/v3/a", "http://web.shop/api/a", "http://web.shop/v3"])?;
        let names: Vec<&str> = got.iter().map(Got::name).collect();
        ensure!(names == ["web-v3", "web-v2", "web-v1"], "{names:?}");

        // Connections that were kept for requests end with their callers: that is no failure.
        let log = wait_for("all connections to be told of", SOON, || {
            let log = world.cli(&["logs", "node-west", "--access"])?;
            let told: Vec<String> =
                log.lines().filter(|line| line.contains("direction=inbound")).map(str::to_owned).collect();
            let metrics = world.cli(&["metrics", "node-west"])?;
            let opened = "istio_tcp_connections_opened_total{reporter=\"destination\"";
            let opened = metrics.lines().filter(|line| line.starts_with(opened));
            let opened: usize = opened.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok()).sum();
            Ok((opened > 0 && told.len() >= opened).then_some(told))
        })?;
        let failed = log.iter().find(|line| line.contains(" error="));
        ensure!(failed.is_none(), "{failed:?}");
        Ok(())
    })
}

#[test]
fn requests_and_answers_are_changed() -> Result<()> {
    world()?.tell(|world| {
        let http = "  - match: [{uri: {prefix: /api/}}]
    rewrite: {uri: /, authority: api.example}
    headers:
      request: {set: {x-set: a}, add: {x-add: b}, remove: [x-gone]}
      response: {set: {x-answer: c}, remove: [x-reflect-name]}
    route:
    - destination: {host: web, subset: v1}
      headers: {response: {add: {x-backend: d}}}
  - match: [{uri: {prefix: /re/}}]
    rewrite: {uriRegexRewrite: {match: '/re/([^/]+)/(.*)', rewrite: '/\\2/\\1'}}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /new, authority: elsewhere.example, redirectCode: 302}
  - match: [{uri: {exact: /direct}}]
    directResponse: {status: 418, body: {string: short and stout}}
  - match: [{uri: {exact: /abort}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {exact: /late}}]
    fault: {delay: {fixedDelay: 60s, percentage: {value: 100}}}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {exact: /slow}}]
    timeout: 0.3s
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {prefix: /cors}}]
    corsPolicy: {allowOrigins: [{exact: 'https://shop.example'}], allowMethods: [GET], exposeHeaders: [x-reflect-name], maxAge: 60s}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {exact: /only}}]
    route: [{destination: {host: web, subset: v1}}]
";
        routed(world, "changes", http)?;
        let got = curl(
            world,
            &[
                "-H 'X-Gone: 1' -H 'X-Set: old' -H 'X-Add: first' 'http://web.shop/api/items?q=1'",
                "http://web.shop/re/a/b/c",
                "http://web.shop/old/x",
                "http://web.shop/direct",
                "http://web.shop/abort",
                "-H 'x-reflect-delay-ms: 2000' http://web.shop/slow",
                "-H 'Origin: https://shop.example' http://web.shop/cors",
                "-X OPTIONS -H 'Origin: https://shop.example' -H 'Access-Control-Request-Method: GET' http://web.shop/cors",
                "http://web.shop/none",
            ],
        )?;
        let api = &got[0];
        ensure!(api.status == 200, "{} {}", api.status, api.body);
        ensure!(api.asked["path"] == "/items?q=1" && api.header("host") == "api.example", "{}", api.body);
        ensure!(api.header("x-set") == "a" && api.asked["headers"]["x-gone"].is_null(), "{}", api.body);
        ensure!(api.asked["headers"]["x-add"] == serde_json::json!(["first", "b"]), "{}", api.body);
        ensure!(api.header("x-envoy-original-path") == "/api/items?q=1", "{}", api.body);
        ensure!(api.header("x-request-id").len() == 36, "{}", api.body);
        ensure!(api.fields.get("x-answer").is_some_and(|value| value == "c"), "{:?}", api.fields);
        ensure!(api.fields.get("x-backend").is_some_and(|value| value == "d"), "{:?}", api.fields);
        ensure!(!api.fields.contains_key("x-reflect-name"), "{:?}", api.fields);
        ensure!(got[1].asked["path"] == "/b/c/a", "{}", got[1].body);
        let location = got[2].fields.get("location").map(String::as_str);
        ensure!(got[2].status == 302 && location == Some("http://elsewhere.example/new"), "{:?}", got[2].fields);
        ensure!(got[3].status == 418 && got[3].body == "short and stout", "{}", got[3].body);
        ensure!(got[4].status == 503 && got[4].body == "fault filter abort", "{}", got[4].body);
        ensure!(got[5].status == 504 && got[5].body == "upstream request timeout", "{} {}", got[5].status, got[5].body);
        let allowed = got[6].fields.get("access-control-allow-origin").map(String::as_str);
        ensure!(got[6].status == 200 && allowed == Some("https://shop.example"), "{:?}", got[6].fields);
        ensure!(got[7].status == 200 && got[7].fields.contains_key("access-control-allow-methods"), "{:?}", got[7].fields);
        ensure!(got[8].status == 404, "{}", got[8].status);
        // curl's 28: nothing came in time.
        let late = world.shell("shop", "curl -s -m 2 -o /dev/null http://web.shop/late; echo $?")?;
        ensure!(late.trim() == "28", "{late}");
        Ok(())
    })
}

#[test]
fn failing_endpoints_are_hidden_and_ejected() -> Result<()> {
    world()?.tell(|world| {
        // v1 fails whenever it is asked; another endpoint gets the request then.
        let retries = "  - retries: {attempts: 3, retryOn: '5xx'}\n    route: [{destination: {host: web}}]\n";
        routed(world, "retries", retries)?;
        let failing = "-H 'x-reflect-status: web-v1=503' http://web.shop/";
        let answers = curl(world, &[failing; 40])?;
        ensure!(answers.iter().all(|got| got.status == 200 && got.name() != "web-v1"), "a failure was seen");
        ensure!(answers.iter().any(|got| got.header("x-envoy-attempt-count") == "2"), "nothing was tried again");
        // A connection that ends without an answer is tried again, too.
        let reset = "-H 'x-reflect-reset: web-v1' http://web.shop/";
        ensure!(curl(world, &[reset; 20])?.iter().all(|got| got.status == 200 && got.name() != "web-v1"));

        let no_retries = "  - retries: {attempts: 0}\n    route: [{destination: {host: web}}]\n";
        let outlier = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 50}
";
        applied(world, "routes.yaml", "outlier", &format!("{outlier}---\n{}", routes(no_retries)))?;
        // Which of them fails is seen until it has failed three times.
        let answers = curl(world, &[failing; 80])?;
        let failed = answers.iter().filter(|got| got.status == 503).count();
        ensure!(failed == 3, "{failed} failures were seen");
        Ok(())
    })
}

#[test]
fn a_limit_refuses_what_is_beyond() -> Result<()> {
    world()?.tell(|world| {
        let limits = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, http2MaxRequests: 2}}
";
        applied(world, "limits.yaml", "limits", limits)?;
        let script = "for i in 1 2 3 4 5 6; do curl -s -o /dev/null -m 20 -w '%{http_code} %header{x-envoy-overloaded}\\n' -H 'x-reflect-delay-ms: 3000' http://web.shop/ & done; wait";
        // All six have to come before the first is answered.
        wait_for("the limit to hold", SOON, || {
            let told = world.shell("shop", script)?;
            let served = told.lines().filter(|line| line.starts_with("200")).count();
            let refused = told.lines().filter(|line| *line == "503 true" || *line == "503 ").count();
            ensure!((1..=2).contains(&served) && served + refused == 6, "{told}");
            Ok(Some(()))
        })
        .with_context(|| world.story_so_far())
    })
}

#[test]
fn a_version_is_switched_without_a_failure() -> Result<()> {
    world()?.tell(|world| {
        let to = |version: &str| format!("  - route: [{{destination: {{host: web, subset: {version}}}}}]\n");
        routed(world, "blue", &to("v1"))?;
        let client = world.client(
            "shop",
            &[],
            &["bookinfo", "load", "--url", "http://web.shop.svc.cluster.local/", "--rate", "500", "--seconds", "8"],
        );
        let client = client?;
        for (index, version) in ["v2", "v1", "v3", "v2"].into_iter().enumerate() {
            routed(world, &format!("switch-{index}"), &to(version))?;
            let all = shares(world, "", 20)?;
            ensure!(all == BTreeMap::from([(format!("web-{version}"), 20)]), "after {version}: {all:?}");
        }
        let (status, lines) = client.finish_by_itself()?;
        ensure!(status.success(), "{lines:?}");
        let last = lines.last().cloned().unwrap_or_default();
        ensure!(last.contains("\"failed\":0") || last.contains("failed 0") || last.contains("0 failed"), "{last}");
        Ok(())
    })
}

#[test]
fn only_declared_hosts_are_called() -> Result<()> {
    world()?.tell(|world| {
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}\n";
        world.write("mesh.yaml", mesh)?;
        wait_for("strangers to be refused", SOON, || {
            let told = world.shell("shop", "curl -s -m 5 -o /dev/null http://203.0.113.7/; echo $?")?;
            // 7, 55, 56: the connection was reset; 52: it ended without an answer.
            Ok(matches!(told.trim(), "7" | "52" | "55" | "56").then_some(()))
        })?;
        ensure!(one(world, "http://web.shop/")?.status == 200);
        Ok(())
    })
}

/// What proxies hold is asked of the proxies themselves.
#[test]
fn proxies_tell_what_they_hold() -> Result<()> {
    world()?.tell(|world| {
        let canary = "  - route:\n    - {destination: {host: web, subset: v1}, weight: 90}\n    - {destination: {host: web, subset: v2}, weight: 10}\n";
        routed(world, "canary", canary)?;
        let proxies = |rows: &serde_json::Value| {
            let rows = rows.as_array().into_iter().flatten();
            rows.filter_map(|row| row["proxy"].as_str().map(str::to_owned)).collect::<std::collections::BTreeSet<_>>()
        };
        let listeners = world.json(&["config", "listeners"])?;
        let outbound = listeners.as_array().into_iter().flatten().filter(|row| row["sockets"][0]["address"] == "[::]:15001");
        ensure!(outbound.count() >= 3 && proxies(&listeners).len() == 2, "{listeners}");

        let routes = world.json(&["config", "routes", "-n", "shop"])?;
        let action = "90/100 web.shop.svc.cluster.local/v1, 10/100 web.shop.svc.cluster.local/v2";
        let is_there = |rule: &serde_json::Value| rule["action"] == action;
        let rules = routes.as_array().into_iter().flatten().flat_map(|row| row["rules"].as_array().into_iter().flatten());
        ensure!(rules.filter(|rule| is_there(rule)).count() == 2, "at each of two proxies: {routes}");

        let called = || -> Result<Option<serde_json::Value>> {
            let backends = world.json(&["config", "backends"])?;
            let mut rows = backends.as_array().into_iter().flatten();
            Ok(rows.find(|row| row["cluster"] == "outbound|80|v1|web.shop.svc.cluster.local").cloned())
        };
        let script = "curl -s -o /dev/null 'http://web.shop/?n=[1-50]'; sleep 3";
        let backend = std::thread::scope(|scope| {
            let caller = scope.spawn(|| world.shell("shop", script));
            let backend = wait_for("a backend that is called", SOON, &called);
            caller.join().map_err(|_| anyhow::anyhow!("the caller panicked"))??;
            backend
        })?;
        let endpoint = &backend["endpoints"][0];
        ensure!(endpoint["tunnelled"] == true && endpoint["ejected_ms"].is_null(), "{backend}");
        let endpoints = world.cli(&["config", "endpoints"])?;
        ensure!(endpoints.contains("web.shop") && endpoints.contains("healthy"), "{endpoints}");
        let secrets = world.cli(&["config", "secrets"])?;
        ensure!(secrets.contains("spiffe://cluster.local/ns/shop/sa/") && !secrets.contains("no certificate"), "{secrets}");
        let capture = world.cli(&["config", "capture", "-n", "shop"])?;
        ensure!(capture.contains("CAPTURED"), "{capture}");
        let unknown = world.try_cli(&["config", "routes", "nope"])?;
        ensure!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("there are "), "{unknown:?}");
        Ok(())
    })
}
