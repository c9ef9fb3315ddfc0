//! The command line's side of the admin socket.

use std::{io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::{Error, MeshHandle, Result, doorkeeper, state::running_at, web::exchange};

mod run;
mod terminal;

pub use run::run;

/// Speaks HTTP to the admin socket of one mesh.
#[derive(Clone, Debug)]
pub struct AdminClient {
    mesh: MeshHandle,
}

/// A streamed answer, piece by piece or line by line.
#[derive(Debug)]
pub struct Stream {
    body: Incoming,
    rest: BytesMut,
}

const PEER: &str = "the mesh";
/// Longest wait for a whole answer of JSON.
const DEADLINE: Duration = Duration::from_secs(30);
/// Longest answer that is read as a whole.
const MAX_BODY: usize = 256 << 20;
/// Longest line of a stream.
const MAX_LINE: usize = 1 << 20;

// === impl AdminClient ===

impl AdminClient {
    /// A client of that mesh; connects at each request.
    pub fn new(mesh: &MeshHandle) -> Self {
        Self { mesh: mesh.clone() }
    }

    /// `GET path`, JSON. A refusal is [`Error::Refused`] with the mesh's own words.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.whole(Method::GET, path, Bytes::new()).await
    }

    /// `POST path` with JSON, answered with JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|error| Error::protocol("the request", error))?;
        self.whole(Method::POST, path, body.into()).await
    }

    /// `GET path` whose answer comes for as long as it likes.
    pub async fn stream(&self, path: &str) -> Result<Stream> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, &read(response.into_body()).await?));
        }
        Ok(Stream::new(response.into_body()))
    }

    async fn whole<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T> {
        let exchange = async {
            let response = self.send(method, path, body).await?;
            Ok((response.status(), read(response.into_body()).await?))
        };
        let (status, body) =
            tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| Error::Timeout(PEER, DEADLINE.as_secs()))??;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| Error::protocol(PEER, error))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<http::Response<Incoming>> {
        let stream = connect(&self.mesh)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "ripstop")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Error::protocol("the request", error))?;
        exchange(PEER, stream, request).await
    }
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, rest: BytesMut::new() }
    }

    /// The next piece; nothing at the end. Cancel safe.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if !self.rest.is_empty() {
            return Ok(Some(self.rest.split().freeze()));
        }
        self.receive().await
    }

    /// The next line, without its end; nothing at the end of the stream. Cancel safe.
    pub async fn line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end);
                self.rest.advance(1);
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.rest.len() > MAX_LINE {
                return Err(Error::protocol(PEER, "an endless line"));
            }
            match self.receive().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return Ok(None),
                None => return Ok(Some(String::from_utf8_lossy(&self.rest.split()).into_owned())),
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| Error::protocol(PEER, error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// A connection to the admin socket of `mesh`.
fn connect(mesh: &MeshHandle) -> Result<UnixStream> {
    let socket = mesh.state.join("admin.sock");
    doorkeeper::connect(&socket).map_err(|error| match error.kind() {
        // Its door is open before it is found, and is shut before it is gone.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if running_at(&mesh.state).is_some() => {
            Error::Ending
        }
        io::ErrorKind::PermissionDenied => Error::MayNotAsk { dir: mesh.dir.clone(), path: socket.clone() },
        _ => Error::file("connect to", &socket)(error),
    })
}

/// Writes a text so that it can stand in a query.
pub fn query_escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn read(body: Incoming) -> Result<Bytes> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    Ok(body.map_err(|error| Error::protocol(PEER, error))?.to_bytes())
}

/// The mesh says why in `error`.
fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = said.as_ref().and_then(|said| said["error"].as_str()).map(ToString::to_string);
    let message =
        message.unwrap_or_else(|| format!("the mesh answered {status}: {}", String::from_utf8_lossy(body).trim()));
    Error::Refused { status: status.as_u16(), message }
}

#[cfg(test)]
mod tests;
