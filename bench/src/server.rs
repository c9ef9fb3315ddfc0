//! The far end of every measurement.

use std::{
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

use crate::message::{EXCHANGE_PORT, RESPONSE, SINGLE_PORT, SINK_PORT, SIZE};

/// Connections at a time and port; more wait in the backlog.
const CONNECTIONS: usize = 4096;
/// Requests that are read at once at most.
const PIPELINED: usize = 16;
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
    let (exchanges, singles, sinks) =
        (listen(EXCHANGE_PORT).await?, listen(SINGLE_PORT).await?, listen(SINK_PORT).await?);
    tokio::try_join!(serve(&exchanges, exchange), serve(&singles, single), serve(&sinks, sink))?;
    Ok(())
}

/// Hands each connection to `each`. A connection that fails is its caller's to report.
async fn serve<F>(listener: &TcpListener, each: fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
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

async fn exchange(mut stream: TcpStream) -> std::io::Result<()> {
    let answers = RESPONSE.repeat(PIPELINED);
    let mut requests = [0; SIZE * PIPELINED];
    let mut held = 0;
    loop {
        match stream.read(&mut requests[held..]).await? {
            0 => return Ok(()),
            read => held += read,
        }
        let whole = held - held % SIZE;
        stream.write_all(&answers[..whole]).await?;
        requests.copy_within(whole..held, 0);
        held -= whole;
    }
}

async fn single(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; SIZE];
    stream.read_exact(&mut request).await?;
    stream.write_all(&RESPONSE).await?;
    stream.shutdown().await?;
    // The caller's end, so that no reset overtakes the answer.
    timeout(LINGER, stream.read(&mut request)).await.map_or(Ok(()), |read| read.map(|_| ()))
}

async fn sink(mut stream: TcpStream) -> std::io::Result<()> {
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
