//! Metrics for the host: a plain HTTP reverse proxy from the one loopback port to the control plane
//! and the node proxies.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use ripstop_model::ProcessKind;
use tokio::net::TcpStream;

use crate::{
    Error, Result,
    board::Key,
    context::World,
    fabric::CONTROL,
    roles::{CONTROL_METRICS_PORT, NODE_METRICS_PORT},
    web::{self, Answer},
};

/// Serves one accepted connection.
pub(crate) async fn serve(world: World, stream: TcpStream) {
    let closed = world.clone();
    web::serve(stream, closed.closed(), move |request| answer(world.clone(), request)).await;
}

async fn answer(world: World, request: Request<Incoming>) -> Answer {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return web::failure(StatusCode::METHOD_NOT_ALLOWED, "metrics are only read");
    }
    let Some((address, path)) = target(&world, request.uri().path()) else {
        let nodes = world.fabric().nodes();
        let gateways = world.board.gateways();
        let gateways = gateways.iter().map(|(namespace, instance)| format!("{namespace}.{instance}"));
        let proxies = nodes.iter().map(|node| node.name.to_string()).chain(gateways);
        let paths: Vec<String> = proxies.map(|proxy| format!("/proxies/{proxy}/metrics\n")).collect();
        let text = format!("/metrics\n{}", paths.concat());
        let status = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return web::whole(status, "text/plain; charset=utf-8", text);
    };
    match fetch(request.method().clone(), address, path, request.headers().get(header::ACCEPT).cloned()).await {
        Ok(answer) => answer,
        Err(error) => web::failure(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Where a path leads to.
fn target(world: &World, path: &str) -> Option<(SocketAddr, &'static str)> {
    if path == "/metrics" {
        return Some(((CONTROL, CONTROL_METRICS_PORT).into(), "/metrics"));
    }
    let (name, path) = path.strip_prefix("/proxies/")?.split_once('/')?;
    let path = match path {
        "metrics" => "/metrics",
        "stats/prometheus" => "/stats/prometheus",
        _ => return None,
    };
    if let Some(address) = gateway(world, name) {
        return Some(((address, NODE_METRICS_PORT).into(), path));
    }
    let name = name.strip_prefix("node-").filter(|short| world.fabric().node(short).is_some()).unwrap_or(name);
    let node = world.fabric().node(name)?;
    Some(((node.index.fabric().v4, NODE_METRICS_PORT).into(), path))
}

/// The address of the gateway or waypoint `<namespace>.<instance>`.
fn gateway(world: &World, name: &str) -> Option<Ipv4Addr> {
    let (namespace, instance) = name.split_once('.')?;
    let workload = world.board.get(&Key::workload(namespace, instance))?.workload?;
    workload.addresses.filter(|_| workload.kind != ProcessKind::Command).map(|addresses| addresses.v4)
}

async fn fetch(
    method: Method,
    address: SocketAddr,
    path: &'static str,
    accept: Option<header::HeaderValue>,
) -> Result<Answer> {
    const PEER: &str = "the scraped part of the mesh";
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, address.to_string());
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Error::protocol(PEER, error))?;
    let connect = tokio::time::timeout(std::time::Duration::from_secs(5), TcpStream::connect(address)).await;
    let stream = connect.map_err(|_| Error::Timeout(PEER, 5))?;
    let stream = stream.map_err(Error::system(format!("connect to {address}")))?;
    web::exchange(PEER, stream, request).await.map(web::passed_on)
}
