//! `ripstop up`: a whole mesh on this machine.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use ripstop_supervise::{
    Event, LogWriter,
    outer::{self, Ended, UpConfig},
};
use ripstop_telemetry::logging;
use serde_json::Value;

use crate::{
    cluster,
    mesh::Mesh,
    output::{BOLD, DIM, GOOD, WARN, paint, print},
    tables::text,
};

/// Before it is asked again what is wrong with the configuration.
const LOOK: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Args)]
pub struct Up {
    /// Directory with the configuration; changes in it act while the mesh runs.
    dir: PathBuf,
    /// Directory for what outlives the mesh.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Loopback port of the metrics, 0 for any free one; else `spec.metricsPort` of the Mesh.
    #[arg(long)]
    metrics_port: Option<u16>,
    /// How much of the broker's log is shown here: error, warn, info or debug.
    #[arg(long, default_value = "warn")]
    log_level: String,
}

impl Up {
    /// Runs it until Ctrl-C.
    pub fn run(self) -> Result<()> {
        // The terminal is for people; what the broker grants and refuses is kept.
        let files = std::fs::read_dir(&self.dir).with_context(|| format!("reading {}", self.dir.display()))?;
        if files.count() == 0 {
            print(&format!("{} holds no files yet: what you put there acts at once.\n", self.dir.display()));
        }
        let place = ripstop_supervise::state_dir(&self.dir, self.state.as_deref())?;
        logging::init_with_copy(&self.log_level, LogWriter::of_broker(&place));
        let dir = self.dir.clone();
        let mut state = PathBuf::new();
        let config = UpConfig {
            dir: self.dir,
            state: self.state,
            metrics_port: self.metrics_port.unwrap_or_else(|| declared_metrics_port(&dir)),
            binary: std::env::current_exe()?,
            supervise_argv: cluster::argv,
            on_event: Box::new(move |event| tell(&event, &dir, &mut state)),
        };
        match outer::run(config)? {
            Ended::Cleanly => print("The mesh has ended.\n"),
            Ended::Killed => print("The mesh was killed.\n"),
        }
        Ok(())
    }
}

fn tell(event: &Event, dir: &Path, place: &mut PathBuf) {
    match event {
        Event::Starting { state, metrics } => {
            *place = state.into();
            print(&format!("{} {}\n", paint(BOLD, "ripstop"), dir.display()));
            print(&format!("  state    {state}\n"));
            print(&format!("  metrics  http://{metrics}/metrics, http://{metrics}/proxies/NODE/metrics\n"));
        }
        Event::Control => {
            print(&format!("  {} control plane\n", paint(GOOD, "✓")));
            let place = place.clone();
            // The mesh must not wait for this.
            let told = std::thread::Builder::new().name("findings".into()).spawn(move || {
                if let Err(error) = findings(&place) {
                    tracing::warn!(%error, "the configuration's findings could not be read");
                }
            });
            if let Err(error) = told {
                tracing::warn!(%error, "the configuration's findings are not shown");
            }
        }
        Event::Settled { nodes, workloads, ready } => {
            let style = if ready == workloads { GOOD } else { WARN };
            print(&format!("  {} {}\n", paint(style, "✓"), settled(*nodes, *workloads, *ready)));
            play();
        }
        Event::Died { name, reason } => {
            print(&format!("  {} {name} {reason}; it is started again\n", paint(WARN, "!")));
        }
        Event::Entrance(entrance) => {
            let open = entrance.address.is_some();
            let (style, sign) = match &entrance.error {
                _ if open => (GOOD, "✓"),
                Some(_) => (WARN, "!"),
                None => (DIM, "–"),
            };
            print(&format!("  {} {entrance}\n", paint(style, sign)));
        }
        Event::Stopping => print(&paint(DIM, "Ending …\n")),
        _ => {}
    }
}

/// `spec.metricsPort` of the `Mesh` in the files right below `dir`; 0 if nothing says so.
fn declared_metrics_port(dir: &Path) -> u16 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(is_configuration)).collect();
    files.sort();
    let objects = files.iter().filter_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(ripstop_api::parse_file(&path.to_string_lossy(), &text).objects)
    });
    let port = |object: ripstop_api::Object| match object.spec {
        ripstop_api::Spec::Mesh(mesh) => mesh.metrics_port,
        _ => None,
    };
    objects.flatten().find_map(port).unwrap_or(0)
}

fn is_configuration(extension: &std::ffi::OsStr) -> bool {
    ["yaml", "yml", "json"].iter().any(|known| extension == *known)
}

/// What is wrong with the configuration, if anything is, and how much advice there is; then what else becomes wrong, and
/// what is mended.
fn findings(state: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mesh = Mesh::find(Some(state))?;
        let rows = mesh.get("/v1/findings").await?;
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let (advice, wrong): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["level"] == "info");
        for row in wrong {
            print(&format!("  {}", crate::tables::finding(row)));
        }
        match advice.len() {
            0 => {}
            1 => print("  1 piece of advice: ripstop get findings\n"),
            count => print(&format!("  {count} pieces of advice: ripstop get findings\n")),
        }
        let mut known = wrong_in(rows);
        loop {
            tokio::time::sleep(LOOK).await;
            // The control plane may be away.
            let Ok(rows) = mesh.get("/v1/findings").await else { continue };
            let now = wrong_in(rows.as_array().map(Vec::as_slice).unwrap_or_default());
            for (_, row) in now.iter().filter(|(what, _)| !known.contains_key(*what)) {
                print(&format!("  {}", crate::tables::finding(row)));
            }
            for (_, row) in known.iter().filter(|(what, _)| !now.contains_key(*what)) {
                let place = format!("{}: {} {}", text(row, "file"), text(row, "code"), text(row, "path"));
                print(&format!("  {} mended: {}\n", paint(GOOD, "✓"), place.trim_end()));
            }
            known = now;
        }
    })
}

/// Errors and warnings by what they say, wherever that stands.
fn wrong_in(rows: &[Value]) -> BTreeMap<String, Value> {
    let wrong = rows.iter().filter(|row| row["level"] != "info");
    let what =
        |row: &Value| ["file", "code", "object", "path", "message"].map(|key| text(row, key).to_owned()).join("\n");
    wrong.map(|row| (what(row), row.clone())).collect()
}

/// How much runs.
fn settled(nodes: usize, workloads: usize, ready: usize) -> String {
    let node = if nodes == 1 { "node" } else { "nodes" };
    format!("{nodes} {node}, {ready} of {workloads} workloads ready")
}

/// What one can do with a mesh that runs.
fn play() {
    let lines = [
        ("ripstop get workloads", "what runs, and what is in the mesh"),
        (
            "ripstop label namespace NS istio.io/dataplane-mode=ambient",
            "enrol a namespace (… dataplane-mode- to leave)",
        ),
        ("ripstop run -n NS -- curl http://SERVICE.NS:PORT/", "one more process inside"),
        ("ripstop logs node-NODE --access -f", "one line a connection, with both identities"),
        ("ripstop status", "every proxy, its version and lag"),
    ];
    print("\nIn another terminal:\n");
    for (command, what) in lines {
        print(&format!("  {command:<60} {}\n", paint(DIM, &format!("# {what}"))));
    }
    print("\nCtrl-C ends the mesh.\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_as_one() {
        assert_eq!(settled(1, 1, 1), "1 node, 1 of 1 workloads ready");
        assert_eq!(settled(2, 7, 6), "2 nodes, 6 of 7 workloads ready");
        assert_eq!(settled(1, 0, 0), "1 node, 0 of 0 workloads ready");
    }
}
