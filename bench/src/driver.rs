//! The near end of every measurement: closed loops, paced ones, and calls of gRPC.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
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
    message::{LONGEST, Persistence, response_in},
};

mod calls;

/// Work before the measured time: caches and tunnels get warm.
const WARM_UP: Duration = Duration::from_millis(300);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// What the last answers may take beyond the measured time.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the timer may be late: that much counts for nothing.
const TIMER: Duration = Duration::from_millis(1);
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

/// Carries out one command, telling begin and end of the measured time.
pub async fn carry_out(command: &Command, tell: impl Fn(&Event) -> Result<()>) -> Result<Outcome> {
    let measured = Duration::from_millis(command.millis);
    let size = match command.work {
        Work::Grpc { connections, streams } => {
            return calls::run(connections, streams, command.target, measured, tell).await;
        }
        Work::Bulk { streams } => return bulk(streams, command.target, measured, tell).await,
        Work::Requests { connections } | Work::Paced { connections, .. } => connections,
        Work::Connects { concurrency } => concurrency,
    };
    crowd(size, command.work, command.target, measured, tell).await
}

fn tell(event: &Event) -> Result<()> {
    println!("{}", serde_json::to_string(event)?);
    Ok(())
}

/// A connection on which requests are answered.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Box<[u8; LONGEST]>,
}

/// The time that is measured.
#[derive(Clone, Copy, Debug)]
struct Span {
    begin: Instant,
    end: Instant,
}

/// Where all of a crowd, and who watches it, meet when they are connected.
#[derive(Clone, Debug)]
struct Gate {
    meeting: Arc<Barrier>,
    measured: Duration,
}

/// What one of a crowd counted.
#[derive(Debug, Default)]
struct Tally {
    times: Histogram,
    /// Answers that came within the measured time.
    answered: u64,
    /// Requests that were due within it and not sent.
    unsent: u64,
    errors: u64,
    first_error: Option<String>,
}

// === impl Connection ===

impl Connection {
    async fn open(target: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(target).await?, buffer: Box::new([0; LONGEST]) })
    }

    /// One request and its answer.
    async fn exchange(&mut self, persistence: Persistence) -> Result<()> {
        self.stream.write_all(persistence.request()).await.context("sending a request")?;
        let mut held = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[held..]).await.context("waiting for an answer")?;
            ensure!(read > 0, "the connection ended before an answer");
            held += read;
            if let Some(length) = response_in(&self.buffer[..held])? {
                ensure!(length == held, "there is more than an answer");
                return Ok(());
            }
        }
    }
}

// === impl Gate ===

impl Gate {
    async fn pass(&self) -> Span {
        self.meeting.wait().await;
        let begin = Instant::now() + WARM_UP;
        Span { begin, end: begin + self.measured }
    }
}

// === impl Tally ===

impl Tally {
    /// A request of a closed loop: one that is whole within the measured time.
    fn record(&mut self, span: Span, from: Instant, to: Instant) {
        if from >= span.begin && to <= span.end {
            self.took(to - from);
            self.answered += 1;
        }
    }

    /// A request of an open loop that was due `from`: whenever it is answered, its time counts.
    fn record_due(&mut self, span: Span, from: Instant, to: Instant) {
        if from >= span.begin {
            self.took(to - from);
        }
        if to >= span.begin && to <= span.end {
            self.answered += 1;
        }
    }

    /// A request that was due and that its connection was not free for. It took until the end at least.
    fn miss(&mut self, span: Span, due: Instant) {
        if due >= span.begin {
            self.took(span.end - due);
            self.unsent += 1;
        }
    }

    fn took(&mut self, time: Duration) {
        self.times.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn merge(&mut self, other: Self) {
        self.times.merge(&other.times);
        self.answered += other.answered;
        self.unsent += other.unsent;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// `size` connections, or loops that make them, side by side.
async fn crowd(
    size: u32,
    work: Work,
    target: SocketAddr,
    measured: Duration,
    tell: impl Fn(&Event) -> Result<()>,
) -> Result<Outcome> {
    check(size)?;
    let gate = Gate { meeting: Arc::new(Barrier::new(size as usize + 1)), measured };
    let mut members = JoinSet::new();
    for index in 0..size {
        members.spawn(member(work, target, gate.clone(), index));
    }
    let span = gate.pass().await;
    sleep_until(span.begin.into()).await;
    tell(&Event::Begin)?;
    sleep_until(span.end.into()).await;
    tell(&Event::End)?;
    let mut all = Tally::default();
    while let Some(tally) = members.join_next().await {
        all.merge(tally?);
    }
    Ok(Outcome {
        seconds: measured.as_secs_f64(),
        count: all.answered,
        unsent: all.unsent,
        p50_ns: all.times.quantile(500),
        p99_ns: all.times.quantile(990),
        p999_ns: all.times.quantile(999),
        errors: all.errors,
        first_error: all.first_error,
    })
}

fn check(size: u32) -> Result<()> {
    ensure!((1..=CONNECTIONS).contains(&size), "{size} connections were asked for: 1 to {CONNECTIONS} are possible");
    Ok(())
}

/// One of a crowd. It always comes to the gate, also when it could not connect, and ends soon after its
/// span; the first error ends it at once.
async fn member(work: Work, target: SocketAddr, gate: Gate, index: u32) -> Tally {
    let mut tally = Tally::default();
    let connected = match work {
        // The first one opens what later ones share.
        Work::Connects { .. } => single(target).await.map(|()| None),
        _ => Connection::open(target).await.map(Some),
    };
    let span = gate.pass().await;
    let looped = async {
        match (work, connected?) {
            (Work::Paced { connections, rate }, Some(connection)) => {
                let period = Duration::from_secs(1) * connections.max(1) / rate.max(1);
                let offset = period * index / connections.max(1);
                paced(connection, span, period, offset, &mut tally).await
            }
            (_, Some(connection)) => requests(connection, span, &mut tally).await,
            (_, None) => connects(target, span, &mut tally).await,
        }
    };
    let ended = timeout_at((span.end + PATIENCE).into(), looped).await;
    if let Err(error) = ended.unwrap_or_else(|_| bail!("no answer {PATIENCE:?} after the end")) {
        tally.failed(&error);
    }
    tally
}

async fn requests(mut connection: Connection, span: Span, tally: &mut Tally) -> Result<()> {
    let mut from = Instant::now();
    while from < span.end {
        connection.exchange(Persistence::KeepAlive).await?;
        let to = Instant::now();
        tally.record(span, from, to);
        from = to;
    }
    Ok(())
}

/// A request each `period`. It counts from when it was due, whoever is to blame that it was not sent then; only
/// what the timer is late counts for nothing. What is still due at the end counts, too.
async fn paced(
    mut connection: Connection,
    span: Span,
    period: Duration,
    offset: Duration,
    tally: &mut Tally,
) -> Result<()> {
    let mut due = Instant::now() + offset;
    while due < span.end {
        let was_free = Instant::now() < due;
        sleep_until(due.into()).await;
        let now = Instant::now();
        if now >= span.end {
            break;
        }
        let from = if was_free { now.min(due + TIMER) } else { due };
        connection.exchange(Persistence::KeepAlive).await?;
        tally.record_due(span, from, Instant::now());
        due += period;
    }
    while due < span.end {
        tally.miss(span, due);
        due += period;
    }
    Ok(())
}

async fn connects(target: SocketAddr, span: Span, tally: &mut Tally) -> Result<()> {
    let mut from = Instant::now();
    while from < span.end {
        single(target).await?;
        let to = Instant::now();
        tally.record(span, from, to);
        from = to;
    }
    Ok(())
}

async fn bulk(
    streams: u32,
    target: SocketAddr,
    measured: Duration,
    tell: impl Fn(&Event) -> Result<()>,
) -> Result<Outcome> {
    check(streams)?;
    let mut connected = Vec::new();
    for _ in 0..streams {
        connected.push(connect(target).await?);
    }
    tell(&Event::Begin)?;
    let begin = Instant::now();
    let end = begin + measured;
    let mut running = JoinSet::new();
    for stream in connected {
        running.spawn(pour(stream, end));
    }
    let mut count = 0;
    while let Some(delivered) = running.join_next().await {
        count += delivered?.context("in a bulk stream")?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    tell(&Event::End)?;
    Ok(Outcome { seconds, count, ..Outcome::default() })
}

/// Writes until `end`, and waits until all of it has arrived; gives how much that was.
async fn pour(mut stream: TcpStream, end: Instant) -> Result<u64> {
    let block = vec![b'.'; BLOCK];
    let mut sent: u64 = 0;
    let delivered = timeout_at((end + PATIENCE).into(), async {
        while Instant::now() < end {
            stream.write_all(&block).await?;
            sent += BLOCK as u64;
        }
        stream.shutdown().await?;
        stream.read_u64().await
    });
    let delivered = delivered.await.context("it stands still")?.context("it broke")?;
    ensure!(delivered == sent, "{sent} bytes were sent, {delivered} arrived");
    Ok(delivered)
}

async fn connect(target: SocketAddr) -> Result<TcpStream> {
    let connected = timeout(CONNECT, TcpStream::connect(target)).await;
    let stream = connected
        .with_context(|| format!("no connection to {target} in {CONNECT:?}"))?
        .with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request on a connection of its own, which the server ends.
async fn single(target: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(target).await?;
    connection.exchange(Persistence::Close).await?;
    let read = connection.stream.read(&mut [0]).await.context("waiting for the end")?;
    ensure!(read == 0, "there is more than an answer");
    Ok(())
}

#[cfg(test)]
mod tests;
