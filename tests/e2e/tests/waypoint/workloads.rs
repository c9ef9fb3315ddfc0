//! Waypoints in front of workloads' own addresses.

use super::*;

/// The waypoint's policy: the account of `other` may not delete.
const KEEP: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: keep, namespace: shop}\n\
                    spec:\n  targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: front}]\n  action: DENY\n  \
                    rules:\n  - from: [{source: {principals: [cluster.local/ns/other/sa/default]}}]\n    \
                    to: [{operation: {methods: [DELETE]}}]\n";

/// The address of an instance of `shop`, with its port.
fn address(world: &World, instance: &str) -> Result<String> {
    let address = world.get("shop", instance)?["addresses"][0].as_str().context("no address")?.to_owned();
    Ok(format!("{address}:8080"))
}

/// How many requests the waypoint `shop/NAME` has counted.
pub(super) fn counted_at(world: &World, name: &str) -> Result<f64> {
    let metrics = world.cli(&["metrics", &format!("shop.{name}-0")])?;
    let lines = metrics.lines().filter(|line| line.starts_with("istio_requests_total{"));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

#[test]
fn calls_of_their_addresses_go_through_it_and_those_of_services_do_not() -> Result<()> {
    world()?.tell(|world| {
        let applied_it = ["waypoint", "apply", "-n", "shop", "--name", "front", "--for", "workload", "--enroll-namespace", "--wait"];
        let told = world.cli(&applied_it)?;
        ensure!(told.contains("waypoint shop/front is ready"), "{told}");
        world.settle()?;
        let status = world.cli(&["waypoint", "status", "-n", "shop", "--name", "front"])?;
        for part in ["for: calls of workloads' own addresses", "workload shop/web-v1-0", "workload shop/web-v2-0"] {
            ensure!(status.contains(part), "{status}");
        }
        ensure!(!status.contains("service shop/web"), "{status}");
        let listed = world.cli(&["waypoint", "list"])?;
        ensure!(listed.contains("workload"), "{listed}");
        let findings = world.cli(&["get", "findings"])?;
        ensure!(!findings.contains("RS24"), "{findings}");

        let own = format!("http://{}/", address(world, "web-v1-0")?);
        applied(world, "keep.yaml", "kept", KEEP)?;
        answers(world, "other", &own, &["\"name\":\"web-v1\"", " 200"])?;
        answers(world, "other", &format!("-X DELETE {own}"), &["RBAC: access denied", " 403"])?;
        answers(world, "shop", &format!("-X DELETE {own}"), &["\"name\":\"web-v1\"", " 200"])?;
        // Who calls the service goes past it.
        answers(world, "other", &format!("-X DELETE {WEB}"), &["\"name\":\"web-v", " 200"])?;
        wait_for("the callee's node to know the waypoint", SOON, || {
            Ok(world.cli(&["metrics", "node-west"])?.contains("sa/front\"").then_some(()))
        })?;

        // Endpoints that admit the waypoint alone are called by their addresses, and not by the service.
        let only = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: own, namespace: shop}\n\
                    spec:\n  selector: {matchLabels: {app: web}}\n  \
                    rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/front]}}]}]\n";
        applied(world, "own.yaml", "waypoint-only", only)?;
        answers(world, "other", &own, &["\"name\":\"web-v1\"", " 200"])?;
        let past = curl(world, "other", WEB)?;
        ensure!(!past.contains("web-v"), "{past}");

        // explain says the same.
        let to = address(world, "web-v1-0")?;
        let explained =
            |method: &str| explain(world, &["--from", "cluster.local/ns/other/sa/default", "--to", &to, "-X", method]);
        let denied = explained("DELETE")?;
        ensure!(denied["verdict"] == "denied" && denied["waypoint"]["name"] == "shop/front-0", "{denied}");
        let allowed = explained("GET")?;
        ensure!(allowed["verdict"] == "allowed" && allowed["waypoint"]["name"] == "shop/front-0", "{allowed}");

        // Nobody goes past one that is gone.
        world.cli(&["label", "namespace", "shop", "istio.io/use-waypoint-"])?;
        world.cli(&["label", "process", "-n", "shop", "web-v1", "istio.io/use-waypoint=front"])?;
        world.settle()?;
        world.cli(&["waypoint", "delete", "-n", "shop", "--name", "front", "--force"])?;
        answers(world, "other", &own, &["failed"])?;
        let told = explain(world, &["--from", "cluster.local/ns/other/sa/default", "--to", &to])?;
        ensure!(told["verdict"] == "not-routed", "{told}");
        world.cli(&["label", "process", "-n", "shop", "web-v1", "istio.io/use-waypoint-"])?;
        Ok(())
    })
}

#[test]
fn two_accounts_of_a_namespace_have_two_waypoints() -> Result<()> {
    world()?.tell(|world| {
        world.write("cart.yaml", &reflect("cart", "v1", "shop", "east"))?;
        world.settle()?;
        for account in ["web", "cart"] {
            let name = format!("front-{account}");
            let apply = ["waypoint", "apply", "-n", "shop", "--name", &name, "--for", "service-account"];
            let told = world.cli(&[&apply[..], &["--service-account", account, "--wait"]].concat())?;
            ensure!(told.contains(&format!("waypoint shop/{name} is ready")), "{told}");
        }
        world.settle()?;
        for (account, other) in [("web", "cart"), ("cart", "web")] {
            let (own, others) = (format!("front-{account}"), format!("front-{other}"));
            let status = world.cli(&["waypoint", "status", "-n", "shop", "--name", &own])?;
            ensure!(status.contains(&format!("workload shop/{account}-v1-0")), "{status}");
            ensure!(!status.contains(&format!("workload shop/{other}-v1-0")), "{status}");
            let before = counted_at(world, &others)?;
            let url = format!("http://{}/", address(world, &format!("{account}-v1-0"))?);
            answers(world, "other", &url, &[&format!("\"name\":\"{account}-v1\""), " 200"])?;
            wait_for("its waypoint to count it", SOON, || Ok((counted_at(world, &own)? >= 1.0).then_some(())))?;
            ensure!(counted_at(world, &others)? <= before, "the other waypoint got it");
        }
        let refused = world.try_cli(&["waypoint", "delete", "-n", "shop", "--name", "front-web"])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && said.contains("ServiceAccount shop/web still name it"), "{said}");

        // What says of itself that it is for services gets none of these calls.
        let told = world.cli(&["waypoint", "apply", "-n", "shop", "--name", "front-web", "--for", "service"])?;
        ensure!(told.contains("process/front-web labeled"), "{told}");
        world.settle()?;
        let findings = world.cli(&["get", "findings"])?;
        ensure!(findings.contains("RS247"), "{findings}");
        let before = counted_at(world, "front-web")?;
        let url = format!("http://{}/", address(world, "web-v1-0")?);
        answers(world, "other", &url, &["\"name\":\"web-v1\"", " 200"])?;
        ensure!(counted_at(world, "front-web")? <= before, "it got it all the same");
        Ok(())
    })
}
