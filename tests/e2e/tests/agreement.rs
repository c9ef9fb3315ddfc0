//! What `ripstop explain` says of requests is what they meet: rules, policies and requests are drawn, by fixed dice.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{
    observe::applied,
    shop::{self, SUBSETS, routes},
};
use ripstop_world::{Console, World};
use serde_json::{Value, json};

/// Configurations, and requests for each.
const CONFIGURATIONS: usize = 10;
const REQUESTS: usize = 20;

const CLIENT: &str = r#"
import http.client, json

def ask(method, target, headers):
    connection = http.client.HTTPConnection("web.shop", 80, timeout=20)
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    try: name = json.loads(body)["name"]
    except Exception: name = ""
    return [answer.status, name, body[:19]]
"#;

/// splitmix64.
struct Dice(u64);

/// A request.
struct Request {
    caller: usize,
    method: &'static str,
    target: String,
    user: &'static str,
}

// === impl Dice ===

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.next() >> 33).unwrap_or_default() % of.len()]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One or two of `of`, with commas between.
    fn some(&mut self, of: &[&str]) -> String {
        let (first, second) = (self.one(of), self.one(of));
        let key = |part: &str| part.split(':').next().map(str::to_owned);
        if key(first) == key(second) { first.to_owned() } else { format!("{first}, {second}") }
    }

    fn rules(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.next() % 4 {
            let wanted = self.some(&[
                "uri: {prefix: /a}",
                "uri: {prefix: /admin}",
                "uri: {exact: /b/1}",
                "uri: {regex: '/[ab]/[0-9]'}",
                "method: {exact: POST}",
                "method: {regex: 'GET|DELETE'}",
                "headers: {x-user: {exact: jason}}",
                "headers: {x-user: {prefix: ja}}",
                "headers: {x-user: {}}",
                "withoutHeaders: {x-user: {}}",
                "queryParams: {q: {exact: '1'}}",
                "authority: {prefix: web.}",
                "scheme: {exact: https}",
                "sourceLabels: {who: guest}",
            ]);
            let _ = writeln!(text, "  - match: [{{{wanted}}}]\n    {}", self.action());
        }
        if self.chance(75) {
            let _ = writeln!(text, "  - {}", self.action());
        }
        text
    }

    fn action(&mut self) -> &'static str {
        self.one(&[
            "route: [{destination: {host: web, subset: v1}}]",
            "route: [{destination: {host: web, subset: v2}}]",
            "route: [{destination: {host: web, subset: v1}, weight: 50}, {destination: {host: web, subset: v3}, weight: 50}]",
            "directResponse: {status: 418}",
            "redirect: {uri: /b/1, redirectCode: 307}",
            "fault: {abort: {httpStatus: 555, percentage: {value: 100}}}\n    route: [{destination: {host: web}}]",
            "rewrite: {uri: /admin}\n    route: [{destination: {host: web, subset: v2}}]",
        ])
    }

    fn policies(&mut self) -> String {
        let mut text = String::new();
        for name in ["one", "two"] {
            if self.chance(40) {
                continue;
            }
            let action = self.one(&["ALLOW", "DENY", "DENY"]);
            let from = self.one(&[
                "",
                "from: [{source: {principals: [cluster.local/ns/shop/sa/caller]}}]",
                "from: [{source: {notPrincipals: ['*/guest']}}]",
                "from: [{source: {namespaces: [shop]}}]",
            ]);
            let to = self.some(&[
                "paths: ['/a*']",
                "paths: ['*/1', /admin]",
                "notPaths: ['/b*']",
                "methods: [GET]",
                "notMethods: [DELETE]",
                "hosts: ['web.shop*']",
                "ports: ['8080']",
            ]);
            let to = format!("to: [{{operation: {{{to}}}}}]");
            let when = self.one(&["", "", "when: [{key: 'request.headers[x-user]', values: [jason, 'ad*']}]"]);
            let parts = [from, &to, when].into_iter().filter(|part| !part.is_empty());
            let rule = parts.collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}, action: {action}, rules: [{{{rule}}}]}}"
            );
        }
        text
    }

    fn request(&mut self, callers: usize) -> Request {
        let path = self.one(&["/a/1", "/a/2", "/b/1", "/admin", "/admin/x", "/c", "/a/%31", "/"]);
        let query = self.one(&["", "", "?q=1", "?q=2"]);
        Request {
            caller: usize::try_from(self.next() >> 33).unwrap_or_default() % callers,
            method: self.one(&["GET", "GET", "POST", "DELETE"]),
            target: format!("{path}{query}"),
            user: self.one(&["", "", "jason", "jane", "admin"]),
        }
    }
}

// === impl Request ===

impl Request {
    fn met(&self, callers: &mut [Console]) -> Result<Value> {
        let headers = if self.user.is_empty() { json!({}) } else { json!({ "x-user": self.user }) };
        callers[self.caller].ask(&format!("ask('{}', '{}', {headers})", self.method, self.target))
    }

    fn explained(&self, world: &World, callers: &[Console]) -> Result<Value> {
        let from = format!("shop/{}", callers[self.caller].name());
        let header = format!("x-user: {}", self.user);
        let mut words = vec!["explain", "--from", &from, "--to", "web.shop:80", "-o", "json", "-X", self.method];
        words.extend(["--path", &self.target]);
        if !self.user.is_empty() {
            words.extend(["--header", &header]);
        }
        let output = world.try_cli(&words)?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Whether an answer is what was said.
fn is_as_said(told: &Value, met: &Value) -> Result<bool> {
    let status = met[0].as_u64().context("no status")?;
    Ok(match told["verdict"].as_str().context("no verdict")? {
        "allowed" => {
            let backends = told["route"]["backends"].as_array().context("no backends")?;
            let version =
                |backend: &Value| backend["name"].as_str()?.split_once('/').map(|(_, subset)| subset.to_owned());
            let name = met[1].as_str().unwrap_or_default();
            status == 200
                && backends
                    .iter()
                    .any(|backend| version(backend).is_none_or(|version| name == format!("web-{version}")))
        }
        "denied" => status == 403 && met[2] == "RBAC: access denied",
        "answered" => {
            let summary = told["summary"].as_str().unwrap_or_default();
            let number =
                summary.split_once("answered ").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
            number.and_then(|number| number.parse().ok()) == Some(status)
        }
        "not-routed" => status == 404,
        other => bail!("{other} is not expected"),
    })
}

#[test]
fn what_is_explained_is_what_requests_meet() -> Result<()> {
    shop::world()?.tell(|world| {
        let mut callers = Vec::new();
        for who in ["caller", "guest"] {
            let label = format!("who={who}");
            let flags = ["--node", "east", "--label", &label, "--service-account", who];
            callers.push(world.captured_console("shop", &flags, CLIENT)?);
        }
        let mut dice = Dice(5);
        let mut verdicts = BTreeMap::<String, usize>::new();
        for number in 0..CONFIGURATIONS {
            let rules = format!("{SUBSETS}---\n{}{}", routes(&dice.rules()), dice.policies());
            applied(world, "rules.yaml", &format!("rules-{number}"), &rules)?;
            let findings = world.cli(&["get", "findings"])?;
            ensure!(!findings.lines().any(|line| line.contains(": error ")), "{rules}\n{findings}");
            for _ in 0..REQUESTS {
                let request = dice.request(callers.len());
                let (told, met) = (request.explained(world, &callers)?, request.met(&mut callers)?);
                ensure!(
                    is_as_said(&told, &met)?,
                    "{} {} by {} (x-user {:?}) met {met}, explained {}\n{}\n{rules}",
                    request.method,
                    request.target,
                    callers[request.caller].name(),
                    request.user,
                    told["verdict"],
                    told["summary"],
                );
                *verdicts.entry(told["verdict"].to_string()).or_default() += 1;
            }
        }
        println!("{verdicts:?}");
        ensure!(verdicts.len() == 4 && verdicts.values().all(|count| *count >= 5), "{verdicts:?}");
        Ok(())
    })
}
