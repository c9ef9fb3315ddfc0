//! HTTP/1.1 as the supervisor speaks it: bodies, answers, exchanges with one request.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use crate::{Error, Result};

/// Bodies of answers: whole, streamed, or passed on.
pub(crate) type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Longest wait for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for the head of an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// How long the last answer may take once the mesh ends.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// Chunks of a streamed answer that wait for a slow reader.
const STREAM_CHUNKS: usize = 32;

/// An answer of JSON, with a line end for people.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    whole(status, "application/json", format!("{value}\n"))
}

/// An answer that says what went wrong.
pub(crate) fn failure(status: StatusCode, message: impl Into<String>) -> Answer {
    json(status, &serde_json::json!({ "error": message.into() }))
}

/// An answer that is all there.
pub(crate) fn whole(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    answer(status, kind, Full::new(text.into()).map_err(|never| match never {}).boxed())
}

/// An answer whose body comes piece by piece from the sender.
pub(crate) fn streamed(kind: &'static str) -> (mpsc::Sender<Bytes>, Answer) {
    let (sender, receiver) = mpsc::channel(STREAM_CHUNKS);
    let frames = ReceiverStream::new(receiver).map(|chunk| Ok(Frame::data(chunk)));
    (sender, answer(StatusCode::OK, kind, StreamBody::new(frames).boxed()))
}

/// An answer that somebody else gave.
pub(crate) fn passed_on(response: Response<Incoming>) -> Answer {
    let (mut parts, body) = response.into_parts();
    for hop in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        parts.headers.remove(hop);
    }
    Response::from_parts(parts, body.boxed())
}

/// Serves one connection; after `stop` only the answer at hand.
pub(crate) async fn serve<S, F, R>(stream: S, stop: impl Future<Output = ()>, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Answer>,
{
    let service = hyper::service::service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection");
    }
}

/// Sends one request over a fresh connection to `peer`. The body of the answer may come for as long
/// as it likes.
pub(crate) async fn exchange<S, B>(peer: &'static str, stream: S, request: Request<B>) -> Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let wrong = |error: hyper::Error| Error::protocol(peer, error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(wrong)?;
    // Ends with the exchange: the sender goes with this function, and then the body.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(peer, %error, "HTTP connection");
        }
    });
    match tokio::time::timeout(ANSWER_DEADLINE, sender.send_request(request)).await {
        Ok(response) => response.map_err(wrong),
        Err(_) => Err(Error::Timeout(peer, ANSWER_DEADLINE.as_secs())),
    }
}

fn answer(status: StatusCode, kind: &'static str, body: BoxBody<Bytes, hyper::Error>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
