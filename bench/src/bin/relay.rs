//! A relay that does nothing: the floor of what passing bytes through a process costs.
//!
//! As many threads as the mesh's proxies have workers, each with listeners and a runtime of its own;
//! one task a connection and one buffer a direction.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    str::FromStr,
    thread::JoinHandle,
};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Size of a read, in bytes: what a bulk stream needs.
const BUFFER: usize = 64 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Connections at a time, listener and thread; more wait in the backlog.
const CONNECTIONS: usize = 4096;

#[derive(Parser)]
#[command(about = "Passes TCP connections on and does nothing else")]
struct Cli {
    /// `LISTEN=TARGET`, e.g. `127.0.0.1:9000=10.0.0.1:9100`; may be repeated.
    #[arg(long = "route", required = true)]
    routes: Vec<Route>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Told from others by this when processes are looked for.
    #[arg(long)]
    tag: Option<String>,
}

#[derive(Clone, Copy)]
struct Route {
    listen: SocketAddr,
    target: SocketAddr,
}

impl FromStr for Route {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (listen, target) = text.split_once('=').context("expected LISTEN=TARGET")?;
        Ok(Self { listen: listen.parse()?, target: target.parse()? })
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut workers: Vec<JoinHandle<Result<()>>> = Vec::new();
    for _ in 0..cli.workers.max(1) {
        let bound = |route: &Route| Ok((listener(route.listen)?, route.target));
        let routes = cli.routes.iter().map(bound).collect::<Result<Vec<_>>>()?;
        workers.push(std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(worker(routes))
        }));
    }
    for worker in workers {
        worker.join().map_err(|_| anyhow!("a worker panicked"))??;
    }
    Ok(())
}

/// One of several on the same address; the kernel deals.
fn listener(address: SocketAddr) -> Result<StdListener> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket.into())
    };
    bind().with_context(|| format!("listening on {address}"))
}

async fn worker(routes: Vec<(StdListener, SocketAddr)>) -> Result<()> {
    let mut listeners = JoinSet::new();
    for (listener, target) in routes {
        let listener = TcpListener::from_std(listener)?;
        listeners.spawn(async move { accept(&listener, target).await });
    }
    while let Some(ended) = listeners.join_next().await {
        ended??;
    }
    Ok(())
}

async fn accept(listener: &TcpListener, target: SocketAddr) -> Result<()> {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            // A connection that failed is its caller's to report.
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS => {
                let (near, _) = accepted.context("accepting")?;
                open.spawn(relay(near, target));
            }
        }
    }
}

async fn relay(near: TcpStream, target: SocketAddr) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(copy(near_read, far_write), copy(far_read, near_write))?;
    Ok(())
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    // Never zeroed, and touched only as far as it is used.
    let mut buffer = Vec::with_capacity(BUFFER);
    while from.read_buf(&mut buffer).await? != 0 {
        to.write_all(&buffer).await?;
        buffer.clear();
    }
    to.shutdown().await
}
