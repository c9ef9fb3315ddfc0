//! The running mesh that a command speaks to.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ripstop_supervise::{MeshHandle, client::AdminClient, find_mesh};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, Instant, sleep, timeout},
};

use crate::completion;

/// How long a control plane may take to start.
const CONTROL_STARTS: Duration = Duration::from_secs(2);
/// How long metrics may take.
const METRICS_DEADLINE: Duration = Duration::from_secs(10);

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    /// Where it is.
    pub handle: MeshHandle,
    admin: AdminClient,
}

/// Which namespaces to show.
#[derive(Args)]
pub struct Scope {
    /// Only this namespace.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// All namespaces; the default where no namespace is given.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
}

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// More columns.
    Wide,
    /// JSON.
    Json,
}

// === impl Mesh ===

impl Mesh {
    /// The mesh of `selector`, else the only one that runs.
    pub fn find(selector: Option<&Path>) -> Result<Self> {
        let handle = find_mesh(selector)?;
        let admin = AdminClient::new(&handle);
        Ok(Self { handle, admin })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Result<Value> {
        patiently(async || self.admin.get(path).await).await
    }

    /// `POST path`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        patiently(async || self.admin.post(path, body).await).await
    }

    /// `GET path`, handing out what comes, as text.
    pub async fn stream(&self, path: &str, mut out: impl FnMut(&str)) -> Result<()> {
        let mut stream = self.admin.stream(path).await?;
        while let Some(line) = stream.line().await? {
            out(&line);
            out("\n");
        }
        Ok(())
    }

    /// `GET path`, handing out line by line what comes, until `out` has enough.
    pub async fn lines(&self, path: &str, mut out: impl FnMut(&str) -> ControlFlow<()>) -> Result<()> {
        let mut stream = self.admin.stream(path).await?;
        while let Some(line) = stream.line().await? {
            if out(&line).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What Prometheus would get at `path` of the mesh's metrics port.
    pub async fn metrics(&self, path: &str) -> Result<String> {
        let address = self.handle.metrics.as_deref().context("this mesh has no metrics port")?;
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(METRICS_DEADLINE, asked).await.context("metrics took too long")??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        if head.split(' ').nth(1) != Some("200") {
            bail!("{}: {}", head.lines().next().unwrap_or_default(), body.trim());
        }
        Ok(body.to_owned())
    }
}

/// Asks again while the control plane starts: it may just have been told to.
async fn patiently(ask: impl AsyncFn() -> ripstop_supervise::Result<Value>) -> Result<Value> {
    let end = Instant::now() + CONTROL_STARTS;
    loop {
        match ask().await {
            Err(error) if error.to_string().contains("control plane does not answer") && Instant::now() < end => {
                sleep(Duration::from_millis(50)).await;
            }
            answer => return Ok(answer?),
        }
    }
}

// === impl Scope ===

impl Scope {
    /// The namespace, if it is one alone.
    pub fn only(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether things of `namespace` are shown.
    pub fn takes(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|only| only == namespace)
    }
}
