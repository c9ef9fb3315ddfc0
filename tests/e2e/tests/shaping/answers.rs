//! Answers of the proxy itself, which rules shape like those of backends.

use anyhow::{Result, ensure};
use ripstop_e2e::{
    curl::curl,
    observe::applied,
    shop::{SUBSETS, routes, world},
};

#[test]
fn answers_of_the_proxy_are_shaped_by_their_rule() -> Result<()> {
    world()?.tell(|world| {
        let shape = "    headers: {response: {set: {x-rule: 'yes'}, remove: [x-envoy-overloaded]}}
    corsPolicy: {allowOrigins: [{exact: 'https://shop.example'}], exposeHeaders: [x-rule]}
";
        let http = format!(
            "  - match: [{{uri: {{exact: /direct}}}}]
    directResponse: {{status: 418, body: {{string: short and stout}}}}
{shape}  - match: [{{uri: {{exact: /redirect}}}}]
    redirect: {{uri: /new}}
{shape}  - match: [{{uri: {{exact: /abort}}}}]
    fault: {{abort: {{httpStatus: 503, percentage: {{value: 100}}}}}}
    route: [{{destination: {{host: web, subset: v1}}}}]
{shape}  - match: [{{uri: {{exact: /slow}}}}]
    timeout: 0.3s
    route: [{{destination: {{host: web, subset: v1}}, headers: {{response: {{set: {{x-backend: b}}}}}}}}]
{shape}  - match: [{{uri: {{exact: /gone}}}}]
    route: [{{destination: {{host: gone}}}}]
{shape}  - match: [{{uri: {{exact: /only}}}}]
    route: [{{destination: {{host: web, subset: v1}}}}]
"
        );
        // One of the backends is nobody's, which is an error, and a matter of that rule alone.
        applied(world, "routes.yaml", "shaped", &format!("{SUBSETS}---\n{}", routes(&http)))?;
        let origin = "-H 'Origin: https://shop.example'";
        let delay = "-H 'x-reflect-delay-ms: 5000'";
        let requests: Vec<String> = ["/direct", "/redirect", "/abort", "/slow", "/gone", "/none"]
            .iter()
            .map(|path| format!("{origin} {delay} http://web.shop{path}"))
            .chain([format!("{origin} -X OPTIONS -H 'Access-Control-Request-Method: GET' http://web.shop/direct")])
            .collect();
        let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
        let got = curl(world, &requests)?;
        let told: Vec<(u16, &str, &str, &str)> = got
            .iter()
            .map(|got| (got.status, got.field("x-rule"), got.field("access-control-allow-origin"), got.field("server")))
            .collect();
        let allowed = "https://shop.example";
        let expected = [
            (418, "yes", allowed, "istio-envoy"),
            (301, "yes", allowed, "istio-envoy"),
            // It is aborted before anybody looks where it comes from.
            (503, "yes", "", "istio-envoy"),
            (504, "yes", allowed, "istio-envoy"),
            (503, "yes", allowed, "istio-envoy"),
            // No rule, no shape.
            (404, "", "", "istio-envoy"),
            // What a preflight gets is said by the grant alone.
            (200, "", allowed, "istio-envoy"),
        ];
        ensure!(told == expected, "{told:?}");
        ensure!(got[0].field("access-control-expose-headers") == "x-rule", "{:?}", got[0].fields);
        ensure!(got[1].field("location") == "http://web.shop/new", "{:?}", got[1].fields);
        ensure!(got[3].field("x-backend") == "b", "{:?}", got[3].fields);
        Ok(())
    })
}

/// Opens connections as a pool does before it needs them, and asks by them later.
const LATE: &str = r#"
import socket, time
connections = [socket.create_connection(("web.shop", 80), 10) for _ in range(20)]
time.sleep(0.5)
for connection in connections:
    connection.sendall(b"GET /direct HTTP/1.1\r\nHost: web.shop\r\n\r\n")
    print(connection.recv(4096).split()[1].decode(), end=" ")
"#;

#[test]
fn who_is_late_is_routed_all_the_same() -> Result<()> {
    world()?.tell(|world| {
        let http = "  - match: [{uri: {exact: /direct}}]\n    directResponse: {status: 418}\n";
        applied(world, "routes.yaml", "direct", &format!("{SUBSETS}---\n{}", routes(http)))?;
        let heard = world.shell("shop", &format!("python3 - <<'END'\n{LATE}END\n"))?;
        ensure!(heard.trim() == vec!["418"; 20].join(" "), "{heard}\n{}", world.story_so_far());
        Ok(())
    })
}
