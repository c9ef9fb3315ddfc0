//! `ripstop tap`: requests as they pass.

use std::{fmt::Write as _, ops::ControlFlow};

use anyhow::Result;
use clap::{Args, ValueEnum};
use ripstop_supervise::client::query_escape;
use serde_json::Value;

use crate::{
    completion,
    mesh::Mesh,
    nobody,
    output::{BAD, DIM, GOOD, WARN, paint, print},
};

/// Which requests.
#[derive(Args)]
pub struct Tap {
    /// Only requests from or to this namespace.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// Only requests of this caller: NAME, NAMESPACE/NAME or NAMESPACE/, of a workload or its owner.
    #[arg(long, add = completion::workloads())]
    from: Option<String>,
    /// Only requests to this callee: like --from, or a service.
    #[arg(long, add = completion::workloads())]
    to: Option<String>,
    /// Only this method.
    #[arg(long)]
    method: Option<String>,
    /// Only paths that begin so.
    #[arg(long)]
    path: Option<String>,
    /// Only this status: 404, 5xx, or 0 for requests without a response.
    #[arg(long)]
    status: Option<String>,
    /// Ends after so many requests.
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// How to show them.
    #[arg(short, long, value_enum, default_value_t = Shape::Text)]
    output: Shape,
}

/// How a request is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
}

// === impl Tap ===

impl Tap {
    /// Shows requests until it is ended, or enough came.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let mut left = self.max;
        if left == Some(0) {
            return Ok(());
        }
        nobody::namespace(mesh, self.namespace.as_deref()).await;
        for party in [&self.from, &self.to] {
            nobody::party(mesh, party.as_deref()).await;
        }
        let shape = self.output;
        mesh.lines(&self.path_of(), |line| {
            let Ok(record) = serde_json::from_str::<Value>(line) else { return ControlFlow::Continue(()) };
            if record["event"].is_string() {
                tell(&record);
                return ControlFlow::Continue(());
            }
            match shape {
                Shape::Text => print(&text(&record)),
                Shape::Json => print(&format!("{line}\n")),
            }
            left = left.map(|left| left.saturating_sub(1));
            if left == Some(0) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .await
    }

    fn path_of(&self) -> String {
        let filters = [
            ("namespace", &self.namespace),
            ("from", &self.from),
            ("to", &self.to),
            ("method", &self.method),
            ("path", &self.path),
            ("status", &self.status),
        ];
        let given = filters.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        given.fold("/v1/tap?".to_owned(), |mut path, (key, value)| {
            let separator = if path.ends_with('?') { "" } else { "&" };
            let _ = write!(path, "{separator}{key}={}", query_escape(value));
            path
        })
    }
}

/// What is no request goes to standard error.
fn tell(event: &Value) {
    let proxy = event["proxy"].as_str().unwrap_or("?");
    match event["event"].as_str() {
        Some("open") => eprintln!("{proxy}: watching"),
        Some("away") => eprintln!("{proxy}: its proxy does not answer; it is watched when it is back"),
        Some("dropped") => eprintln!("{proxy}: {} requests came too fast and are not shown", event["count"]),
        _ => {}
    }
}

/// `12:00:00.123  west in   shop/web → shop/cart  GET cart.shop/items  200  1.2ms`
fn text(record: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().escape_debug().to_string();
    let time = word(&record["time"]);
    let time = time.split_once('T').map_or(time.as_str(), |(_, time)| time.get(..12).unwrap_or(time));
    let status = record["status"].as_u64().unwrap_or_default();
    let style = match status {
        1..400 => GOOD,
        400..500 => WARN,
        _ => BAD,
    };
    let mut shown = paint(style, &status.to_string());
    if let Some(code) = record["grpcStatus"].as_u64() {
        let _ = write!(shown, " grpc {code}");
    }
    let flags: Vec<&str> = record["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !flags.is_empty() {
        let _ = write!(shown, " {}", flags.join(","));
    }
    if let Some(policy) = record["policy"].as_str() {
        let _ = write!(shown, " by {policy}");
    }
    if let Some(decision) = record["decision"].as_str() {
        let _ = write!(shown, " (decision {decision})");
    }
    // A request that is routed has two lines: as its caller's proxy sees it leave, and as its callee's sees it arrive.
    let direction = if record["direction"] == "outbound" { "out" } else { "in " };
    format!(
        "{}  {} {direction}  {} \u{2192} {}  {} {}{}  {shown}  {}ms\n",
        paint(DIM, time),
        word(&record["proxy"]),
        party(&record["source"]),
        party(&record["destination"]),
        word(&record["method"]),
        word(&record["authority"]),
        word(&record["path"]),
        record["durationMs"]
    )
}

/// The workload, else the address.
fn party(party: &Value) -> String {
    match (party["namespace"].as_str(), party["workload"].as_str()) {
        (Some(namespace), Some(workload)) => format!("{namespace}/{workload}"),
        _ => party["address"].as_str().unwrap_or("unknown").to_owned(),
    }
}

#[cfg(test)]
mod tests;
