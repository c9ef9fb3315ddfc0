//! What fails, and who notices.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    BY, DETAILS, RATINGS, SOON, answers_of, arrived, ask, bad, begin_to_ask, clear, count, reported, settle, write,
};
use crate::demo::{
    files::{BREAKER, EJECTION, FAILING, RETRY},
    stage::Stage,
    story::Story,
};

/// How long the second replica stays in a bad mood after that.
const SICK: Duration = Duration::from_secs(2);
/// Requests on connections of their own, so that each may go to another replica.
const FRESH: [&str; 5] = ["-n", "200", "-c", "4", "--fresh"];

/// One replica of two fails at everything.
pub async fn retry(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let replica = second_replica(stage).await?;
    mood(stage, &replica, "503")?;
    let report = ask(stage, &[&FRESH[..], &[RATINGS]].concat())?;
    story.sentence(
        "without a rule many of 200 requests to ratings fail",
        &format!("{} failed", bad(&report)),
        (20..=180).contains(&bad(&report)),
    );
    write(stage, RETRY).await?;
    let report = ask(stage, &[&FRESH[..], &[RATINGS]].concat())?;
    story.sentence(
        "with a retry none does",
        &format!("{} failed; answers by {}", bad(&report), answerers(&report)),
        bad(&report) == 0 && count(&report, "good") == 200,
    );
    clear(stage, &[RETRY, FAILING]).await
}

/// The same without a retry, but with outlier detection.
pub async fn ejection(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let replica = second_replica(stage).await?;
    write(stage, EJECTION).await?;
    mood(stage, &replica, "503")?;
    // One caller all the time: each has its own view of who is ejected.
    let options = ["--rate", "100", "-z", "12s", "-c", "4", BY[0], BY[1], RATINGS];
    let failures = ["destination_workload=\"ratings-v2\"", "response_code=\"503\""];
    let before = arrived(stage, &failures)?;
    let caller = begin_to_ask(stage, &options)?;
    stage.until("failures of the second replica", SOON, |stage| Ok(arrived(stage, &failures)? >= before + 3)).await?;
    tokio::time::sleep(SICK).await;
    mood(stage, &replica, "200")?;
    let report = reported(&caller.wait_with_output().await?, &options)?;
    // Those that were under way at the third failure may fail, too.
    story.sentence(
        "after three failures in a row ratings-v2 gets nothing more for 4 s: of 1200 requests 3 fail, and a few under \
         way then",
        &format!("{} failed", bad(&report)),
        (3..=8).contains(&bad(&report)),
    );
    // What failed came from it, too.
    let good = answers_of(&report, "ratings-v2").saturating_sub(bad(&report));
    story.sentence(
        "it is well again 2 s later, and comes back when its time is over",
        &format!("{good} good answers of ratings-v2, of {}", count(&report, "good")),
        good >= 50 && good + 200 <= count(&report, "good"),
    );
    clear(stage, &[EJECTION, FAILING]).await
}

/// More at once than may be.
pub async fn breaker(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, BREAKER).await?;
    let slow = ["-n", "64", "-c", "32", "-H", "x-bookinfo-delay-ms: 300", DETAILS];
    let report = ask(stage, &slow)?;
    let (served, refused) = (count(&report["statuses"], "200"), count(&report["statuses"], "503"));
    let fastest = report["latency"]["minUs"].as_f64().unwrap_or_default() / 1000.0;
    story.sentence(
        "32 at a time ask what 4 at a time may: some are served, the rest hears 503 at once",
        &format!("{served} were served, {refused} refused, the fastest after {fastest:.1} ms"),
        served >= 4 && refused > 0 && served + refused == 64 && fastest < 300.0,
    );
    let report = ask(stage, &["-n", "200", "-c", "4", DETAILS])?;
    story.sentence(
        "4 at a time are all served",
        &format!("{} of 200 are good", count(&report, "good")),
        count(&report, "good") == 200,
    );
    clear(stage, &[BREAKER]).await
}

/// Starts the second replica of ratings; its address.
async fn second_replica(stage: &mut Stage) -> Result<String> {
    write(stage, FAILING).await?;
    let mut address = None;
    stage
        .until("the second replica", SOON, |stage| {
            let list = stage.workloads("backend")?;
            let found = list.iter().find(|workload| workload["name"] == "ratings-v2-0");
            address = found.and_then(|workload| v4(&workload["addresses"]));
            Ok(found.is_some_and(|workload| workload["ready"] == true && workload["mesh"]["state"] == "CAPTURED"))
        })
        .await?;
    settle(stage).await?;
    address.context("ratings-v2-0 has no address")
}

fn v4(addresses: &Value) -> Option<String> {
    let addresses = addresses.as_array()?.iter().filter_map(Value::as_str);
    addresses.filter(|address| !address.contains(':')).map(ToOwned::to_owned).next()
}

/// Has a replica answer everything with that status.
fn mood(stage: &Stage, address: &str, status: &str) -> Result<()> {
    let url = format!("http://{address}:9080/mood/{status}");
    Story::command(&format!("ripstop run -n bookinfo -- curl -s {url}    # ratings-v2"));
    stage.cli(&["run", "-n", "bookinfo", "--label", "app=demo", "--", "curl", "-sf", "-m", "5", &url])?;
    Ok(())
}

/// Who answered how often.
fn answerers(report: &Value) -> String {
    let values = report["values"].as_object().into_iter().flatten();
    let told: Vec<String> = values.map(|(name, count)| format!("{name} {count}")).collect();
    if told.is_empty() { "whoever could".to_owned() } else { told.join(", ") }
}
