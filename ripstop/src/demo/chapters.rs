//! The chapters.

mod access;
mod edge;
mod failing;
mod healing;
mod joining;
mod routing;

use std::{process::Output, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Child;

use super::{
    files::Addition,
    stage::{Client, Stage},
    story::{Story, progress},
};

/// A chapter.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    title: &'static str,
    needs: Needs,
    tale: Tale,
}

/// What must be so when a chapter begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Nobody is in the mesh.
    Plain,
    /// Both namespaces are.
    Enrolled,
}

/// What a chapter tells.
#[derive(Clone, Copy, Debug)]
enum Tale {
    Plain,
    Joining,
    Encrypted,
    Canary,
    Header,
    Retry,
    Timeout,
    Fault,
    Mirror,
    Ejection,
    Breaker,
    Strict,
    Access,
    Ingress,
    LiveEdit,
    Killed,
    Leaving,
}

/// In order.
pub const ALL: [Chapter; 17] = [
    Chapter::new("Nothing is in the mesh because it exists", Needs::Plain, Tale::Plain),
    Chapter::new("Namespaces join one by one, under load, and nothing restarts", Needs::Plain, Tale::Joining),
    Chapter::new("Encrypted and identified", Needs::Enrolled, Tale::Encrypted),
    Chapter::new("A canary: one in ten goes to v2", Needs::Enrolled, Tale::Canary),
    Chapter::new("Who is called jason sees v2", Needs::Enrolled, Tale::Header),
    Chapter::new("A retry hides a replica that fails", Needs::Enrolled, Tale::Retry),
    Chapter::new("A timeout", Needs::Enrolled, Tale::Timeout),
    Chapter::new("Faults on purpose", Needs::Enrolled, Tale::Fault),
    Chapter::new("A mirror: the shadow sees everything, and nobody sees the shadow", Needs::Enrolled, Tale::Mirror),
    Chapter::new("A failing replica is ejected, and comes back", Needs::Enrolled, Tale::Ejection),
    Chapter::new("A circuit breaker overflows", Needs::Enrolled, Tale::Breaker),
    Chapter::new("STRICT: only identities come in", Needs::Enrolled, Tale::Strict),
    Chapter::new("Who may do what, and why not", Needs::Enrolled, Tale::Access),
    Chapter::new("From the host, through a gateway", Needs::Enrolled, Tale::Ingress),
    Chapter::new("Edits under load", Needs::Enrolled, Tale::LiveEdit),
    Chapter::new("Everything is killed once", Needs::Enrolled, Tale::Killed),
    Chapter::new("A namespace leaves, under load", Needs::Enrolled, Tale::Leaving),
];

/// How long anything may take that takes milliseconds on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// Time in which traffic has to stay as it is.
pub(super) const A_WHILE: Duration = Duration::from_secs(2);
/// What plaintext on the link would show.
const MARKER: &str = "ripstop-demo-marker-7f3a";
pub(super) const PAGE: &str = "http://productpage.bookinfo:9080/";
pub(super) const DETAILS: &str = "http://details.bookinfo:9080/details/0";
const REVIEWS: &str = "http://reviews.bookinfo:9080/reviews/0";
const RATINGS: &str = "http://ratings.backend:9080/ratings/0";
/// The label by which a namespace joins.
pub(super) const AMBIENT: &str = "istio.io/dataplane-mode=ambient";
const NAMESPACES: [&str; 2] = ["bookinfo", "backend"];

/// Tells all chapters, or the one with that number.
pub async fn tell(stage: &mut Stage, story: &mut Story, only: Option<usize>) -> Result<()> {
    let chosen = only.map_or(1..=ALL.len(), |number| number..=number);
    for number in chosen {
        let Chapter { title, needs, tale } = ALL[number - 1];
        if only.is_some() && needs == Needs::Enrolled {
            for namespace in NAMESPACES {
                enrol(stage, namespace).await?;
            }
        }
        story.chapter(number, title);
        match tale {
            Tale::Plain => joining::plain(stage, story).await,
            Tale::Joining => joining::joining(stage, story).await,
            Tale::Encrypted => joining::encrypted(stage, story).await,
            Tale::Canary => routing::canary(stage, story).await,
            Tale::Header => routing::header(stage, story).await,
            Tale::Timeout => routing::timeout(stage, story).await,
            Tale::Fault => routing::fault(stage, story).await,
            Tale::Mirror => routing::mirror(stage, story).await,
            Tale::Retry => failing::retry(stage, story).await,
            Tale::Ejection => failing::ejection(stage, story).await,
            Tale::Breaker => failing::breaker(stage, story).await,
            Tale::Strict => access::strict(stage, story).await,
            Tale::Access => access::access(stage, story).await,
            Tale::Ingress => edge::ingress(stage, story).await,
            Tale::LiveEdit => edge::live_edit(stage, story).await,
            Tale::Killed => healing::killed(stage, story).await,
            Tale::Leaving => joining::leaving(stage, story).await,
        }?;
    }
    Ok(())
}

// === impl Chapter ===

impl Chapter {
    const fn new(title: &'static str, needs: Needs, tale: Tale) -> Self {
        Self { title, needs, tale }
    }
}

/// Writes a file, shows that, and waits until every proxy knows it.
pub(super) async fn write(stage: &mut Stage, addition: Addition) -> Result<()> {
    Story::file(addition.name, addition.text);
    change(stage, |stage| stage.write(addition.name, addition.text)).await
}

/// Changes files, and waits until every proxy knows what comes of it.
pub(super) async fn change(stage: &mut Stage, edit: impl FnOnce(&Stage) -> Result<()>) -> Result<()> {
    // Of the files; versions come by workloads that start and end, too.
    let before = count(&stage.json(&["status"])?, "revision");
    edit(stage)?;
    stage.until("a new version", SOON, |stage| Ok(count(&stage.json(&["status"])?, "revision") > before)).await?;
    settle(stage).await
}

/// Removes what a chapter wrote.
async fn clear(stage: &mut Stage, additions: &[Addition]) -> Result<()> {
    change(stage, |stage| additions.iter().try_for_each(|addition| stage.remove(addition.name))).await
}

/// Has a process of bookinfo, an enrolled namespace, send requests; what `ripstop load` says of them.
fn ask(stage: &Stage, options: &[&str]) -> Result<Value> {
    show_asking(options);
    ask_quietly(stage, options)
}

/// As [`ask`]; the process stays for a while after that.
fn ask_and_stay(stage: &Stage, options: &[&str]) -> Result<Value> {
    let load = |words: &[&str]| {
        let words: Vec<String> = words.iter().copied().chain(options.iter().copied()).map(quoted).collect();
        format!("{}; sleep 3", words.join(" "))
    };
    let (run, quiet) = LOAD.split_at(LOAD.len() - 5);
    Story::command(&format!("ripstop run -n bookinfo -- sh -c '{}'", load(&quiet[..2])));
    let script = load(quiet);
    reported(&stage.try_cli(&[run, &["sh", "-c", &script]].concat())?, options)
}

/// As [`ask`], without waiting for it: see [`reported`].
fn begin_to_ask(stage: &Stage, options: &[&str]) -> Result<Child> {
    show_asking(options);
    stage.begin(&[&LOAD[..], options].concat())
}

fn ask_quietly(stage: &Stage, options: &[&str]) -> Result<Value> {
    reported(&stage.try_cli(&[&LOAD[..], options].concat())?, options)
}

fn show_asking(options: &[&str]) {
    let shown: Vec<String> = options.iter().map(|word| quoted(word)).collect();
    Story::command(&format!("ripstop run -n bookinfo -- ripstop load {}", shown.join(" ")));
}

/// What `ripstop load` has said.
fn reported(output: &Output, options: &[&str]) -> Result<Value> {
    let told = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    serde_json::from_slice(&output.stdout).with_context(|| format!("ripstop load {}: {}", options.join(" "), told()))
}

/// Sends requests as a process of bookinfo.
const LOAD: [&str; 11] = ["run", "-n", "bookinfo", "--label", "app=demo", "--", "ripstop", "load", "-q", "-o", "json"];

/// As a shell wants it.
fn quoted(word: &str) -> String {
    if word.contains([' ', '*']) { format!("'{word}'") } else { word.to_owned() }
}

/// How often answers came from an instance whose name begins so (`--by x-bookinfo-instance`).
fn answers_of(report: &Value, instance: &str) -> u64 {
    let values = report["values"].as_object().into_iter().flatten();
    values.filter(|(name, _)| name.starts_with(instance)).filter_map(|(_, count)| count.as_u64()).sum()
}

fn bad(report: &Value) -> u64 {
    count(report, "requests").saturating_sub(count(report, "good"))
}

/// Requests with all these labels that have arrived at workloads of node west, as its proxy counts them.
fn arrived(stage: &Stage, labels: &[&str]) -> Result<u64> {
    let metrics = stage.cli(&["metrics", "west"])?;
    let lines = metrics.lines().filter(|line| line.starts_with("istio_requests_total{"));
    let lines = lines.filter(|line| line.contains("reporter=\"destination\""));
    let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map(whole).sum())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter of thousands")]
fn whole(value: f64) -> u64 {
    value as u64
}

/// `--by` what tells instances apart.
const BY: [&str; 2] = ["--by", "x-bookinfo-instance"];

/// Has a namespace join, if it has not.
pub(super) async fn enrol(stage: &mut Stage, namespace: &str) -> Result<()> {
    stage.cli(&["label", "namespace", namespace, AMBIENT])?;
    let bar = progress("enrolling");
    let joined = until_state(stage, namespace, "CAPTURED").await;
    bar.finish_and_clear();
    joined
}

/// Load from a process of namespace `namespace`, with the marker in each request.
pub(super) fn load(stage: &Stage, namespace: &str, labels: &[&str], url: &str, options: &[&str]) -> Result<Client> {
    let header = format!("baggage: demo={MARKER}");
    let mut argv = vec!["bookinfo", "load", "--url", url, "--header", &header];
    argv.extend(options);
    // Beside the page, so that its own requests do not cross the link.
    stage.client(namespace, "east", labels, &argv)
}

/// Waits until every workload of the namespace is in that state.
async fn until_state(stage: &mut Stage, namespace: &str, state: &str) -> Result<()> {
    stage
        .until(&format!("{namespace} to be {state}"), SOON, |stage| {
            Ok(stage.workloads(namespace)?.iter().all(|workload| workload["mesh"]["state"] == state))
        })
        .await
}

/// Waits until every proxy has acknowledged the newest version, twice in a row at the same one.
async fn settle(stage: &mut Stage) -> Result<()> {
    let mut last = Value::Null;
    stage
        .until("every proxy to acknowledge", SOON, |stage| {
            let status = stage.json(&["status"])?;
            let proxies = status["proxies"].as_array().context("no proxies")?;
            let synced = !proxies.is_empty()
                && proxies.iter().all(|proxy| proxy["connected"] == true && proxy["acked"] == status["version"]);
            let same = last == status["version"];
            last = status["version"].clone();
            Ok(synced && same)
        })
        .await
}

pub(super) fn no_failures(line: &Value) -> (String, bool) {
    let why = line["error"].as_str().map_or_else(String::new, |why| format!(", last: {why}"));
    (
        format!("{} requests, {} failures{why}", ok(line) + failures(line), failures(line)),
        failures(line) == 0 && ok(line) > 0,
    )
}

pub(super) fn ok(line: &Value) -> u64 {
    count(line, "ok")
}

fn failures(line: &Value) -> u64 {
    count(line, "failed")
}

fn hits(line: &Value) -> u64 {
    count(line, "marker_hits")
}

fn count(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or(0)
}
