//! Who may come in.

use anyhow::Result;

use super::{AMBIENT, DETAILS, clear, write};
use crate::demo::{
    files::{ACCESS, STRICT},
    stage::{Stage, is_reset},
    story::Story,
};

/// Prints the status and the body that a request gets.
const CURL: [&str; 6] = ["curl", "-s", "-m", "5", "-w", "\n%{http_code}"];

/// Nobody without an identity.
pub async fn strict(stage: &mut Stage, story: &mut Story) -> Result<()> {
    Story::command("cat > strict.yaml    # PeerAuthentication bookinfo/default, mtls.mode STRICT");
    super::change(stage, |stage| stage.write(STRICT.name, STRICT.text)).await?;
    let outside =
        stage.try_cli(&["run", "-n", "visitors", "--", "curl", "-sS", "-m", "5", "-o", "/dev/null", DETAILS])?;
    let said = String::from_utf8_lossy(&outside.stderr).trim().to_owned();
    Story::command(&format!("ripstop run -n visitors -- curl {DETAILS}"));
    story.sentence("a process outside the mesh is refused", &said, is_reset(&outside));
    let log = stage.log("node-west");
    let record = log.lines().rev().find(|line| line.contains("connection denied") && line.contains("details"));
    story.sentence(
        "and recorded, with the policy that refused it",
        record.unwrap_or("no record"),
        record.is_some_and(|line| line.contains("policy=PeerAuthentication/bookinfo/default")),
    );
    // It starts as it is and is enrolled a moment later: the first tries may still be plain.
    let script = "until status=$(curl -s -m 5 -o /dev/null -w '%{http_code}' \"$0\"); do :; done; echo $status";
    let argv = ["run", "-n", "visitors", "--label", AMBIENT, "--", "timeout", "20", "sh", "-c", script, DETAILS];
    Story::command(&format!("ripstop run -n visitors --label {AMBIENT} -- curl {DETAILS}"));
    let inside = stage.try_cli(&argv)?;
    let code = String::from_utf8_lossy(&inside.stdout).trim().to_owned();
    story.sentence("the same process, enrolled, is served", &format!("status {code}"), code == "200");
    clear(stage, &[STRICT]).await
}

/// Rules by identity, method and path, and their explanation.
pub async fn access(stage: &mut Stage, story: &mut Story) -> Result<()> {
    write(stage, ACCESS).await?;
    let (status, body) = called(stage, "bookinfo-reviews", DETAILS)?;
    story.sentence(
        "reviews may not read details",
        &format!("status {status}: {}", body.lines().next().unwrap_or_default()),
        status == "403" && body.starts_with("RBAC: access denied"),
    );
    let question = ["explain", "--from", "reviews-v2", "--to", "details:9080", "--path", "/details/0"];
    Story::command(&format!("ripstop {}", question.join(" ")));
    let told = String::from_utf8_lossy(&stage.try_cli(&question)?.stdout).into_owned();
    let why = told.lines().find(|line| line.contains('✗')).unwrap_or("nothing").trim().to_owned();
    let turns = told.lines().rev().find(|line| line.contains("ALLOWED")).unwrap_or("nothing").trim().to_owned();
    story.sentence(
        "explain says why, with file and line, by the code that decided",
        &why,
        told.starts_with("DENIED") && told.contains("access.yaml:") && why.contains("bookinfo-productpage"),
    );
    story.sentence("and what would turn it", &turns, turns.contains("bookinfo-productpage"));
    let (status, _) = called(stage, "bookinfo-productpage", DETAILS)?;
    story.sentence("the page may", &format!("status {status}"), status == "200");
    let (status, body) = called(stage, "bookinfo-productpage", "http://details.bookinfo:9080/mood/503")?;
    story.sentence(
        "but nothing else than details",
        &format!("status {status}: {}", body.lines().next().unwrap_or_default()),
        status == "403",
    );
    clear(stage, &[ACCESS]).await
}

/// What a process of bookinfo with that account is answered: status and body.
fn called(stage: &Stage, account: &str, url: &str) -> Result<(String, String)> {
    Story::command(&format!("ripstop run -n bookinfo --service-account {account} -- curl {url}"));
    let who = ["run", "-n", "bookinfo", "--service-account", account, "--label", "app=demo", "--"];
    let output = stage.try_cli(&[&who[..], &CURL[..], &[url]].concat())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    Ok((status.to_owned(), body.to_owned()))
}
