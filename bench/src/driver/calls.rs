//! Calls of gRPC, by the load generator of the mesh.

use std::{net::SocketAddr, num::NonZeroU32, num::NonZeroUsize, time::Duration};

use anyhow::{Context, Result};
use ripstop_load::{Length, Message, Pace, Plan, Protocol, Report, Reuse, Second, Stop, Target, Watch};
use tokio::{sync::oneshot, time::sleep};

use super::{CONNECT, PATIENCE, WARM_UP};
use crate::{
    command::{Event, Outcome},
    message::{CALL_MESSAGE, CALL_PATH},
};

/// Tells once that calls count from now on.
struct Begin(Option<oneshot::Sender<()>>);

// === impl Begin ===

impl Watch for Begin {
    fn begins(&mut self) {
        if let Some(begin) = self.0.take() {
            // Whoever does not listen any more has failed.
            let _ = begin.send(());
        }
    }

    fn second(&mut self, _: &Second) {}
}

/// Calls `target` on `streams` streams of each connection, one after the other, telling begin and end.
pub(super) async fn run(
    connections: u32,
    streams: u32,
    target: SocketAddr,
    measured: Duration,
    tell: impl Fn(&Event) -> Result<()>,
) -> Result<Outcome> {
    let plan = plan(connections, streams, target, measured)?;
    let (begin, begun) = oneshot::channel();
    let calling =
        tokio::task::spawn_blocking(move || ripstop_load::run(plan, &Stop::default(), &mut Begin(Some(begin))));
    if begun.await.is_ok() {
        tell(&Event::Begin)?;
        sleep(measured).await;
        tell(&Event::End)?;
    }
    Ok(outcome(&calling.await?.context("calling")?))
}

fn plan(connections: u32, streams: u32, target: SocketAddr, measured: Duration) -> Result<Plan> {
    let url: Target = format!("http://{target}{CALL_PATH}").parse()?;
    Ok(Plan {
        targets: vec![url.called(format!("server:{}", target.port()))],
        connect_to: None,
        message: Message { method: "POST".to_owned(), fields: Vec::new(), body: CALL_MESSAGE.to_vec() },
        protocol: Protocol::Grpc,
        pace: Pace::Closed,
        connections: NonZeroU32::new(connections).context("no connections were asked for")?,
        streams: NonZeroU32::new(streams).context("no streams were asked for")?,
        reuse: Reuse::Kept,
        warm_up: WARM_UP,
        length: Length::Time(measured),
        timeout: CONNECT.max(PATIENCE),
        by: None,
        tls: None,
        workers: NonZeroUsize::MIN,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times of calls in nanoseconds")]
fn outcome(report: &Report) -> Outcome {
    let nanos = |micros: f64| (micros * 1e3) as u64;
    let latency = |at: fn(&ripstop_load::Latency) -> f64| report.latency.as_ref().map_or(0, |all| nanos(at(all)));
    let failure = report.failures.first().map(|failure| format!("{:?}: {}", failure.kind, failure.first));
    let statuses = format!("HTTP {:?}, gRPC {:?}", report.statuses, report.grpc_statuses);
    Outcome {
        seconds: report.seconds,
        count: report.good,
        unsent: report.unsent,
        p50_ns: latency(|all| all.p50_us),
        p99_ns: latency(|all| all.p99_us),
        p999_ns: latency(|all| all.p999_us),
        errors: report.bad,
        first_error: (report.bad > 0).then(|| failure.unwrap_or(statuses)),
    }
}

#[cfg(test)]
mod tests;
