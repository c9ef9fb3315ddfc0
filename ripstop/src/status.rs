//! `ripstop status`: every proxy, its version and lag.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::{
    explain::Output,
    mesh::Mesh,
    output::{BAD, DIM, GOOD, Table, WARN, Wide, paint, print, print_prose},
    tables::{gateways, text},
};

/// How to show it.
#[derive(Args)]
pub struct Status {
    /// How to show it; a table if nothing is said.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Status {
    /// Prints it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let mut status = mesh.get("/v1/status").await?;
        let entrances = mesh.get("/v1/ingress").await?;
        status["ingress"] = entrances.clone();
        if self.output == Some(Output::Json) {
            print(&format!("{}\n", serde_json::to_string_pretty(&status)?));
            return Ok(());
        }
        print(&format!("configuration version {}\n\n", status["version"]));
        let mut table = Table::new(&["NAME", "ROLE", "STATE", "ACKNOWLEDGED", "SENT", "LAG"]);
        let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
        for proxy in &proxies {
            table.row(vec![
                text(proxy, "name").into(),
                text(proxy, "role").into(),
                state(proxy, &status["version"]),
                proxy["acked"].to_string(),
                proxy["sent"].to_string(),
                proxy["lag_ms"].as_u64().map_or_else(|| "-".into(), |lag| format!("{lag} ms")),
            ]);
        }
        table.print("No proxy has joined yet.");
        let entrances = entrances.as_array().map(Vec::as_slice).unwrap_or_default();
        if !entrances.is_empty() {
            print("\n");
            gateways(entrances, Wide::None);
        }
        for proxy in proxies.iter().filter(|proxy| !text(proxy, "nack").is_empty()) {
            let who = format!("{} {}", text(proxy, "role"), text(proxy, "name"));
            print_prose(&format!("{} {who} rejected a version: {}\n", paint(BAD, "NACK"), text(proxy, "nack")));
        }
        if let Some(line) = in_quarantine(&mesh.get("/v1/workloads").await?) {
            print_prose(&format!("\n{}: {line}\n", paint(WARN, "in quarantine")));
        }
        if let Some(line) = findings(&status) {
            print_prose(&format!("\n{line} in the configuration: `ripstop get findings`\n"));
        }
        for line in fails(&mesh.get("/v1/findings").await?) {
            print_prose(&format!("  {}: {line}\n", paint(BAD, "calls fail")));
        }
        Ok(())
    }
}

/// What is wrong, in numbers.
fn findings(status: &Value) -> Option<String> {
    let count = |key: &str| status[key].as_u64().unwrap_or_default();
    let (errors, warnings) = (count("errors_count"), count("warnings_count"));
    let rest = count("findings_count").saturating_sub(errors + warnings);
    let told = |count: u64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts =
        [told(errors, "error", "errors"), told(warnings, "warning", "warnings"), told(rest, "advice", "advice")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let style = match (errors, warnings) {
        (0, 0) => DIM,
        (0, _) => WARN,
        _ => BAD,
    };
    (!parts.is_empty()).then(|| paint(style, &parts.join(", ")))
}

/// Findings by which calls fail, whoever makes them: a waypoint is named that is not there, or does not serve who names it.
const FAILING: [&str; 2] = ["RS240", "RS244"];

/// What calls fail by, one line each.
fn fails(findings: &Value) -> Vec<String> {
    let rows = findings.as_array().into_iter().flatten();
    let failing = rows.filter(|row| FAILING.contains(&text(row, "code")));
    failing.map(|row| format!("{} ({}): {}", text(row, "object"), text(row, "code"), text(row, "message"))).collect()
}

/// Workloads that are cut off, and why.
fn in_quarantine(workloads: &Value) -> Option<String> {
    let rows = workloads.as_array().into_iter().flatten().filter(|row| row["quarantine"].is_object());
    let told: Vec<String> = rows
        .map(|row| {
            let name = format!("{}/{}", text(row, "namespace"), text(row, "name"));
            match text(&row["quarantine"], "reason") {
                "" => name,
                reason => format!("{name} ({reason})"),
            }
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn state(proxy: &Value, version: &Value) -> String {
    if proxy["connected"] != true {
        paint(BAD, "STALE")
    } else if proxy["acked"] == *version {
        paint(GOOD, "SYNCED")
    } else {
        paint(WARN, "BEHIND")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_are_counted_by_level() {
        let told = |all: u64, errors: u64, warnings: u64| {
            findings(&json!({"findings_count": all, "errors_count": errors, "warnings_count": warnings}))
        };
        assert_eq!(told(0, 0, 0), None);
        assert_eq!(told(7, 1, 2).as_deref(), Some("1 error, 2 warnings, 4 advice"));
        assert_eq!(told(1, 0, 1).as_deref(), Some("1 warning"));
    }

    #[test]
    fn what_calls_fail_by_is_told() {
        let row = |code: &str| json!({"code": code, "object": "Service/shop/web", "message": "no waypoint shop/front"});
        assert_eq!(fails(&json!([row("RS105"), row("RS240")])), ["Service/shop/web (RS240): no waypoint shop/front"]);
        assert!(fails(&json!([])).is_empty());
    }

    #[test]
    fn who_is_in_quarantine_is_told_with_the_reason() {
        let row = |name: &str, quarantine: Value| json!({"namespace": "shop", "name": name, "quarantine": quarantine});
        let rows = [row("a", json!({"reason": "it leaks"})), row("b", Value::Null), row("c", json!({"reason": null}))];
        assert_eq!(in_quarantine(&json!(rows)).as_deref(), Some("shop/a (it leaks), shop/c"));
        assert_eq!(in_quarantine(&json!([])), None);
    }
}
