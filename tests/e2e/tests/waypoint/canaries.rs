//! Waypoints that take a share of the calls of others.

use super::{workloads::counted_at, *};

#[test]
fn a_share_of_the_calls_goes_through_a_canary() -> Result<()> {
    with_waypoint()?.tell(|world| {
        world.cli(&["waypoint", "apply", "-n", "shop", "--name", "next", "--wait"])?;
        let labels = ["istio.io/use-waypoint=waypoint", "istio.io/use-waypoint-canary=next"];
        world.cli(&[&["label", "service", "-n", "shop", "web"], &labels[..]].concat())?;
        let weigh = |weight: &str| {
            let weight = format!("istio.io/use-waypoint-canary-weight={weight}");
            world.cli(&["annotate", "service", "-n", "shop", "web", &weight, "--overwrite"])?;
            world.settle()
        };
        // Each of these is a connection.
        let calls = |count: usize| {
            let all =
                format!("for i in $(seq {count}); do curl -s -o /dev/null -m 20 -w '%{{http_code}} ' {WEB}; done");
            let got = world.shell("other", &all)?;
            ensure!(got.split_whitespace().all(|status| status == "200"), "{got}\n{}", world.story_so_far());
            Ok(())
        };
        let counts = || Ok::<_, anyhow::Error>((counted_at(world, "waypoint")?, counted_at(world, "next")?));
        for (weight, of_canary) in [("0", 0.0..=0.0), ("50", 10.0..=50.0), ("100", 60.0..=60.0)] {
            weigh(weight)?;
            let (own, canary) = counts()?;
            calls(60)?;
            wait_for("all of them to be counted", SOON, || {
                let (own_now, canary_now) = counts()?;
                Ok((own_now - own + canary_now - canary >= 60.0).then_some(()))
            })?;
            let taken = counts()?.1 - canary;
            ensure!(of_canary.contains(&taken), "{weight}: {taken} of 60");
        }
        let status = world.cli(&["waypoint", "status", "-n", "shop", "--name", "next"])?;
        ensure!(status.contains("service shop/web (100 % of its calls)"), "{status}");
        let described = world.cli(&["describe", "service", "web", "-n", "shop"])?;
        ensure!(described.contains("100 % of calls through shop/next"), "{described}");
        let refused = world.try_cli(&["waypoint", "delete", "-n", "shop", "--name", "next"])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && said.contains("Service shop/web still name it"), "{said}");
        // One that is gone leaves its share to the other.
        world.cli(&["waypoint", "delete", "-n", "shop", "--name", "next", "--force"])?;
        world.settle()?;
        answers(world, "other", WEB, &["\"name\":\"web-v", " 200"])?;
        ensure!(world.cli(&["get", "findings"])?.contains("RS248"), "nobody misses the canary");
        Ok(())
    })
}
