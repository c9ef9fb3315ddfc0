//! Clients and servers of hyper, by either HTTP.

use std::{cell::Cell, convert::Infallible, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    client::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::bed::Http;

pub type Content = BoxBody<Bytes, Infallible>;

/// Runs hyper's tasks on the test's thread.
#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A server of hyper: what it answers depends on the path.
pub async fn server(http: Http) -> (SocketAddr, Rc<Cell<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Rc::new(Cell::new(0));
    let count = connections.clone();
    tokio::task::spawn_local(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            count.set(count.get() + 1);
            tokio::task::spawn_local(async move {
                let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
                match http {
                    Http::One => {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    }
                    Http::Two => {
                        let _ = hyper::server::conn::http2::Builder::new(Local).serve_connection(io, service).await;
                    }
                }
            });
        }
    });
    (address, connections)
}

async fn answer(request: Request<Incoming>) -> Response<Content> {
    let mut response = Response::builder();
    // What arrived, for the test to see.
    let seen = format!("{} {}", request.method(), request.uri().path_and_query().map_or("", |it| it.as_str()));
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.or_else(|| Some(request.headers().get("host")?.to_str().unwrap().to_owned()));
    response = response.header("x-seen", seen).header("x-host", host.unwrap_or_default());
    let names: Vec<_> = request.headers().keys().map(ToString::to_string).filter(|name| name != "host").collect();
    response = response.header("x-names", names.join(","));
    let cookies: Vec<_> = request.headers().get_all("cookie").iter().map(|it| it.to_str().unwrap()).collect();
    response = response.header("x-cookies", cookies.join("|"));
    match request.uri().path() {
        "/echo" => {
            let length = request.body().size_hint().exact();
            let response = match length {
                Some(length) => response.header("content-length", length),
                // Without being announced hyper drops them.
                None => response.header("trailer", "x-sum"),
            };
            response.body(request.into_body().map_err(|error| panic!("{error}")).boxed()).unwrap()
        }
        // All of the request, before any of the answer.
        "/collect" => {
            let all = request.into_body().collect().await.unwrap().to_bytes();
            response.body(Full::from(all).boxed()).unwrap()
        }
        "/none" => response.status(StatusCode::NO_CONTENT).body(Full::default().boxed()).unwrap(),
        "/same" => {
            response.status(StatusCode::NOT_MODIFIED).header("etag", "\"x\"").body(Full::default().boxed()).unwrap()
        }
        "/early" => response.status(StatusCode::PAYLOAD_TOO_LARGE).body(Full::from("enough").boxed()).unwrap(),
        // hyper would send the content over HTTP/2.
        _ if request.method() == "HEAD" => response.header("content-length", 5).body(Full::default().boxed()).unwrap(),
        _ => response.body(Full::from("hello").boxed()).unwrap(),
    }
}

/// A client of hyper, on one connection.
pub enum Client {
    One(http1::SendRequest<Content>),
    Two(http2::SendRequest<Content>),
}

impl Client {
    pub async fn connect(http: Http, to: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
        match http {
            Http::One => {
                let (client, connection) = http1::handshake(io).await.unwrap();
                tokio::task::spawn_local(connection);
                Self::One(client)
            }
            Http::Two => {
                let (client, connection) = http2::handshake(Local, io).await.unwrap();
                tokio::task::spawn_local(connection);
                Self::Two(client)
            }
        }
    }

    /// Sends a request for a path of `shop`; the URI has the form that the HTTP needs.
    pub async fn send(&mut self, mut request: Request<Content>) -> Response<Incoming> {
        match self {
            Self::One(client) => {
                request.headers_mut().insert("host", "shop".parse().unwrap());
                client.ready().await.unwrap();
                client.send_request(request).await.unwrap()
            }
            Self::Two(client) => {
                let path = request.uri().path_and_query().unwrap().as_str();
                *request.uri_mut() = format!("http://shop{path}").parse().unwrap();
                client.ready().await.unwrap();
                client.send_request(request).await.unwrap()
            }
        }
    }
}

pub fn empty() -> Content {
    Full::default().boxed()
}

pub fn whole(content: impl Into<Bytes>) -> Content {
    Full::new(content.into()).boxed()
}

/// Pieces, and then trailers.
pub fn pieces(pieces: Vec<Bytes>, trailers: Option<(&'static str, &'static str)>) -> Content {
    let data = pieces.into_iter().map(Frame::data);
    let trailers = trailers.map(|(name, value)| {
        let mut map = hyper::HeaderMap::new();
        map.insert(name, value.parse().unwrap());
        Frame::trailers(map)
    });
    let frames = data.chain(trailers).map(Ok::<_, Infallible>);
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))
}
