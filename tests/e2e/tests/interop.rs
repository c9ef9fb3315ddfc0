//! A peer that shares no code with the mesh, and speaks to it by the documented wire facts alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{applied, fails, in_state, logged, succeeds},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::{Value, json};

/// Runs on Debian's own Python, for `h2` is one of its packages.
const PROGRAM: &str = include_str!("interop/hbone.py");
const NATIVE: &str = "spiffe://cluster.local/ns/foreign/sa/native";
const FAR: &str = "spiffe://cluster.local/ns/shop/sa/far";

/// STRICT for the echo `far`, but for a port without TLS.
const POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: far, namespace: shop}
spec:
  selector: {matchLabels: {app: far}}
  mtls: {mode: STRICT}
  portLevelMtls: {9001: {mode: DISABLE}}
";

/// The peer as a process of the mesh that speaks HBONE itself, with a service in front.
fn native(program: &Path, credentials: &Path) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: native, namespace: foreign}}
spec:
  selector: {{app: native}}
  ports: [{{name: tcp, port: 80, targetPort: 8080}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: native, namespace: foreign, labels: {{app: native, networking.istio.io/tunnel: http}}}}
spec:
  node: east
  serviceAccountName: native
  command: [/usr/bin/python3, '{}', '{}']
  readinessProbe: {{tcpSocket: {{port: 7000}}, periodSeconds: 1}}
",
        program.display(),
        credentials.display()
    )
}

/// The peer, someone who gives it orders, and a meshed workload.
struct Stage {
    clerk: Talker,
    meshed: Talker,
    native: String,
    far: String,
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west")), ("policy.yaml", POLICY)])
}

/// Makes a directory of credentials readable to workloads, which run as somebody else.
fn hand_over(directory: &Path) -> Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

impl Stage {
    fn set(world: &World) -> Result<Self> {
        let (program, credentials) = (world.path("hbone.py"), world.path("credentials"));
        fs::write(&program, PROGRAM)?;
        world.write("native.yaml", &native(&program, &credentials))?;
        issue(world, &credentials)?;
        hand_over(&credentials)?;
        let mut meshed = Talker::start(world, "front", &["--node", "east"])?;
        let clerk = Talker::start(world, "outside", &["--node", "east"])?;
        world.enrol("front", true)?;
        world.enrol("shop", true)?;
        // That its namespace is in the mesh does not make anyone capture it.
        world.cli(&["label", "namespace", "foreign", "istio.io/dataplane-mode=ambient"])?;
        wait_for("the peer", SOON, || Ok((world.get("foreign", "native-0")?["ready"] == true).then_some(())))?;
        let native = in_state(world, "foreign", "native-0", "NATIVE")?;
        let address = |workload: &Value| workload["addresses"][0].as_str().map(ToOwned::to_owned);
        let (native, far) = (address(&native), address(&world.get("shop", "far-0")?));
        world.settle()?;
        succeeds(world, &mut meshed, "dial ready far.shop 9000")?;
        Ok(Self { clerk, meshed, native: native.context("no address")?, far: far.context("no address")? })
    }

    /// Has the peer do something, and gives its answer.
    fn order(&mut self, order: &Value) -> Result<Value> {
        let answer = self.clerk.ask(&format!("request {} 7000 {order}", self.native))?;
        Ok(serde_json::from_str(answer.as_str().context("no answer")?)?)
    }

    /// Has the peer call `authority` through a tunnel to `far`.
    fn call(&mut self, authority: &str, more: &Value) -> Result<Value> {
        let mut order = json!({"do": "call", "address": self.far, "authority": authority});
        for (key, value) in more.as_object().context("no object")? {
            order[key] = value.clone();
        }
        self.order(&order)
    }
}

/// Waits until the peer is declared, and has its certificate issued.
fn issue(world: &World, directory: &Path) -> Result<()> {
    let out = directory.display().to_string();
    wait_for("a certificate", SOON, || {
        let issued = world.try_cli(&["identity", "issue", "foreign/native", "--out", &out, "--ttl", "1h"])?;
        if issued.status.success() { Ok(Some(())) } else { bail!("{issued:?}") }
    })
}

/// A certificate of `id` by an authority that is not the mesh's, with `roots` to verify others by.
fn forged(world: &World, name: &str, id: &str, roots: &Path) -> Result<PathBuf> {
    let directory = world.path(name);
    fs::create_dir(&directory)?;
    let script = format!(
        "set -e
        new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
        openssl req -x509 $new -subj /O=forger -keyout ca.key -out ca.pem
        openssl req $new -subj / -keyout key.pem -out leaf.csr
        printf 'subjectAltName=critical,URI:{id}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n' > leaf.ext
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile leaf.ext -out leaf.pem
        cat leaf.pem ca.pem > cert-chain.pem
        cp {} root-cert.pem",
        roots.display()
    );
    let made = Command::new("sh").args(["-c", &script]).current_dir(&directory).output()?;
    ensure!(made.status.success(), "{made:?}");
    hand_over(&directory)?;
    Ok(directory)
}

#[test]
fn identities_are_issued_for_declared_accounts_only_and_on_record() -> Result<()> {
    world()?.tell(|world| {
        let out = world.path("issued");
        let ask = |account: &str| world.try_cli(&["identity", "issue", account, "--out", &out.display().to_string()]);
        for account in ["foreign/native", "shop/nobody", "elsewhere/far", "shop"] {
            let refused = ask(account)?;
            ensure!(!refused.status.success(), "{account}: {refused:?}");
        }
        let text = String::from_utf8(ask("shop/nobody")?.stderr)?;
        ensure!(text.contains("no Process in namespace shop is declared with serviceAccountName nobody"), "{text}");
        ensure!(!out.exists(), "something was written");
        // Running as an account does not declare it.
        let mut runner = Talker::start(world, "shop", &["--service-account", "nobody"])?;
        runner.ask("me")?;
        ensure!(!ask("shop/nobody")?.status.success());

        ensure!(ask("shop/far")?.status.success());
        let mode = |path: &Path| Ok::<_, std::io::Error>(fs::metadata(path)?.permissions().mode() & 0o777);
        ensure!(mode(&out)? == 0o700 && mode(&out.join("key.pem"))? == 0o600);
        let shown = Command::new("openssl")
            .args(["x509", "-noout", "-ext", "subjectAltName,basicConstraints", "-in"])
            .arg(out.join("cert-chain.pem"))
            .output()?;
        let shown = String::from_utf8(shown.stdout)?;
        ensure!(shown.contains(&format!("URI:{FAR}")) && !shown.contains("CA:TRUE"), "{shown}");
        // What is handed out is on record, with whom it was handed to; what was refused is not there as issued.
        let log = fs::read_to_string(world.state().join("control/audit.log"))?;
        let issued: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let issued: Vec<&Value> = issued.iter().filter(|entry| entry["action"] == "identity").collect();
        ensure!(issued.len() == 1 && issued[0]["id"] == FAR && issued[0]["uid"].is_u64(), "{log}");
        ensure!(issued[0]["serial"].is_string() && issued[0]["time_ms"].is_u64(), "{log}");

        // Only by the admin socket of the mesh, which no workload sees, and not by the control plane's own from here.
        let state = world.state().display().to_string();
        let script = format!("ripstop --mesh {state} identity issue shop/far --out /tmp/stolen; test ! -e /tmp/stolen && ls -A {state} | wc -l");
        let output = world.run("shop", &[], &script)?;
        let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success() && told.trim() == "0" && error.contains("error"), "{told}{error}");
        let body = json!({"namespace": "shop", "service_account": "far"}).to_string();
        let direct = world
            .as_user(Path::new("curl"))
            .args(["-sS", "--unix-socket", &format!("{state}/control/admin.sock"), "-d", &body, "http://c/v1/identities"])
            .output()?;
        let told = String::from_utf8_lossy(&direct.stdout);
        ensure!(!told.contains("PRIVATE KEY") && told.contains("\"error\""), "{direct:?}");
        Ok(())
    })
}

#[test]
fn the_peer_calls_a_strict_workload() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let port = |port: u16, stage: &Stage| format!("{}:{port}", stage.far);
        // Half-close: its end is sent before the echo comes back.
        let answer = stage.call(&port(9000, &stage), &json!({"expected": FAR}))?;
        ensure!(answer["status"] == "200" && answer["peer"] == FAR, "{answer}");
        ensure!(answer["alpn"] == "h2" && answer["tls"] == "TLSv1.3", "{answer}");
        ensure!(answer["greeting"].as_str().is_some_and(|seen| seen.starts_with(&stage.native)), "{answer}");
        ensure!(
            answer["received"] == 6 && answer["intact"] == true && answer["after_end"].as_u64() >= Some(6),
            "{answer}"
        );
        let baggage = answer["headers"]["baggage"].as_str().unwrap_or_default();
        ensure!(baggage.contains("k8s.namespace.name=shop") && baggage.contains("k8s.deployment.name=far"), "{answer}");
        let answer = stage.call(&port(9000, &stage), &json!({"size": 3_000_000}))?;
        ensure!(answer["received"] == 3_000_000 && answer["intact"] == true, "{answer}");
        // By the name of its service, too.
        let answer = stage.call("far.shop.svc.cluster.local:9000", &json!({}))?;
        ensure!(answer["status"] == "200" && answer["intact"] == true, "{answer}");
        let words = ["direction=inbound", "src.workload=native-0", "dst.workload=far-0", "response_flags=-"];
        let line = logged(world, "node-west", &words)?;
        ensure!(
            line.contains(&format!("src.identity={NATIVE}")) && line.contains(&format!("dst.identity={FAR}")),
            "{line}"
        );

        // What it must not do, each with the status of the wire.
        let wrong_ip = format!("{}:9000", stage.native);
        for (authority, more, status) in [
            (wrong_ip.clone(), json!({}), "400"),
            ("127.0.0.1:9000".to_owned(), json!({}), "400"),
            ("nobody.shop.svc.cluster.local:9000".to_owned(), json!({}), "400"),
            (port(9000, &stage), json!({"method": "GET"}), "400"),
            (port(9000, &stage), json!({"method": "POST"}), "400"),
            // Nobody listens there: it would be 200 if the answer did not wait for the application.
            (port(9002, &stage), json!({}), "503"),
            (port(9001, &stage), json!({}), "401"),
            (port(15008, &stage), json!({}), "401"),
        ] {
            let answer = stage.call(&authority, &more)?;
            ensure!(answer["status"] == status, "{authority} {more}: {answer}");
        }
        let line = logged(world, "node-west", &["connection denied", ":9001 ", "src.workload=native-0"])?;
        ensure!(line.contains("policy=PeerAuthentication/shop/far/"), "{line}");

        // Who cannot prove an identity of this mesh does not get as far as HTTP/2.
        let roots = world.path("credentials/root-cert.pem");
        let elsewhere = forged(world, "elsewhere", "spiffe://elsewhere.example/ns/foreign/sa/native", &roots)?;
        let forged = forged(world, "forged", NATIVE, &roots)?;
        for (credentials, claim) in [
            (Some(elsewhere), "spiffe://elsewhere.example/ns/foreign/sa/native"),
            (Some(forged), NATIVE),
            (None, "no certificate"),
        ] {
            let more = json!({"credentials": credentials});
            let answer = stage.call(&port(9000, &stage), &more)?;
            ensure!(answer["status"].is_null() && answer["error"].is_string(), "{more}: {answer}");
            let line = logged(world, "node-west", &["TLS_FAILURE", "src.workload=native-0", claim])?;
            ensure!(line.contains("direction=inbound") && !line.contains("src.identity="), "{line}");
        }
        // And it is served again as before.
        let answer = stage.call(&port(9000, &stage), &json!({}))?;
        ensure!(answer["status"] == "200", "{answer}");
        Ok(())
    })
}

#[test]
fn a_meshed_workload_calls_the_peer_by_name() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let greeting = stage.meshed.ask("dial named native.foreign 80")?;
        let expected = format!("spiffe://cluster.local/ns/front/sa/default asks for {}:8080", stage.native);
        ensure!(greeting == expected.as_str(), "{greeting}, not {expected}");
        stage.meshed.ask("say named hello over there")?;
        stage.meshed.ask("close named")?;
        let seen = stage.order(&json!({"do": "seen"}))?;
        let seen = seen["seen"].as_array().and_then(|seen| seen.last()).context("nothing was seen")?;
        ensure!(seen[":method"] == "CONNECT" && seen[":authority"] == format!("{}:8080", stage.native), "{seen}");
        ensure!(seen.get(":scheme").is_none() && seen.get(":path").is_none(), "{seen}");
        let header = |name: &str| seen[name].as_str().unwrap_or_default();
        ensure!(header("baggage").contains("k8s.namespace.name=front"), "{seen}");
        ensure!(header("forwarded").contains(&format!("for=\"{}:", stage.meshed.ip)), "{seen}");
        ensure!(header("forwarded").ends_with(";host=native.foreign.svc.cluster.local"), "{seen}");
        ensure!(header("traceparent").len() == 55, "{seen}");
        let words = ["direction=outbound", "dst.workload=native-0", "dst.service=native.foreign", "response_flags=-"];
        let line = logged(world, "node-east", &words)?;
        ensure!(line.contains(&format!("dst.identity={NATIVE}")), "{line}");

        // Whoever answers there without its identity is refused.
        let roots = world.path("credentials/root-cert.pem");
        let elsewhere = forged(world, "elsewhere", "spiffe://elsewhere.example/ns/foreign/sa/native", &roots)?;
        let forged = forged(world, "forged", NATIVE, &roots)?;
        let far = world.path("far");
        world.cli(&["identity", "issue", "shop/far", "--out", &far.display().to_string()])?;
        hand_over(&far)?;
        for (credentials, reason) in [
            (Some(elsewhere), "spiffe://elsewhere.example/ns/foreign/sa/native was refused"),
            (Some(forged), "does not lead to a root of this mesh"),
            (Some(far), "expected spiffe://cluster.local/ns/foreign/sa/native"),
            (None, "native-0"),
        ] {
            stage.order(&json!({"do": "serve-with", "credentials": credentials}))?;
            // Tunnels that stand are those of before: it ends with a restart of the caller's proxy only.
            world.cli(&["restart", "node-east"])?;
            in_state(world, "front", &stage.meshed.name, "CAPTURED")?;
            succeeds(world, &mut stage.meshed, "dial ready far.shop 9000")?;
            fails(world, &mut stage.meshed, "dial refused native.foreign 80", "ConnectionResetError")?;
            let words = ["direction=outbound", "dst.workload=native-0", "TLS_FAILURE", reason];
            let line = logged(world, "node-east", &words)?;
            ensure!(!line.contains("dst.identity="), "{line}");
        }
        stage.order(&json!({"do": "serve-with", "credentials": world.path("credentials")}))?;
        succeeds(world, &mut stage.meshed, "dial again native.foreign 80")?;
        Ok(())
    })
}

#[test]
fn peers_of_an_alias_domain_are_of_the_mesh() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let roots = world.path("credentials/root-cert.pem");
        let old = "spiffe://old.example/ns/foreign/sa/native";
        let alias = forged(world, "alias", old, &roots)?;
        let partner = forged(world, "partner", "spiffe://partner.example/ns/foreign/sa/native", &roots)?;
        // Its own root does not make it one of the mesh's domain.
        let posing = world.path("posing");
        fs::create_dir(&posing)?;
        let script = format!(
            "set -e
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout key.pem -out leaf.csr
            printf 'subjectAltName=critical,URI:{NATIVE}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n' > leaf.ext
            openssl x509 -req -in leaf.csr -CA ../alias/ca.pem -CAkey ../alias/ca.key -CAcreateserial -days 2 -extfile leaf.ext -out leaf.pem
            cat leaf.pem ../alias/ca.pem > cert-chain.pem
            cp ../credentials/root-cert.pem root-cert.pem"
        );
        let made = Command::new("sh").args(["-c", &script]).current_dir(&posing).output()?;
        ensure!(made.status.success(), "{made:?}");
        hand_over(&posing)?;
        let far = format!("{}:9000", stage.far);
        let mut calls = |credentials: &Path| stage.call(&far, &json!({"credentials": credentials}));
        for credentials in [&alias, &partner, &posing] {
            let answer = calls(credentials)?;
            ensure!(answer["status"].is_null() && answer["error"].is_string(), "{answer}");
        }
        let pem = |directory: &Path| -> Result<String> {
            let text = fs::read_to_string(directory.join("ca.pem"))?;
            Ok(format!("        {}\n", text.trim().replace('\n', "\n        ")))
        };
        let mesh = |alias: &Path| -> Result<String> {
            Ok(format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec:\n  meshConfig:\n    trustDomainAliases: [old.example]\n    \
                 caCertificates:\n    - trustDomains: [old.example]\n      pem: |\n{}    - trustDomains: [partner.example]\n      pem: |\n{}",
                pem(alias)?,
                pem(&partner)?
            ))
        };
        applied(world, "mesh.yaml", "aliases", &mesh(&alias)?)?;
        for (credentials, id) in [(&alias, old), (&partner, "spiffe://partner.example/ns/foreign/sa/native")] {
            let answer = calls(credentials)?;
            ensure!(answer["status"] == "200" && answer["intact"] == true, "{answer}\n{}", world.story_so_far());
            logged(world, "node-west", &["direction=inbound", &format!("src.identity={id}"), "response_flags=-"])?;
        }
        let answer = calls(&posing)?;
        ensure!(answer["status"].is_null() && answer["error"].is_string(), "{answer}");
        // For policies the alias is the mesh's own domain, and the partner's is not.
        let policy = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: far, namespace: shop}
spec:
  selector: {matchLabels: {app: far}}
  rules: [{from: [{source: {principals: [cluster.local/ns/foreign/sa/native]}}]}]
";
        applied(world, "authorization.yaml", "authorized", policy)?;
        for (credentials, status) in [(&alias, "200"), (&partner, "401"), (&world.path("credentials"), "200")] {
            let answer = calls(credentials)?;
            ensure!(answer["status"] == status, "{}: {answer}", credentials.display());
        }
        applied(world, "authorization.yaml", "anybody", "")?;
        // It answers as who it would be of the mesh's own domain; the partner does not.
        for (credentials, answers) in [(&alias, true), (&partner, false)] {
            stage.order(&json!({"do": "serve-with", "credentials": credentials}))?;
            // Tunnels that stand are those of before.
            world.cli(&["restart", "node-east"])?;
            in_state(world, "front", &stage.meshed.name, "CAPTURED")?;
            succeeds(world, &mut stage.meshed, "dial ready far.shop 9000")?;
            if answers {
                succeeds(world, &mut stage.meshed, "dial alias native.foreign 80")?;
            } else {
                fails(world, &mut stage.meshed, "dial refused native.foreign 80", "ConnectionResetError")?;
            }
        }
        // Another root of the alias takes the place of its first: what that has proven ends, and nobody else's.
        stage.order(&json!({"do": "serve-with", "credentials": &alias}))?;
        world.cli(&["restart", "node-east"])?;
        in_state(world, "front", &stage.meshed.name, "CAPTURED")?;
        succeeds(world, &mut stage.meshed, "dial held native.foreign 80")?;
        succeeds(world, &mut stage.meshed, "dial stays far.shop 9000")?;
        let other = forged(world, "other", old, &roots)?;
        applied(world, "mesh.yaml", "replaced", &mesh(&other)?)?;
        let how = stage.meshed.ask("ended held 20")?;
        ensure!(how == "ConnectionResetError", "{how}\n{}", world.story_so_far());
        logged(world, "node-east", &["direction=outbound", "dst.workload=native-0", "not trusted any more"])?;
        stage.meshed.ask("say stays hello over there")?;
        let mut calls = |credentials: &Path| stage.call(&far, &json!({"credentials": credentials}));
        for (credentials, status) in [(&other, json!("200")), (&alias, json!(null))] {
            let answer = calls(credentials)?;
            ensure!(answer["status"] == status, "{}: {answer}", credentials.display());
        }
        // Without them nobody of these domains is believed any more.
        applied(world, "mesh.yaml", "alone", "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {}\n")?;
        let mut calls = |credentials: &Path| stage.call(&far, &json!({"credentials": credentials}));
        for credentials in [&alias, &partner] {
            let answer = calls(credentials)?;
            ensure!(answer["status"].is_null() && answer["error"].is_string(), "{answer}");
        }
        Ok(())
    })
}
