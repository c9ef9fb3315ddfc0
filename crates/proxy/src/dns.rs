//! DNS of an enrolled workload, captured on port 53.
//!
//! Names of the mesh are answered here, from the last good snapshot; everything else goes,
//! untouched, to the server that the workload asked.

use std::{cell::RefCell, io, net::SocketAddr, os::fd::OwnedFd, rc::Rc, sync::Arc, time::Duration};

use ripstop_dns::{Asker, Decision, Transport, answer, server_failure};
use ripstop_net::socket::{Datagram, recv_original};
use ripstop_wire::ripstop::SocketKind;
use socket2::Socket;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpStream, UdpSocket},
    sync::Semaphore,
    task::spawn_local,
    time::timeout,
};

use crate::{listeners::canonical, local::LocalWorkload, outbound::random, sockets::SocketKey, worker::Context};

/// The port that is captured.
const PORT: u16 = 53;
/// Asked addresses that a workload's answers come from, at most.
const SERVERS: usize = 8;
/// Time for the asked server to answer.
const FORWARD_DEADLINE: Duration = Duration::from_secs(5);
/// A TCP client that is silent for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Forwarded queries of one workload at a time over UDP.
const IN_FLIGHT: usize = 64;
/// Largest DNS message.
const MESSAGE: usize = u16::MAX as usize;

/// Answers what arrives at a captured UDP socket, until the workload is gone.
pub async fn serve_datagrams(context: Rc<Context>, workload: Arc<LocalWorkload>, socket: OwnedFd) {
    let socket = match UdpSocket::from_std(socket.into()) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, workload = %workload.uid, "DNS cannot be served"),
    };
    let forwards = Arc::new(Semaphore::new(IN_FLIGHT));
    let answers = Answers::default();
    let mut buffer = vec![0; MESSAGE];
    loop {
        let received = socket.async_io(Interest::READABLE, || recv_original(&socket, &mut buffer)).await;
        let Datagram { length, source, destination, .. } = match received {
            Ok(datagram) => datagram,
            Err(error) => {
                tracing::debug!(%error, "a DNS query could not be read");
                continue;
            }
        };
        if destination.port() != PORT {
            // Not a captured question: somebody reached the listener itself.
            continue;
        }
        let query = &buffer[..length];
        match decide(&context, &workload, query, Transport::Udp) {
            Decision::Answer(reply) | Decision::Refuse(reply) => {
                if !answers.send(destination, source, &reply)
                    && let Ok(permit) = forwards.clone().try_acquire_owned()
                {
                    let (context, workload, answers) = (context.clone(), workload.clone(), answers.clone());
                    spawn_local(async move {
                        answers.open_and_send(&context, &workload, destination, source, &reply).await;
                        drop(permit);
                    });
                }
            }
            Decision::Forward => {
                let Ok(permit) = forwards.clone().try_acquire_owned() else {
                    if let Some(reply) = server_failure(query) {
                        answers.send(destination, source, &reply);
                    }
                    continue;
                };
                let (context, workload, query) = (context.clone(), workload.clone(), query.to_vec());
                let answers = answers.clone();
                spawn_local(async move {
                    let reply = match timeout(FORWARD_DEADLINE, ask(&context, &workload, destination, &query)).await {
                        Ok(Ok(reply)) => Some(reply),
                        _ => server_failure(&query),
                    };
                    if let Some(reply) = reply {
                        answers.open_and_send(&context, &workload, destination, source, &reply).await;
                    }
                    drop(permit);
                });
            }
            Decision::Ignore => {}
        }
    }
}

/// Serves a captured TCP connection to port 53 (RFC 7766).
pub async fn serve_stream(context: Rc<Context>, workload: Arc<LocalWorkload>, mut stream: TcpStream) {
    let Ok(server) = stream.local_addr().map(canonical) else { return };
    if server.port() != PORT {
        // Not a captured question: somebody reached the listener itself.
        return;
    }
    let mut upstream = None;
    while let Ok(Ok(query)) = timeout(IDLE, read_message(&mut stream)).await {
        let reply = match decide(&context, &workload, &query, Transport::Tcp) {
            Decision::Answer(reply) | Decision::Refuse(reply) => reply,
            Decision::Ignore => return,
            Decision::Forward => {
                let asked = ask_stream(&context, &workload, server, &mut upstream, &query);
                if let Ok(Ok(reply)) = timeout(FORWARD_DEADLINE, asked).await {
                    reply
                } else {
                    upstream = None;
                    let Some(reply) = server_failure(&query) else { return };
                    reply
                }
            }
        };
        let written = timeout(IDLE, write_message(&mut stream, &reply)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

fn decide(context: &Context, workload: &LocalWorkload, query: &[u8], transport: Transport) -> Decision {
    let snapshot = context.shared.snapshot.load();
    let client = workload.in_snapshot(&snapshot).map(|workload| &**workload);
    answer(query, &snapshot, &Asker { client, transport, seed: random() })
}

/// Sockets that answer from the addresses that were asked: a workload asks one or two servers.
#[derive(Clone, Default)]
struct Answers(Rc<RefCell<Vec<(SocketAddr, Socket)>>>);

impl Answers {
    /// Sends `reply` from `asked`; `false` if there is no socket for that yet.
    fn send(&self, asked: SocketAddr, client: SocketAddr, reply: &[u8]) -> bool {
        let sockets = self.0.borrow();
        let Some((_, socket)) = sockets.iter().find(|(address, _)| *address == asked) else { return false };
        if let Err(error) = socket.send_to(reply, &client.into()) {
            tracing::debug!(%error, %client, "a DNS answer could not be sent");
        }
        true
    }

    /// Sends `reply` from `asked`, with a new socket if need be.
    async fn open_and_send(
        &self,
        context: &Context,
        workload: &LocalWorkload,
        asked: SocketAddr,
        client: SocketAddr,
        reply: &[u8],
    ) {
        if self.send(asked, client, reply) {
            return;
        }
        let opened = async {
            let socket = datagram_socket(context, workload, asked.is_ipv6()).await?;
            socket.bind(&asked.into())?;
            Ok::<_, io::Error>(socket)
        };
        match opened.await {
            Ok(socket) => {
                let mut sockets = self.0.borrow_mut();
                if sockets.len() >= SERVERS {
                    sockets.remove(0);
                }
                sockets.push((asked, socket));
            }
            Err(error) => {
                return tracing::warn!(%error, %client, workload = %workload.uid, "DNS cannot answer");
            }
        }
        self.send(asked, client, reply);
    }
}

/// The answer of `server` to `query`, asked in the workload's name.
async fn ask(context: &Context, workload: &LocalWorkload, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = datagram_socket(context, workload, server.is_ipv6()).await?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut reply = vec![0; MESSAGE];
    loop {
        let length = socket.recv(&mut reply).await?;
        // A connected socket takes answers of that server only; the id tells late ones apart.
        if length >= 2 && reply[..2] == query[..2] {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

async fn datagram_socket(context: &Context, workload: &LocalWorkload, ipv6: bool) -> io::Result<Socket> {
    let key = SocketKey { uid: workload.uid.clone(), kind: SocketKind::DnsReply, ipv6 };
    context.sockets.take(&key).await.map_err(io::Error::other)
}

async fn ask_stream(
    context: &Context,
    workload: &LocalWorkload,
    server: SocketAddr,
    upstream: &mut Option<TcpStream>,
    query: &[u8],
) -> io::Result<Vec<u8>> {
    let stream = if let Some(stream) = upstream {
        stream
    } else {
        let stream = context.sockets.connect(&workload.uid, None, server).await.map_err(io::Error::other)?;
        upstream.insert(stream)
    };
    write_message(stream, query).await?;
    read_message(stream).await
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}
