//! The admin socket: HTTP/1.1 and JSON over a unix socket, for processes of the
//! control plane's own network namespace only.

mod emptied;
mod explain;
mod identities;
mod metadata;
mod objects;
mod status;
mod traffic;
mod workloads;

use std::{convert::Infallible, io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_net::{peer_namespace, scm::with_short_path};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Error, plane::Plane};

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;
/// Longest body of a request.
const BODY_LIMIT: usize = 1024 * 1024;
/// A request's head, and then its body, must be complete within this.
const READ: Duration = Duration::from_secs(10);
/// At shutdown answers may still end within this.
const DRAIN: Duration = Duration::from_secs(2);

/// Who is at the other end of an admin connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Process id as this process sees it; nothing for one that it can't see.
    pub(crate) pid: Option<u32>,
    /// User id.
    pub(crate) uid: u32,
}

/// An answer that is no success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
}

type Answer = Result<Value, Failure>;

/// Makes the socket (0600); what a former life left there is replaced.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::Admin { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = with_short_path(path, |path| UnixListener::bind(path)).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Who asked the supervisor that passes a request on.
const PEER_UID: &str = "ripstop-peer-uid";
const PEER_PID: &str = "ripstop-peer-pid";

/// Serves until `stop`; peers outside of the network namespace with the inode `own` are refused.
pub(crate) async fn serve(listener: UnixListener, plane: Arc<Plane>, own: u64, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let caller = admit(&stream, own);
        let (plane, stop) = (plane.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            converse(stream, caller, plane, stop).await;
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Decides by the kernel's word about the peer, never by what it says.
fn admit(stream: &UnixStream, own: u64) -> Result<Caller, Failure> {
    let refuse = |reason: String| {
        tracing::warn!(reason, "admin connection refused");
        Failure::new(StatusCode::FORBIDDEN, reason)
    };
    let peer = peer_namespace(stream).map_err(|error| refuse(error.to_string()))?;
    if peer.netns != own {
        let who = peer.pid.map_or_else(|| "a process out of sight".to_owned(), |pid| format!("process {pid}"));
        return Err(refuse(format!(
            "{who} (uid {}) lives in another network namespace than the control plane; only that one administers the mesh",
            peer.uid
        )));
    }
    Ok(Caller { pid: peer.pid, uid: peer.uid })
}

/// A supervisor passes on requests of its own admin socket, and says whose they are. Whoever may
/// connect here is the mesh itself, so what it says is believed.
fn on_behalf_of(caller: Caller, headers: &http::HeaderMap) -> Caller {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u32>().ok();
    match number(PEER_UID) {
        Some(uid) => Caller { pid: number(PEER_PID), uid },
        None => caller,
    }
}

async fn converse(stream: UnixStream, caller: Result<Caller, Failure>, plane: Arc<Plane>, stop: CancellationToken) {
    let service = service_fn(|request| {
        let plane = plane.clone();
        let caller = caller.as_ref().copied().map_err(Failure::again);
        async move {
            let answer = match caller {
                Ok(caller) => handle(&plane, on_behalf_of(caller, request.headers()), request).await,
                Err(refused) => Err(refused),
            };
            Ok::<_, Infallible>(respond(answer))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(READ).max_buf_size(64 * 1024).keep_alive(caller.is_ok());
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

async fn handle(plane: &Arc<Plane>, caller: Caller, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/v1/status") => Ok(status::status(plane)),
        (&Method::GET, "/v1/findings") => status::findings(plane).await,
        (&Method::GET, "/v1/workloads") => Ok(workloads::workloads(plane)),
        (&Method::GET, "/v1/services") => Ok(workloads::services(plane)),
        (&Method::GET, "/v1/gateways") => Ok(workloads::gateways(plane)),
        (&Method::GET, "/v1/objects") => Ok(objects::objects(plane)),
        (&Method::POST, "/v1/documents") => objects::documents(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/apply") => objects::apply(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/delete") => objects::delete(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/tokens") => identities::token(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/identities") => identities::issue(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/metadata") => metadata::edit(plane, caller, read(request).await?).await,
        (&Method::POST, "/v1/explain") => explain::explain(plane, read(request).await?).await,
        (&Method::POST, "/v1/authz") => explain::authz(plane, read(request).await?).await,
        (&Method::POST, "/v1/service") => explain::of_service(plane, read(request).await?).await,
        (&Method::POST, "/v1/reach") => explain::reach(plane, read(request).await?).await,
        (&Method::POST, "/v1/placed") => Ok(traffic::placed(plane, &read(request).await?).await),
        (&Method::POST, "/v1/withdrawn") => Ok(traffic::withdrawn(plane, &read(request).await?).await),
        (method, "/v1/status" | "/v1/findings" | "/v1/workloads" | "/v1/services" | "/v1/gateways" | "/v1/objects") => {
            Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} answers GET, not {method}")))
        }
        (
            method,
            "/v1/tokens" | "/v1/identities" | "/v1/metadata" | "/v1/documents" | "/v1/apply" | "/v1/delete"
            | "/v1/explain" | "/v1/authz" | "/v1/service" | "/v1/reach" | "/v1/placed" | "/v1/withdrawn",
        ) => Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} answers POST, not {method}"))),
        _ => Err(Failure::new(StatusCode::NOT_FOUND, format!("{path} is not known"))),
    }
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failure> {
    let body = timeout(READ, Limited::new(request.into_body(), BODY_LIMIT).collect())
        .await
        .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10 s"))?
        .map_err(|error| Failure::bad(format!("the body cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&body).map_err(|error| Failure::bad(format!("the body is not as expected: {error}")))
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let (status, value) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(Failure { status, message }) => (status, json!({ "error": message })),
    };
    let mut text = value.to_string();
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "an admin request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    fn again(&self) -> Self {
        Self { status: self.status, message: self.message.clone() }
    }
}

#[cfg(test)]
mod tests;
