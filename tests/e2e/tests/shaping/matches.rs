//! What rules may ask of a request and of whoever sends it.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::curl,
    observe::applied,
    shop::{routed, routes, world},
};
use ripstop_world::World;
use serde_json::Value;

#[test]
fn every_field_of_a_match_counts() -> Result<()> {
    world()?.tell(|world| {
        // A rule that asks for what holds sends to v2, one that asks for what does not is passed over.
        let cases = [
            ("scheme: {exact: http}", true),
            ("scheme: {exact: https}", false),
            ("scheme: {regex: https?}", true),
            ("port: 80", true),
            ("port: 81", false),
            ("gateways: [mesh]", true),
            ("gateways: [outer]", false),
            ("sourceNamespace: shop", true),
            ("sourceNamespace: bank", false),
            ("sourceLabels: {app: till}", false),
            ("method: {exact: GET}", true),
            ("method: {prefix: PO}", false),
            ("authority: {prefix: 'web.'}", true),
            ("authority: {regex: 'web[.]sh.p'}", true),
            ("authority: {exact: web}", false),
            ("uri: {exact: /CASE/path}, ignoreUriCase: true", true),
            ("uri: {prefix: /CASE}, ignoreUriCase: true", true),
            ("uri: {prefix: /CASE}", false),
            ("uri: {regex: '/c[a-z]{3}/.*'}", true),
            ("uri: {regex: '/c[a-z]{3}'}", false),
            ("queryParams: {q: {regex: 'a[0-9]+'}}", true),
            ("queryParams: {q: {exact: a1}}", false),
            ("queryParams: {q: {prefix: a}}", true),
            ("headers: {x-word: {prefix: 'on'}}", true),
            ("headers: {x-word: {regex: 'on[a-z]'}}", true),
            ("headers: {x-word: {regex: 'on'}}", false),
            ("headers: {x-word: {}}", true),
            ("headers: {x-other: {}}", false),
            ("withoutHeaders: {x-other: {exact: two}}", true),
            ("withoutHeaders: {x-word: {prefix: o}}", false),
            ("name: all, uri: {prefix: /case}, headers: {x-word: {exact: one}}, queryParams: {q: {exact: a12}}, port: 80", true),
            ("uri: {prefix: /case}, headers: {x-word: {exact: two}}", false),
        ];
        let request = "-H 'x-word: one' 'http://web.shop/case/path?q=a12'";
        for (chunk, cases) in cases.chunks(16).enumerate() {
            // A header names the case.
            let mut http = String::new();
            for (index, (wanted, _)) in cases.iter().enumerate() {
                let case = format!("x-case: {{exact: '{index}'}}");
                let wanted = match wanted.split_once(" headers: {").or_else(|| wanted.split_once("headers: {")) {
                    Some((before, after)) if !before.ends_with("without") => format!("{before} headers: {{{case}, {after}"),
                    _ => format!("headers: {{{case}}}, {wanted}"),
                };
                let _ = write!(
                    http,
                    "  - match: [{{{wanted}}}]\n    route: [{{destination: {{host: web, subset: v2}}}}]\n"
                );
            }
            http.push_str("  - route: [{destination: {host: web, subset: v1}}]\n");
            routed(world, &format!("matches-{chunk}"), &http)?;
            let requests: Vec<String> =
                (0..cases.len()).map(|index| format!("-H 'x-case: {index}' {request}")).collect();
            let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
            for ((wanted, holds), got) in cases.iter().zip(curl(world, &requests)?) {
                let expected = if *holds { "web-v2" } else { "web-v1" };
                ensure!(got.name() == expected, "{wanted}: {} {}", got.status, got.body);
            }
        }
        Ok(())
    })
}

#[test]
fn whoever_calls_counts() -> Result<()> {
    world()?.tell(|world| {
        world.enrol("bank", true)?;
        let http = "  - match: [{sourceLabels: {app: till}}]
    route: [{destination: {host: web, subset: v2}}]
  - match: [{sourceNamespace: bank}]
    route: [{destination: {host: web, subset: v3}}]
  - route: [{destination: {host: web, subset: v1}}]
";
        routed(world, "callers", http)?;
        for (namespace, labels, expected) in [
            ("shop", &[][..], "web-v1"),
            ("shop", &["app=till"][..], "web-v2"),
            ("bank", &[][..], "web-v3"),
            ("bank", &["app=till"][..], "web-v2"),
        ] {
            let name = asked(world, namespace, labels)?;
            ensure!(name == expected, "{namespace} {labels:?}: {name}");
        }
        // Which rule says what a subset is depends on the caller, too.
        let rule = |name: &str, version: &str, selector: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web, {selector}subsets: [{{name: own, labels: {{version: {version}}}}}]}}\n---\n"
            )
        };
        let of_tills = rule("tills", "v3", "workloadSelector: {matchLabels: {app: till}}, ");
        let to_own = routes("  - route: [{destination: {host: web, subset: own}}]\n");
        applied(world, "routes.yaml", "selected", &(rule("all", "v1", "") + &of_tills + &to_own))?;
        for (labels, expected) in [(&[][..], "web-v1"), (&["app=till"][..], "web-v3")] {
            let name = asked(world, "shop", labels)?;
            ensure!(name == expected, "{labels:?}: {name}\n{}", world.story_so_far());
        }
        Ok(())
    })
}

fn asked(world: &World, namespace: &str, labels: &[&str]) -> Result<String> {
    let output = world.run(namespace, labels, "curl -s -m 20 http://web.shop/")?;
    let told: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    Ok(told["name"].as_str().unwrap_or_default().to_owned())
}
