//! gRPC-Web, through the gateway to a server of gRPC (grpcio): by a client that others wrote (sonora), and in base64.

use anyhow::{Result, ensure};
use ripstop_e2e::{observe::applied, python};
use ripstop_world::{SOON, World, wait_for};

use crate::{gateway, on_host, opened, routes, world};

const SERVER: &str = include_str!("../clients/grpc_server.py");
const CLIENT: &str = include_str!("grpc_web.py");

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: calls, namespace: shop}
spec:
  selector: {app: calls}
  ports: [{name: grpc, port: 50051}]
---
";

const RULES: &str = "  http:
  - corsPolicy:
      allowOrigins: [{exact: 'https://shop.example'}]
      allowMethods: [POST]
      allowHeaders: [content-type, x-grpc-web]
      exposeHeaders: [grpc-status, grpc-message]
    route: [{destination: {host: calls, port: {number: 50051}}}]
";

const SERVERS: &str = "  - {port: {number: 80, name: web, protocol: GRPC-WEB}, hosts: ['*']}\n";

/// What Python prints on the machine for that.
fn python(world: &World, expression: &str) -> Result<String> {
    on_host(world, &format!("PYTHONPATH=python /usr/bin/python3 grpc_web.py \"{expression}\""))
        .map(|out| out.trim().to_owned())
}

#[test]
fn browsers_call_servers_of_grpc() -> Result<()> {
    world()?.tell(|world| {
        python::libraries(world)?;
        std::fs::write(world.path("grpc_web.py"), CLIENT)?;
        let prelude = format!("import sys\nsys.path.insert(0, \"{}\")\n{SERVER}", world.path("python").display());
        let _server = world.captured_console("shop", &["--node", "west", "--label", "app=calls"], &prelude)?;
        opened(world, "web", &(SERVICE.to_owned() + &gateway("web", SERVERS) + &routes("web", "web", "'*'", RULES)), &[80])?;
        wait_for("the server", SOON, || Ok((python(world, "unary('Unary', b'abc')")? == "b'cba'").then_some(())))?;

        for (expression, expected) in [
            ("unary('Unary', b'')", "b''"),
            ("unary('Unary', bytes(range(256)) * 1000) == (bytes(range(256)) * 1000)[::-1]", "True"),
            ("stream('FanOut', b'5')", "[b'0', b'1', b'2', b'3', b'4']"),
            ("unary('Fail', b'socks')", "('NOT_FOUND', 'no socks')"),
            ("text('Unary', b'abc')", "[(0, b'cba'), (128, 0)]"),
            ("text('Unary', b'abc', cut=5)", "[(0, b'cba'), (128, 0)]"),
            ("text('FanOut', b'3')", "[(0, b'0'), (0, b'1'), (0, b'2'), (128, 0)]"),
            ("at_once('Fail', b'socks')", "('5', b'')"),
            ("text('Unary', b'abc', accept='application/grpc-web+proto')", "[(0, b'cba'), (128, 0)]"),
            ("kind('application/grpc-web-text')", "(200, 'application/grpc-web-text+proto')"),
            ("kind('application/grpc-web+proto')", "(200, 'application/grpc-web+proto')"),
        ] {
            let got = python(world, expression)?;
            ensure!(got == expected, "{expression}: {got} instead of {expected}");
        }
        // By HTTP/2, too, and not at all what is no base64.
        let curl = |options: &str| on_host(world, &format!("curl -s -m 20 -o answer -w '%{{http_code}} %{{content_type}}' {options} http://127.0.0.1/shop.Calls/Unary"));
        let text = "-H 'Content-Type: application/grpc-web-text' --data-raw AAAAAANhYmM=";
        let got = curl(&format!("--http2-prior-knowledge {text}"))?;
        ensure!(got == "200 application/grpc-web-text+proto", "{got}");
        let answer = on_host(world, "cat answer")?;
        ensure!(answer.starts_with("AAAAAANjYmE="), "{answer}");
        let got = curl("-H 'Content-Type: application/grpc-web-text' --data-raw AAAAAANh?mM=")?;
        ensure!(got.starts_with("400 "), "{got}");
        // What browsers ask first.
        let got = on_host(world, "curl -s -m 20 -i -X OPTIONS -H 'Origin: https://shop.example' -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: content-type,x-grpc-web' http://127.0.0.1/shop.Calls/Unary")?.to_ascii_lowercase();
        ensure!(got.starts_with("http/1.1 200") && got.contains("access-control-allow-origin: https://shop.example"), "{got}");

        let denied = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: calls, namespace: shop}\nspec:\n  selector: {matchLabels: {app: calls}}\n  action: DENY\n  rules: [{to: [{operation: {paths: [/shop.Calls/Secret]}}]}]\n";
        applied(world, "policies.yaml", "denied", denied)?;
        let got = python(world, "unary('Secret', b'abc')")?;
        ensure!(got.starts_with("('PERMISSION_DENIED'"), "{got}");
        Ok(())
    })
}
