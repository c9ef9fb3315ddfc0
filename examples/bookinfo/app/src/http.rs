//! What all services share: serving, passing on trace headers, being slow or failing on request.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use crate::Server;

/// Headers that a service passes on to those it calls: W3C trace context, B3, the sample's own, and who asks.
const PASSED_ON: [&str; 14] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-request-id",
    "x-ot-span-context",
    "x-bookinfo-delay-ms",
    "x-bookinfo-fail",
    "end-user",
];

/// New connections are taken for so long after SIGTERM: some were sent before anybody knew of it.
const LINGER: Duration = Duration::from_millis(500);
/// Requests that are under way after that may take so long.
const DRAIN: Duration = Duration::from_secs(3);

/// What a service answers everything with but its health, once `/mood/STATUS` was asked for; `/mood/200` ends it.
#[derive(Default)]
struct Mood(AtomicU16);

/// An answer of a service.
pub type Answer = Response<Full<Bytes>>;

// === impl Mood ===

impl Mood {
    fn set(&self, status: &str) -> Answer {
        let Some(status) = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) else {
            return text(StatusCode::NOT_FOUND, "there is /mood/STATUS, e.g. /mood/503 and /mood/200\n");
        };
        self.0.store(if status == StatusCode::OK { 0 } else { status.as_u16() }, Relaxed);
        text(StatusCode::OK, "as you like it\n")
    }

    fn get(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.0.load(Relaxed)).ok()
    }
}

/// Serves `handle` until SIGTERM, and a moment longer; requests that are under way then are answered. `name` is what
/// `x-bookinfo-fail` and `x-bookinfo-delay-ms` call it.
pub async fn serve<H, F>(name: &'static str, server: Server, handle: H) -> Result<()>
where
    H: Fn(String, HeaderMap) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener =
        TcpListener::bind(server.listen).await.with_context(|| format!("{name} cannot listen on {}", server.listen))?;
    let handle = Arc::new(handle);
    let mood = Arc::<Mood>::default();
    let mut terminate = signal(SignalKind::terminate())?;
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    eprintln!("{name} listens on {}", server.listen);
    let mut until = pin!(async {
        terminate.recv().await;
        tokio::time::sleep(LINGER).await;
    });
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            () = &mut until => break,
        };
        while connections.try_join_next().is_some() {}
        stream.set_nodelay(true)?;
        let (handle, server, mood, mut ending) = (handle.clone(), server.clone(), mood.clone(), ending.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (handle, server, mood) = (handle.clone(), server.clone(), mood.clone());
                async move {
                    let mut answer = answer(name, &server, &mood, &*handle, request).await;
                    sign(&mut answer);
                    Ok::<_, std::convert::Infallible>(answer)
                }
            });
            let mut builder = http1::Builder::new();
            let mut connection = pin!(builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service));
            // An error here is a caller that went away.
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = ending.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop((listener, end));
    let answered = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, answered).await.is_err() {
        eprintln!("{name} ends with requests that took longer than {DRAIN:?}");
    }
    Ok(())
}

async fn answer<H, F>(name: &str, server: &Server, mood: &Mood, handle: &H, request: Request<Incoming>) -> Answer
where
    H: Fn(String, HeaderMap) -> F,
    F: Future<Output = Answer>,
{
    let path = request.uri().path().to_owned();
    if path == "/health" {
        return text(StatusCode::OK, "ok\n");
    }
    if let Some(status) = path.strip_prefix("/mood/") {
        return mood.set(status);
    }
    if let Some(status) = mood.get() {
        return text(status, "failing, for it is in that mood\n");
    }
    let asked_delay = asked(request.headers(), "x-bookinfo-delay-ms", name).and_then(|value| value.parse().ok());
    let delay = server.delay_ms + asked_delay.unwrap_or(0).min(60_000);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(status) = asked(request.headers(), "x-bookinfo-fail", name) {
        let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        return text(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), "failing, as asked\n");
    }
    if server.fail_percent > 0 && crate::load::random() % 100 < u64::from(server.fail_percent) {
        return text(StatusCode::SERVICE_UNAVAILABLE, "failing, as configured\n");
    }
    handle(path, passed_on(request.headers())).await
}

/// Says who has answered.
fn sign(answer: &mut Answer) {
    let instance = std::env::var("HOSTNAME").unwrap_or_default();
    if let Ok(instance) = instance.parse() {
        answer.headers_mut().insert(HeaderName::from_static("x-bookinfo-instance"), instance);
    }
}

/// The value of header `key` for this service: `VALUE@NAME` speaks to one service, `VALUE` to all.
fn asked(headers: &HeaderMap, key: &str, name: &str) -> Option<String> {
    let value = headers.get(key)?.to_str().ok()?;
    match value.split_once('@') {
        Some((value, whom)) => (whom == name).then(|| value.to_owned()),
        None => Some(value.to_owned()),
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::new();
    for name in PASSED_ON {
        let name = HeaderName::from_static(name);
        for value in headers.get_all(&name) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// A plain text answer.
pub fn text(status: StatusCode, body: &str) -> Answer {
    reply(status, "text/plain; charset=utf-8", body.to_owned())
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    reply(status, "application/json", body.to_string())
}

/// An HTML answer.
pub fn html(body: String) -> Answer {
    reply(StatusCode::OK, "text/html; charset=utf-8", body)
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    answer
}
