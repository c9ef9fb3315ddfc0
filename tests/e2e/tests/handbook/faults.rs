//! What is done to requests on purpose.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    handbook::{Handbook, told},
    observe::{applied, logged},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

use crate::{
    caller::{Caller, is_share, versions},
    counters::requests,
    ground::subsets,
};

/// Requests that file 25 is to disturb.
pub struct Disturbed(Caller);

/// File 25.
pub fn delays_and_aborts(world: &World, handbook: &Handbook) -> Result<Disturbed> {
    let file = "25-ratings-fault.yaml";
    handbook.paste(world, &[file])?;
    // There is no rule for whoever is no part of the experiment.
    told(world, file, &["9 RS06"])?;
    let mut caller = Caller::enrolled(world, "production", "client")?;
    for what in ["'http://ratings/'", "'http://ratings/', x_test_user='calm'"] {
        ensure!(caller.status(what)? == 404, "{what}");
    }
    caller.begin("400, 'http://ratings/', at_once=200, x_test_user='chaos'")?;
    Ok(Disturbed(caller))
}

impl Disturbed {
    /// Half of them are late, and one in ten is aborted, independently of that.
    pub fn get_what_was_drawn(mut self, world: &World) -> Result<()> {
        let (answers, seconds) = self.0.end()?;
        let aborted = answers.iter().filter(|got| got.status == 503 && got.body == "fault filter abort").count();
        let served = answers.iter().filter(|got| got.name() == "ratings-v1-0").count();
        ensure!(aborted + served == 400 && is_share(aborted, 400, 10), "{:?}", versions(&answers));

        let mut counts = [0; 3];
        wait_for("all to be counted", SOON, || {
            for (count, flags) in counts.iter_mut().zip(["DI", "FI", "DI,FI"]) {
                let flags = format!("response_flags=\"{flags}\"");
                *count = requests(world, &["source_workload_namespace=\"production\"", &flags])?.try_into()?;
            }
            Ok((counts[1] + counts[2] == aborted).then_some(()))
        })
        .with_context(|| format!("{aborted} are aborted: {counts:?}"))?;
        let [delayed, _, both] = counts;
        ensure!(is_share(delayed + both, 400, 50) && is_share(both, 400, 5), "{counts:?}");
        let late = seconds.iter().filter(|seconds| **seconds >= 5.0).count();
        ensure!(late >= delayed + both, "{late} took five seconds: {counts:?}");
        Ok(())
    }
}

/// File 26.
pub fn a_shadow_gets_copies(world: &World, handbook: &Handbook) -> Result<()> {
    let file = "26-product-mirror.yaml";
    handbook.paste(world, &[file])?;
    told(world, file, &["13 IST0101", "17 IST0101"])?;
    let mut caller = Caller::enrolled(world, "production", "client")?;
    ensure!(caller.status("'http://product-service/'")? == 503, "there are subsets");
    applied(world, "product-versions.yaml", "product-versions", &subsets("product-service", "production"))?;
    told(world, file, &[])?;
    // Whatever the shadow answers, or if it does not.
    for what in ["x_reflect_status='product-service-v2-0=503'", "x_reflect_reset='product-service-v2-0'"] {
        let request = format!("20, 'http://product-service/a', method='POST', body='b', x_reflect_log='copy', {what}");
        let answers = caller.asked(&request)?;
        let all_by_v1 = answers.iter().all(|got| got.status == 200 && got.name() == "product-service-v1-0");
        ensure!(all_by_v1, "{what}: {:?}", versions(&answers));
    }
    caller.ask("'http://product-service/', x_reflect_log='last'")?;
    let shadow = "production/product-service-v2-0";
    logged(world, shadow, &["asked ", "\"last\""])?;
    // Those that it did not answer it did not write down.
    let copies = wait_for("twenty copies", SOON, || {
        let log = world.cli(&["logs", shadow])?;
        let told = log.lines().filter_map(|line| line.split_once("asked "));
        let told = told.filter(|(_, told)| told.contains("\"copy\""));
        let copies = told.map(|(_, told)| Ok(serde_json::from_str(told)?)).collect::<Result<Vec<Value>>>()?;
        Ok((copies.len() == 20).then_some(copies))
    })?;
    let is_copy = |copy: &Value| {
        let host = &copy["headers"]["host"][0];
        *host == "product-service-shadow" && copy["path"] == "/a" && copy["body"] == "b" && copy["method"] == "POST"
    };
    ensure!(copies.iter().all(is_copy), "{}", copies[0]);
    Ok(())
}
