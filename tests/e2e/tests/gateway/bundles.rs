//! Roots of others that are fetched (`caCertificates[].spiffeBundleUrl`): a server of Python publishes a bundle, and a client
//! of its trust domain proves who it is to a gateway.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use ripstop_e2e::{
    NODES,
    authorities::{authority, certificate},
    machine::on_host,
    observe::applied,
    reflect, service,
};
use ripstop_world::{HostNetwork, SOON, World, wait_for};

use crate::{TO_WEB, gateway, opens, routes};

const SERVER: &str = "\
import http.server, ssl
server = http.server.ThreadingHTTPServer(('127.0.0.1', 9443), http.server.SimpleHTTPRequestHandler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('bundles.pem', 'bundles.key')
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

const MESH: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  egress: {allow: [127.0.0.0/8]}
  meshConfig:
    caCertificates:
    - spiffeBundleUrl: https://localhost:9443/bundle.json
      trustDomains: [partner.example]
---
";

/// It ends with this.
struct Server(Child);

impl Server {
    fn start(world: &World) -> Result<Self> {
        let mut command = world.as_user(Path::new("/usr/bin/python3"));
        command.args(["-c", SERVER]).current_dir(world.path("")).stdin(Stdio::null());
        let server = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        wait_for("the server of bundles", SOON, || {
            let got = on_host(world, "curl -s -o /dev/null --cacert web.pem https://localhost:9443/ && echo there")?;
            Ok(got.contains("there").then_some(()))
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// An identity of the partner `NAME.svid.pem`, by an authority.
fn identity(world: &World, authority: &str) -> Result<()> {
    let script = format!(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=SPIFFE -keyout {authority}.svid.key -out {authority}.csr &&
        printf 'subjectAltName=URI:spiffe://partner.example/ns/a/sa/b\\nkeyUsage=critical,digitalSignature\\nextendedKeyUsage=serverAuth,clientAuth\\nbasicConstraints=critical,CA:FALSE\\n' > {authority}.ext &&
        openssl x509 -req -in {authority}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -extfile {authority}.ext -out {authority}.svid.pem &&
        chmod a+r {authority}.svid.* && echo made"
    );
    let made = on_host(world, &script)?;
    ensure!(made.contains("made"), "{made}");
    Ok(())
}

/// The bundle is that of an authority, and is looked at each second.
fn publish(world: &World, authority: &str) -> Result<()> {
    let pem = fs::read_to_string(world.path(&format!("{authority}.pem")))?;
    let certificate: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let bundle = json!({
        "keys": [{"use": "x509-svid", "kty": "EC", "x5c": [certificate]}],
        "spiffe_sequence": 1,
        "spiffe_refresh_hint": 1,
    });
    write(world, &bundle.to_string())
}

fn write(world: &World, bundle: &str) -> Result<()> {
    fs::write(world.path("bundle.new"), bundle)?;
    Ok(fs::rename(world.path("bundle.new"), world.path("bundle.json"))?)
}

/// Whether the gateway lets in who shows the identity by an authority.
fn lets_in(world: &World, authority: &str) -> Result<bool> {
    let got = on_host(
        world,
        &format!(
            "curl -s -m 20 -o /dev/null -w '%{{http_code}}' -k --cert {authority}.svid.pem --key {authority}.svid.key \
             --resolve a.example:443:127.0.0.1 https://a.example/"
        ),
    )?;
    Ok(got.trim() == "200")
}

fn becomes(world: &World, what: &str, authority: &str, expected: bool) -> Result<()> {
    wait_for(what, SOON, || Ok((lets_in(world, authority)? == expected).then_some(())))
        .with_context(|| world.story_so_far())
}

/// Waits until the bundle is told of with these words.
fn told(world: &World, words: &str) -> Result<()> {
    wait_for(words, SOON, || {
        // The control plane may be about to start.
        let output = world.try_cli(&["get", "findings", "-o", "json"])?;
        let findings = String::from_utf8_lossy(&output.stdout);
        Ok((findings.contains("RS403") && findings.contains(words)).then_some(()))
    })
}

#[test]
fn who_a_bundle_vouches_for_is_believed_as_long_as_it_does() -> Result<()> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("mesh.yaml", MESH.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("web.yaml", reflect("web", "v1", "shop", "west")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut world = World::prepare(&files)?;
    world.set_host(HostNetwork::create()?);
    for name in ["web", "partner", "other"] {
        authority(&world, name)?;
    }
    certificate(&world, "web", "bundles", "localhost")?;
    let roots = world.path("web.pem").display().to_string();
    world.set_variable("SSL_CERT_FILE", &roots);
    world.up()?;
    world.tell(|world| {
        identity(world, "partner")?;
        identity(world, "other")?;
        world.enrol("shop", true)?;
        let listener = "  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL}}\n";
        applied(world, "edge.yaml", "edge", &(gateway("web", listener) + &routes("web", "web", "'*'", TO_WEB)))?;
        opens(world, &[443])?;

        told(world, "it vouches for nobody yet")?;
        ensure!(!lets_in(world, "partner")?, "nobody vouches for it");
        publish(world, "partner")?;
        let server = Server::start(world)?;
        becomes(world, "the partner to be believed", "partner", true)?;
        ensure!(!lets_in(world, "other")?, "the bundle vouches for others");
        let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: edge, namespace: istio-system}\nspec:\n  \
                      selector: {matchLabels: {istio: ingressgateway}}\n  rules: [{from: [{source: {principals: [partner.example/ns/a/sa/b]}}]}]\n";
        applied(world, "policy.yaml", "partners", policy)?;
        ensure!(lets_in(world, "partner")?, "it is somebody else: {}", world.story_so_far());

        // What is no bundle changes nothing.
        write(world, "<html>")?;
        told(world, "what it said before counts on")?;
        ensure!(lets_in(world, "partner")?, "what it said before is forgotten");
        // Another authority takes the place of the first.
        publish(world, "other")?;
        becomes(world, "the new authority to be believed", "other", true)?;
        becomes(world, "the old authority not to be believed", "partner", false)?;
        // Its last words count on while nobody can be asked, for a control plane that starts anew, too.
        drop(server);
        world.cli(&["restart", "control"])?;
        told(world, "what it said before counts on")?;
        world.settle()?;
        ensure!(lets_in(world, "other")?, "{}", world.story_so_far());
        world.write("mesh.yaml", &MESH.replace("https://localhost:9443/bundle.json", "https://localhost:9443/other.json"))?;
        becomes(world, "the authority of a bundle that is named no more not to be believed", "other", false)
    })
}
