//! How much there may be at once.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::handbook::{Handbook, told};
use ripstop_world::{SOON, World, wait_for};

use crate::{caller::Caller, counters::requests};

/// More requests at once than file 08 lets through.
pub struct Burst(Caller);

/// File 08, without any versions: 100 connections, and 10 requests that wait for one.
pub fn a_burst_finds_the_breaker(world: &World, handbook: &Handbook) -> Result<Burst> {
    let file = "08-backend-circuit-breaker.yaml";
    handbook.paste(world, &[file])?;
    told(world, file, &["14 RS16"])?;
    let mut caller = Caller::enrolled(world, "default", "burst")?;
    caller.begin("140, 'http://backend/', at_once=140, x_reflect_delay_ms='8000'")?;
    Ok(Burst(caller))
}

impl Burst {
    /// What is beyond is refused, and counted.
    pub fn gets_refusals(mut self, world: &World) -> Result<()> {
        let (answers, _) = self.0.end()?;
        let served = answers.iter().filter(|got| got.status == 200).count();
        let refused =
            answers.iter().filter(|got| got.status == 503 && got.field("x-envoy-overloaded") == "true").count();
        ensure!(served + refused == 140, "{served} were served, {refused} refused");
        // A request waits for the time, too, in which its connection is made: so all come at once, and some are refused
        // while there is room for more connections.
        ensure!((10..=110).contains(&served), "{served} were served");
        let labels = ["destination_service_name=\"backend\"", "response_code=\"503\"", "response_flags=\"UO\""];
        let mut counted = 0;
        wait_for("the refused ones to be counted", SOON, || {
            counted = requests(world, &labels)?;
            Ok((counted == refused as u64).then_some(()))
        })
        .with_context(|| format!("{counted} instead of {refused}"))
    }
}
