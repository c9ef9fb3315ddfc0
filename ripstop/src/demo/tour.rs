//! How a mesh is adopted: five phases, each with what can be seen, under load that must not notice.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::Result;

use super::{
    chapters::{A_WHILE, AMBIENT, DETAILS, PAGE, SOON, change, enrol, load, no_failures, ok, write},
    files::{ALLOWED, Addition, MESH_STRICT, STRICT},
    stage::{Client, Stage, is_reset},
    story::Story,
};

/// Customers who call the page all the time, each time on a new connection. They begin outside of the mesh.
const CUSTOMERS: &str = "visitors";

/// Tells all phases.
pub async fn tell(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let options = ["--rate", "100", "--connections", "4", "--new-connections"];
    let mut customers = load(stage, CUSTOMERS, &[], PAGE, &options)?;
    customers.until("traffic", SOON, |line| ok(line) > 50).await?;
    plain(stage, story, &mut customers).await?;
    enrolled(stage, story, &mut customers).await?;
    watched(stage, story, &mut customers).await?;
    strict_here(stage, story, &mut customers).await?;
    strict_everywhere(stage, story, &mut customers).await?;
    let totals = customers.stop().await?;
    story.attempt("in all five phases no request of the customers failed", Ok(no_failures(&totals)));
    Ok(())
}

async fn plain(stage: &mut Stage, story: &mut Story, customers: &mut Client) -> Result<()> {
    story.chapter(1, "The mesh runs, PERMISSIVE, and nothing is in it");
    Story::command("ripstop get workloads -A");
    let workloads = stage.workloads("")?;
    let outside = workloads.iter().filter(|workload| workload["mesh"]["state"] == "NONE").count();
    story.sentence(
        "nothing has changed for anybody",
        &format!("{outside} of {} workloads MESHED no", workloads.len()),
        outside == workloads.len(),
    );
    unharmed(story, customers).await
}

async fn enrolled(stage: &mut Stage, story: &mut Story, customers: &mut Client) -> Result<()> {
    story.chapter(2, "Namespace by namespace, the callee first");
    for namespace in ["backend", "bookinfo"] {
        Story::command(&format!("ripstop label namespace {namespace} {AMBIENT}"));
        let joined = enrol(stage, namespace).await;
        let members = stage.workloads(namespace)?.len();
        let seen = joined.map(|()| (format!("{members} workloads MESHED yes, none restarted"), true));
        story.attempt(&format!("{namespace} has joined"), seen);
        unharmed(story, customers).await?;
    }
    Ok(())
}

async fn watched(stage: &mut Stage, story: &mut Story, customers: &mut Client) -> Result<()> {
    story.chapter(3, "Who still speaks plaintext?");
    Story::command("ripstop logs node-east --access    # connections in without src.identity");
    // Connections that began before their caller was enrolled may stay for long: who *begins* one counts.
    let begin = SystemTime::now();
    let mut seen = Vec::new();
    let found = stage
        .until("callers in plaintext", SOON, |stage| {
            seen = callers(&nameless(&begun(&stage.log("node-east"), begin)));
            Ok(!seen.is_empty())
        })
        .await;
    let told = |callers: &[String]| callers.join(", ");
    story.attempt(
        "the access log tells who calls without an identity: STRICT would lock them out",
        found.map(|()| (format!("namespace {}", told(&seen)), seen == [CUSTOMERS])),
    );
    Story::command(&format!("ripstop label namespace {CUSTOMERS} {AMBIENT}"));
    enrol(stage, CUSTOMERS).await?;
    let begin = SystemTime::now();
    customers.go_on(A_WHILE).await;
    let log = stage.log("node-east");
    let fresh = begun(&log, begin);
    let without = nameless(&fresh);
    story.sentence(
        "once they are enrolled, too, nobody begins in plaintext any more",
        &format!("{} new connections in, {} without an identity", fresh.len(), without.len()),
        !fresh.is_empty() && without.is_empty(),
    );
    unharmed(story, customers).await
}

async fn strict_here(stage: &mut Stage, story: &mut Story, customers: &mut Client) -> Result<()> {
    story.chapter(4, "STRICT, for one namespace");
    Story::command("cat > strict.yaml    # PeerAuthentication bookinfo/default, mtls.mode STRICT");
    change(stage, |stage| stage.write(STRICT.name, STRICT.text)).await?;
    refused(
        stage,
        story,
        "strangers",
        &["policy=PeerAuthentication/bookinfo/default"],
        "who has no identity is refused",
    )?;
    Story::aside(&format!("the way back: rm {}", STRICT.name));
    unharmed(story, customers).await
}

async fn strict_everywhere(stage: &mut Stage, story: &mut Story, customers: &mut Client) -> Result<()> {
    story.chapter(5, "STRICT everywhere, and nobody may who is not named");
    for addition in [MESH_STRICT, ALLOWED] {
        let Addition { name, .. } = addition;
        write(stage, addition).await?;
        Story::aside(&format!("the way back: rm {name}"));
        unharmed(story, customers).await?;
    }
    let policy = ["policy=AuthorizationPolicy/bookinfo/"];
    refused(stage, story, CUSTOMERS, &policy, "customers, who may see the page, may not ask details themselves")?;
    let asked = ["authz", "check", "details-v1-0"];
    Story::command(&format!("ripstop {}", asked.join(" ")));
    let told = stage.try_cli(&asked)?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = told.lines().find(|line| line.contains("bookinfo-productpage")).unwrap_or("nothing").trim().to_owned();
    story.sentence("who may is told, too", &line, line.contains("bookinfo-productpage"));
    unharmed(story, customers).await
}

/// A process of that namespace is not let in to details, and that is recorded.
fn refused(stage: &Stage, story: &mut Story, namespace: &str, words: &[&str], told: &str) -> Result<()> {
    Story::command(&format!("ripstop run -n {namespace} -- curl {DETAILS}"));
    let argv = ["run", "-n", namespace, "--", "curl", "-sS", "-m", "5", "-o", "/dev/null", DETAILS];
    let output = stage.try_cli(&argv)?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    story.sentence(told, &said, is_reset(&output));
    let log = stage.log("node-west");
    let denied = log.lines().rev().find(|line| line.contains("denied") && line.contains("dst.workload=details-v1-0"));
    let policy = denied.and_then(|line| line.split_whitespace().find(|word| word.starts_with("policy=")));
    story.sentence(
        "and that is recorded, with the policy",
        policy.unwrap_or("no record"),
        denied.is_some_and(|line| words.iter().all(|word| line.contains(word))),
    );
    Ok(())
}

/// The customers go on, and none of their requests has failed so far.
async fn unharmed(story: &mut Story, customers: &mut Client) -> Result<()> {
    let before = ok(&customers.newest());
    customers.until("answers", SOON, |line| ok(line) > before + 50).await?;
    story.attempt("no request failed", Ok(no_failures(&customers.newest())));
    Ok(())
}

/// Records of connections in that began after `since`.
fn begun(log: &str, since: SystemTime) -> Vec<&str> {
    let inbound = log.lines().filter(|line| line.contains("direction=inbound"));
    // Records are exact to a millisecond.
    let since = since + Duration::from_millis(1);
    inbound.filter(|line| beginning(line).is_some_and(|begin| begin > since)).collect()
}

/// When the connection of this record began: it was written at its end, and says how long it took.
fn beginning(line: &str) -> Option<SystemTime> {
    let end = humantime::parse_rfc3339(line.split_whitespace().next()?).ok()?;
    let took = humantime::parse_duration(field(line, "duration=")?).ok()?;
    end.checked_sub(took)
}

/// Those without the caller's identity.
fn nameless<'a>(records: &[&'a str]) -> Vec<&'a str> {
    records.iter().copied().filter(|line| field(line, "src.identity=").is_none()).collect()
}

/// Namespaces of the callers, each once.
fn callers(records: &[&str]) -> Vec<String> {
    let namespaces: BTreeSet<&str> = records.iter().filter_map(|line| field(line, "src.namespace=")).collect();
    namespaces.into_iter().map(str::to_owned).collect()
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name))
}
