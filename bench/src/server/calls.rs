//! Unary calls of gRPC, by the HTTP/2 of the h2 crate.

use std::io;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::{net::TcpStream, task::JoinSet};

use crate::message::{CALL_MESSAGE, CALL_PATH, CALL_PREFIX};

/// Answers all calls of a connection.
pub(crate) async fn serve(stream: TcpStream) -> io::Result<()> {
    let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
    let message = Bytes::from([CALL_PREFIX.as_slice(), &CALL_MESSAGE].concat());
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            // One that fails is its caller's to report.
            Some(_) = calls.join_next() => {}
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted.map_err(io::Error::other)?;
                calls.spawn(answer(request, respond, message.clone()));
            }
        }
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, message: Bytes) -> Result<()> {
    ensure!(request.uri().path() == CALL_PATH, "another call than ours: {}", request.uri());
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data.context("reading a call")?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    ensure!(length == message.len(), "a call of {length} bytes");
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(message, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Ok(stream.send_trailers(trailers)?)
}
