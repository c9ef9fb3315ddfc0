//! `ripstop config`: what proxies hold at the moment, as they tell it themselves.

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    completion,
    mesh::{Format, Mesh, Scope},
    nobody,
    output::{BAD, GOOD, Table, WARN, Wide, paint, print, tell},
    proxies::named,
    tables::text,
};

/// What to show of whom.
#[derive(Args)]
pub struct Config {
    /// What.
    #[arg(value_enum)]
    what: What,
    /// Of this proxy only: a node, or a gateway by its process or instance, with or without its namespace.
    #[arg(add = completion::proxies())]
    proxy: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// `wide`, `json` or nothing.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Sockets that are listened on for each workload, and the connections that are open.
    #[value(alias = "listener")]
    Listeners,
    /// Rules for requests and connections.
    #[value(alias = "route")]
    Routes,
    /// Whom workloads call at the moment, with what each caller has in use.
    #[value(alias = "backend", alias = "clusters")]
    Backends,
    /// Endpoints of services, and what callers know of them: ejected or not.
    #[value(alias = "endpoint")]
    Endpoints,
    /// Limits of requests that have been met, and what they have let pass.
    #[value(alias = "limit")]
    Limits,
    /// How many requests instances get at a time, and what is known of their latency.
    Concurrency,
    /// What policies said of connections and requests when they came, rule by rule, also what those on trial would have done.
    #[value(alias = "policy", alias = "authz")]
    Policies,
    /// Identities, and how long their certificates last. No key is shown.
    #[value(alias = "secret")]
    Secrets,
    /// Which workloads' traffic is led through their node's proxy, as agents tell.
    Capture,
}

impl Config {
    /// Prints it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        nobody::namespace(mesh, self.scope.only()).await;
        if self.what == What::Capture {
            return self.capture(mesh).await;
        }
        let told = mesh.get("/v1/config").await?;
        let mut proxies = told.as_array().cloned().unwrap_or_default();
        if let Some(name) = &self.proxy {
            let all: Vec<&str> = proxies.iter().map(|proxy| text(proxy, "proxy")).collect();
            let meant = named(&all, name)?.to_owned();
            proxies.retain(|proxy| text(proxy, "proxy") == meant);
        }
        for silent in proxies.iter().filter(|proxy| !text(proxy, "error").is_empty()) {
            tell(&format!("{} {}: {}\n", paint(WARN, "not told:"), text(silent, "proxy"), text(silent, "error")));
        }
        proxies.retain(|proxy| text(proxy, "error").is_empty());
        let section = self.what.section();
        let mut rows: Vec<(String, Value)> = proxies
            .iter()
            .flat_map(|proxy| list(&proxy[section]).map(|row| (text(proxy, "proxy").to_owned(), row.clone())))
            .filter(|(_, row)| self.scope.takes(&namespace_of(row)))
            .collect();
        rows.sort_by_key(|(proxy, row)| {
            (proxy.clone(), ["namespace", "host", "uid", "name"].map(|key| text(row, key).to_owned()))
        });
        if self.output == Some(Format::Json) {
            let rows: Vec<Value> = rows
                .into_iter()
                .map(|(proxy, mut row)| {
                    row["proxy"] = json!(proxy);
                    row
                })
                .collect();
            print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
            return Ok(());
        }
        let wide = Wide::of(self.output == Some(Format::Wide));
        match self.what {
            What::Listeners => listeners(&rows, wide),
            What::Routes => routes(&rows, wide),
            What::Backends => backends(&rows, wide),
            What::Endpoints => endpoints(&rows, &proxies, wide),
            What::Limits => limits(&rows, wide),
            What::Concurrency => concurrency(&rows, wide),
            What::Policies => policies(&rows, wide),
            What::Secrets => secrets(&rows, wide),
            What::Capture => {}
        }
        Ok(())
    }

    async fn capture(&self, mesh: &Mesh) -> Result<()> {
        let all = mesh.get("/v1/workloads").await?;
        let mut rows: Vec<&Value> = list(&all).filter(|row| self.scope.takes(text(row, "namespace"))).collect();
        if let Some(node) = &self.proxy {
            let nodes: BTreeSet<&str> = list(&all).map(|row| text(row, "node")).collect();
            let node = named(&nodes.into_iter().collect::<Vec<_>>(), node)?;
            rows.retain(|row| text(row, "node") == node);
        }
        if self.output == Some(Format::Json) {
            print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
            return Ok(());
        }
        let wide = Wide::of(self.output == Some(Format::Wide));
        let mut table =
            Table::new(&["NODE", "NAMESPACE", "WORKLOAD", "MODE", "STATE", "PLAIN", "DRAINING", "REASON"]).with(wide);
        for row in rows {
            let mesh = &row["mesh"];
            let state = match text(mesh, "state") {
                "CAPTURED" => paint(GOOD, "CAPTURED"),
                other => other.to_owned(),
            };
            table.row(vec![
                text(row, "node").to_owned(),
                text(row, "namespace").to_owned(),
                text(row, "name").to_owned(),
                text(mesh, "mode").to_owned(),
                state,
                mesh["plain"].to_string(),
                mesh["draining"].to_string(),
                text(mesh, "reason").to_owned(),
            ]);
        }
        table.print("No workloads here.");
        Ok(())
    }
}

// === impl What ===

impl What {
    /// Where it is in what a proxy tells.
    fn section(self) -> &'static str {
        match self {
            Self::Listeners | Self::Capture => "listeners",
            Self::Routes => "routes",
            Self::Backends => "backends",
            Self::Endpoints => "endpoints",
            Self::Limits => "limits",
            Self::Concurrency => "concurrency",
            Self::Policies => "policies",
            Self::Secrets => "secrets",
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The namespace that a row is of: its own, or its caller's.
fn namespace_of(row: &Value) -> String {
    if let Some((_, rest)) = text(row, "identity").split_once("/ns/") {
        return rest.split('/').next().unwrap_or_default().to_owned();
    }
    match text(row, "namespace") {
        "" => place(text(row, "caller")).0.to_owned(),
        namespace => namespace.to_owned(),
    }
}

/// Namespace and name in a uid, `cluster//kind/namespace/name`.
fn place(uid: &str) -> (&str, &str) {
    let mut parts = uid.rsplit('/');
    let name = parts.next().unwrap_or_default();
    (parts.next().unwrap_or_default(), name)
}

fn short(uid: &str) -> String {
    let (namespace, name) = place(uid);
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// Hosts as people call them.
fn known_as(hosts: &str) -> String {
    hosts.replace(".svc.cluster.local", "")
}

/// A cluster, `outbound|9080|v1|reviews.bookinfo.svc.cluster.local` to Envoy, as people call it: host, port, subset.
fn backend(cluster: &str) -> String {
    let parts: Vec<&str> = cluster.split('|').collect();
    match parts[..] {
        [_, port, "", host] => format!("{}:{port}", known_as(host)),
        [_, port, subset, host] => format!("{}:{port}/{subset}", known_as(host)),
        _ => known_as(cluster),
    }
}

/// How an endpoint is spoken with.
fn tunnel(word: &str) -> &str {
    if word == "none" { "plaintext" } else { word }
}

fn listeners(rows: &[(String, Value)], wide: Wide) {
    let mut table = Table::new(&["PROXY", "WORKLOAD", "FOR", "ADDRESS", "OPEN", "ROOM"]).with(wide).sparing(&["ROOM"]);
    for (proxy, row) in rows {
        for (at, socket) in list(&row["sockets"]).enumerate() {
            let of_workload = |value: String| if at == 0 { value } else { String::new() };
            let address = text(socket, "address");
            table.row(vec![
                proxy.clone(),
                short(text(row, "uid")),
                text(socket, "for").to_owned(),
                if address.is_empty() { "-" } else { address }.to_owned(),
                of_workload(row["open"].to_string()),
                of_workload(format!("{} of {}", row["places"], row["of_places"])),
            ]);
        }
    }
    table.print("No listeners: nothing here is in the mesh.");
}

fn routes(rows: &[(String, Value)], wide: Wide) {
    let mut table = Table::new(&["PROXY", "OBJECT", "HOSTS", "AT", "PROTOCOL", "MATCHES", "ACTION"])
        .with(wide)
        .sparing(&["PROTOCOL", "AT"]);
    let words = |value: &Value| list(value).filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    for (proxy, row) in rows {
        for rule in list(&row["rules"]) {
            let matches = match &rule["matches"] {
                none if *none == 0 => "all".to_owned(),
                some => some.to_string(),
            };
            table.row(vec![
                proxy.clone(),
                format!("{}/{}", text(row, "namespace"), text(row, "name")),
                known_as(&words(&row["hosts"])),
                words(&row["gateways"]),
                text(rule, "protocol").to_owned(),
                matches,
                known_as(text(rule, "action")),
            ]);
        }
    }
    table.print("No routes.");
}

fn backends(rows: &[(String, Value)], wide: Wide) {
    let mut header =
        vec!["PROXY", "CALLER", "BACKEND", "BALANCER", "ENDPOINTS", "EJECTED", "FAILING", "CONNECTIONS", "REQUESTS"];
    let is_wide = wide == Wide::Asked;
    if is_wide {
        header.extend(["CHECKS", "PENDING", "RETRIES", "CLUSTER"]);
    }
    let mut table = Table::new(&header).with(wide);
    for (proxy, row) in rows {
        let endpoints: Vec<&Value> = list(&row["endpoints"]).collect();
        let ejected = endpoints.iter().filter(|endpoint| !endpoint["ejected_ms"].is_null()).count();
        let mut cells = vec![
            proxy.clone(),
            short(text(row, "caller")),
            backend(text(row, "cluster")),
            text(row, "balancer").to_owned(),
            endpoints.len().to_string(),
            if ejected > 0 { paint(BAD, &ejected.to_string()) } else { "0".to_owned() },
            match endpoints.iter().filter(|endpoint| !endpoint["failing"].is_null()).count() {
                _ if row["checks"].is_null() => "-".to_owned(),
                0 => "0".to_owned(),
                failing => paint(BAD, &failing.to_string()),
            },
            row["connections"].to_string(),
            row["requests"].to_string(),
        ];
        if is_wide {
            cells.extend([
                text(row, "checks").to_owned(),
                row["pending"].to_string(),
                row["retries"].to_string(),
                text(row, "cluster").to_owned(),
            ]);
        }
        table.row(cells);
    }
    table.print(
        "Nobody calls anything whose requests are read. (Connections are only relayed where no policy asks for more.)",
    );
}

fn limits(rows: &[(String, Value)], wide: Wide) {
    let mut table = Table::new(&["PROXY", "POLICY", "FOR", "OF", "LIMIT", "PASSED", "REFUSED", "DRY-RUN"]).with(wide);
    for (proxy, row) in rows {
        let of = short(text(row, "of"));
        table.row(vec![
            proxy.clone(),
            format!("{}/{}", text(row, "namespace"), text(row, "name")),
            text(row, "target").to_owned(),
            if of.is_empty() { "-".to_owned() } else { of },
            text(row, "allowance").to_owned(),
            row["passed"].to_string(),
            row["refused"].to_string(),
            row["dry_run"].to_string(),
        ]);
    }
    table.print("No request has met a limit.");
}

fn policies(rows: &[(String, Value)], wide: Wide) {
    let results = ["allowed", "denied", "audited", "would_allow", "would_deny"];
    let mut table =
        Table::new(&["PROXY", "KIND", "POLICY", "RULE", "ALLOWED", "DENIED", "AUDITED", "WOULD ALLOW", "WOULD DENY"])
            .with(wide)
            .sparing(&["KIND", "PROXY"]);
    for (proxy, row) in rows {
        let said = |key: &str| match text(row, key) {
            "" => "-".to_owned(),
            said => said.to_owned(),
        };
        let policy = match text(row, "name") {
            "" => format!("none: {}", text(row, "reason")),
            name => format!("{}/{name}", text(row, "namespace")),
        };
        let counts =
            results.map(|result| row[result].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string()));
        table.row([proxy.clone(), said("kind"), policy, said("rule")].into_iter().chain(counts).collect());
    }
    table.print("No policy has said anything of a connection or request yet.");
}

fn concurrency(rows: &[(String, Value)], wide: Wide) {
    let mut table =
        Table::new(&["PROXY", "POLICY", "FOR", "OF", "LIMIT", "UNDER WAY", "REFUSED", "MIN RTT", "RTT"]).with(wide);
    for (proxy, row) in rows {
        let of = short(text(row, "of"));
        let latency = |name: &str| row[name].as_f64().map_or("-".to_owned(), |latency| format!("{latency:.1}ms"));
        let limit =
            if row["measuring"] == true { format!("{} (measuring)", row["limit"]) } else { row["limit"].to_string() };
        table.row(vec![
            proxy.clone(),
            format!("{}/{}", text(row, "namespace"), text(row, "name")),
            text(row, "target").to_owned(),
            if of.is_empty() { "-".to_owned() } else { format!("{of}:{}", row["port"]) },
            limit,
            row["requests"].to_string(),
            row["refused"].to_string(),
            latency("min_rtt_ms"),
            latency("sample_rtt_ms"),
        ]);
    }
    table.print("No instance has had a request that is counted by `adaptiveConcurrency`.");
}

fn endpoints(rows: &[(String, Value)], proxies: &[Value], wide: Wide) {
    let mut table =
        Table::new(&["PROXY", "HOST", "ENDPOINT", "WORKLOAD", "HEALTH", "BY", "EJECTED BY", "FAILS CHECKS OF"])
            .with(wide)
            .sparing(&["BY", "PROXY"]);
    for (proxy, row) in rows {
        // Who has ejected it as another host's endpoint calls it here all the same.
        let is_of_it = |backend: &&Value| text(backend, "cluster").rsplit('|').next() == row["host"].as_str();
        let of_proxy = proxies.iter().filter(|it| text(it, "proxy") == proxy);
        let callers: Vec<&Value> = of_proxy.flat_map(|it| list(&it["backends"])).filter(is_of_it).collect();
        for endpoint in list(&row["endpoints"]) {
            let uid = text(endpoint, "workload");
            let known =
                |backend: &Value| list(&backend["endpoints"]).find(|known| text(known, "workload") == uid).cloned();
            let out = callers.iter().filter_map(|backend| Some((short(text(backend, "caller")), known(backend)?)));
            let (mut ejecting, mut failing) = (Vec::new(), Vec::new());
            for (caller, known) in out {
                if let Some(why) = known["failing"].as_str() {
                    failing.push(format!("{caller} ({why})"));
                }
                if !known["ejected_ms"].is_null() {
                    ejecting.push(caller);
                }
            }
            let outs = |names: &[String]| if names.is_empty() { "-".to_owned() } else { paint(BAD, &names.join(",")) };
            let addresses: Vec<&str> = list(&endpoint["addresses"]).filter_map(Value::as_str).collect();
            let ports: Vec<String> = list(&endpoint["ports"]).map(ToString::to_string).collect();
            let health = text(endpoint, "health");
            table.row(vec![
                proxy.clone(),
                known_as(text(row, "host")),
                format!("{}:{}", addresses.first().unwrap_or(&"-"), ports.join(",")),
                short(uid),
                paint(if health == "healthy" { GOOD } else { WARN }, health),
                tunnel(text(endpoint, "tunnel")).to_owned(),
                outs(&ejecting),
                outs(&failing),
            ]);
        }
    }
    table.print("No endpoints.");
}

fn secrets(rows: &[(String, Value)], wide: Wide) {
    let mut table = Table::new(&["PROXY", "IDENTITY", "VALID UNTIL", "RENEWED AT", "USED BY"])
        .with(wide)
        .sparing(&["RENEWED AT", "USED BY"]);
    let time = |value: &Value| match value.as_u64() {
        Some(millis) => humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis)).to_string(),
        None => paint(BAD, "no certificate"),
    };
    for (proxy, row) in rows {
        let users = match row["users"].as_u64() {
            Some(1) => "1 workload".to_owned(),
            users => format!("{} workloads", users.unwrap_or_default()),
        };
        table.row(vec![
            proxy.clone(),
            text(row, "identity").to_owned(),
            time(&row["not_after_ms"]),
            time(&row["renewed_at_ms"]),
            users,
        ]);
    }
    table.print("No identities: nothing here is in the mesh.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_called_as_everywhere() {
        for (cluster, name) in [
            ("outbound|9080|v1|reviews.bookinfo.svc.cluster.local", "reviews.bookinfo:9080/v1"),
            ("outbound|80||cart.shop.svc.cluster.local", "cart.shop:80"),
            ("outbound|443||api.example.com", "api.example.com:443"),
            ("PassthroughCluster", "PassthroughCluster"),
        ] {
            assert_eq!(backend(cluster), name);
        }
        assert_eq!((tunnel("none"), tunnel("HBONE")), ("plaintext", "HBONE"));
    }
}
