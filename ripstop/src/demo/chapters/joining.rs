//! In, encrypted, and out again.

use anyhow::Result;

use super::{A_WHILE, AMBIENT, MARKER, NAMESPACES, PAGE, SOON, count, enrol, hits, load, no_failures, ok, until_state};
use crate::demo::{
    stage::Stage,
    story::{Story, progress},
};

/// Those who call the page from outside of the mesh.
const VISITORS: [&str; 4] = ["--rate", "150", "--connections", "6"];

/// Everything plain.
pub async fn plain(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let mut visitors = load(stage, "visitors", &[], PAGE, &VISITORS)?;
    let mut link = stage.watch_link("west", MARKER)?;
    visitors.until("traffic", SOON, |line| ok(line) > 20).await?;
    Story::command("ripstop get workloads -A        # MESHED no, everywhere");
    Story::command(&format!("curl -H 'baggage: demo={MARKER}' {PAGE}"));
    let seen = link.until("the marker on the link", SOON, |line| hits(line) > 0).await;
    let seen = seen.map(|line| (format!("{} packets with it on the link of node west", hits(&line)), true));
    story.attempt("a marker in the requests is readable on the link between the nodes", seen);
    Story::aside(&format!("p50 of a whole page, plain: {} µs", count(&visitors.newest(), "p50_us")));
    visitors.stop().await?;
    Ok(())
}

/// Two namespaces join under load.
pub async fn joining(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let mut visitors = load(stage, "visitors", &[], PAGE, &VISITORS)?;
    visitors.until("traffic", SOON, |line| ok(line) > 20).await?;
    let pids = pids(stage)?;
    for namespace in NAMESPACES {
        Story::command(&format!("ripstop label namespace {namespace} {AMBIENT}"));
        let joined = enrol(stage, namespace).await;
        let members = stage.workloads(namespace)?.len();
        story.attempt(
            &format!("every workload of {namespace} is captured"),
            joined.map(|()| (format!("{members} workloads MESHED yes"), true)),
        );
    }
    let drained = stage
        .until("old plain connections to end", SOON, |stage| Ok(plain_connections(stage)? == 0))
        .await
        .map(|()| ("PLAIN 0 everywhere".to_owned(), true));
    story.attempt("connections that were open before live on, and end by themselves: PLAIN falls to 0", drained);
    visitors.go_on(A_WHILE).await;
    let totals = visitors.stop().await?;
    story.attempt("no request failed", Ok(no_failures(&totals)));
    let same = pids == self::pids(stage)?;
    story.sentence("no process was restarted", &format!("{} processes, the same process ids", pids.len()), same);
    Ok(())
}

/// Encrypted and identified.
pub async fn encrypted(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let mut visitors = load(stage, "visitors", &[], PAGE, &VISITORS)?;
    let link = stage.watch_link("west", MARKER)?;
    visitors.until("traffic", SOON, |line| ok(line) > 20).await?;
    let before = link.newest();
    let start = ok(&visitors.newest());
    let line = visitors.go_on(A_WHILE).await;
    let after = link.newest();
    let pages = ok(&line).saturating_sub(start);
    let fresh = hits(&after).saturating_sub(hits(&before));
    let packets = count(&after, "packets").saturating_sub(count(&before, "packets"));
    story.sentence(
        "the marker is never seen on the link any more",
        &format!("{pages} pages, {packets} packets on the link, {fresh} with the marker"),
        fresh == 0 && pages > 0 && packets > 0,
    );
    let log = format!("{}{}", stage.log("node-west"), stage.log("node-east"));
    let mut pairs: Vec<(String, String)> = log.lines().filter_map(identities).collect();
    pairs.sort();
    pairs.dedup();
    let expected = ("sa/bookinfo-productpage", "sa/bookinfo-details");
    let held = pairs.iter().any(|(from, to)| from.ends_with(expected.0) && to.ends_with(expected.1));
    Story::command("ripstop logs node-west --access    # one line a connection, with both identities");
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
    let totals = visitors.stop().await?;
    story.attempt("no request failed", Ok(no_failures(&totals)));
    Ok(())
}

/// And out again.
pub async fn leaving(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let mut visitors = load(stage, "visitors", &[], PAGE, &["--rate", "100", "--connections", "4"])?;
    let mut link = stage.watch_link("west", MARKER)?;
    visitors.until("traffic", SOON, |line| ok(line) > 50).await?;
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
    let totals = visitors.stop().await?;
    story.attempt("no request failed", Ok(no_failures(&totals)));
    Ok(())
}

fn plain_connections(stage: &Stage) -> Result<u64> {
    Ok(stage.workloads("")?.iter().map(|workload| count(&workload["mesh"], "plain")).sum())
}

/// Process ids of all declared workloads, by name.
fn pids(stage: &Stage) -> Result<Vec<(String, u64)>> {
    let mut pids = Vec::new();
    for namespace in NAMESPACES {
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
