//! The seven chapters.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    files::{PERMISSIVE, STRICT},
    stage::{Client, Stage},
    story::{Story, progress},
};

/// What plaintext on the link would show.
const MARKER: &str = "ripstop-demo-marker-7f3a";
/// How long anything may take that takes milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(20);
/// Time in which traffic has to stay as it is.
const A_WHILE: Duration = Duration::from_secs(2);
const PAGE: &str = "http://productpage.bookinfo:9080/";
const DETAILS: &str = "http://details.bookinfo:9080/";

/// Tells all of it.
pub async fn tell(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let mut load = load(stage, "visitors", PAGE, &["--rate", "150", "--connections", "6"])?;
    let mut link = stage.watch_link("west", MARKER)?;
    load.until("traffic", SOON, |line| ok(line) > 20).await?;

    plain(story, &mut load, &mut link).await?;
    enrolled(stage, story, &mut load).await?;
    encrypted(stage, story, &mut load, &mut link).await?;
    let totals = load.stop().await?;
    story.attempt("no request of the visitors failed in all that time", Ok(no_failures(&totals)));
    strict(stage, story).await?;
    without_control(stage, story).await?;
    back_again(stage, story).await?;
    leaving(stage, story).await
}

/// 1. Everything plain.
async fn plain(story: &mut Story, load: &mut Client, link: &mut Client) -> Result<()> {
    Story::chapter(1, "Nothing is in the mesh because it exists");
    Story::command("ripstop get workloads -A        # MESHED no, everywhere");
    Story::command(&format!("curl -H 'baggage: demo={MARKER}' {PAGE}"));
    let seen = link.until("the marker on the link", SOON, |line| hits(line) > 0).await;
    let seen = seen.map(|line| (format!("{} packets with it on the link of node west", hits(&line)), true));
    story.attempt("a marker in the requests is readable on the link between the nodes", seen);
    let before = load.newest();
    let p50 = |line: &Value| line["p50_us"].as_u64().unwrap_or(0);
    Story::aside(&format!("p50 of a whole page, plain: {} µs", p50(&before)));
    Ok(())
}

/// 2. Two namespaces join under load.
async fn enrolled(stage: &mut Stage, story: &mut Story, load: &mut Client) -> Result<()> {
    Story::chapter(2, "Two namespaces join, under load, and nothing restarts");
    let pids = pids(stage)?;
    for namespace in ["bookinfo", "backend"] {
        Story::command(&format!("ripstop label namespace {namespace} istio.io/dataplane-mode=ambient"));
        stage.cli(&["label", "namespace", namespace, "istio.io/dataplane-mode=ambient"])?;
        let bar = progress("enrolling");
        let joined = until_state(stage, namespace, "CAPTURED").await;
        bar.finish_and_clear();
        let count = stage.workloads(namespace)?.len();
        story.attempt(
            &format!("every workload of {namespace} is captured"),
            joined.map(|()| (format!("{count} workloads MESHED yes"), true)),
        );
    }
    let drained = stage
        .until("old plain connections to end", SOON, |stage| Ok(plain_connections(stage)? == 0))
        .await
        .map(|()| ("PLAIN 0 everywhere".to_owned(), true));
    story.attempt("connections that were open before live on, and end by themselves: PLAIN falls to 0", drained);
    let line = load.go_on(A_WHILE).await;
    story.attempt("no request failed", Ok(no_failures(&line)));
    let same = pids == self::pids(stage)?;
    story.sentence("no process was restarted", &format!("{} processes, the same process ids", pids.len()), same);
    Ok(())
}

/// 3. Encrypted and identified.
async fn encrypted(stage: &Stage, story: &mut Story, load: &mut Client, link: &mut Client) -> Result<()> {
    Story::chapter(3, "Encrypted and identified");
    let before = link.newest();
    let start = ok(&load.newest());
    let line = load.go_on(A_WHILE).await;
    let after = link.newest();
    let pages = ok(&line).saturating_sub(start);
    let fresh = hits(&after).saturating_sub(hits(&before));
    let packets = count(&after, "packets").saturating_sub(count(&before, "packets"));
    story.sentence(
        "the marker is never seen again on the link",
        &format!("{pages} pages, {packets} packets on the link, {fresh} with the marker"),
        fresh == 0 && pages > 0 && packets > 0,
    );
    let log = format!("{}{}", stage.log("node-west"), stage.log("node-east"));
    let mut pairs: Vec<(String, String)> = log.lines().filter_map(identities).collect();
    pairs.sort();
    pairs.dedup();
    let expected = ("sa/bookinfo-productpage", "sa/bookinfo-details");
    let held = pairs.iter().any(|(from, to)| from.ends_with(expected.0) && to.ends_with(expected.1));
    Story::command("ripstop logs node-west        # one line a connection, with both identities");
    for (from, to) in &pairs {
        Story::aside(&format!("{from} → {to}"));
    }
    story.sentence(
        "both ends of every connection have proven who they are",
        &format!("{} pairs of SPIFFE identities in the access logs", pairs.len()),
        held,
    );
    Story::aside(&format!("p50 of a whole page, meshed: {} µs", count(&line, "p50_us")));
    for role in ["node-east", "node-west"] {
        if let Some(used) = stage.cpu_ms(role) {
            Story::aside(&format!("CPU used by {role} so far: {used} ms"));
        }
    }
    Ok(())
}

/// 4. STRICT.
async fn strict(stage: &mut Stage, story: &mut Story) -> Result<()> {
    Story::chapter(4, "STRICT: only identities come in");
    Story::command("cat > strict.yaml   # PeerAuthentication bookinfo/default, mtls.mode STRICT");
    stage.write("strict.yaml", STRICT)?;
    settle(stage).await?;
    let outside =
        stage.try_cli(&["run", "-n", "visitors", "--", "curl", "-sS", "-m", "5", "-o", "/dev/null", DETAILS])?;
    let said = String::from_utf8_lossy(&outside.stderr).trim().to_owned();
    Story::command(&format!("ripstop run -n visitors -- curl {DETAILS}"));
    // The reset reaches curl while it connects (7) or while it reads (56).
    story.sentence(
        "a process outside the mesh is refused",
        &said,
        [Some(7), Some(56)].contains(&outside.status.code()),
    );
    let log = stage.log("node-west");
    let record = log.lines().rev().find(|line| line.contains("connection denied") && line.contains("details"));
    story.sentence(
        "and recorded, with the policy that refused it",
        record.unwrap_or("no record"),
        record.is_some_and(|line| line.contains("policy=PeerAuthentication/bookinfo/default")),
    );
    let ambient = "istio.io/dataplane-mode=ambient";
    // It starts as it is and is enrolled a moment later: the first tries may still be plain.
    let script = "until status=$(curl -s -m 5 -o /dev/null -w '%{http_code}' \"$0\"); do :; done; echo $status";
    let argv = ["run", "-n", "visitors", "--label", ambient, "--", "timeout", "20", "sh", "-c", script, DETAILS];
    Story::command(&format!("ripstop run -n visitors --label {ambient} -- curl {DETAILS}"));
    let inside = stage.try_cli(&argv)?;
    let code = String::from_utf8_lossy(&inside.stdout).trim().to_owned();
    story.sentence("the same process, enrolled, is served", &format!("status {code}"), code == "200");
    Ok(())
}

/// 5. The control plane is gone, and a node proxy dies.
async fn without_control(stage: &mut Stage, story: &mut Story) -> Result<()> {
    Story::chapter(5, "The control plane is killed and held down; a node proxy is killed with -9");
    let ambient = "istio.io/dataplane-mode=ambient";
    let options = ["--rate", "100", "--connections", "4", "--new-connections", "--report-ms", "20"];
    let mut load = load_labelled(stage, "bookinfo", &[ambient, "demo=load"], DETAILS, &options)?;
    // It is enrolled like the rest of its namespace; what came before that does not count.
    load.until("traffic", SOON, |line| ok(line) > 50).await?;
    let list = stage.workloads("bookinfo")?;
    let captured = list.iter().all(|workload| workload["mesh"]["state"] == "CAPTURED");
    if !captured {
        until_state(stage, "bookinfo", "CAPTURED").await?;
    }
    Story::command("kill -9 CONTROL; ripstop stop control");
    stage.kill("control")?;
    stage.cli(&["stop", "control"])?;
    if stage.kill("control").is_ok() {
        bail!("the control plane still runs after `ripstop stop control`");
    }
    let before = load.newest();
    let line = load.go_on(A_WHILE).await;
    let more = ok(&line).saturating_sub(ok(&before));
    let failed = failures(&line).saturating_sub(failures(&before));
    story.sentence(
        "without a control plane new connections flow",
        &format!("{more} new connections, {failed} failures"),
        more > 0 && failed == 0,
    );
    Story::command("kill -9 NODE-WEST");
    let before = load.newest();
    stage.kill("node-west")?;
    let mut gap = 0;
    let back = load
        .until("connections to the killed node", SOON, |line| {
            gap = gap.max(count(line, "longest_gap_ms"));
            ok(line) > ok(&before) + 50
        })
        .await;
    let healed = load.newest();
    let lost = failures(&healed).saturating_sub(failures(&before));
    story.attempt(
        "the node proxy is back by itself, with keys and configuration from its disk",
        back.map(|_| (format!("{lost} connections failed; the longest gap without an answer was {gap} ms"), true)),
    );
    let line = load.go_on(A_WHILE).await;
    let late = failures(&line).saturating_sub(failures(&healed));
    let more = ok(&line).saturating_sub(ok(&healed));
    story.sentence(
        "and then nothing fails any more",
        &format!("{more} new connections, {late} failures"),
        late == 0 && more > 0,
    );
    load.stop().await?;
    Ok(())
}

/// 6. The control plane returns.
async fn back_again(stage: &mut Stage, story: &mut Story) -> Result<()> {
    Story::chapter(6, "The control plane returns");
    Story::command("ripstop start control; ripstop status");
    stage.cli(&["start", "control"])?;
    let bar = progress("waiting for acknowledgements");
    let settled = settle(stage).await;
    bar.finish_and_clear();
    let status = stage.json(&["status"])?;
    let proxies = status["proxies"].as_array().map_or(0, Vec::len);
    story.attempt(
        "every proxy acknowledges the current version",
        settled.map(|()| (format!("{proxies} proxies SYNCED at version {}", status["version"]), true)),
    );
    Ok(())
}

/// 7. And out again.
async fn leaving(stage: &mut Stage, story: &mut Story) -> Result<()> {
    Story::chapter(7, "PERMISSIVE again, and a namespace leaves, under load");
    stage.write("strict.yaml", PERMISSIVE)?;
    settle(stage).await?;
    let mut load = load(stage, "visitors", PAGE, &["--rate", "100", "--connections", "4"])?;
    let mut link = stage.watch_link("west", MARKER)?;
    load.until("traffic", SOON, |line| ok(line) > 50).await?;
    let quiet = hits(&link.newest());
    Story::command("ripstop label namespace backend istio.io/dataplane-mode-");
    stage.cli(&["label", "namespace", "backend", "istio.io/dataplane-mode-"])?;
    let bar = progress("draining");
    let left = until_state(stage, "backend", "NONE").await;
    bar.finish_and_clear();
    story.attempt("backend has left", left.map(|()| ("MESHED no, DRAINING 0".into(), true)));
    // Visitors' own requests to the page cross the link in plaintext only towards backend.
    let seen = link.until("the marker on the link", SOON, |line| hits(line) > quiet).await;
    let seen = seen.map(|line| (format!("{} packets with it", hits(&line) - quiet), true));
    story.attempt("the marker is readable on the link again", seen);
    let totals = load.stop().await?;
    story.attempt("no request failed", Ok(no_failures(&totals)));
    Ok(())
}

/// Load from a process of namespace `namespace`, with the marker in each request.
fn load(stage: &Stage, namespace: &str, url: &str, options: &[&str]) -> Result<Client> {
    load_labelled(stage, namespace, &[], url, options)
}

fn load_labelled(stage: &Stage, namespace: &str, labels: &[&str], url: &str, options: &[&str]) -> Result<Client> {
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

fn plain_connections(stage: &Stage) -> Result<u64> {
    Ok(stage.workloads("")?.iter().map(|workload| count(&workload["mesh"], "plain")).sum())
}

/// Process ids of all declared workloads, by name.
fn pids(stage: &Stage) -> Result<Vec<(String, u64)>> {
    let mut pids = Vec::new();
    for namespace in ["bookinfo", "backend"] {
        for workload in stage.workloads(namespace)? {
            pids.push((format!("{namespace}/{}", workload["name"]), count(&workload, "pid")));
        }
    }
    pids.sort();
    Ok(pids)
}

/// Both identities of an access log line of the callee's proxy.
fn identities(line: &str) -> Option<(String, String)> {
    let field = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key));
    let id = |key: &str| field(key).map(|id| id.trim_start_matches("spiffe://cluster.local/").to_owned());
    line.contains("direction=inbound").then(|| Some((id("src.identity=")?, id("dst.identity=")?)))?
}

fn no_failures(line: &Value) -> (String, bool) {
    let why = line["error"].as_str().map_or_else(String::new, |why| format!(", last: {why}"));
    (
        format!("{} requests, {} failures{why}", ok(line) + failures(line), failures(line)),
        failures(line) == 0 && ok(line) > 0,
    )
}

fn ok(line: &Value) -> u64 {
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
