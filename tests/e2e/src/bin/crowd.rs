//! A server, and a crowd of clients of different manners, for the story of those who share a pair of nodes.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// Bytes of a request and of its answer.
const MESSAGE: usize = 128;
/// How often each of the small ones asks.
const PERIOD: Duration = Duration::from_millis(500);
/// Whoever waits longer than this for anything is said to starve.
const PATIENCE: Duration = Duration::from_secs(20);

/// What bulk consists of, again and again.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=255).cycle().take(256 * 1024).collect());

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address.parse()?).await,
        ["drive", address, bulk, small, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            drive(address.parse()?, bulk.parse()?, small.parse()?, seconds).await
        }
        _ => bail!("crowd serve ADDRESS | crowd drive ADDRESS BULK SMALL SECONDS"),
    }
}

async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        // How it ended is the client's to judge.
        tokio::spawn(async move { attend(socket).await });
    }
}

/// The first byte says what is wanted: `b` for bytes without end, anything else for echoes.
async fn attend(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    if socket.read_u8().await? == b'b' {
        loop {
            socket.write_all(&PATTERN[..]).await?;
        }
    }
    let mut message = [0; MESSAGE];
    loop {
        socket.read_exact(&mut message).await?;
        socket.write_all(&message).await?;
    }
}

/// Prints what became of everybody, as JSON.
async fn drive(address: SocketAddr, bulk: usize, small: usize, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    let mut stalled = connect(address, b'b').await?;
    let first = stalled.read_u8().await?;
    ensure!(first == 0, "the stalled reader got {first} first");
    let mut streams = JoinSet::new();
    let counters: Vec<_> = (0..bulk).map(|_| Arc::new(AtomicU64::new(0))).collect();
    for counter in &counters {
        let counter = counter.clone();
        streams.spawn(async move { take(address, &counter, end).await });
    }
    let mut askers = JoinSet::new();
    for index in 0..small {
        // All at once would measure how connections are made.
        let begin = Instant::now() + Duration::from_millis(u64::try_from(index)? * 3);
        askers.spawn(async move { ask(address, begin, end, u8::try_from(index % 251).unwrap_or(0)).await });
    }
    let mut errors = BTreeMap::<String, u64>::new();
    let (mut least, mut longest, mut asked) = (u64::MAX, Duration::ZERO, 0);
    while let Some(asker) = askers.join_next().await {
        match asker? {
            Ok((count, wait)) => {
                least = least.min(count);
                longest = longest.max(wait);
                asked += count;
            }
            Err(error) => *errors.entry(format!("{error:#}")).or_default() += 1,
        }
    }
    while let Some(stream) = streams.join_next().await {
        if let Err(error) = stream? {
            *errors.entry(format!("bulk: {error:#}")).or_default() += 1;
        }
    }
    // The one that did not read finds everything in order.
    let mut rest = vec![0; 4 * 1024 * 1024];
    let late = timeout(PATIENCE, stalled.read_exact(&mut rest)).await;
    if !matches!(late, Ok(Ok(_))) || !in_order(&rest, 1) {
        *errors.entry("the stalled reader lost bytes".into()).or_default() += 1;
    }
    let moved: Vec<u64> = counters.iter().map(|counter| counter.load(Relaxed)).collect();
    println!(
        "{}",
        serde_json::json!({
            "asked": asked, "least": least, "longest_ms": longest.as_millis(), "moved": moved, "errors": errors,
        })
    );
    Ok(())
}

async fn connect(address: SocketAddr, manner: u8) -> Result<TcpStream> {
    let mut socket = timeout(PATIENCE, TcpStream::connect(address)).await.context("connecting")??;
    socket.set_nodelay(true)?;
    socket.write_all(&[manner]).await?;
    Ok(socket)
}

async fn take(address: SocketAddr, counter: &AtomicU64, end: Instant) -> Result<()> {
    let mut socket = connect(address, b'b').await?;
    let mut space = vec![0; 256 * 1024];
    let mut at = 0;
    while Instant::now() < end {
        let n = timeout(PATIENCE, socket.read(&mut space)).await.context("starved")??;
        ensure!(n > 0, "the connection ended");
        ensure!(in_order(&space[..n], at), "bytes in disorder");
        at += n;
        counter.fetch_add(n as u64, Relaxed);
        // Who always has something to read would leave the others no time.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// How often it was answered, and the longest wait.
async fn ask(address: SocketAddr, begin: Instant, end: Instant, fill: u8) -> Result<(u64, Duration)> {
    sleep_until(begin).await;
    let mut socket = connect(address, b'e').await?;
    let (mut count, mut longest, mut next) = (0, Duration::ZERO, Instant::now());
    while next < end {
        sleep_until(next).await;
        let start = Instant::now();
        let mut message = [fill; MESSAGE];
        let exchange = async {
            socket.write_all(&message).await?;
            socket.read_exact(&mut message).await.map(|_| ())
        };
        timeout(PATIENCE, exchange).await.context("starved")??;
        ensure!(message == [fill; MESSAGE], "another's answer");
        longest = longest.max(start.elapsed());
        count += 1;
        next = (next + PERIOD).max(Instant::now());
    }
    Ok((count, longest))
}

/// Whether `bytes` are those that the server sends from `from` on.
fn in_order(bytes: &[u8], from: usize) -> bool {
    let mut from = from % 256;
    bytes.chunks(PATTERN.len() - 256).all(|chunk| {
        let expected = &PATTERN[from..from + chunk.len()];
        from = (from + chunk.len()) % 256;
        chunk == expected
    })
}
