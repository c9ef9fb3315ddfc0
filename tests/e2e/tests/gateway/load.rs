//! Changes under load.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context, Result, ensure};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

use crate::{
    TO_WEB,
    authorities::{authority, certificate, secret, serial},
    curl, gateway, opened, routes, world,
};

/// Four threads that ask again and again, two of them on connections that stay; at each line of input what became of it
/// is told as JSON: answers, failures, the last failure, serial numbers of certificates that were shown.
const LOAD: &str = r#"
import http.client, json, ssl, sys, threading, time

port, host, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
on, lock = True, threading.Lock()
good, failed, error, serials = 0, 0, None, set()

class Named(http.client.HTTPSConnection):
    def connect(self):
        super(http.client.HTTPSConnection, self).connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=host)
        serials.add(self.sock.getpeercert()["serialNumber"])

def connect():
    if ca is None: return http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    return Named("127.0.0.1", port, timeout=20, context=ssl.create_default_context(cafile=ca))

def ask(stays):
    global good, failed, error
    connection = connect()
    while on:
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read()
            with lock:
                if answer.status == 200: good += 1
                else: failed, error = failed + 1, f"{answer.status} {body[:200]}"
            if not stays or answer.will_close: connection.close()
        except Exception as e:
            with lock: failed, error = failed + 1, repr(e)
            connection.close()
        time.sleep(0.002)

threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(4)]
for thread in threads: thread.start()
for line in sys.stdin:
    with lock: print(json.dumps([good, failed, error, sorted(serials)]), flush=True)
on = False
for thread in threads: thread.join()
"#;

/// The load, while it goes on.
struct Load {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// What became of it.
struct Report {
    good: u64,
    failed: u64,
    error: Value,
    serials: Vec<String>,
}

impl Load {
    fn start(world: &World, arguments: &[&str]) -> Result<Self> {
        // The shell finds the one that this user may run.
        let mut command = world.as_user(Path::new("sh"));
        command.args(["-c", "exec python3 -u -c \"$@\"", "sh", LOAD]).args(arguments).current_dir(world.path(""));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("no input")?;
        let stdout = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, stdin, stdout })
    }

    fn report(&mut self) -> Result<Report> {
        writeln!(self.stdin)?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("{line:?} is no report"))?;
        Ok(Report {
            good: told[0].as_u64().context("no count")?,
            failed: told[1].as_u64().context("no count")?,
            error: told[2].clone(),
            serials: told[3]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|text| text.as_str().map(Into::into))
                .collect(),
        })
    }

    /// Waits until it has got `more` answers from now on.
    fn goes_on(&mut self, more: u64) -> Result<()> {
        let before = self.report()?.good;
        wait_for("answers", SOON, || Ok((self.report()?.good >= before + more).then_some(())))
    }

    /// Ends it; nothing may have failed.
    fn finish(mut self) -> Result<()> {
        let Report { good, failed, error, .. } = self.report()?;
        drop(self.stdin);
        self.child.wait()?;
        ensure!(failed == 0, "{failed} of {} requests failed, the last one with {error}", good + failed);
        Ok(())
    }
}

#[test]
fn listeners_and_routes_change_under_load() -> Result<()> {
    world()?.tell(|world| {
        let http = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n";
        let more = "  - {port: {number: 8081, name: more, protocol: HTTP}, hosts: ['*']}\n";
        let to = |service: &str| {
            routes(
                "web",
                "web",
                "'*.shop.example'",
                &format!("  http: [{{route: [{{destination: {{host: {service}}}}}]}}]\n"),
            )
        };
        let one = gateway("web", http);
        opened(world, "start", &(one.clone() + &to("web")), &[80])?;
        let mut load = Load::start(world, &["80", "a.shop.example"])?;
        load.goes_on(50)?;
        for round in 0..3 {
            let two = gateway("web", &format!("{http}{more}"));
            opened(world, &format!("two-{round}"), &(two + &to("other")), &[80, 8081])?;
            let got = curl(world, "-H 'Host: a.shop.example' http://127.0.0.1:8081/")?;
            ensure!(got.name() == "other-v1", "{} {}", got.status, got.body);
            load.goes_on(50)?;
            opened(world, &format!("one-{round}"), &(one.clone() + &to("web")), &[80])?;
            load.goes_on(50)?;
        }
        load.finish()
    })
}

#[test]
fn certificates_change_under_load() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "first", "a.shop.example")?;
        certificate(world, "ca", "second", "a.shop.example")?;
        let holding = |file: &str| {
            secret(world, "a", &[("tls.crt", &format!("{file}.pem")), ("tls.key", &format!("{file}.key"))])
        };
        world.write("secrets.yaml", &holding("first")?)?;
        let https = "  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.shop.example], tls: {mode: SIMPLE, credentialName: a}}\n";
        opened(world, "start", &(gateway("web", https) + &routes("web", "web", "a.shop.example", TO_WEB)), &[443])?;
        let mut load = Load::start(world, &["443", "a.shop.example", "ca.pem"])?;
        load.goes_on(50)?;
        let number = |file: &str| serial(world, file).map(|text| text.trim_start_matches("serial=").to_owned());
        let (first, second) = (number("first.pem")?, number("second.pem")?);
        ensure!(load.report()?.serials == [first.clone()], "{:?} instead of {first}", load.report()?.serials);

        world.write("secrets.yaml", &holding("second")?)?;
        wait_for("the new certificate", SOON, || Ok(load.report()?.serials.contains(&second).then_some(())))?;
        load.goes_on(50)?;
        // One that cannot be used is told, and changes nothing.
        let broken = secret(world, "a", &[("tls.crt", "first.pem"), ("tls.key", "second.key")])?;
        world.write("secrets.yaml", &broken)?;
        wait_for("the refusal", SOON, || {
            let log = world.cli(&["logs", "istio-system/istio-ingressgateway-0"])?;
            Ok(log.contains("changed certificates can't be used").then_some(()))
        })?;
        load.goes_on(50)?;
        load.finish()
    })
}
