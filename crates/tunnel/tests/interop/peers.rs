//! Peers that are not ours, over loopback.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::frames::Raw;
use crate::{
    IncomingStream, TunnelPool,
    testing::{Client, Mesh, Server},
};

/// A listening peer.
pub(crate) struct Listener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Listener {
    pub(crate) async fn new(mesh: &Mesh) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { tcp, tls: mesh.server().into() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.tcp.local_addr().unwrap()
    }

    /// A client of ours for it.
    pub(crate) fn client(&self, mesh: &Mesh) -> Client {
        Client::of(mesh, self.address(), TunnelPool::default())
    }

    /// The next connection, after TLS.
    pub(crate) async fn tls(&self) -> server::TlsStream<TcpStream> {
        let (tcp, _) = self.tcp.accept().await.unwrap();
        self.tls.accept(tcp).await.unwrap()
    }

    /// The next connection, by hand.
    pub(crate) async fn raw(&self, settings: &[(u16, u32)]) -> Raw<server::TlsStream<TcpStream>> {
        Raw::server(self.tls().await, settings).await
    }
}

/// A connection to a server of ours, after TLS.
pub(crate) async fn connect(mesh: &Mesh, server: &Server) -> client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("mesh.invalid").unwrap();
    TlsConnector::from(mesh.credentials(1).config).connect(name, tcp).await.unwrap()
}

/// A connection to a server of ours, by hand.
pub(crate) async fn raw(mesh: &Mesh, server: &Server, settings: &[(u16, u32)]) -> Raw<client::TlsStream<TcpStream>> {
    Raw::client(connect(mesh, server).await, settings).await
}

/// A server of ours that says of each CONNECT what it understood, and ends.
pub(crate) async fn telling(mesh: &Mesh) -> Server {
    use tokio::io::AsyncWriteExt;
    Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let said = format!("{} {:?}", incoming.authority(), incoming.baggage());
        let mut stream = incoming.accept(None).unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await
}
