//! Workloads that ask.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ripstop_e2e::{curl::Got, machine};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::Value;

const CLIENT: &str = include_str!("client.py");

/// Of so many requests each of four instances that share them evenly gets five, but for one time in a thousand million.
pub const REACHES_ALL: usize = 120;

/// A workload that stays, so that what its node learns of others for it stays, too.
///
/// What is asked is written as Python: `'http://reviews/path', method='POST', x_field='value'`, before it how often, and
/// behind it `at_once=8`.
pub struct Caller(Console);

// === impl Caller ===

impl Caller {
    /// One of an enrolled namespace, with a service account.
    pub fn enrolled(world: &World, namespace: &str, account: &str) -> Result<Self> {
        world.captured_console(namespace, &["--service-account", account], CLIENT).map(Self)
    }

    /// One that has no part in the mesh.
    pub fn outside(world: &World, namespace: &str) -> Result<Self> {
        world.console(namespace, &[], CLIENT).map(Self)
    }

    /// One that asks for a sidecar, in an enrolled namespace.
    pub fn with_sidecar(world: &World, namespace: &str, account: &str) -> Result<Self> {
        let flags = ["--service-account", account, "--label", "sidecar.istio.io/inject=true"];
        world.captured_console(namespace, &flags, CLIENT).map(Self)
    }

    /// Name of its instance.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// One on the machine, outside of the mesh's network.
    pub fn machine(world: &World) -> Result<Self> {
        machine::console(world, CLIENT).map(Self)
    }

    /// What one request gets. Status 0: no answer; the body says why.
    pub fn ask(&mut self, what: &str) -> Result<Got> {
        got(&self.0.ask(&format!("ask({what})"))?)
    }

    /// Its status.
    pub fn status(&mut self, what: &str) -> Result<u16> {
        self.ask(what).map(|got| got.status)
    }

    /// What several requests get.
    pub fn asked(&mut self, what: &str) -> Result<Vec<Got>> {
        all(&self.0.ask(&format!("asked({what})"))?)
    }

    /// What several requests on one connection get.
    pub fn kept(&mut self, what: &str) -> Result<Vec<Got>> {
        all(&self.0.ask(&format!("kept({what})"))?)
    }

    /// Waits until several requests in a row are answered. Over ways that nobody has gone yet it may take longer than a rule
    /// grants to a connection (file 15: 30 ms), if the machine is busy.
    pub fn arrives(&mut self, what: &str) -> Result<()> {
        wait_for(&format!("all requests for {what} to be answered"), SOON, || {
            Ok((failed(&self.asked(&format!("20, {what}"))?) == 0).then_some(()))
        })
    }

    /// Begins several requests.
    pub fn begin(&mut self, what: &str) -> Result<()> {
        self.0.ask(&format!("begin({what})")).map(drop)
    }

    /// What they got, and how many seconds each of them took.
    pub fn end(&mut self) -> Result<(Vec<Got>, Vec<f64>)> {
        let answers = self.0.ask("end()")?;
        let seconds =
            answers.as_array().into_iter().flatten().filter_map(|answer| answer["seconds"].as_f64()).collect();
        Ok((all(&answers)?, seconds))
    }

    /// Sends a request that nobody waits for.
    pub fn hold(&mut self, what: &str) -> Result<()> {
        self.0.ask(&format!("hold({what})")).map(drop)
    }
}

fn got(answer: &Value) -> Result<Got> {
    let body = answer["body"].as_str().context("no body")?.trim_end().to_owned();
    let fields = answer["fields"].as_object().into_iter().flatten();
    Ok(Got {
        status: answer["status"].as_u64().context("no status")?.try_into()?,
        fields: fields.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        asked: serde_json::from_str(&body).unwrap_or_default(),
        body,
    })
}

fn all(answers: &Value) -> Result<Vec<Got>> {
    answers.as_array().context("no list")?.iter().map(got).collect()
}

/// Who answered, as often as they did, by the part of their name in front of the instance's number; statuses in place of
/// names where that was not with 200.
pub fn versions(answers: &[Got]) -> BTreeMap<String, usize> {
    counted(answers.iter().map(|got| match got.status {
        200 => got.name().rsplit_once('-').map_or("", |(version, _)| version).to_owned(),
        status => status.to_string(),
    }))
}

/// How often there is which.
pub fn counted(all: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// How many of them did not get 200.
pub fn failed(answers: &[Got]) -> usize {
    answers.iter().filter(|got| got.status != 200).count()
}

/// How many an instance answered.
pub fn by(answers: &[Got], name: &str) -> usize {
    answers.iter().filter(|got| got.name() == name).count()
}

/// Whether two versions share `all` requests as weights say, of which `percent` is the second's: within six standard
/// deviations of what chance makes of it.
pub fn are_split(shares: &BTreeMap<String, usize>, first: &str, second: &str, percent: usize) -> bool {
    let of = |version: &str| shares.get(version).copied().unwrap_or_default();
    let all: usize = shares.values().sum();
    of(first) + of(second) == all && is_share(of(second), all, percent)
}

/// Whether `count` of `all` is what chance makes of `percent`: within six standard deviations.
pub fn is_share(count: usize, all: usize, percent: usize) -> bool {
    let off = (count * 100).abs_diff(all * percent);
    off * off <= 36 * all * percent * (100 - percent)
}
