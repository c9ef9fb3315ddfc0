//! Load that counts every failure itself and never retries.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use hyper::{HeaderMap, header::HeaderName};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{interval, sleep_until},
};

use crate::client::Client;

/// Latencies kept for the percentiles of one report.
const SAMPLES: usize = 100_000;

#[derive(clap::Args, Clone)]
pub struct Options {
    /// What to ask.
    #[arg(long)]
    url: String,
    /// Requests at a time.
    #[arg(long, default_value_t = 4)]
    connections: u32,
    /// Requests a second over all; 0: as fast as answers come.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Seconds to go on; 0: until it is told to stop.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Opens a new connection for each request.
    #[arg(long)]
    new_connections: bool,
    /// `name: value` sent with each request.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Milliseconds between reports, one JSON line each.
    #[arg(long, default_value_t = 250)]
    report_ms: u64,
}

#[derive(Default)]
struct Totals {
    ok: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<String>>,
    latencies: Mutex<Vec<u32>>,
    /// When the last request succeeded, and the longest time between two successes since the last report.
    successes: Mutex<(Option<Instant>, Duration)>,
}

/// Runs the load; fails if any request failed.
pub async fn run(options: Options) -> Result<()> {
    let headers = parse_headers(&options.headers)?;
    let totals = Arc::new(Totals::default());
    let until = (options.seconds > 0).then(|| Instant::now() + Duration::from_secs(options.seconds));
    let mut users = JoinSet::new();
    for index in 0..options.connections.max(1) {
        users.spawn(user(options.clone(), headers.clone(), totals.clone(), index, until));
    }
    let mut report = interval(Duration::from_millis(options.report_ms.max(10)));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = report.tick() => totals.report("running"),
            ended = users.join_next() => if ended.is_none() { break },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    totals.report("done");
    match totals.failed.load(Relaxed) {
        0 => Ok(()),
        failed => bail!("{failed} requests failed"),
    }
}

async fn user(options: Options, headers: HeaderMap, totals: Arc<Totals>, index: u32, until: Option<Instant>) {
    let client = if options.new_connections { Client::without_pool() } else { Client::default() };
    let users = options.connections.max(1);
    let pause = Duration::from_secs(1) * users / options.rate.max(1);
    let mut next = Instant::now() + pause * index / users;
    loop {
        if until.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        if options.rate > 0 {
            sleep_until(next.into()).await;
            next += pause;
        }
        let asked = Instant::now();
        match client.get(&options.url, &headers).await {
            Ok(answer) if answer.status.is_success() => {
                totals.succeed();
                let mut latencies = totals.latencies.lock().unwrap_or_else(PoisonError::into_inner);
                if latencies.len() < SAMPLES {
                    latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
            }
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                let why = body.find("not available").map_or("", |at| &body[at..]);
                totals.fail(format!("status {} {}", answer.status, why.chars().take(300).collect::<String>()));
            }
            Err(error) => totals.fail(format!("{error:#}")),
        }
    }
}

// === impl Totals ===

impl Totals {
    fn succeed(&self) {
        self.ok.fetch_add(1, Relaxed);
        let mut successes = self.successes.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = successes.0.map_or(Duration::ZERO, |last| last.elapsed());
        *successes = (Some(Instant::now()), successes.1.max(gap));
    }

    fn fail(&self, error: String) {
        self.failed.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// One line: totals since the start, percentiles (µs) since the last line.
    fn report(&self, state: &str) {
        let mut latencies = std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner));
        latencies.sort_unstable();
        let longest_gap = std::mem::take(&mut self.successes.lock().unwrap_or_else(PoisonError::into_inner).1);
        let percentile = |share: usize| latencies.get((latencies.len() * share / 100).min(latencies.len().max(1) - 1));
        let line = json!({
            "state": state,
            "ok": self.ok.load(Relaxed),
            "failed": self.failed.load(Relaxed),
            "p50_us": percentile(50),
            "p99_us": percentile(99),
            "longest_gap_ms": longest_gap.as_millis(),
            "error": *self.last_error.lock().unwrap_or_else(PoisonError::into_inner),
        });
        println!("{line}");
    }
}

fn parse_headers(lines: &[String]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("{line:?} is not `name: value`"))?;
        headers.append(HeaderName::from_bytes(name.trim().as_bytes())?, value.trim().parse()?);
    }
    Ok(headers)
}

/// Spreads failures; need not be secret.
pub fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0x853c_49e6_748f_ea9b) };
    }
    STATE.with(|state| {
        // xorshift64
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        next
    })
}
