//! The same files at other places than the caller's node: at a gateway, at a waypoint, and at the caller's sidecar.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    handbook::Handbook,
    machine::opens,
    observe::{applied, logged},
};
use ripstop_world::{SOON, World, wait_for};

use crate::{
    caller::{Caller, REACHES_ALL, are_split, by, failed, is_share, versions},
    counters::requests_at,
    ground::subsets,
};

/// The gateway's port.
const PORT: u16 = 8088;

/// Where rules act on requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the default gateway, for the machine.
    Gateway,
    /// At the waypoint of the callee's namespace.
    Waypoint,
    /// At the sidecar of whoever calls.
    Sidecar,
}

/// At the gateway, whose name has to stand in the rules.
pub fn files_act_at_a_gateway(world: &World, handbook: &Handbook) -> Result<()> {
    let gateway = format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: handbook, namespace: istio-system}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers: [{{port: {{number: {PORT}, name: http, protocol: HTTP}}, hosts: ['*']}}]\n"
    );
    applied(world, "handbook-gateway.yaml", "handbook-gateway", &gateway)?;
    opens(world, &[PORT])?;
    act(world, handbook, Place::Gateway)
}

/// At waypoints, which all services of the namespaces go through, as they are.
pub fn files_act_at_waypoints(world: &World, handbook: &Handbook) -> Result<()> {
    for namespace in ["default", "production", "bookinfo"] {
        let told = world.cli(&["waypoint", "apply", "-n", namespace, "--enroll-namespace", "--wait"])?;
        ensure!(told.contains("is ready"), "{told}");
    }
    world.settle()?;
    act(world, handbook, Place::Waypoint)
}

/// At sidecars of callers, as they are.
pub fn files_act_at_sidecars(world: &World, handbook: &Handbook) -> Result<()> {
    act(world, handbook, Place::Sidecar)
}

/// Files 01, 07, 08, 14, 15, 25, 26, 27, 35 and 36.
fn act(world: &World, handbook: &Handbook, place: Place) -> Result<()> {
    for (namespace, host) in
        [("default", "checkout-service"), ("default", "backend"), ("production", "product-service")]
    {
        let name = format!("{host}-{namespace}-versions");
        applied(world, &format!("{name}.yaml"), &name, &subsets(host, namespace))?;
    }
    for file in [
        "01-checkout-canary.yaml",
        "07-backend-canary.yaml",
        "08-backend-circuit-breaker.yaml",
        "15-reviews-dr.yaml",
        "14-reviews-vs.yaml",
        "25-ratings-fault.yaml",
        "26-product-mirror.yaml",
        "36-reviews-destination.yaml",
        "35-reviews-routing.yaml",
    ] {
        world.write(file, &place.names(&handbook.text(file)?))?;
    }
    let mark = match place {
        Place::Gateway => "at-gateway",
        Place::Waypoint => "at-waypoints",
        Place::Sidecar => "at-sidecars",
    };
    applied(world, "pasted.yaml", mark, "")?;
    versions_share_requests(world, place)?;
    requests_are_disturbed(world, place)?;
    a_shadow_gets_copies(world, place)?;
    instances_are_ejected(world, place)?;
    // The other rule for the same host says how long.
    for file in ["15-reviews-dr.yaml", "14-reviews-vs.yaml"] {
        world.remove(file)?;
    }
    handbook.paste(world, &["27-reviews-outlier.yaml"])?;
    let routed = place.names(REVIEWS);
    applied(world, "reviews-routes.yaml", &format!("reviews-{mark}"), &routed)?;
    let failing = "x_reflect_status='reviews-v1-0=500'";
    ejects(world, place, ("production", "reviews"), failing, "reviews-v1-0", 5, "lasts=30s")
}

/// Routes that file 27 has none of.
const REVIEWS: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews-routes, namespace: production}
spec:
  hosts: [reviews]
  http: [{retries: {attempts: 0}, route: [{destination: {host: reviews}}]}]
";

/// Files 01, 14 and 35.
fn versions_share_requests(world: &World, place: Place) -> Result<()> {
    for (namespace, app, first, second) in [
        ("default", "checkout-service", "checkout-service-v1", "checkout-service-v2"),
        ("production", "reviews", "reviews-v1", "reviews-v2"),
        ("bookinfo", "reviews", "reviews-v2", "reviews-v3"),
    ] {
        let mut caller = place.caller(world, namespace)?;
        caller.arrives(&place.url((namespace, app)))?;
        // A connection of `reviews` that takes more than its 30 ms to be made makes an exception.
        wait_for("versions to share requests", SOON, || {
            let shares = versions(&caller.asked(&place.request(400, (namespace, app), ""))?);
            ensure!(are_split(&shares, first, second, 10), "{namespace}: {shares:?}");
            Ok(Some(()))
        })?;
    }
    for (namespace, field, version) in
        [("production", "x_canary='true'", "reviews-v2"), ("bookinfo", "end_user='testing'", "reviews-v3")]
    {
        let mut caller = place.caller(world, namespace)?;
        caller.arrives(&format!("{}, {field}", place.url((namespace, "reviews"))))?;
        wait_for("one version to be chosen", SOON, || {
            let chosen = versions(&caller.asked(&place.request(20, (namespace, "reviews"), field))?);
            ensure!(chosen == BTreeMap::from([(version.to_owned(), 20)]), "{namespace}: {chosen:?}");
            Ok(Some(()))
        })?;
    }
    Ok(())
}

/// File 25.
fn requests_are_disturbed(world: &World, place: Place) -> Result<()> {
    let ratings = ("production", "ratings");
    let mut caller = place.caller(world, "production")?;
    let calm = caller.asked(&place.request(2, ratings, ""))?;
    ensure!(calm.iter().all(|got| got.status == 404), "{:?}", versions(&calm));
    caller.begin(&place.request(200, ratings, "at_once=200, x_test_user='chaos'"))?;
    let (answers, seconds) = caller.end()?;
    let aborted = answers.iter().filter(|got| got.status == 503 && got.body == "fault filter abort").count();
    ensure!(is_share(aborted, 200, 10) && failed(&answers) == aborted, "{:?}", versions(&answers));
    // On a busy machine others may take five seconds, too.
    let mut counts = [0; 3];
    wait_for("all to be counted", SOON, || {
        for (count, flags) in counts.iter_mut().zip(["DI", "FI", "DI,FI"]) {
            let labels = ["destination_service_name=\"ratings\"", &format!("response_flags=\"{flags}\"")];
            *count = requests_at(world, &place.metrics("production", &caller), &labels)?.try_into()?;
        }
        Ok((counts[1] + counts[2] == aborted).then_some(()))
    })
    .with_context(|| format!("{aborted} are aborted: {counts:?}"))?;
    let [delayed, _, both] = counts;
    ensure!(is_share(delayed + both, 200, 50) && is_share(both, 200, 5), "{counts:?}");
    let late = seconds.iter().filter(|seconds| **seconds >= 5.0).count();
    ensure!(late >= delayed + both, "{late} took five seconds: {counts:?}");
    Ok(())
}

/// File 26.
fn a_shadow_gets_copies(world: &World, place: Place) -> Result<()> {
    let (product, shadow) = (("production", "product-service"), "production/product-service-v2-0");
    // It stays until they are there: copies that are under way are lost with whoever sends them.
    let mut caller = place.caller(world, "production")?;
    let answers = caller.asked(&place.request(10, product, "method='POST', body='b', x_reflect_log='copy'"))?;
    let all_by_v1 = answers.iter().all(|got| got.name() == "product-service-v1-0");
    ensure!(all_by_v1, "{:?}", versions(&answers));
    let mut copies = 0;
    wait_for("ten copies", SOON, || {
        let log = world.cli(&["logs", shadow])?;
        copies = log.lines().filter(|line| line.contains("asked ") && line.contains("-shadow")).count();
        Ok((copies == 10).then_some(()))
    })
    .with_context(|| format!("{copies} copies"))
}

/// Files 08, with 07, and 36, with 35.
fn instances_are_ejected(world: &World, place: Place) -> Result<()> {
    let backend = "x_reflect_status='backend-v1-0=500'";
    ejects(world, place, ("default", "backend"), backend, "backend-v1-0", 5, "lasts=30s")?;
    let reviews = "x_reflect_status='reviews-v2-0=500'";
    ejects(world, place, ("bookinfo", "reviews"), reviews, "reviews-v2-0", 3, "lasts=60s")
}

/// So many failures of an instance eject it, for so long.
fn ejects(
    world: &World,
    place: Place,
    service: (&str, &str),
    failing: &str,
    instance: &str,
    count: usize,
    lasts: &str,
) -> Result<()> {
    let mut caller = place.caller(world, service.0)?;
    let answers = caller.asked(&place.request(REACHES_ALL + 20, service, failing))?;
    ensure!(failed(&answers) == count, "{instance}: {} failures were seen", failed(&answers));
    ensure!(by(&answers[REACHES_ALL..], instance) == 0, "{instance} was not ejected");
    let backend = format!("{}.{}.svc.cluster.local:80", service.1, service.0);
    logged(world, &place.proxy(service.0, &caller), &["endpoint ejected", &backend, lasts]).map(drop)
}

// === impl Place ===

impl Place {
    /// A file as it has to be to act there.
    fn names(self, file: &str) -> String {
        if self != Self::Gateway || !file.contains("kind: VirtualService") {
            return file.to_owned();
        }
        // File 14 names a gateway of its own.
        match file.split_once("  gateways:\n") {
            Some((before, after)) => format!("{before}  gateways:\n    - istio-system/handbook\n{after}"),
            None => file.replacen("spec:\n", "spec:\n  gateways: [istio-system/handbook]\n", 1),
        }
    }

    /// Whoever asks for services of a namespace.
    fn caller(self, world: &World, namespace: &str) -> Result<Caller> {
        match self {
            Self::Gateway => Caller::machine(world),
            Self::Waypoint => Caller::enrolled(world, namespace, "client"),
            Self::Sidecar => Caller::with_sidecar(world, namespace, "client"),
        }
    }

    /// Where a service is called, as callers are told.
    fn url(self, (namespace, app): (&str, &str)) -> String {
        let host = format!("{app}.{namespace}.svc.cluster.local");
        match self {
            Self::Gateway => format!("'http://127.0.0.1:{PORT}/', host='{host}'"),
            Self::Waypoint | Self::Sidecar => format!("'http://{host}/'"),
        }
    }

    /// Several requests for a service, as callers are told.
    fn request(self, count: usize, service: (&str, &str), more: &str) -> String {
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!("{count}, {}{more}", self.url(service))
    }

    /// Who tells of what happens there to whoever asks.
    fn proxy(self, namespace: &str, caller: &Caller) -> String {
        match self {
            Self::Gateway => "istio-system/istio-ingressgateway-0".to_owned(),
            Self::Waypoint => format!("{namespace}/waypoint-0"),
            Self::Sidecar => format!("sidecar-{namespace}.{}", caller.name()),
        }
    }
    /// As whom it tells its metrics.
    fn metrics(self, namespace: &str, caller: &Caller) -> String {
        match self {
            Self::Gateway | Self::Waypoint => self.proxy(namespace, caller).replace('/', "."),
            Self::Sidecar => self.proxy(namespace, caller),
        }
    }
}
