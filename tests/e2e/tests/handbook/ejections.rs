//! Instances that are not called for a while because they failed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ripstop_e2e::{
    handbook::{Handbook, told},
    observe::{applied, logged},
};
use ripstop_world::{World, wait_for};

use crate::{
    caller::{Caller, REACHES_ALL, are_split, by, failed, versions},
    counters::ten_requests_are_a_connection,
    ground::subsets,
};

/// Where callers are.
const NODE: &str = "node-east";

/// Longest wait for an instance that comes back.
const LONG: Duration = Duration::from_secs(150);

/// An instance of reviews that was ejected.
pub struct Ejected {
    caller: Caller,
    request: &'static str,
    instance: &'static str,
    /// A moment before it was.
    since: Instant,
    lasts: Duration,
}

impl Ejected {
    /// It is called again, after its time and not before.
    pub fn comes_back(&mut self) -> Result<()> {
        let Self { caller, request, instance, since, lasts } = self;
        wait_for(&format!("{instance} to come back"), LONG, || {
            let answers = caller.asked(&format!("10, {request}"))?;
            ensure!(failed(&answers) == 0, "{:?}", versions(&answers));
            Ok((by(&answers, instance) > 0).then_some(()))
        })?;
        ensure!(since.elapsed() >= *lasts, "it came back after {:?}", since.elapsed());
        Ok(())
    }
}

/// Files 35 and 36: who gets requests, and what ejects.
pub fn three_errors_eject(world: &World, handbook: &Handbook) -> Result<Ejected> {
    let files = ["36-reviews-destination.yaml", "35-reviews-routing.yaml"];
    handbook.paste(world, &files)?;
    for file in files {
        told(world, file, &[])?;
    }
    let mut caller = Caller::enrolled(world, "bookinfo", "productpage")?;
    let answers = caller.asked("20, 'http://reviews/', end_user='testing'")?;
    ensure!(answers.iter().all(|got| got.name() == "reviews-v3-0"), "{:?}", versions(&answers));
    let answers = caller.asked("400, 'http://reviews/', end_user='somebody'")?;
    let shares = versions(&answers);
    ensure!(are_split(&shares, "reviews-v2", "reviews-v3", 10), "{shares:?}");
    ensure!(answers.iter().all(|got| got.asked["protocol"] == "HTTP/1.1"), "a version of HTTP was changed");
    ten_requests_are_a_connection(world, "bookinfo", "'http://reviews/', end_user='testing'")?;

    let since = Instant::now();
    let answers = caller.asked("60, 'http://reviews/', x_reflect_status='reviews-v2-0=500'")?;
    ensure!(failed(&answers) == 3, "{} failures were seen", failed(&answers));
    ensure!(by(&answers[40..], "reviews-v2-0") == 0, "it was not ejected");
    let backend = "reviews.bookinfo.svc.cluster.local:80 (v2)";
    logged(world, NODE, &["endpoint ejected", backend, "lasts=60s", "times=1"])?;
    // Half of two is one: the other stays, whatever it does.
    let answers = caller.asked("40, 'http://reviews/', x_reflect_status='reviews-v2-1=500'")?;
    ensure!(failed(&answers) > 20, "{} failures were seen", failed(&answers));
    logged(world, NODE, &["endpoint not ejected", backend])?;
    ensure!(caller.status("'http://reviews/'")? == 200, "nobody is left");
    let lasts = Duration::from_secs(60);
    Ok(Ejected { caller, request: "'http://reviews/'", instance: "reviews-v2-0", since, lasts })
}

impl Ejected {
    /// Of file 36: whoever fails again is away twice as long.
    pub fn comes_back_and_is_ejected_for_longer(mut self, world: &World) -> Result<()> {
        self.comes_back()?;
        let answers = self.caller.asked("60, 'http://reviews/', x_reflect_status='reviews-v2-0=500'")?;
        ensure!(failed(&answers) == 3, "{} failures were seen", failed(&answers));
        logged(world, NODE, &["endpoint ejected", "reviews.bookinfo", "lasts=120s", "times=2"])?;
        Ok(())
    }
}

/// A process that has no server.
const DEAF: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: backend-deaf, namespace: default, labels: {app: backend}}
spec:
  node: west
  serviceAccountName: backend
  command: [sleep, infinity]
  ports: [{name: http, containerPort: 8080}]
";

/// File 08, by itself and with 07.
pub fn five_errors_eject(world: &World, handbook: &Handbook) -> Result<()> {
    let mut caller = Caller::enrolled(world, "default", "client")?;
    let failing = format!("{}, 'http://backend/', x_reflect_status='backend-v1-0=500'", REACHES_ALL + 20);
    let answers = caller.asked(&failing)?;
    ensure!(failed(&answers) == 5, "{} failures were seen", failed(&answers));
    ensure!(by(&answers[REACHES_ALL..], "backend-v1-0") == 0, "it was not ejected");
    logged(world, NODE, &["endpoint ejected", "backend.default.svc.cluster.local:80", "lasts=30s", "times=1"])?;

    // One that cannot be connected to is ejected as well; requests are tried again elsewhere.
    applied(world, "deaf.yaml", "deaf", DEAF)?;
    world.wait_for_state("default", "backend-deaf-0", "CAPTURED")?;
    world.settle()?;
    let mut caller = Caller::enrolled(world, "default", "client")?;
    let answers = caller.asked(&format!("{REACHES_ALL}, 'http://backend/'"))?;
    let again = answers.iter().filter(|got| got.header("x-envoy-attempt-count") == "2").count();
    ensure!(failed(&answers) == 0 && again == 5, "{again} were tried again: {:?}", versions(&answers));

    // Versions are no matter of this rule; there may be another one that has them, beside it.
    let file = "07-backend-canary.yaml";
    handbook.paste(world, &[file])?;
    told(world, file, &["12 IST0101", "16 IST0101"])?;
    ensure!(caller.status("'http://backend/'")? == 503, "there are subsets");
    applied(world, "backend-versions.yaml", "backend-versions", &subsets("backend", "default"))?;
    told(world, file, &[])?;
    let shares = versions(&caller.asked("400, 'http://backend/'")?);
    ensure!(are_split(&shares, "backend-v1", "backend-v2", 10), "{shares:?}");
    let answers = caller.asked(&failing)?;
    ensure!(failed(&answers) == 5, "{} failures of a version were seen", failed(&answers));
    ensure!(by(&answers[REACHES_ALL..], "backend-v1-0") == 0, "it was not ejected from its version");
    Ok(())
}

/// File 27.
pub fn each_field_of_outliers_acts(world: &World, handbook: &Handbook) -> Result<Ejected> {
    let file = "27-reviews-outlier.yaml";
    handbook.paste(world, &[file])?;
    told(world, file, &[])?;
    let since = Instant::now();
    // Failures of the connection count by themselves.
    let request = "'http://reviews/api/', x_api_version='v1'";
    let mut caller = ejecting(world, &format!("{request}, x_reflect_reset='reviews-v1-0'"), 3)?;
    // A third of four is one.
    let answers = caller.asked(&format!("80, {request}, x_reflect_status='reviews-v1-1=500'"))?;
    ensure!(failed(&answers) > 5 && by(&answers, "reviews-v1-0") == 0, "{:?}", versions(&answers));
    logged(world, NODE, &["endpoint not ejected", "reviews.production"])?;
    for status in [502, 500] {
        ejecting(world, &format!("{request}, x_reflect_status='reviews-v1-0={status}'"), 5)?;
    }
    for cause in ["ConsecutiveLocalOriginFailure", "ConsecutiveGatewayFailure", "Consecutive5xx"] {
        logged(world, NODE, &["endpoint ejected", "reviews.production", cause, "lasts=30s"])?;
    }
    Ok(Ejected { caller, request, instance: "reviews-v1-0", since, lasts: Duration::from_secs(30) })
}

/// A caller of its own, for which `count` failures eject an instance.
fn ejecting(world: &World, failing: &str, count: usize) -> Result<Caller> {
    let mut caller = Caller::enrolled(world, "production", "frontend")?;
    let answers = caller.asked(&format!("{}, {failing}", REACHES_ALL + 20))?;
    ensure!(failed(&answers) == count, "{failing}: {} failures were seen", failed(&answers));
    ensure!(by(&answers[REACHES_ALL..], "reviews-v1-0") == 0, "{failing}: it was not ejected");
    Ok(caller)
}
