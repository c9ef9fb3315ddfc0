//! Who gets which request, and what becomes of it on its way.

use anyhow::Result;
use serde_json::Value;

use super::{BY, DETAILS, REVIEWS, answers_of, arrived, ask, ask_and_stay, ask_quietly, bad, clear, count, write};
use crate::demo::{
    files::{CANARY, FAULT, HEADER, MIRROR, SUBSETS, TIMEOUT},
    stage::Stage,
    story::Story,
};

/// Standard deviations that a share may be off by chance: once in 150,000 times it is more.
const SIGMAS: f64 = 4.5;

/// How many of `requests` with that chance there may be at least and at most.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "thousands")]
fn bounds(requests: u64, chance: f64) -> (u64, u64) {
    let mean = requests as f64 * chance;
    let spread = SIGMAS * (mean * (1.0 - chance)).sqrt();
    ((mean - spread).ceil().max(0.0) as u64, (mean + spread).floor() as u64)
}

/// Shares by weight.
pub async fn canary(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, SUBSETS).await?;
    write(stage, CANARY).await?;
    let report = ask(stage, &["-n", "2400", "-c", "8", BY[0], BY[1], REVIEWS])?;
    let [v1, v2, v3] = ["reviews-v1", "reviews-v2", "reviews-v3"].map(|name| answers_of(&report, name));
    let (least, most) = bounds(2400, 0.1);
    story.sentence(
        &format!("of 2400 requests v2 answers 240, give or take chance ({least} to {most}: 4.5 standard deviations)"),
        &format!("v1 {v1}, v2 {v2}, v3 {v3}, bad {}", bad(&report)),
        v1 + v2 == 2400 && (least..=most).contains(&v2) && bad(&report) == 0,
    );
    clear(stage, &[CANARY, SUBSETS]).await
}

/// Routes by header.
pub async fn header(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, SUBSETS).await?;
    write(stage, HEADER).await?;
    for (user, version) in [("jason", "reviews-v2"), ("mary", "reviews-v1")] {
        let field = format!("end-user: {user}");
        let report = ask(stage, &["-n", "200", "-c", "4", "-H", &field, BY[0], BY[1], REVIEWS])?;
        let answers = answers_of(&report, version);
        story.sentence(
            &format!("{user} sees {version} only"),
            &format!("{answers} of 200 answers are {version}'s, bad {}", bad(&report)),
            answers == 200 && bad(&report) == 0,
        );
    }
    clear(stage, &[HEADER, SUBSETS]).await
}

/// An answer that takes too long.
pub async fn timeout(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, TIMEOUT).await?;
    let slow = ["-n", "4", "-c", "4", "-H", "x-bookinfo-delay-ms: 3000", DETAILS];
    let report = ask(stage, &slow)?;
    let (late, longest) = (count(&report["statuses"], "504"), millis(&report["latency"]["maxUs"]));
    story.sentence(
        "details that take 3 s are answered for with 504 after 0.5 s",
        &format!("{late} of 4 answers are 504, the slowest after {longest:.0} ms"),
        late == 4 && (500.0..2500.0).contains(&longest),
    );
    let report = ask(stage, &["-n", "200", "-c", "4", DETAILS])?;
    story.sentence(
        "and nobody else notices",
        &format!("{} of 200 answers are good", count(&report, "good")),
        count(&report, "good") == 200,
    );
    clear(stage, &[TIMEOUT]).await
}

/// Faults by rule.
pub async fn fault(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, FAULT).await?;
    let report = ask(stage, &["-n", "1000", "-c", "64", DETAILS])?;
    let aborted = count(&report["statuses"], "555");
    let (least, most) = bounds(1000, 0.2);
    story.sentence(
        &format!("one request in five is answered with 555 ({least} to {most} of 1000)"),
        &format!("{aborted} are, {} are good", count(&report, "good")),
        (least..=most).contains(&aborted) && aborted + count(&report, "good") == 1000,
    );
    let shortest = millis(&report["latency"]["minUs"]);
    story.sentence(
        "and all of them wait 0.1 s first",
        &format!("the fastest took {shortest:.0} ms"),
        shortest >= 100.0,
    );
    clear(stage, &[FAULT]).await
}

/// Copies to a shadow.
pub async fn mirror(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, SUBSETS).await?;
    write(stage, MIRROR).await?;
    let before = arrived(stage, &["destination_workload=\"reviews-v3\""])?;
    // A caller that ends takes with it what is still to be copied, and v3, which asks for ratings, is slower than v1.
    let report = ask_and_stay(stage, &["-n", "500", "-c", "4", BY[0], BY[1], REVIEWS])?;
    let answers = answers_of(&report, "reviews-v1");
    story.sentence(
        "callers hear v1 only",
        &format!("{answers} of 500 answers are reviews-v1's, bad {}", bad(&report)),
        answers == 500 && bad(&report) == 0,
    );
    Story::command("ripstop metrics west | grep istio_requests_total    # of reviews-v3");
    let copies = arrived(stage, &["destination_workload=\"reviews-v3\""])? - before;
    story.sentence(
        "and the shadow, v3, got a copy of each request",
        &format!("{copies} requests came to reviews-v3"),
        copies == 500,
    );
    // None of it is left when rules go.
    ask_quietly(stage, &["-n", "1", "-c", "1", REVIEWS])?;
    clear(stage, &[MIRROR, SUBSETS]).await
}

fn millis(micros: &Value) -> f64 {
    micros.as_f64().unwrap_or_default() / 1000.0
}
