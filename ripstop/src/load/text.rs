//! A report for people, and for spreadsheets.

use std::fmt::Write as _;

use ripstop_load::{Latency, Length, Pace, Plan, Protocol, Report, Reuse};

use super::{chart::chart, duration, short, span};
use crate::output::{BAD, BOLD, DIM, Table, paint};

/// Columns of the graph at most.
const COLUMNS: usize = 60;
/// A tail that is worth a line, in seconds.
const NOTED: f64 = 0.1;
/// Lines of the graph.
const LINES: usize = 5;

/// All that matters of it.
pub fn report(plan: &Plan, report: &Report) -> String {
    let mut out: String = asked(plan).lines().map(|line| paint(DIM, line) + "\n").collect();
    out.push('\n');
    let wanted = report.wanted_per_second.map_or_else(String::new, |wanted| format!(" of {}/s", short(wanted)));
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "  {}  {text}", paint(BOLD, &format!("{name:<10}")));
    };
    line(
        "requests",
        format!("{} in {:.1} s: {}/s{wanted}", grouped(report.requests), report.seconds, short(report.per_second)),
    );
    match (report.requests, report.bad) {
        (0, _) => line("", "stopped before the first that counts".to_owned()),
        (_, 0) => line("", "none bad".to_owned()),
        (all, bad) => line("", paint(BAD, &format!("{} bad ({})", grouped(bad), percent(bad, all)))),
    }
    if report.unsent > 0 {
        let text =
            format!("{} more were due, and nobody was free to send them: more connections?", grouped(report.unsent));
        line("", paint(BAD, &text));
    }
    if report.resent > 0 {
        line("", format!("{} were sent again: the server had not looked at them", grouped(report.resent)));
    }
    if report.tail_seconds >= NOTED {
        line("", format!("the last of them took {:.1} s more", report.tail_seconds));
    }
    if let Some(latency) = report.latency {
        let Latency { min_us, mean_us, max_us, p50_us, p75_us, p90_us, p99_us, p999_us, p9999_us } = latency;
        let rows = [
            [("min", min_us), ("mean", mean_us), ("max", max_us)],
            [("p50", p50_us), ("p75", p75_us), ("p90", p90_us)],
            [("p99", p99_us), ("p99.9", p999_us), ("p99.99", p9999_us)],
        ];
        for (name, row) in ["latency", "", ""].into_iter().zip(rows) {
            let cells = row.map(|(name, value)| format!("{name:<6} {:>9}", duration(value)));
            line(name, cells.join("   "));
        }
    }
    let statuses = report.statuses.iter().map(|(status, count)| format!("{status}: {}", grouped(*count)));
    let grpc = report.grpc_statuses.iter().map(|(code, count)| format!("grpc {code}: {}", grouped(*count)));
    let answers: Vec<String> = statuses.chain(grpc).collect();
    if !answers.is_empty() {
        line("answers", answers.join("   "));
    }
    for (index, (value, count)) in report.values.iter().enumerate() {
        let text = format!("{value}: {} ({})", grouped(*count), percent(*count, report.requests));
        line(if index == 0 { "by field" } else { "" }, text);
    }
    for (index, failures) in report.failures.iter().enumerate() {
        let text = format!("{}: {} (first: {})", failures.kind.name(), grouped(failures.count), failures.first);
        line(if index == 0 { "failures" } else { "" }, paint(BAD, &text));
    }
    if report.targets.len() > 1 {
        let mut table = Table::new(&["TARGET", "REQUESTS", "BAD", "P50", "P99"]);
        for target in &report.targets {
            let time =
                |quantile: fn(Latency) -> f64| target.latency.map(quantile).map_or_else(|| "–".to_owned(), duration);
            table.row(vec![
                target.url.clone(),
                grouped(target.requests),
                grouped(target.bad),
                time(|latency| latency.p50_us),
                time(|latency| latency.p99_us),
            ]);
        }
        out.push('\n');
        out.push_str(&table.render(None));
    }
    if report.timeline.len() > 2 {
        #[expect(clippy::cast_precision_loss, reason = "it is a graph")]
        let rates: Vec<_> =
            report.timeline.iter().map(|second| Some(second.requests as f64 / second.seconds)).collect();
        let _ = write!(out, "\n  requests a second{}\n", if rates.len() > COLUMNS { ", the last minute" } else { "" });
        for line in chart(&rates, COLUMNS, LINES, short) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

/// A row a second.
pub fn csv(report: &Report) -> String {
    let mut out = "second,seconds,requests,bad,p50_us,p90_us,p99_us,p999_us,max_us\n".to_owned();
    for second in &report.timeline {
        let _ = write!(out, "{},{:.3},{},{}", second.second, second.seconds, second.requests, second.bad);
        for quantile in [
            |latency: Latency| latency.p50_us,
            |latency: Latency| latency.p90_us,
            |latency: Latency| latency.p99_us,
            |latency: Latency| latency.p999_us,
            |latency: Latency| latency.max_us,
        ] {
            let _ = match second.latency.map(quantile) {
                Some(micros) => write!(out, ",{micros:.1}"),
                None => write!(out, ","),
            };
        }
        out.push('\n');
    }
    out
}

/// What was asked for, in two lines.
fn asked(plan: &Plan) -> String {
    let protocol = match plan.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
        Protocol::Grpc => "gRPC",
    };
    let streams = if plan.streams.get() > 1 { format!(" with {} streams each", plan.streams) } else { String::new() };
    let pace = match plan.pace {
        Pace::Closed => "closed loop: the next request follows the last answer".to_owned(),
        Pace::Open { rate } => format!("open loop: {}/s, each counted from when it was due", short(rate)),
    };
    let length = match plan.length {
        Length::Time(time) => span(time),
        Length::Requests(count) => format!("{} requests", grouped(count)),
    };
    let fresh = if plan.reuse == Reuse::Fresh { ", each request on a new one" } else { "" };
    let plural = if plan.connections.get() == 1 { "" } else { "s" };
    format!("{protocol}, {} connection{plural}{streams}{fresh}, {length}\n{pace}", plan.connections)
}

fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if share > 0.0 && share < 0.01 { "< 0.01 %".to_owned() } else { format!("{share:.2} %") }
}

/// With commas between thousands.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
