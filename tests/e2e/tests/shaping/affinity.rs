//! Requests that belong to an endpoint.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use ripstop_e2e::{
    curl::{Got, curl},
    observe::applied,
    shop::{SUBSETS, routes, world},
};
use ripstop_world::World;

/// Where requests with these cookies are answered, and the cookies that they are given.
fn visits(world: &World, cookies: &[&str]) -> Result<Vec<(String, String)>> {
    let requests: Vec<String> = cookies
        .iter()
        .map(|cookie| {
            format!("curl -s -m 20 -w '%header{{set-cookie}}\\n' -H 'cookie: a=b; {cookie}' http://web.shop/;")
        })
        .collect();
    let told = world.shell("shop", &requests.concat())?;
    let lines: Vec<&str> = told.lines().collect();
    ensure!(lines.len() == 2 * cookies.len(), "{told}");
    let answer = |pair: &[&str]| {
        let name = serde_json::from_str::<serde_json::Value>(pair[0])?["name"].as_str().unwrap_or_default().to_owned();
        Ok((name, pair[1].to_owned()))
    };
    lines.chunks(2).map(answer).collect()
}

#[test]
fn a_session_stays_with_its_endpoint_until_that_is_gone() -> Result<()> {
    world()?.tell(|world| {
        let policy = "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  targetRefs: [{kind: Service, name: web}]\n  sessionAffinity: {cookie: {name: seat, path: /, ttl: 1h}}\n";
        applied(world, "session.yaml", "session", policy)?;
        // Everybody gets a cookie, which says nothing of the endpoint.
        let first = visits(world, &["other=1"; 40])?;
        let mut seats = Vec::new();
        for (name, given) in &first {
            let (seat, attributes) = given.split_once("; ").unwrap_or_default();
            ensure!(attributes == "Max-Age=3600; Path=/; HttpOnly", "{given}");
            let value = seat.strip_prefix("seat=\"").and_then(|seat| seat.strip_suffix('"')).unwrap_or_default();
            ensure!(value.len() == 22 && !given.contains(name), "{given}");
            seats.push(seat);
        }
        let used: BTreeSet<&String> = first.iter().map(|(name, _)| name).collect();
        ensure!(used.len() == 3, "{first:?}");
        // With it, they stay where they were, by whichever connection, and get no other.
        for _ in 0..3 {
            for (before, now) in first.iter().zip(visits(world, &seats)?) {
                ensure!(now == (before.0.clone(), String::new()), "{before:?}: {now:?}");
            }
        }
        // Whoever makes one up has none.
        for (_, given) in visits(world, &["seat=web-v1", "seat=10.0.0.1:8080", "seat=AAAAAAAAAAAAAAAAAAAAAA", "seat="])? {
            ensure!(given.starts_with("seat=\""), "{given}");
        }
        let told = world.cli(&["explain", "--from", "shop/web-v2", "--to", "web.shop:80", "--path", "/"])?;
        ensure!(told.contains("whoever has cookie seat stays at its endpoint"), "{told}");
        // One endpoint is gone: those who had it get another, the others stay.
        let gone = first[0].0.clone();
        let version = gone.rsplit('-').find(|part| part.starts_with('v')).unwrap_or_default();
        world.remove(&format!("{version}.yaml"))?;
        world.settle()?;
        applied(world, "session.yaml", "after", policy)?;
        let moved = visits(world, &seats)?;
        let again: Vec<&str> = moved.iter().zip(&seats).map(|((_, given), seat)| given.split("; ").next().filter(|given| !given.is_empty()).unwrap_or(*seat)).collect();
        for ((before, now), stays) in first.iter().zip(&moved).zip(visits(world, &again)?) {
            if before.0 == gone {
                ensure!(now.0 != gone && now.1.starts_with("seat=\""), "{now:?}");
            } else {
                ensure!(*now == (before.0.clone(), String::new()), "{before:?}: {now:?}");
            }
            ensure!(stays == (now.0.clone(), String::new()), "{now:?}: {stays:?}");
        }
        Ok(())
    })
}

/// Routes of `web` between two subsets by weight, whose sessions are kept.
fn weighted(world: &World, mark: &str, v1: u32, v2: u32) -> Result<()> {
    let policy = "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  targetRefs: [{kind: Service, name: web}]\n  sessionAffinity: {cookie: {name: seat}}\n";
    let routes = routes(&format!(
        "  - route:\n    - {{destination: {{host: web, subset: v1}}, weight: {v1}}}\n    - {{destination: {{host: web, subset: v2}}, weight: {v2}}}\n"
    ));
    applied(world, "session.yaml", mark, &format!("{policy}---\n{SUBSETS}---\n{routes}"))
}

#[test]
fn a_session_stays_with_its_destination_however_weights_change() -> Result<()> {
    world()?.tell(|world| {
        weighted(world, "halves", 50, 50)?;
        let first = visits(world, &["other=1"; 24])?;
        let seats: Vec<&str> = first.iter().filter_map(|(_, given)| given.split("; ").next()).collect();
        let used: BTreeSet<&String> = first.iter().map(|(name, _)| name).collect();
        ensure!(used.len() == 2 && seats.iter().all(|seat| seat.starts_with("seat=\"")), "{first:?}");
        let stay = || {
            for (before, now) in first.iter().zip(visits(world, &seats)?) {
                ensure!(now == (before.0.clone(), String::new()), "{before:?}: {now:?}");
            }
            Ok(())
        };
        stay()?;
        // Whoever is there stays, and others come by the new weights.
        weighted(world, "nearly-all", 1, 99)?;
        stay()?;
        let shares = visits(world, &["other=1"; 24])?.iter().filter(|(name, _)| name.contains("v2")).count();
        ensure!(shares >= 20, "{shares} of 24");
        // A destination that gets nothing has no sessions.
        weighted(world, "all", 0, 100)?;
        for (before, (name, given)) in first.iter().zip(visits(world, &seats)?) {
            let moved = before.0.contains("v1");
            ensure!(name.contains("v2") && given.starts_with("seat=\"") == moved, "{before:?}: {name} {given}");
        }
        Ok(())
    })
}

fn hashed(world: &World, mark: &str, hash: &str) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec:\n  host: web\n  trafficPolicy: {{loadBalancer: {{consistentHash: {hash}}}}}\n"
    );
    applied(world, "rule.yaml", mark, &rule)
}

/// So many that they do not all belong to one of three endpoints.
const KEYS: [&str; 16] = [
    "ann", "bob", "carl", "dora", "eve", "fred", "gina", "hugo", "ida", "jack", "kim", "lars", "mia", "nick", "olga",
    "paul",
];

fn names(answers: &[Got]) -> BTreeSet<&str> {
    answers.iter().map(Got::name).collect()
}

#[test]
fn what_has_the_same_hash_goes_to_the_same_endpoint() -> Result<()> {
    world()?.tell(|world| {
        for (mark, hash, of) in [
            ("header", "{httpHeaderName: x-user}", "-H 'x-user: KEY' http://web.shop/"),
            (
                "parameter",
                "{httpQueryParameterName: user, ringHash: {minimumRingSize: 2048}}",
                "'http://web.shop/?a=b&user=KEY'",
            ),
            (
                "cookie",
                "{httpCookie: {name: user, ttl: 0s}, maglev: {tableSize: 101}}",
                "-H 'cookie: a=b; user=KEY' http://web.shop/",
            ),
        ] {
            hashed(world, mark, hash)?;
            // Each by a connection of its own, and so by any worker.
            let requests: Vec<String> = KEYS.iter().flat_map(|key| vec![of.replace("KEY", key); 5]).collect();
            let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
            let answers = curl(world, &requests)?;
            let mut seen = BTreeSet::new();
            for (key, answers) in KEYS.iter().zip(answers.chunks(5)) {
                let names = names(answers);
                ensure!(names.len() == 1 && !names.contains(""), "{mark} {key}: {answers:?}");
                seen.extend(names);
            }
            ensure!(seen.len() > 1, "{mark}: all keys belong to {seen:?}");
        }

        // What has no key goes anywhere.
        hashed(world, "keyless", "{httpHeaderName: x-user}")?;
        let answers = curl(world, &["http://web.shop/"; 40])?;
        ensure!(names(&answers).len() == 3, "{answers:?}");

        // All requests of one caller have its address in common.
        hashed(world, "address", "{useSourceIp: true}")?;
        let answers = curl(world, &["http://web.shop/"; 20])?;
        ensure!(names(&answers).len() == 1, "{answers:?}");
        Ok(())
    })
}

#[test]
fn whoever_has_no_cookie_gets_one() -> Result<()> {
    world()?.tell(|world| {
        hashed(world, "cookie", "{httpCookie: {name: user, path: /shop, ttl: 60s}}")?;
        let script = "for i in $(seq 16); do jar=$(mktemp); for j in 1 2 3; do curl -s -m 20 -c $jar -b $jar -w '%header{set-cookie}\\n' http://web.shop/shop; done; rm $jar; done";
        let told = world.shell("shop", script)?;
        let answers: Vec<&str> = told.lines().collect();
        ensure!(answers.len() == 96, "{told}");
        let mut seen = BTreeSet::new();
        for user in answers.chunks(6) {
            let names: BTreeSet<String> = [user[0], user[2], user[4]]
                .iter()
                .map(|told| Ok(serde_json::from_str::<serde_json::Value>(told)?["name"].to_string()))
                .collect::<Result<_>>()?;
            ensure!(names.len() == 1, "{user:?}");
            seen.extend(names);
            // The first answer sets it, and whoever sends it gets no other.
            let (value, attributes) = user[1].split_once("; ").unwrap_or_default();
            ensure!(value.starts_with("user=\"") && attributes == "Max-Age=60; Path=/shop; HttpOnly", "{user:?}");
            ensure!(user[3].is_empty() && user[5].is_empty(), "{user:?}");
        }
        ensure!(seen.len() > 1, "all belong to {seen:?}");
        Ok(())
    })
}
