//! What is killed comes back.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{A_WHILE, AMBIENT, DETAILS, SOON, clear, count, edge, failures, load, ok, settle, until_state};
use crate::demo::{
    files::INGRESS,
    stage::{Client, Stage},
    story::{Story, progress},
};

/// Connections that the load has at a time.
const UNDER_WAY: u64 = 4;
/// What the load calls.
const DETAILS_V1: &str = "bookinfo/details-v1-0";

/// Each part once, the control plane first and for longer.
pub async fn killed(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let options = ["--rate", "100", "--connections", "4", "--new-connections", "--report-ms", "20"];
    let mut load = load(stage, "bookinfo", &[AMBIENT, "app=demo"], DETAILS, &options)?;
    load.until("traffic", SOON, |line| ok(line) > 50).await?;
    until_state(stage, "bookinfo", "CAPTURED").await?;
    without_control(stage, story, &mut load).await?;
    for (role, what) in [
        (
            "node-west",
            "the node proxy of the callee is back by itself, with keys and configuration from its disk; 4 that were under way may be cut",
        ),
        ("node-east", "so is that of the callers"),
        ("agent-west", "and their agents, who hand out sockets and capture"),
        ("agent-east", "both of them"),
    ] {
        back(stage, story, &mut load, role, what).await?;
    }
    Story::command("ripstop start control; ripstop status");
    stage.cli(&["start", "control"])?;
    let bar = progress("waiting for acknowledgements");
    let settled = settle(stage).await;
    bar.finish_and_clear();
    let status = stage.json(&["status"])?;
    let proxies = status["proxies"].as_array().map_or(0, Vec::len);
    story.attempt(
        "the control plane returns, and every proxy acknowledges the current version",
        settled.map(|()| (format!("{proxies} proxies SYNCED at version {}", status["version"]), true)),
    );
    let called = "and the workload that is called; until it has started again nobody answers for it";
    dies(stage, story, &mut load, called).await?;
    gateway(stage, story).await?;
    let healed = load.newest();
    let line = load.go_on(A_WHILE).await;
    let (more, late) = (ok(&line) - ok(&healed), failures(&line) - failures(&healed));
    story.sentence(
        "and then nothing fails any more",
        &format!("{more} new connections, {late} failures"),
        late == 0 && more > 0,
    );
    load.stop().await?;
    Ok(())
}

/// The control plane is killed, and held down.
async fn without_control(stage: &mut Stage, story: &mut Story, load: &mut Client) -> Result<()> {
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
    Ok(())
}

/// The workload that is called is killed, and new connections go on once it is back.
async fn dies(stage: &mut Stage, story: &mut Story, load: &mut Client, what: &str) -> Result<()> {
    Story::command(&format!("kill -9 {}", DETAILS_V1.to_uppercase()));
    let told = killed_under(stage, load, DETAILS_V1).await?;
    story.attempt(what, told.map(|(told, _)| (told, true)));
    Ok(())
}

/// A gateway is killed, and serves the same port again.
async fn gateway(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let url = edge::open(stage).await?;
    edge::until_all(stage, &url, edge::HOST, "200").await?;
    let rows = stage.json(&["get", "processes"])?;
    let mut names = rows.as_array().into_iter().flatten().filter_map(|row| {
        let (namespace, name) = (row["namespace"].as_str()?, row["name"].as_str()?);
        name.contains("ingressgateway").then(|| format!("{namespace}/{name}"))
    });
    let name = names.next().context("no gateway runs")?;
    Story::command(&format!("kill -9 {}; ripstop load -n 100 -H 'host: {}' {url}/", name.to_uppercase(), edge::HOST));
    let killed = Instant::now();
    stage.kill(&name)?;
    let back = edge::until_all(stage, &url, edge::HOST, "200").await;
    let told = format!("100 of 100 answers are 200, {} ms after it was killed", killed.elapsed().as_millis());
    story.attempt("a gateway is back at the same address", back.map(|()| (told, true)));
    clear(stage, &[INGRESS]).await
}

/// A role is killed, and new connections go on.
async fn back(stage: &mut Stage, story: &mut Story, load: &mut Client, role: &str, what: &str) -> Result<()> {
    Story::command(&format!("kill -9 {}", role.to_uppercase()));
    let seen = killed_under(stage, load, role).await?;
    let again = stage.until("the role to run again", SOON, |stage| Ok(stage.runs(role))).await;
    story.attempt(what, seen.and_then(|(told, lost)| again.map(|()| (told, lost <= UNDER_WAY))));
    Ok(())
}

/// Kills a role or workload under load, and waits until new connections go on: what was lost, in words and in number.
async fn killed_under(stage: &Stage, load: &mut Client, name: &str) -> Result<Result<(String, u64)>> {
    let before = load.newest();
    stage.kill(name)?;
    let mut gap = 0;
    let went_on = load
        .until("new connections", SOON, |line| {
            gap = gap.max(count(line, "longest_gap_ms"));
            ok(line) > ok(&before) + 50
        })
        .await;
    let lost = failures(&load.newest()).saturating_sub(failures(&before));
    let told = format!("{lost} connections failed; the longest gap without an answer was {gap} ms");
    Ok(went_on.map(|_| (told, lost)))
}
