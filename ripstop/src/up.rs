//! `ripstop up`: a whole mesh on this machine.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ripstop_supervise::{
    Event,
    outer::{self, Ended, UpConfig},
};
use ripstop_telemetry::logging;

use crate::{
    cluster,
    output::{BOLD, DIM, GOOD, WARN, paint, print},
};

/// What to run.
#[derive(Args)]
pub struct Up {
    /// Directory with the configuration; changes in it act while the mesh runs.
    dir: PathBuf,
    /// Directory for what outlives the mesh.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Loopback port of the metrics; 0: any free one.
    #[arg(long, default_value_t = 0)]
    metrics_port: u16,
    /// How much the outer process (the broker) logs: error, warn, info or debug.
    #[arg(long, default_value = "warn")]
    log_level: String,
}

impl Up {
    /// Runs it until Ctrl-C.
    pub fn run(self) -> Result<()> {
        let _level = logging::init(&self.log_level);
        let dir = self.dir.clone();
        let config = UpConfig {
            dir: self.dir,
            state: self.state,
            metrics_port: self.metrics_port,
            binary: std::env::current_exe()?,
            supervise_argv: cluster::argv,
            on_event: Box::new(move |event| tell(&event, &dir)),
        };
        match outer::run(config)? {
            Ended::Cleanly => print("The mesh has ended.\n"),
            Ended::Killed => print("The mesh was killed.\n"),
        }
        Ok(())
    }
}

fn tell(event: &Event, dir: &std::path::Path) {
    match event {
        Event::Starting { state, metrics } => {
            print(&format!("{} {}\n", paint(BOLD, "ripstop"), dir.display()));
            print(&format!("  state    {state}\n"));
            print(&format!("  metrics  http://{metrics}/metrics, http://{metrics}/proxies/NODE/metrics\n"));
        }
        Event::Control => print(&format!("  {} control plane\n", paint(GOOD, "✓"))),
        Event::Settled { nodes, workloads, ready } => {
            let style = if ready == workloads { GOOD } else { WARN };
            let line = format!("{nodes} nodes, {ready} of {workloads} workloads ready");
            print(&format!("  {} {line}\n\n", paint(style, "✓")));
            play();
        }
        Event::Died { name, reason } => {
            print(&format!("  {} {name} {reason}; it is started again\n", paint(WARN, "!")))
        }
        Event::Stopping => print(&paint(DIM, "Ending …\n")),
        _ => {}
    }
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
        ("ripstop logs node-NODE -f", "one line a connection, with both identities"),
        ("ripstop status", "every proxy, its version and lag"),
    ];
    print("In another terminal:\n");
    for (command, what) in lines {
        print(&format!("  {command:<60} {}\n", paint(DIM, &format!("# {what}"))));
    }
    print("\nCtrl-C ends the mesh.\n");
}
