//! `ripstop status`: every proxy, its version and lag.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::{
    explain::Output,
    mesh::Mesh,
    output::{BAD, GOOD, Table, WARN, Wide, paint, print, print_prose},
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
        if let Some(count) = status["findings_count"].as_u64().filter(|count| *count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            let line = format!("{count} finding{plural} in the configuration");
            print(&format!("\n{}: `ripstop get findings`\n", paint(WARN, &line)));
        }
        Ok(())
    }
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
