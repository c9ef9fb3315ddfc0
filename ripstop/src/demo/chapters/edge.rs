//! From outside, and edits that nobody notices.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{BY, REVIEWS, SOON, answers_of, ask, bad, change, clear, count, write};
use crate::demo::{
    files::{INGRESS, SUBSETS},
    stage::Stage,
    story::Story,
};

/// Versions that the route leads to, one after the other.
const VERSIONS: [&str; 5] = ["v2", "v3", "v1", "v2", "v3"];
/// The host that the gateway serves.
pub(super) const HOST: &str = "bookinfo.example";
const ROUTES: &str = "reviews-routes.yaml";

/// Through a gateway.
pub async fn ingress(stage: &mut Stage, story: &mut Story) -> Result<()> {
    let url = open(stage).await?;
    Story::command("ripstop get gateways");
    for (host, expected, told) in [
        (HOST, "200", "the page is there for who asks for its host"),
        ("elsewhere.example", "404", "and for nobody else"),
    ] {
        Story::command(&format!("ripstop load -n 100 -H 'host: {host}' {url}/"));
        let asked = until_all(stage, &url, host, expected).await;
        story.attempt(told, asked.map(|()| (format!("100 of 100 answers are {expected}"), true)));
    }
    clear(stage, &[INGRESS]).await
}

/// Opens the way in; gives its URL.
pub(super) async fn open(stage: &mut Stage) -> Result<String> {
    write(stage, INGRESS).await?;
    let mut url = None;
    let opened = stage
        .until("the gateway's port", SOON, |stage| {
            let gateways = stage.json(&["get", "gateways"])?;
            url = gateways
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|gateway| gateway["url"].as_str().map(ToOwned::to_owned));
            Ok(url.is_some())
        })
        .await;
    opened?;
    url.context("no URL")
}

/// Waits until all answers to 100 requests for `host` are `expected`.
pub(super) async fn until_all(stage: &mut Stage, url: &str, host: &str, expected: &str) -> Result<()> {
    let field = format!("host: {host}");
    let asked = stage.until("an answer", SOON, |stage| {
        let output = stage.try_cli(&["load", "-q", "-o", "json", "-n", "100", "-H", &field, url])?;
        let report: Value = serde_json::from_slice(&output.stdout).context("the gateway does not answer")?;
        Ok(count(&report["statuses"], expected) == 100)
    });
    asked.await
}

/// Cut-overs under load.
pub async fn live_edit(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, SUBSETS).await?;
    lead(stage, "v1").await?;
    let options = ["--rate", "300", "--connections", "8"];
    let load = super::load(stage, "bookinfo", &["app=demo"], REVIEWS, &options)?;
    let mut load = load;
    load.until("traffic", SOON, |line| super::ok(line) > 50).await?;
    let mut stale = 0;
    for version in VERSIONS {
        Story::command(&format!("sed -i 's/subset: .*/subset: {version}/' {ROUTES}"));
        lead(stage, version).await?;
        let report = super::ask_quietly(stage, &["-n", "40", "-c", "4", BY[0], BY[1], REVIEWS])?;
        let name = format!("reviews-{version}");
        stale += 40_u64.saturating_sub(answers_of(&report, &name)) + bad(&report);
    }
    let report = ask(stage, &["-n", "40", "-c", "4", BY[0], BY[1], REVIEWS])?;
    story.sentence(
        "once every proxy has acknowledged an edit, no answer comes from the version before",
        &format!(
            "{} edits, {stale} answers of another version; now {}",
            VERSIONS.len(),
            answers_of(&report, "reviews-v3")
        ),
        stale == 0 && answers_of(&report, "reviews-v3") == 40,
    );
    let totals = load.stop().await?;
    story.attempt("and no request failed meanwhile", Ok(super::no_failures(&totals)));
    stage.remove(ROUTES)?;
    clear(stage, &[SUBSETS]).await
}

/// Writes a route that leads to one version, and waits until every proxy knows it.
async fn lead(stage: &mut Stage, version: &str) -> Result<()> {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews, namespace: bookinfo}}\n\
         spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: {{host: reviews, subset: {version}}}\n"
    );
    change(stage, |stage| stage.write(ROUTES, &text)).await
}
