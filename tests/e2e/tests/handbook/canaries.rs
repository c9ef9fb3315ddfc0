//! Versions that share requests.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ripstop_e2e::{
    curl::Got,
    handbook::{Handbook, told},
    observe::applied,
};
use ripstop_world::{SOON, World, wait_for};

use crate::{
    caller::{Caller, are_split, counted, failed, versions},
    counters::ten_requests_are_a_connection,
    ground::subsets,
};

/// File 01.
pub fn one_in_ten_goes_to_the_next_version(world: &World, handbook: &Handbook) -> Result<()> {
    let file = "01-checkout-canary.yaml";
    let mut caller = Caller::enrolled(world, "default", "client")?;
    handbook.paste(world, &[file])?;
    told(world, file, &["12 IST0101", "16 IST0101"])?;
    ensure!(caller.status("'http://checkout-service/'")? == 503, "there are subsets");
    applied(world, "checkout-versions.yaml", "checkout-versions", &subsets("checkout-service", "default"))?;
    told(world, file, &[])?;
    let shares = versions(&caller.asked("400, 'http://checkout-service/'")?);
    ensure!(are_split(&shares, "checkout-service-v1", "checkout-service-v2", 10), "{shares:?}");
    Ok(())
}

/// A request that nobody answers in time.
pub struct Slow(Caller);

/// Files 14 and 15 from within the mesh; 16 comes with 14, which names it.
pub fn reviews_are_balanced_and_tried_again(world: &World, handbook: &Handbook) -> Result<Slow> {
    let mut caller = Caller::enrolled(world, "production", "client")?;
    handbook.paste(world, &["15-reviews-dr.yaml"])?;
    told(world, "15-reviews-dr.yaml", &["10 RS16"])?;
    // An instance that is busy gets less than the others: at most every fourth time that it and another one are looked
    // at, where taking turns would give each 50.
    caller.arrives("'http://reviews/'")?;
    caller.hold("'http://reviews/', x_reflect_delay_ms='60000'")?;
    // A connection that takes more than its 30 ms to be made, on a busy machine, makes an exception.
    wait_for("the busy one to get less", SOON, || {
        let answers = caller.asked("200, 'http://reviews/'")?;
        let shares = counted(answers.iter().map(|got| got.name().to_owned()));
        let names = ["reviews-v1-0", "reviews-v1-1", "reviews-v2-0", "reviews-v2-1"];
        let mut of_each = names.map(|name| shares.get(name).copied().unwrap_or_default());
        of_each.sort_unstable();
        ensure!(failed(&answers) == 0 && of_each[0] <= 30 && of_each[1] > 30, "{shares:?}");
        Ok(Some(()))
    })?;

    handbook.paste(world, &["16-my-gateway.yaml", "14-reviews-vs.yaml"])?;
    told(world, "14-reviews-vs.yaml", &["36 RS07"])?;
    let mut slow = Caller::enrolled(world, "production", "client")?;
    slow.begin("1, 'http://reviews/', x_reflect_delay_ms='4000'")?;

    // Version 2 has its own way to be balanced: its instances take turns.
    wait_for("instances to take turns", SOON, || {
        let turns = caller.kept("20, 'http://reviews/', x_canary='true'")?;
        let names: Vec<&str> = turns.iter().map(Got::name).collect();
        ensure!(versions(&turns) == BTreeMap::from([("reviews-v2".to_owned(), 20)]), "{names:?}");
        ensure!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        Ok(Some(()))
    })?;
    ten_requests_are_a_connection(world, "production", "'http://reviews/', x_canary='true'")?;
    for what in ["'http://reviews/'", "'http://reviews.production.svc.cluster.local/', x_canary='false'"] {
        wait_for("versions to share requests", SOON, || {
            let shares = versions(&caller.asked(&format!("400, {what}"))?);
            ensure!(are_split(&shares, "reviews-v1", "reviews-v2", 10), "{what}: {shares:?}");
            Ok(Some(()))
        })?;
    }

    // What may be tried again is, at another instance: a conflict and a gateway's error, and no other 4xx.
    let first = caller.ask("'http://reviews/'")?;
    ensure!(first.header("x-envoy-expected-rq-timeout-ms") == "3000", "{}", first.body);
    for (status, is_hidden) in [(409, true), (404, false), (503, true)] {
        wait_for("what may be tried again to be", SOON, || {
            let answers = caller.asked(&format!("40, 'http://reviews/', x_reflect_status='reviews-v1-0={status}'"))?;
            let again = answers.iter().filter(|got| got.header("x-envoy-attempt-count") == "2").count();
            let seen = versions(&answers);
            ensure!((failed(&answers) == 0) == is_hidden && (again > 0) == is_hidden, "{status}: {seen:?}");
            Ok(Some(()))
        })?;
    }
    Ok(Slow(slow))
}

impl Slow {
    /// It was tried for three seconds each time, and for ten altogether.
    pub fn gets_no_answer(mut self) -> Result<()> {
        let (answers, seconds) = self.0.end()?;
        ensure!(answers[0].status == 504 && answers[0].body == "upstream request timeout", "{:?}", answers[0]);
        ensure!(seconds[0] >= 10.0, "it was given up after {} s", seconds[0]);
        Ok(())
    }
}
