//! Copies of requests.

use anyhow::{Result, ensure};
use ripstop_e2e::{
    curl::curl,
    observe::{applied, logged},
    shop::{SUBSETS, routes, world},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

/// What `other` was asked in requests that were to be written down, after the one that is marked `last`.
fn copies(world: &World, last: &str) -> Result<Vec<Value>> {
    logged(world, "shop/other-v1-0", &["asked ", last])?;
    let log = world.cli(&["logs", "shop/other-v1-0"])?;
    log.lines().filter_map(|line| line.split_once("asked ")).map(|(_, told)| Ok(serde_json::from_str(told)?)).collect()
}

fn marked<'c>(copies: &'c [Value], mark: &str) -> Vec<&'c Value> {
    copies.iter().filter(|copy| copy["headers"]["x-reflect-log"][0] == mark).collect()
}

/// A request without a copy, whose answer takes its time: a caller that ends takes with it what is still to be copied.
const STAYS: &str = "-H 'x-reflect-delay-ms: web-v1=1500' http://web.shop/none";

#[test]
fn a_mirror_gets_what_its_backend_gets_and_nobody_waits_for_it() -> Result<()> {
    world()?.tell(|world| {
        let http = "  - match: [{uri: {prefix: /nobody}}]
    route: [{destination: {host: web, subset: v1}}]
    mirrors: [{destination: {host: gone}}, {destination: {host: other}, percentage: {value: 0}}]
  - match: [{uri: {prefix: /half}}]
    route: [{destination: {host: web, subset: v1}}]
    mirror: {host: other}
    mirrorPercentage: {value: 50}
  - match: [{uri: {prefix: /none}}]
    route: [{destination: {host: web, subset: v1}}]
    mirror: {host: other}
    mirror_percent: 0
  - match: [{uri: {prefix: /}}]
    rewrite: {uri: /new/}
    headers: {request: {set: {x-set: a}, remove: [x-gone]}}
    route: [{destination: {host: web, subset: v1}}]
    mirror: {host: other}
";
        // One of the mirrors is nobody's, which is an error, and a matter of that mirror alone.
        applied(world, "routes.yaml", "mirrors", &format!("{SUBSETS}---\n{}", routes(http)))?;
        let got = curl(
            world,
            &[
                "-H 'x-reflect-log: get' -H 'x-gone: 1' -H 'x-reflect-status: other-v1=503' 'http://web.shop/a?b=c'",
                "-H 'x-reflect-log: post' -d some=thing http://web.shop/post",
                "--http2-prior-knowledge -H 'x-reflect-log: post2' -d some=thing http://web.shop/post2",
                "-H 'x-reflect-log: chunked' -H 'transfer-encoding: chunked' -d some=thing http://web.shop/chunked",
                "-H 'x-reflect-log: large' --data-binary @/proc/self/exe -o /dev/null -w 'HTTP/1.1 %{http_code}\\n\\n' http://web.shop/large",
                "-H 'x-reflect-reset: other-v1' http://web.shop/reset",
                "-m 10 -H 'x-reflect-delay-ms: other-v1=60000' http://web.shop/slow",
                "-H 'x-reflect-log: nobody' http://web.shop/nobody",
                "-H 'x-reflect-log: none' http://web.shop/none",
                "-H 'x-reflect-log: last' http://web.shop/",
                STAYS,
            ],
        )?;
        for (index, got) in got.iter().enumerate() {
            ensure!(got.status == 200 && (index == 4 || got.name() == "web-v1"), "{index}: {} {}", got.status, got.body);
        }
        let copies = copies(world, "\"last\"")?;
        let get = marked(&copies, "get");
        ensure!(get.len() == 1, "{copies:?}");
        ensure!(get[0]["method"] == "GET" && get[0]["path"] == "/new/a?b=c", "{}", get[0]);
        let headers = &get[0]["headers"];
        ensure!(headers["host"][0] == "web.shop-shadow" && headers["x-set"][0] == "a", "{headers}");
        ensure!(headers["x-gone"].is_null() && headers["content-length"].is_null(), "{headers}");
        // It is the same request as the one that was answered.
        ensure!(headers["x-request-id"][0] == got[0].header("x-request-id"), "{headers}");
        for mark in ["post", "post2", "chunked"] {
            let copy = marked(&copies, mark);
            ensure!(copy.len() == 1 && copy[0]["body"] == "some=thing" && copy[0]["method"] == "POST", "{copies:?}");
        }
        for mark in ["large", "nobody", "none"] {
            ensure!(marked(&copies, mark).is_empty(), "{mark}: {copies:?}");
        }

        let script = "curl -s -m 60 -o /dev/null -H 'x-reflect-log: half' 'http://web.shop/half?n=[1-400]' && echo good";
        ensure!(world.shell("shop", script)?.trim() == "good");
        curl(world, &["-H 'x-reflect-log: after' http://web.shop/", STAYS])?;
        let half = marked(&self::copies(world, "\"after\"")?, "half").len();
        // Five standard deviations of a binomial with n = 400 and p = 0.5.
        ensure!((150..=250).contains(&half), "{half}");
        Ok(())
    })
}

#[test]
fn limits_of_a_mirror_hold_for_copies() -> Result<()> {
    world()?.tell(|world| {
        let http = "  - match: [{uri: {prefix: /none}}]
    route: [{destination: {host: web, subset: v1}}]
  - route: [{destination: {host: web, subset: v1}}]
    mirror: {host: other}
";
        let limits = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: other, namespace: shop}
spec:
  host: other
  trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}
";
        applied(world, "routes.yaml", "limited", &format!("{SUBSETS}---\n{limits}---\n{}", routes(http)))?;
        // While the first copy is under way, no other may be.
        let slow = "-H 'x-reflect-log: slow' -H 'x-reflect-delay-ms: other-v1=4000' http://web.shop/";
        let got = curl(world, &[slow, slow, slow, slow, slow, STAYS, STAYS, STAYS])?;
        ensure!(got.iter().all(|got| got.status == 200), "{got:?}");
        ensure!(marked(&copies(world, "\"slow\"")?, "slow").len() == 1);
        // Afterwards there is room for another.
        wait_for("a copy to be sent", SOON, || {
            curl(world, &["-H 'x-reflect-log: after' http://web.shop/", STAYS])?;
            Ok(world.cli(&["logs", "shop/other-v1-0"])?.contains("\"after\"").then_some(()))
        })?;
        ensure!(marked(&copies(world, "\"after\"")?, "slow").len() == 1);
        Ok(())
    })
}
