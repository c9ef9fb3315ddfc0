//! What may be asked, by `AuthorizationPolicy` that looks at requests: at the callee's node.

use anyhow::{Result, ensure};
use ripstop_e2e::{NODES, observe::applied, reflect, service};
use ripstop_world::{SOON, World, wait_for};

#[path = "requests/conditions.rs"]
mod conditions;

fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES),
        ("web.yaml", &reflect("web", "v1", "shop", "west")),
        ("service.yaml", &service("web", "shop", "http")),
    ];
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

/// What curl prints for `options` (status and body) in an enrolled workload.
fn curl(world: &World, options: &str) -> Result<String> {
    world.shell(
        "shop",
        &format!("curl -s -m 10 -w ' %{{http_code}} %{{http_version}}' {options} 2>&1 || echo failed $?"),
    )
}

/// Waits until curl prints something with all `words`.
fn answers(world: &World, options: &str, words: &[&str]) -> Result<String> {
    let mut last = String::new();
    let waited = wait_for(&format!("{words:?} of curl {options}"), SOON, || {
        last = curl(world, options)?;
        Ok(words.iter().all(|word| last.contains(word)).then(|| last.clone()))
    });
    waited.map_err(|error| error.context(format!("last: {last}\n{}", world.story_so_far())))
}

#[test]
fn requests_are_let_in_one_by_one() -> Result<()> {
    world()?.tell(|world| {
        let web = "http://web.shop/";
        answers(world, web, &[" 200 1.1", "\"name\":\"web-v1\""])?;
        let spec = "{action: DENY, rules: [{to: [{operation: {paths: [/secret*], methods: [GET]}}]}]}";
        applied(world, "policy.yaml", "denied", &policy("secrets", spec))?;
        for version in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
            answers(world, &format!("{version} {web}secret/a"), &["RBAC: access denied (rbac_denied, ", " 403 "])?;
            answers(world, &format!("{version} {web}public"), &[" 200 ", "/public"])?;
            answers(world, &format!("{version} -X POST -d abc {web}secret/a"), &[" 200 ", "\"body\":\"abc\""])?;
        }
        // Written in other ways it is the same path, for the policy and for the application.
        answers(world, &format!("--path-as-is {web}a/../%73ecret/a"), &["RBAC: access denied", " 403 "])?;
        answers(world, &format!("--path-as-is {web}a/../b"), &["\"path\":\"/b\"", " 200 "])?;
        answers(world, &format!("{web}%zz"), &["begins no escape", " 400 "])?;
        // Several on one connection are judged each.
        let mixed = format!("{web}public {web}secret {web}public");
        answers(world, &mixed, &[" 200 1.1RBAC: access denied"])?;
        // By its own address, too.
        let ip = world.get("shop", "web-v1-0")?["addresses"][0].as_str().map(ToOwned::to_owned).unwrap_or_default();
        answers(world, &format!("http://{ip}:8080/secret"), &["RBAC: access denied", " 403 "])?;
        // An ALLOW with fields of requests lets in what it names and nothing else.
        let spec =
            "{rules: [{to: [{operation: {methods: [GET]}}], when: [{key: 'request.headers[x-key]', values: [open]}]}]}";
        applied(world, "policy.yaml", "allowed", &policy("keys", spec))?;
        answers(world, web, &["RBAC: access denied (", " 403 "])?;
        answers(world, &format!("-H 'X-Key: open' {web}"), &[" 200 "])?;
        answers(world, &format!("-H 'X-Key: open' -X PUT {web}"), &["RBAC: access denied", " 403 "])?;
        world.remove("policy.yaml")?;
        answers(world, &format!("-X PUT {web}"), &[" 200 "])?;
        Ok(())
    })
}

#[test]
fn waiting_is_no_way_around_a_policy() -> Result<()> {
    world()?.tell(|world| {
        let spec = "{action: DENY, rules: [{to: [{operation: {paths: [/secret*]}}]}]}";
        applied(world, "policy.yaml", "denied", &policy("secrets", spec))?;
        answers(world, "http://web.shop/secret", &["RBAC: access denied", " 403 "])?;
        // A client that is silent for long, one that sends byte by byte, and what is no HTTP.
        let script = r#"/usr/bin/python3 -c '
import socket, time
def dial():
    s = socket.create_connection(("web.shop", 80), 10); s.settimeout(20); return s
def rest(s):
    out = b""
    try:
        while True:
            block = s.recv(65536)
            if not block: return out + b"<end>"
            out += block
    except ConnectionResetError: return out + b"<reset>"
late = dial(); time.sleep(1.5)
late.sendall(b"GET /secret HTTP/1.1\r\nHost: web.shop\r\nConnection: close\r\n\r\n"); print("late", rest(late)[:12])
slow = dial()
for byte in b"GET /secret HTTP/1.1\r\nHost: web.shop\r\nConnection: close\r\n\r\n":
    slow.sendall(bytes([byte])); time.sleep(0.005)
print("slow", rest(slow)[:12])
other = dial(); other.sendall(b"\x00\x01 no HTTP\n"); print("other", rest(other))
line = dial(); line.sendall(b"GET /secret\r\n"); print("0.9", rest(line))
'"#;
        let told = world.shell("shop", script)?;
        for expected in ["late b'HTTP/1.1 403'", "slow b'HTTP/1.1 403'", "other b'<reset>'", "0.9 b'<reset>'"] {
            ensure!(told.contains(expected), "{expected} is not in {told}\n{}", world.story_so_far());
        }
        Ok(())
    })
}
