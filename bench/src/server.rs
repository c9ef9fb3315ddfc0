//! The far end of every measurement.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::message::{CALL_PORT, EXCHANGE_PORT, LONGEST, Persistence, SINGLE_PORT, SINK_PORT, request_in};

pub(crate) mod calls;

/// Connections at a time and port; more wait in the backlog.
const CONNECTIONS: usize = 4096;
/// Longest wait for a caller to end after the server did.
const LINGER: Duration = Duration::from_secs(5);
/// Size of a read of a bulk stream, in bytes.
const BLOCK: usize = 256 * 1024;

/// Serves all ports until the process ends.
pub async fn run() -> Result<()> {
    let listen = async |port| {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
    };
    let (exchanges, singles) = (listen(EXCHANGE_PORT).await?, listen(SINGLE_PORT).await?);
    let (sinks, calls) = (listen(SINK_PORT).await?, listen(CALL_PORT).await?);
    tokio::try_join!(
        serve(&exchanges, exchange),
        serve(&singles, single),
        serve(&sinks, sink),
        serve(&calls, calls::serve)
    )?;
    Ok(())
}

/// What was read of a connection's requests.
struct Requests {
    buffer: Box<[u8; LONGEST]>,
    held: usize,
}

// === impl Requests ===

impl Requests {
    fn new() -> Self {
        Self { buffer: Box::new([0; LONGEST]), held: 0 }
    }

    /// Takes the next request; false at the end of the stream.
    async fn next(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        loop {
            if let Some(length) = request_in(&self.buffer[..self.held]).map_err(io::Error::other)? {
                self.buffer.copy_within(length..self.held, 0);
                self.held -= length;
                return Ok(true);
            }
            match stream.read(&mut self.buffer[self.held..]).await? {
                0 => return Ok(false),
                read => self.held += read,
            }
        }
    }
}

/// Hands each connection to `each`. A connection that fails is its caller's to report.
async fn serve<F>(listener: &TcpListener, each: fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS => {
                let (stream, _) = accepted.context("accepting")?;
                stream.set_nodelay(true)?;
                open.spawn(each(stream));
            }
        }
    }
}

async fn exchange(mut stream: TcpStream) -> io::Result<()> {
    let answer = Persistence::KeepAlive.response();
    let mut requests = Requests::new();
    while requests.next(&mut stream).await? {
        stream.write_all(&answer).await?;
    }
    Ok(())
}

async fn single(mut stream: TcpStream) -> io::Result<()> {
    if !Requests::new().next(&mut stream).await? {
        return Ok(());
    }
    stream.write_all(&Persistence::Close.response()).await?;
    stream.shutdown().await?;
    // The caller's end, so that no reset overtakes the answer.
    timeout(LINGER, stream.read(&mut [0])).await.map_or(Ok(()), |read| read.map(|_| ()))
}

async fn sink(mut stream: TcpStream) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut taken: u64 = 0;
    loop {
        match stream.read(&mut block).await? {
            0 => break,
            read => taken += read as u64,
        }
    }
    stream.write_all(&taken.to_be_bytes()).await?;
    stream.shutdown().await
}
