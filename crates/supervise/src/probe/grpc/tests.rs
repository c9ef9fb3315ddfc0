use std::convert::Infallible;

use http::{HeaderMap, Response};
use http_body_util::StreamBody;
use hyper::{body::Frame, service::service_fn};
use tokio::net::TcpListener;

use super::*;

/// What is said of a server that answers with that message and that status.
async fn told(message: &'static [u8], status: &'static str, service: &str) -> (Result<()>, String, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, mut questions) = tokio::sync::mpsc::channel(1);
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let asked = asked.clone();
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
                asked.send((path, body)).await.unwrap();
                let mut body = vec![0];
                body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
                body.extend(message);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", status.parse().unwrap());
                let frames = [Frame::data(Bytes::from(body)), Frame::trailers(trailers)];
                let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, Infallible>)));
                Ok::<_, Infallible>(Response::new(body))
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ended_by_the_probe = server.serve_connection(TokioIo::new(stream), answer).await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let verdict = check(stream, address, service).await;
    let (path, body) = questions.recv().await.unwrap();
    serving.abort();
    (verdict, path, body)
}

#[tokio::test]
async fn only_serving_is_success() {
    let (verdict, path, body) = told(&[8, 1], "0", "cart").await;
    assert!(verdict.is_ok(), "{verdict:?}");
    assert_eq!((path.as_str(), &body[..]), ("/grpc.health.v1.Health/Check", &b"\0\0\0\0\x06\x0a\x04cart"[..]));
    for (message, status, expected) in [
        (&[8, 2][..], "0", "NOT_SERVING"),
        (&[], "0", "UNKNOWN"),
        (&[], "5", "grpc-status 5"),
        (&[8, 1, 9], "0", "no message of a health service"),
    ] {
        let (verdict, _, body) = told(message, status, "").await;
        let error = verdict.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(body, [0; 5]);
    }
}

#[tokio::test]
async fn who_speaks_something_else_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(check(stream, address, "").await.is_err());
    serving.await.unwrap();
}
