//! A server that tells what it was asked, by HTTP/1.1 and HTTP/2 without TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, Version, body::Incoming, header::CONTENT_TYPE, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Map, Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// The most of a request's body that is told, in bytes.
const BODY: usize = 64 * 1024;

/// Serves until SIGTERM. Each answer is JSON: `name`, and what was asked. A request may ask for an answer:
/// `x-reflect-status: NAME=503` (or without `NAME=`, of everybody), `x-reflect-delay-ms`, `x-reflect-reset: NAME`. With
/// `x-reflect-log`, of whatever value, the server also writes down what it was asked.
pub async fn run(listen: SocketAddr, name: String) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let name: Arc<str> = name.into();
    let mut terminate = signal(SignalKind::terminate())?;
    eprintln!("{name} listens on {listen}");
    loop {
        let (stream, caller) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => return Ok(()),
        };
        stream.set_nodelay(true)?;
        let name = name.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let name = name.clone();
                async move { answer(&name, caller, request).await }
            });
            // An error here is a caller that went away, or was sent away.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset, as asked")
    }
}

impl std::error::Error for Reset {}

async fn answer(name: &str, caller: SocketAddr, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let (head, body) = request.into_parts();
    let asked = |wanted: &str| head.headers.get(wanted).and_then(|value| value.to_str().ok());
    let of_me = |value: &str| match value.split_once('=') {
        Some((who, what)) => (who == name).then(|| what.to_owned()),
        None => Some(value.to_owned()),
    };
    if asked("x-reflect-reset").is_some_and(|who| who == name) {
        return Err(Reset);
    }
    if let Some(delay) = asked("x-reflect-delay-ms").and_then(&of_me).and_then(|value| value.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    let mut fields = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let told = fields.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = told {
            values.push(value.into());
        }
    }
    let told = json!({
        "name": name,
        "protocol": if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "authority": head.uri.authority().map(ToString::to_string),
        "path": head.uri.path_and_query().map(ToString::to_string),
        "caller": caller.ip().to_canonical().to_string(),
        "headers": fields,
        "body": String::from_utf8_lossy(&body[..body.len().min(BODY)]),
    });
    if asked("x-reflect-log").is_some() {
        eprintln!("asked {told}");
    }
    let mut answer = Response::new(Full::from(format!("{told}\n")));
    let status = asked("x-reflect-status").and_then(of_me).and_then(|status| status.parse().ok());
    *answer.status_mut() = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Ok(name) = name.parse() {
        answer.headers_mut().insert("x-reflect-name", name);
    }
    Ok(answer)
}
