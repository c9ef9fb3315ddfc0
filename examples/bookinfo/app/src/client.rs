//! An HTTP/1.1 client that keeps connections for at most two seconds and closes them only
//! between requests.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// A connection is not used for a new request after this time.
const KEEP: Duration = Duration::from_secs(2);
/// A request that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(10);

/// Connections by `host:port`.
#[derive(Default)]
pub struct Client {
    idle: Mutex<HashMap<String, Vec<Pooled>>>,
    keep: Option<Duration>,
}

struct Pooled {
    sender: SendRequest<Empty<Bytes>>,
    born: Instant,
}

/// A complete answer.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Body.
    pub body: Bytes,
}

// === impl Client ===

impl Client {
    /// A client that opens a new connection for each request.
    pub fn without_pool() -> Self {
        Self { keep: Some(Duration::ZERO), ..Self::default() }
    }

    /// GETs `url` with `headers`. Nothing is retried.
    pub async fn get(&self, url: &str, headers: &HeaderMap) -> Result<Answer> {
        timeout(DEADLINE, self.exchange(url, headers)).await.map_err(|_| anyhow!("{url}: no answer in {DEADLINE:?}"))?
    }

    async fn exchange(&self, url: &str, headers: &HeaderMap) -> Result<Answer> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        let authority = uri.authority().ok_or_else(|| anyhow!("{url} names no host"))?.as_str().to_owned();
        let address = if uri.port().is_some() { authority.clone() } else { format!("{authority}:80") };
        let mut pooled = match self.take(&address) {
            Some(pooled) => pooled,
            None => connect(&address).await.with_context(|| format!("connecting to {address}"))?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path).header(HOST, authority).body(Empty::new())?;
        request.headers_mut().extend(headers.clone());
        let answer = pooled.sender.send_request(request).await.with_context(|| format!("asking {url}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.with_context(|| format!("reading from {url}"))?.to_bytes();
        self.put_back(address, pooled);
        Ok(Answer { status, body })
    }

    fn take(&self, address: &str) -> Option<Pooled> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.get_mut(address)?;
        let keep = self.keep.unwrap_or(KEEP);
        list.retain(|pooled| pooled.born.elapsed() < keep && pooled.sender.is_ready());
        list.pop()
    }

    fn put_back(&self, address: String, pooled: Pooled) {
        if pooled.born.elapsed() < self.keep.unwrap_or(KEEP) && !pooled.sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(address).or_default().push(pooled);
        }
    }
}

async fn connect(address: &str) -> Result<Pooled> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends when `sender` is dropped or the peer closes.
    tokio::spawn(connection);
    Ok(Pooled { sender, born: Instant::now() })
}
