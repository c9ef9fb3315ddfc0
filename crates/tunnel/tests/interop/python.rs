//! Python's `h2` on OpenSSL, in both roles: the peer of the end-to-end stories.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    IncomingStream, TunnelPool,
    testing::{Client, LONG, Mesh, Server, noise},
};

const PROGRAM: &str = include_str!("../../../../tests/e2e/tests/interop/hbone.py");

/// The program, and its ports.
struct Peer {
    process: Child,
    tunnel: u16,
    orders: u16,
    _credentials: tempfile::TempDir,
}

impl Peer {
    fn start(mesh: &Mesh, account: &str) -> Self {
        let credentials = tempfile::tempdir().unwrap();
        let svid = mesh.svid(account);
        for (name, text) in [
            ("cert-chain.pem", svid.chain_pem()),
            ("key.pem", svid.key().to_pem()),
            ("root-cert.pem", mesh.roots().to_pem()),
        ] {
            std::fs::write(credentials.path().join(name), text).unwrap();
        }
        // Debian's own Python: that one has the package that scripts/prepare installs.
        let mut process = Command::new("/usr/bin/python3")
            .args(["-c", PROGRAM])
            .arg(credentials.path())
            .args(["0", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        let [tunnel, orders] = ports[..] else { panic!("it did not start; does scripts/prepare find all it needs?") };
        Self { process, tunnel, orders, _credentials: credentials }
    }

    async fn order(&self, order: &str) -> serde_json::Value {
        let mut socket = TcpStream::connect(("127.0.0.1", self.orders)).await.unwrap();
        socket.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        let mut lines = tokio::io::BufReader::new(socket);
        timeout(LONG, lines.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

#[tokio::test(flavor = "local")]
async fn python_calls() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let greeting = format!("{} {} {:?}\n", incoming.peer(), incoming.authority(), incoming.baggage());
        let mut stream = incoming.accept(None).unwrap();
        let mut heard = greeting.into_bytes();
        stream.read_to_end(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let peer = Peer::start(&mesh, "native");
    let port = server.address.port();
    let call = |more: &str| format!(r#"{{"do":"call","address":"127.0.0.1","port":{port},{more}}}"#);
    for size in [0, 1, 3_000_000] {
        let answer = peer.order(&call(&format!(r#""authority":"[::ffff:10.0.0.9]:80","size":{size}"#))).await;
        assert_eq!(answer["status"], "200", "{answer}");
        assert_eq!(answer["peer"], "spiffe://cluster.local/ns/test/sa/server");
        assert_eq!((&answer["alpn"], &answer["tls"]), (&"h2".into(), &"TLSv1.3".into()));
        let greeting = "spiffe://cluster.local/ns/test/sa/native 10.0.0.9:80 Some(\"service.name=native\")";
        assert_eq!((&answer["greeting"], &answer["received"]), (&greeting.into(), &size.into()));
        assert_eq!(answer["intact"], true);
    }
    for order in [r#""authority":"10.0.0.9:0""#, r#""authority":"10.0.0.9:80","method":"GET""#] {
        let answer = peer.order(&call(order)).await;
        assert_eq!(answer["status"], "400", "{answer}");
    }
}

#[tokio::test(flavor = "local")]
async fn python_is_called() {
    let mesh = Mesh::new();
    let peer = Peer::start(&mesh, "server");
    let address = format!("127.0.0.1:{}", peer.tunnel).parse().unwrap();
    let client = Client::of(&mesh, address, TunnelPool::default());
    let exchanges = (0..20_u32).map(|i| {
        let client = &client;
        async move {
            let sent = noise(50_000 * i as usize, i.into());
            let (mut read, mut write) = tokio::io::split(client.open().await.unwrap());
            let send = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let ((), n) = tokio::join!(send, read.read_to_end(&mut heard));
            n.unwrap();
            let greeting = b"spiffe://cluster.local/ns/test/sa/client asks for 10.0.0.9:80\n";
            assert!(heard == [greeting, &sent[..]].concat(), "stream {i} came back changed");
        }
    });
    timeout(LONG, futures_util::future::join_all(exchanges)).await.unwrap();
    assert_eq!(client.dials.load(std::sync::atomic::Ordering::Relaxed), 1);
    let seen = peer.order(r#"{"do":"seen"}"#).await;
    let seen = seen["seen"].as_array().unwrap();
    assert_eq!(seen.len(), 20);
    for request in seen {
        assert_eq!(request[":method"], "CONNECT");
        assert_eq!(request[":authority"], "10.0.0.9:80");
        assert_eq!(request["peer"], "spiffe://cluster.local/ns/test/sa/client");
        assert_eq!(request.as_object().unwrap().len(), 3, "{request}");
    }
}
