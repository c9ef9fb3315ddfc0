//! Which of the endpoints of a host outside is called, and who it has to be.

use anyhow::{Result, ensure};
use ripstop_e2e::{curl::one, observe::applied};

use crate::{ALSO_AWAY, AWAY, Scene, entry};

fn rule(host: &str, policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: rule, namespace: shop}}\nspec: {{host: {host}, trafficPolicy: {{{policy}}}}}\n---\n"
    )
}

#[test]
fn passthrough_leaves_the_choice_to_the_caller() -> Result<()> {
    Scene::set("")?.tell(|world, _| {
        let pair = entry(
            "pair",
            &format!(
                "{{hosts: [pair.example], addresses: [{AWAY}, {ALSO_AWAY}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC, endpoints: [{{address: {AWAY}}}, {{address: {ALSO_AWAY}}}]}}"
            ),
        );
        for (mark, simple, of_the_called) in [("left", "PASSTHROUGH", 10), ("chosen", "ROUND_ROBIN", 5)] {
            let policy = rule("pair.example", &format!("loadBalancer: {{simple: {simple}}}"));
            applied(world, "pair.yaml", mark, &(pair.clone() + &policy))?;
            for called in [AWAY, ALSO_AWAY] {
                // By one connection, about which one worker decides.
                let told = world.shell("shop", &format!("curl -s -m 30 'http://{called}/[1-10]'"))?;
                let there = told.matches(&format!("\"at\": \"{called}\"")).count();
                let all = told.matches("\"at\": ").count();
                ensure!((there, all) == (of_the_called, 10), "{simple}, {called}: {there} of {all}: {told}");
            }
        }
        Ok(())
    })
}

#[test]
fn endpoints_prove_a_name_that_the_entry_or_the_rule_has() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        for (mark, of_entry, of_rule, status) in [
            ("its-own", "[web.example]", "", 200),
            ("one-of-several", "[else.example, web.example]", "", 200),
            ("another", "[else.example]", "", 503),
            ("the-rule-wins", "[else.example]", ", subjectAltNames: [web.example]", 200),
            ("the-rule-loses", "[web.example]", ", subjectAltNames: [else.example]", 503),
        ] {
            let host = entry(
                "web",
                &format!(
                    "{{hosts: [web.example], ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 443}}], resolution: DNS, subjectAltNames: {of_entry}}}"
                ),
            );
            let policy = format!("tls: {{mode: SIMPLE, caCertificates: {tls}/ca.pem{of_rule}}}");
            applied(world, "web.yaml", mark, &(host + &rule("web.example", &policy)))?;
            let got = one(world, "http://web.example/")?;
            ensure!(got.status == status, "{mark}: {} {}\n{}", got.status, got.body, world.story_so_far());
        }
        Ok(())
    })
}
