//! Metrics for the host: a plain HTTP reverse proxy from the one loopback port to the control plane
//! and the node proxies.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

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
    doorkeeper,
    fabric::CONTROL,
    roles::{CONTROL_METRICS_PORT, NODE_METRICS_PORT, sidecar_name},
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
    let Some((place, path)) = target(&world, request.uri().path()) else {
        let nodes = world.fabric().nodes();
        let gateways = world.board.gateways();
        let gateways = gateways.iter().map(|(namespace, instance)| format!("{namespace}.{instance}"));
        let sidecars = world.board.sidecars();
        let sidecars = sidecars.iter().map(|(namespace, instance)| sidecar_name(namespace, instance));
        let proxies = nodes.iter().map(|node| node.name.to_string()).chain(gateways).chain(sidecars);
        let paths: Vec<String> = proxies.map(|proxy| format!("/proxies/{proxy}/metrics\n")).collect();
        let text = format!("/metrics\n{}", paths.concat());
        let status = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return web::whole(status, "text/plain; charset=utf-8", text);
    };
    match fetch(request.method().clone(), place, path, request.headers().get(header::ACCEPT).cloned()).await {
        Ok(answer) => answer,
        Err(error) => web::failure(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Where a part of the mesh tells its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Address(SocketAddr),
    /// A sidecar, which has no network of its own.
    Socket(PathBuf),
}

/// Where a path leads to.
fn target(world: &World, path: &str) -> Option<(Place, &'static str)> {
    let at = |address: Ipv4Addr, port: u16| Place::Address((address, port).into());
    if path == "/metrics" {
        return Some((at(CONTROL, CONTROL_METRICS_PORT), "/metrics"));
    }
    let (name, path) = path.strip_prefix("/proxies/")?.split_once('/')?;
    let path = match path {
        "metrics" => "/metrics",
        "stats/prometheus" => "/stats/prometheus",
        _ => return None,
    };
    if let Some((namespace, instance)) = sidecar(world, name) {
        return Some((Place::Socket(world.paths.tap_socket_of_sidecar(namespace, instance)), path));
    }
    if let Some(address) = gateway(world, name) {
        return Some((at(address, NODE_METRICS_PORT), path));
    }
    let name = name.strip_prefix("node-").filter(|short| world.fabric().node(short).is_some()).unwrap_or(name);
    let node = world.fabric().node(name)?;
    Some((at(node.index.fabric().v4, NODE_METRICS_PORT), path))
}

/// The workload whose sidecar is called `name`.
fn sidecar<'n>(world: &World, name: &'n str) -> Option<(&'n str, &'n str)> {
    let workload = name.strip_prefix("sidecar-")?.split_once('.')?;
    world.board.get(&Key::role(name)).map(|_| workload)
}

/// The address of the gateway or waypoint `<namespace>.<instance>`.
fn gateway(world: &World, name: &str) -> Option<Ipv4Addr> {
    let (namespace, instance) = name.split_once('.')?;
    let workload = world.board.get(&Key::workload(namespace, instance))?.workload?;
    workload.addresses.filter(|_| workload.kind != ProcessKind::Command).map(|addresses| addresses.v4)
}

async fn fetch(
    method: Method,
    place: Place,
    path: &'static str,
    accept: Option<header::HeaderValue>,
) -> Result<Answer> {
    const PEER: &str = "the scraped part of the mesh";
    let host = match &place {
        Place::Address(address) => address.to_string(),
        Place::Socket(_) => "proxy".to_owned(),
    };
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Error::protocol(PEER, error))?;
    let address = match place {
        Place::Address(address) => address,
        Place::Socket(socket) => {
            let stream = doorkeeper::connect(&socket).map_err(Error::file("connect to", &socket))?;
            return web::exchange(PEER, stream, request).await.map(web::passed_on);
        }
    };
    let connect = tokio::time::timeout(std::time::Duration::from_secs(5), TcpStream::connect(address)).await;
    let stream = connect.map_err(|_| Error::Timeout(PEER, 5))?;
    let stream = stream.map_err(Error::system(format!("connect to {address}")))?;
    web::exchange(PEER, stream, request).await.map(web::passed_on)
}
