//! `ripstop link watch`: what crosses the link of a node.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{completion, mesh::Mesh, output::print};

/// What to do.
#[derive(Args)]
pub struct Link {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Counts packets, bytes, and how many show a text in the clear: one JSON line a second.
    Watch {
        /// Node.
        #[arg(add = completion::nodes())]
        node: String,
        /// Text to look for.
        #[arg(long)]
        marker: String,
    },
}

impl Link {
    /// Does it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let Command::Watch { node, marker } = self.command;
        let marker: String = marker.bytes().map(escape).collect();
        mesh.stream(&format!("/v1/link/watch?node={node}&marker={marker}"), print).await
    }
}

/// A byte of a query value (RFC 3986).
fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
