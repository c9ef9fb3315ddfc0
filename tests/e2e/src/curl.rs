//! Requests of HTTP, by curl, and their answers.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use ripstop_world::World;
use serde_json::Value;

/// An answer as curl got it.
#[derive(Debug)]
pub struct Got {
    /// Status.
    pub status: u16,
    /// Fields, names in lower case.
    pub fields: BTreeMap<String, String>,
    /// Body, without white space behind it.
    pub body: String,
    /// What the server was asked, if it was `bookinfo reflect`.
    pub asked: Value,
}

impl Got {
    /// Of what `curl -i` prints.
    pub fn read(answer: &str) -> Result<Self> {
        let answer = answer.replace("\r\n", "\n");
        let mut rest = answer.as_str();
        let (head, body) = loop {
            let Some((head, body)) = rest.split_once("\n\n") else { bail!("no answer: {answer:?}") };
            // Informational answers come first.
            if head.split_whitespace().nth(1).is_some_and(|status| status.starts_with('1')) {
                rest = body;
            } else {
                break (head, body);
            }
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split_whitespace().nth(1)).context("no status line")?;
        let fields = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = body.trim_end().to_owned();
        Ok(Self { status: status.parse()?, fields, asked: serde_json::from_str(&body).unwrap_or_default(), body })
    }

    /// Who answered.
    pub fn name(&self) -> &str {
        self.asked["name"].as_str().unwrap_or_default()
    }

    /// The first value of a field that the server was sent; empty: there is none.
    pub fn header(&self, name: &str) -> &str {
        self.asked["headers"][name][0].as_str().unwrap_or_default()
    }

    /// A field of the answer; empty: there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Runs curl with each of `requests` (options and URL) in one workload of `shop`.
pub fn curl(world: &World, requests: &[&str]) -> Result<Vec<Got>> {
    const END: &str = "=== end";
    let command = |options: &&str| format!("curl -s -i -m 20 {options} 2>&1; echo; echo '{END}'");
    let script = requests.iter().map(command).collect::<Vec<_>>().join("\n");
    let text = world.shell("shop", &script)?;
    let mut got = Vec::new();
    for answer in text.split(END).map(str::trim_start).filter(|answer| !answer.is_empty()) {
        got.push(Got::read(answer).with_context(|| world.story_so_far())?);
    }
    ensure!(got.len() == requests.len(), "{} answers for {} requests: {text}", got.len(), requests.len());
    Ok(got)
}

/// As [`curl`], with one request.
pub fn one(world: &World, options: &str) -> Result<Got> {
    curl(world, &[options])?.pop().context("no answer")
}

/// How many of `count` requests to `web.shop` each server answered.
pub fn shares(world: &World, options: &str, count: usize) -> Result<BTreeMap<String, usize>> {
    let script = format!("curl -s -m 120 {options} 'http://web.shop/?n=[1-{count}]'");
    let text = world.shell("shop", &script)?;
    let mut shares = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let told: Value = serde_json::from_str(line).with_context(|| format!("{line}\n{}", world.story_so_far()))?;
        *shares.entry(told["name"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(shares)
}
