//! `ripstop load`: sends requests, and tells what became of them.

mod chart;
mod live;
mod text;

use std::{
    fs,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use ripstop_load::{Length, Message, Pace, Plan, Protocol, Reuse, Stop, Target, Trust, run};

use self::live::Live;
use crate::output::print;

/// Whom to send what, how fast, for how long.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Load {
    /// Where to: http://HOST[:PORT][/PATH], or https://. Several get equal shares, unless --weights says otherwise.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Connects there, wherever the URLs lead; they still say what is asked for, in TLS, too.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    connect_to: Option<(String, u16)>,
    /// Shares of the URLs, in their order.
    #[arg(long, value_delimiter = ',', value_name = "N,N…")]
    weights: Vec<NonZeroU32>,
    /// Connections to each server.
    #[arg(short, long, default_value = "10", value_name = "N")]
    connections: NonZeroU32,
    /// Requests at once on a connection, with --http 2 and --grpc.
    #[arg(short, long, default_value = "1", value_name = "N")]
    streams: NonZeroU32,
    /// Requests a second, whatever becomes of them (an open loop). Without it each connection sends its next request
    /// once the last is answered (a closed loop).
    #[arg(short, long, value_name = "N")]
    rate: Option<f64>,
    /// For how long: 30s, 5m.
    #[arg(short = 'z', long, default_value = "10s", value_name = "TIME")]
    duration: humantime::Duration,
    /// How many, however long it takes.
    #[arg(short = 'n', long, conflicts_with = "duration", value_name = "N")]
    requests: Option<u64>,
    /// How long requests are sent before they count.
    #[arg(long, default_value = "0s", value_name = "TIME")]
    warm_up: humantime::Duration,
    /// What a request may take, connecting included where that is needed.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    timeout: humantime::Duration,
    /// The version of HTTP.
    #[arg(long, value_enum, default_value_t = Version::One)]
    http: Version,
    /// gRPC: unary calls of http://HOST:PORT/package.Service/Method with --body as the encoded message; none is an empty
    /// one.
    #[arg(long, conflicts_with_all = ["http", "method"])]
    grpc: bool,
    /// The method; POST with --body, else GET.
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// A field of the request; `host: NAME` asks for another host than that of the URL.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The request's body, or @FILE with it.
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
    /// Counts answers by the value of this field of theirs, too: which version, which instance has answered.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// A new connection for each request.
    #[arg(long)]
    fresh: bool,
    /// Authorities that servers are believed by, PEM; without it those of the system.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Our certificate chain, PEM, for servers that ask (mutual TLS).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Believes any server.
    #[arg(short = 'k', long, conflicts_with = "cacert")]
    insecure: bool,
    /// Threads that send; without it as many as there are CPUs.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Ends with status 1 if more requests than this share were bad: without an answer, with a status of 400 or above,
    /// of gRPC not OK, or due with --rate and not sent.
    #[arg(long, default_value = "100", value_name = "PERCENT", value_parser = percentage)]
    max_bad: f64,
    /// How to show the result. CSV has a row for each whole second.
    #[arg(short, long, value_enum, default_value_t = Shape::Text)]
    output: Shape,
    /// No progress on the terminal.
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  ripstop load -c 64 -z 30s http://127.0.0.1:8080/
  ripstop load --rate 1000 -c 16 https://shop.example/ --cacert ca.pem
  ripstop load --connect-to 127.0.0.1:8443 --cacert ca.pem https://shop.example/   # a gateway that DNS does not know
  ripstop load --http 2 -c 4 -s 32 http://127.0.0.1:8080/
  ripstop load --grpc http://127.0.0.1:50051/grpc.health.v1.Health/Check
  ripstop load --weights 9,1 http://127.0.0.1:8080/ http://127.0.0.1:8080/checkout
  ripstop run -n visitors -- ripstop load http://productpage.bookinfo:9080/   # from inside a mesh";

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Version {
    /// HTTP/1.1.
    #[value(name = "1", alias = "1.1")]
    One,
    /// HTTP/2: with prior knowledge, or agreed on by TLS.
    #[value(name = "2")]
    Two,
}

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Text,
    /// All of it.
    Json,
    /// A row a second.
    Csv,
}

/// Most threads by default: more send no more.
const MOST_THREADS: usize = 16;

// === impl Load ===

impl Load {
    /// Sends until it is over, or Ctrl-C.
    pub fn run(self) -> Result<ExitCode> {
        let plan = self.plan()?;
        let stop = Stop::default();
        stop_on_interrupt(&stop)?;
        let mut live = Live::new(&plan, self.quiet);
        let report = run(plan.clone(), &stop, &mut live)?;
        live.end();
        match self.output {
            Shape::Text => print(&text::report(&plan, &report)),
            Shape::Json => print(&format!("{}\n", serde_json::to_string_pretty(&report)?)),
            Shape::Csv => print(&text::csv(&report)),
        }
        let (bad, all) = (report.bad + report.unsent, report.requests + report.unsent);
        #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
        let bad = 100.0 * bad as f64 / all.max(1) as f64;
        let within = bad <= self.max_bad && report.good > 0;
        Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self) -> Result<Plan> {
        let (message, host) = self.message()?;
        let targets = self.targets(host.as_deref())?;
        let secure = targets.iter().any(Target::is_secure);
        let trust = Trust {
            authorities: self.cacert.clone(),
            identity: self.cert.clone().zip(self.key.clone()),
            anybody: self.insecure,
        };
        let threads = available_parallelism()
            .unwrap_or(NonZeroUsize::MIN)
            .min(const { NonZeroUsize::new(MOST_THREADS).unwrap() });
        Ok(Plan {
            targets,
            connect_to: self.connect_to.clone(),
            message,
            protocol: match self.http {
                _ if self.grpc => Protocol::Grpc,
                Version::One => Protocol::Http1,
                Version::Two => Protocol::Http2,
            },
            pace: self.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
            connections: self.connections,
            streams: self.streams,
            reuse: if self.fresh { Reuse::Fresh } else { Reuse::Kept },
            warm_up: self.warm_up.into(),
            length: self.requests.map_or(Length::Time(self.duration.into()), Length::Requests),
            timeout: self.timeout.into(),
            by: self.by.clone(),
            tls: if secure { Some(Arc::new(trust.config()?)) } else { None },
            workers: self.threads.unwrap_or(threads),
        })
    }

    fn targets(&self, host: Option<&str>) -> Result<Vec<Target>> {
        let weights =
            if self.weights.is_empty() { vec![NonZeroU32::MIN; self.urls.len()] } else { self.weights.clone() };
        ensure!(
            weights.len() == self.urls.len(),
            "--weights has {} shares for {} URLs: say one for each",
            weights.len(),
            self.urls.len()
        );
        let target = |(url, weight): (&String, NonZeroU32)| {
            let target: Target = url.parse().with_context(|| format!("{url:?} can't be sent to"))?;
            let target = target.with_weight(weight);
            Ok(match host {
                Some(host) => target.called(host),
                None => target,
            })
        };
        self.urls.iter().zip(weights).map(target).collect()
    }

    /// What is sent, and the host that it asks for, if it is another than the URL's.
    fn message(&self) -> Result<(Message, Option<String>)> {
        let body = match self.body.as_deref().map(|body| (body, body.strip_prefix('@'))) {
            None => Vec::new(),
            Some((_, Some(path))) => fs::read(path).with_context(|| format!("reading the body from {path}"))?,
            Some((text, None)) => text.as_bytes().to_vec(),
        };
        let has_body = self.body.is_some() || self.grpc;
        let method = self.method.clone().unwrap_or_else(|| if has_body { "POST" } else { "GET" }.to_owned());
        let (mut fields, mut host) = (Vec::new(), None);
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else {
                bail!("-H {header:?} is no field: say 'NAME: VALUE'");
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            if name == "host" { host = Some(value) } else { fields.push((name, value)) }
        }
        if !fields.iter().any(|(name, _)| name == "user-agent") {
            fields.push(("user-agent".to_owned(), concat!("ripstop-load/", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        Ok((Message { method, fields, body }, host))
    }
}

/// The first Ctrl-C ends the run with a report, a second one the program.
fn stop_on_interrupt(stop: &Stop) -> Result<()> {
    let stop = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.set();
            }
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(130);
        });
    })?;
    Ok(())
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("it is HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

fn percentage(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim_end_matches('%').parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("it is from 0 to 100".to_owned()) }
}

/// How long that is, in the unit that suits it.
fn duration(micros: f64) -> String {
    match micros {
        ..1_000.0 => format!("{micros:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", micros / 1e3),
        ..100_000.0 => format!("{:.1} ms", micros / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// A rate or count, short: 1,234 or 12.3k.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..100.0 => format!("{value:.1}"),
        ..10_000.0 => format!("{value:.0}"),
        ..100_000.0 => format!("{:.1}k", value / 1e3),
        ..1_000_000.0 => format!("{:.0}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}

/// How it is told that something takes that long.
fn span(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

#[cfg(test)]
mod tests;
