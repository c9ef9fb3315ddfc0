//! A pair of tunnel ends in one process, without namespaces, capture or policy: what the tunnel itself costs.
//!
//! Four threads, connected by loopback: driver, near end, far end, server. For profiles; `ripstop-bench` measures the
//! whole mesh beside others.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, atomic::AtomicU64, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use ripstop_identity::{CertificateAuthority, ClientAuth, Svid, client_config, new_csr, server_config};
use ripstop_model::{SpiffeId, TrustDomain, WorkloadUid};
use ripstop_tunnel::{ConnectRequest, Counters, Credentials, IncomingStream, TunnelKey, TunnelPool, accept, relay};
use rustls::{ClientConfig, ServerConfig};
use tokio::{
    net::{TcpListener as AsyncListener, TcpStream as AsyncStream},
    runtime::{LocalOptions, LocalRuntime},
    task::spawn_local,
};

#[derive(Parser)]
#[command(about = "What a pair of tunnel ends costs, without the rest of the mesh")]
struct Cli {
    /// What to do.
    work: Work,
    /// Connections at once.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// For how long.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// 128 bytes there and back, again and again.
    Echo,
    /// The server sends as fast as it can.
    Bulk,
    /// A new connection for each echo.
    Connects,
}

/// Bytes of a message.
const MESSAGE: usize = 128;
/// Bytes of a write in bulk.
const BULK: usize = 256 * 1024;

fn main() -> Result<()> {
    let cli = Cli::parse();
    let (client, server) = configs()?;
    let application = serve_application(cli.work)?;
    let far = listener()?;
    let far_address = far.local_addr()?;
    let near = listener()?;
    let near_address = near.local_addr()?;
    let ends = [
        on_a_thread("far", move || far_end(far, server, application)),
        on_a_thread("near", move || near_end(near, client, far_address, application)),
    ];
    let end = Instant::now() + Duration::from_secs_f64(cli.seconds);
    let (counts, counted) = mpsc::channel();
    let begin = Instant::now();
    let before = ends.iter().map(|tid| cpu(*tid)).collect::<Result<Vec<_>>>()?;
    for _ in 0..cli.connections {
        let counts = counts.clone();
        thread::spawn(move || counts.send(drive(cli.work, near_address, end)));
    }
    drop(counts);
    let mut total = 0;
    for count in counted {
        total += count?;
    }
    let took = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let total = total as f64;
    let unit = if cli.work == Work::Bulk { 1e9 } else { 1.0 };
    match cli.work {
        Work::Bulk => println!("{:.2} Gbit/s", total * 8.0 / took / 1e9),
        Work::Echo | Work::Connects => println!("{:.0} a second", total / took),
    }
    for ((name, tid), before) in ["far end", "near end"].iter().zip(&ends).zip(before) {
        let used = (cpu(*tid)? - before) / (total / unit);
        match cli.work {
            Work::Bulk => println!("{name}: {used:.3} CPU seconds a GB"),
            Work::Echo | Work::Connects => println!("{name}: {:.2} µs CPU each", used * 1e6),
        }
    }
    Ok(())
}

fn configs() -> Result<(Arc<ClientConfig>, Arc<ServerConfig>)> {
    let directory = std::env::temp_dir().join(format!("ripstop-bench-tunnel-{}", std::process::id()));
    let domain = TrustDomain::default();
    let authority = CertificateAuthority::load_or_create(&directory, &domain)?;
    let id = |account: &str| SpiffeId::service_account(&domain, "bench", account);
    let svid = |account: &str| -> Result<Svid> {
        let (key, csr) = new_csr()?;
        let chain = authority.issue(&csr, &id(account)?, Duration::from_secs(3600))?;
        Ok(Svid::new(&chain.pem(), key)?)
    };
    let roots = authority.roots();
    let client = client_config(&svid("client")?, roots, vec![id("server")?], &[b"h2"]);
    let server = server_config(&svid("server")?, roots, ClientAuth::Required, &[b"h2"]);
    std::fs::remove_dir_all(&directory)?;
    Ok((client, server))
}

fn listener() -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Gives the kernel's id of the thread.
fn on_a_thread(name: &str, work: impl AsyncFnOnce() -> Result<()> + Send + 'static) -> u32 {
    let (tell, told) = mpsc::channel();
    let name = name.to_owned();
    thread::spawn(move || {
        let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        let tid = own.file_name().and_then(|tid| tid.to_str()?.parse().ok()).unwrap_or(0);
        let _ = tell.send(tid);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let result = runtime.map_err(anyhow::Error::from).and_then(|runtime: LocalRuntime| runtime.block_on(work()));
        if let Err(error) = result {
            eprintln!("{name}: {error:#}");
        }
    });
    told.recv().unwrap_or(0)
}

async fn far_end(listener: TcpListener, config: Arc<ServerConfig>, application: SocketAddr) -> Result<()> {
    let listener = AsyncListener::from_std(listener)?;
    let peer: SpiffeId = SpiffeId::service_account(&TrustDomain::default(), "bench", "client")?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let accepted = accept(socket, config.clone()).await?;
        let handler = move |incoming: IncomingStream| async move {
            let Ok(socket) = AsyncStream::connect(application).await else { return };
            let (Ok(()), Ok(stream)) = (socket.set_nodelay(true), incoming.accept(None)) else { return };
            carry(socket, stream).await;
        };
        let peer = peer.clone();
        spawn_local(async move { accepted.serve(peer, handler, std::future::pending()).await });
    }
}

async fn near_end(
    listener: TcpListener,
    config: Arc<ClientConfig>,
    far: SocketAddr,
    application: SocketAddr,
) -> Result<()> {
    let listener = AsyncListener::from_std(listener)?;
    let pool = TunnelPool::default();
    let domain = TrustDomain::default();
    let key = TunnelKey {
        source: SpiffeId::service_account(&domain, "bench", "client")?,
        source_uid: WorkloadUid::process("mesh", "bench", "client-0"),
        source_ip: Ipv4Addr::LOCALHOST.into(),
        destination: far,
        expected: [SpiffeId::service_account(&domain, "bench", "server")?].into(),
    };
    let credentials = Credentials { config, generation: 1 };
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (pool, key, credentials) = (pool.clone(), key.clone(), credentials.clone());
        spawn_local(async move {
            let request = ConnectRequest::new(application.into());
            match pool.open(&key, &credentials, || AsyncStream::connect(far), &request).await {
                Ok(stream) => carry(socket, stream).await,
                Err(error) => eprintln!("{error}"),
            }
        });
    }
}

async fn carry(socket: AsyncStream, stream: ripstop_tunnel::TunnelStream) {
    let (forward, backward) = (AtomicU64::new(0), AtomicU64::new(0));
    // How a connection ended is the driver's to see.
    let _ = relay(socket, stream, Counters { forward: &forward, backward: &backward }).await;
}

fn serve_application(work: Work) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || application(work, socket));
        }
    });
    Ok(address)
}

fn application(work: Work, mut socket: TcpStream) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    socket.read_exact(&mut message)?;
    if work == Work::Bulk {
        let bulk = vec![7; BULK];
        loop {
            socket.write_all(&bulk)?;
        }
    }
    loop {
        socket.write_all(&message)?;
        socket.read_exact(&mut message)?;
    }
}

/// Bytes in bulk, else echoes.
fn drive(work: Work, address: SocketAddr, end: Instant) -> Result<u64> {
    let connect = || -> Result<TcpStream> {
        let socket = TcpStream::connect(address).context("connecting")?;
        socket.set_nodelay(true)?;
        Ok(socket)
    };
    let mut socket = connect()?;
    let mut message = [1; MESSAGE];
    let mut bulk = vec![0; BULK];
    let mut count = 0;
    if work == Work::Bulk {
        socket.write_all(&message)?;
    }
    while Instant::now() < end {
        count += match work {
            Work::Bulk => socket.read(&mut bulk)? as u64,
            Work::Echo | Work::Connects => {
                socket.write_all(&message)?;
                socket.read_exact(&mut message)?;
                if work == Work::Connects {
                    socket = connect()?;
                }
                1
            }
        };
    }
    Ok(count)
}

/// CPU seconds that a thread has used.
fn cpu(tid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat"))?;
    let nanos: f64 = text.split(' ').next().context("an empty schedstat")?.parse()?;
    Ok(nanos / 1e9)
}
