//! Metrics and readiness of the proxy, in the namespace that it lives in.

use std::{
    convert::Infallible,
    net::Ipv6Addr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_telemetry::exposition;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{error::Error, worker::Shared};

/// Ports of metrics (`/metrics`, `/stats/prometheus`) and of readiness (`/healthz/ready`). Each answers for all.
pub const PORTS: [u16; 3] = [15020, 15090, 15021];
/// Clients of one port at a time.
const CLIENTS: usize = 64;
/// One request and its answer take no longer.
const WHOLE: Duration = Duration::from_secs(10);

/// What is told of.
#[derive(Clone, Debug)]
pub struct Told {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Whether all workloads are served.
    pub ready: watch::Receiver<bool>,
}

/// Serves until the proxy shuts down.
pub async fn run(told: Told) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    for port in PORTS {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .await
            .map_err(|source| Error::Io { what: format!("listening on port {port} of the node"), source })?;
        // Each port for itself: whoever scrapes slowly does not keep readiness from being asked.
        tasks.spawn(listen(listener, told.clone(), Arc::new(Semaphore::new(CLIENTS))));
    }
    told.shared.shutdown.cancelled().await;
    tasks.shutdown().await;
    Ok(())
}

async fn listen(listener: TcpListener, told: Told, clients: Arc<Semaphore>) {
    let mut tasks = JoinSet::new();
    loop {
        let Ok(permit) = clients.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a metrics client could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        let told = told.clone();
        tasks.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &told);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match timeout(WHOLE, served).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a metrics client went away"),
                Err(_) => tracing::debug!("a metrics client took too long"),
            }
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, told: &Told) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    }
    let known = tell(request.uri().path(), told);
    known.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "there are /metrics, /stats/prometheus and /healthz/ready\n"))
}

/// What is told at `path`; nothing: nothing.
pub fn tell(path: &str, told: &Told) -> Option<Response<Full<Bytes>>> {
    Some(match path {
        "/metrics" | "/stats/prometheus" => {
            let mut answer = text(StatusCode::OK, "");
            *answer.body_mut() = Full::from(metrics(&told.shared));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(exposition::CONTENT_TYPE));
            answer
        }
        "/healthz/ready" if *told.ready.borrow() => text(StatusCode::OK, "ready\n"),
        "/healthz/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "waiting for the agent or the configuration\n"),
        _ => return None,
    })
}

fn metrics(shared: &Shared) -> String {
    let mut out = String::with_capacity(16 << 10);
    shared.registry.render(&mut out);
    shared.rate_limits.render(&mut out);
    shared.concurrency.render(&mut out);
    shared.backends.render(std::time::Instant::now(), &mut out);
    shared.global_limits.render(&mut out);
    shared.connection_limits.render(&mut out);
    shared.policy_counts.render(&mut out);
    exposition::single(
        &mut out,
        "ripstop_access_log_dropped_total",
        "counter",
        "Access log records dropped because the writer could not keep up.",
        shared.access_log.dropped(),
    );
    exposition::single(
        &mut out,
        "ripstop_request_log_dropped_total",
        "counter",
        "Access log lines of requests dropped because the writer could not keep up.",
        shared.outlets.log.dropped(),
    );
    exposition::single(
        &mut out,
        "ripstop_metering_given_up_total",
        "counter",
        "Connections to ports declared HTTP or gRPC whose requests could not be read to their end.",
        shared.outlets.unread.load(Relaxed),
    );
    exposition::single(
        &mut out,
        "ripstop_taps",
        "gauge",
        "Readers that look on while requests pass.",
        shared.outlets.taps.taps(),
    );
    exposition::single(
        &mut out,
        "ripstop_configuration_version",
        "gauge",
        "Commit version of the configuration that decides now.",
        shared.snapshot.load().version(),
    );
    exposition::header(&mut out, "istio_build", "gauge", "Version of this component.");
    out.push_str(concat!("istio_build{component=\"proxy\",tag=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"));
    out
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer
}
