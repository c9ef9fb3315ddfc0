//! Who looks on while requests pass: `GET /tap` over a unix socket beside the proxy's state. `GET /config` there tells what
//! the proxy holds, `GET /metrics` and `GET /healthz/ready` what its ports tell, where it has them.
//!
//! The socket belongs to the mesh's own user, like the keys beside it: no workload sees it. Records come as lines of
//! JSON; a reader that is too slow is told how many it has missed, and holds nobody up.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_net::scm::with_short_path;
use ripstop_telemetry::{RING, RecordFilter, Tap};
use serde_json::{Value, json};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::Outlets;
use crate::error::Error;

/// The socket's name in the proxy's state.
pub const SOCKET: &str = "tap.sock";
/// A request's head must be complete within this.
const HEAD: Duration = Duration::from_secs(10);
/// Before the next connection is tried to be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells what the proxy holds.
pub type Inspect = Arc<dyn Fn() -> Value + Send + Sync>;

/// Tells what the proxy's ports tell at a path, if anything.
pub type Tells = Arc<dyn Fn(&str) -> Option<Response<Full<Bytes>>> + Send + Sync>;

/// What can be asked for but taps.
#[derive(Clone)]
pub struct Asked {
    /// What the proxy holds.
    pub inspect: Inspect,
    /// Metrics and readiness.
    pub tells: Tells,
}

type Answer = Response<Either<Full<Bytes>, Records>>;

/// Lines of one tap, for as long as its reader likes: first that it is open, then records.
struct Records {
    tap: Tap,
    name: Arc<str>,
    opened: bool,
}

/// Makes the socket; what a former life left there is replaced.
pub fn bind(state: &Path) -> Result<UnixListener, Error> {
    let path = state.join(SOCKET);
    let failed = |source| Error::Io { what: format!("opening {}", path.display()), source };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = with_short_path(&path, |path| UnixListener::bind(path)).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves until the proxy shuts down.
pub async fn serve(
    listener: UnixListener,
    name: Arc<str>,
    outlets: Arc<Outlets>,
    asked: Asked,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a tap could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        while tasks.try_join_next().is_some() {}
        tasks.spawn(converse(stream, name.clone(), outlets.clone(), asked.clone()));
    }
    tasks.shutdown().await;
    Ok(())
}

async fn converse(stream: UnixStream, name: Arc<str>, outlets: Arc<Outlets>, asked: Asked) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &name, &outlets, &asked);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a tap went away");
    }
}

fn answer(request: &Request<Incoming>, name: &Arc<str>, outlets: &Outlets, asked: &Asked) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/tap") => {}
        (&Method::GET, "/config") => {
            let mut answer = text(StatusCode::OK, (asked.inspect)().to_string());
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return answer;
        }
        (&Method::GET | &Method::HEAD, path) => {
            let told = (asked.tells)(path).map(|answer| answer.map(Either::Left));
            let missing = "there are GET /tap, /config, /metrics, /stats/prometheus and /healthz/ready";
            return told.unwrap_or_else(|| text(StatusCode::NOT_FOUND, missing.into()));
        }
        _ => return text(StatusCode::METHOD_NOT_ALLOWED, "GET only".into()),
    }
    let pairs: Vec<_> = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).collect();
    let filter = match RecordFilter::of_query(pairs.iter().map(|(key, value)| (&**key, &**value))) {
        Ok(filter) => filter,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let tap = match outlets.taps.open(filter, RING) {
        Ok(tap) => tap,
        Err(error) => return text(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
    };
    let records = Records { tap, name: name.clone(), opened: false };
    let mut answer = Response::new(Either::Right(records));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    answer
}

fn text(status: StatusCode, mut message: String) -> Answer {
    message.push('\n');
    let mut answer = Response::new(Either::Left(Full::from(message)));
    *answer.status_mut() = status;
    answer
}

// === impl Records ===

impl Body for Records {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.opened, true) {
            let line = format!("{}\n", json!({ "event": "open", "proxy": &*self.name }));
            return Poll::Ready(Some(Ok(Frame::data(line.into()))));
        }
        let batch = ready!(self.tap.poll_next(cx));
        let mut lines = String::new();
        for record in &batch.records {
            record.write_json(&self.name, &mut lines);
        }
        if batch.dropped > 0 {
            let dropped = json!({ "event": "dropped", "proxy": &*self.name, "count": batch.dropped });
            let _ = writeln!(lines, "{dropped}");
        }
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}

#[cfg(test)]
mod tests;
