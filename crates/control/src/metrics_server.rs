//! `/metrics` and `/healthz/ready` over HTTP/1.1.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_telemetry::exposition::CONTENT_TYPE;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::plane::Plane;

const CONNECTIONS: usize = 64;
/// The head of a request must be complete, and the next one come, within this.
const READ: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(1);

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, plane: Arc<Plane>, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for metrics");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (plane, stop) = (plane.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| {
                let response = answer(&plane, &request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(READ).max_buf_size(16 * 1024);
            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(DRAIN, connection).await;
                }
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

fn answer(plane: &Plane, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let mut body = plane.metrics.exposition();
            plane.bundles.write_metrics(&mut body);
            (StatusCode::OK, CONTENT_TYPE, body)
        }
        (&Method::GET, "/healthz/ready") if plane.published().version > 0 => {
            (StatusCode::OK, "text/plain", String::new())
        }
        (&Method::GET, "/healthz/ready") => {
            (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "no configuration is published yet\n".into())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "try /metrics or /healthz/ready\n".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
