//! `ripstop identity issue`: a certificate for a client outside of the node proxies.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{mesh::Mesh, output::print};

/// What to do.
#[derive(Args)]
pub struct Identity {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issues a certificate of a service account that a declared Process has. Audited.
    Issue {
        /// `namespace/service account`
        account: String,
        /// Directory for cert-chain.pem, key.pem and root-cert.pem; made if it is missing.
        #[arg(long)]
        out: PathBuf,
        /// Life, e.g. `1h`; 24 h if nothing is said.
        #[arg(long)]
        ttl: Option<humantime::Duration>,
    },
}

impl Identity {
    /// Does it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let Command::Issue { account, out, ttl } = self.command;
        let Some((namespace, service_account)) = account.split_once('/') else {
            bail!("{account:?} is not of the form namespace/service-account");
        };
        let mut body = json!({"namespace": namespace, "service_account": service_account});
        if let Some(ttl) = ttl {
            body["ttl"] = ttl.as_secs().into();
        }
        let issued = mesh.post("/v1/identities", &body).await?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&out)
            .with_context(|| format!("making {}", out.display()))?;
        for (field, file) in [("cert_chain", "cert-chain.pem"), ("key", "key.pem"), ("roots", "root-cert.pem")] {
            let text = match &issued[field] {
                serde_json::Value::Array(parts) => parts.iter().filter_map(|part| part.as_str()).collect::<String>(),
                other => other.as_str().unwrap_or("").to_owned(),
            };
            if text.is_empty() {
                bail!("the control plane's answer has no {field}");
            }
            write(&out.join(file), &text)?;
        }
        let id = issued["id"].as_str().unwrap_or(&account);
        print(&format!("{id}: cert-chain.pem, key.pem and root-cert.pem are in {}\n", out.display()));
        Ok(())
    }
}

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}
