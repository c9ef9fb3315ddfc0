//! The near end of every measurement: closed loops and a paced one.

use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::{sleep_until, timeout, timeout_at},
};

use crate::{
    command::{Command, Event, Outcome, Work},
    histogram::Histogram,
    message::{REQUEST, SIZE},
};

/// Work before the measured time: caches and tunnels get warm.
const WARM_UP: Duration = Duration::from_millis(300);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// What an answer may take beyond the measured time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most connections that a command may ask for.
const CONNECTIONS: u32 = 4096;
/// Size of a write of a bulk stream, in bytes.
const BLOCK: usize = 256 * 1024;

/// Carries out one command a line of standard input, until there are no more.
pub async fn run() -> Result<()> {
    tell(&Event::Ready)?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.context("reading a command")? {
        let command: Command = serde_json::from_str(&line).with_context(|| format!("no command: {line}"))?;
        match carry_out(&command, tell).await {
            Ok(outcome) => tell(&Event::Done(outcome))?,
            Err(error) => tell(&Event::Failed { reason: format!("{error:#}") })?,
        }
    }
    Ok(())
}

/// Carries out one command, telling begin and end.
pub async fn carry_out(command: &Command, tell: impl Fn(&Event) -> Result<()>) -> Result<Outcome> {
    let target = command.target;
    let measured = Duration::from_millis(command.millis);
    match command.work {
        Work::Requests { connections } => {
            crowd(connections, measured, tell, |span, gate, _| requests(target, span, gate)).await
        }
        Work::Paced { connections, rate } => {
            let period = Duration::from_secs(1) * connections / rate.max(1);
            let body = |span, gate, index| paced(target, span, gate, period, period * index / connections.max(1));
            crowd(connections, measured, tell, body).await
        }
        Work::Connects { concurrency } => {
            crowd(concurrency, measured, tell, |span, gate, _| connects(target, span, gate)).await
        }
        Work::Bulk => bulk(target, measured, tell).await,
    }
}

fn tell(event: &Event) -> Result<()> {
    println!("{}", serde_json::to_string(event)?);
    Ok(())
}

/// The time that is measured, known when all connections of a crowd are there.
#[derive(Clone, Copy, Debug)]
struct Span {
    begin: Instant,
    end: Instant,
}

/// Where all of a crowd meet when they are connected.
#[derive(Clone, Debug)]
struct Gate {
    all_there: Arc<Barrier>,
    measured: Duration,
}

/// What one of a crowd counted.
#[derive(Debug, Default)]
struct Tally {
    times: Histogram,
    errors: u64,
    first_error: Option<String>,
}

// === impl Gate ===

impl Gate {
    /// Waits for all; those that could not connect come here, too.
    async fn pass(&self) -> Span {
        self.all_there.wait().await;
        let begin = Instant::now() + WARM_UP;
        Span { begin, end: begin + self.measured }
    }
}

// === impl Tally ===

impl Tally {
    fn record(&mut self, span: Span, from: Instant, to: Instant) {
        if from >= span.begin && to <= span.end {
            self.times.record(u64::try_from((to - from).as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn merge(&mut self, other: Self) {
        self.times.merge(&other.times);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Runs `size` bodies side by side and sums up. A body ends soon after its span; an error counts
/// and ends it.
async fn crowd<F>(
    size: u32,
    measured: Duration,
    tell: impl Fn(&Event) -> Result<()>,
    body: impl Fn(Arc<TallySlot>, Gate, u32) -> F,
) -> Result<Outcome>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    if !(1..=CONNECTIONS).contains(&size) {
        bail!("{size} connections: 1 to {CONNECTIONS} are possible");
    }
    unimplemented!()
}
