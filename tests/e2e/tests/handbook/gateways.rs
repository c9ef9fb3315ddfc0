//! From the machine into the mesh.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    authorities::{authority, certificate, secret},
    handbook::{Handbook, told},
    machine::{curl, curl_fails, on_host, opens},
    observe::applied,
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

use crate::{
    caller::{Caller, are_split, counted, is_share, versions},
    ground::subsets,
};

/// Files 03, 04, 14 and 16; 14 to 16 are there already.
pub fn hosts_are_reached_from_the_machine(world: &World, handbook: &Handbook) -> Result<()> {
    opens(world, &[80, 443])?;
    wildcard(world)?;
    one_host_waits_for_its_certificate(world, handbook)?;
    routes_of_the_gateway_are_its_own(world)
}

/// A host at port 443 of the gateway, whose certificate has to be by that authority.
fn to(authority: &str, host: &str) -> String {
    format!("--resolve {host}:443:127.0.0.1 --cacert {authority}.pem https://{host}/")
}

/// A certificate for a host, by an authority of the same name, as the Secret of that name.
fn give(world: &World, name: &str, host: &str) -> Result<()> {
    let issuer = format!("{name}-ca");
    authority(world, &issuer)?;
    certificate(world, &issuer, name, host)?;
    let pair = secret(world, name, &[("tls.crt", &format!("{name}.pem")), ("tls.key", &format!("{name}.key"))])?;
    applied(world, &format!("{name}.yaml"), name, &pair)
}

/// Files 16 and 14.
fn wildcard(world: &World) -> Result<()> {
    // Without a certificate there is no TLS; that it has to be is said all the same.
    told(world, "16-my-gateway.yaml", &["16 IST0101"])?;
    let refused = "-k --resolve reviews.example.com:443:127.0.0.1 https://reviews.example.com/";
    curl_fails(world, refused)?;
    let moved = curl(world, "-H 'Host: reviews.example.com' 'http://127.0.0.1/a?b=c'")?;
    ensure!(moved.status == 301 && moved.field("location") == "https://reviews.example.com/a?b=c", "{moved:?}");

    give(world, "my-tls-cert", "*.example.com")?;
    told(world, "16-my-gateway.yaml", &[])?;
    let issuer = "my-tls-cert-ca";
    let got = curl(world, &format!("-H 'X-Canary: true' {}", to(issuer, "reviews.example.com")))?;
    ensure!(got.status == 200 && got.name().starts_with("reviews-v2-"), "{got:?}");
    ensure!(got.header("x-forwarded-proto") == "https", "{}", got.body);
    let shares = shares(world, issuer, "reviews.example.com", "")?;
    ensure!(are_split(&shares, "reviews-v1", "reviews-v2", 10), "{shares:?}");
    // Its other hosts have a certificate, and no route.
    let nobody = curl(world, &to(issuer, "nobody.example.com"))?;
    ensure!(nobody.status == 404, "{nobody:?}");
    Ok(())
}

/// File 03.
fn one_host_waits_for_its_certificate(world: &World, handbook: &Handbook) -> Result<()> {
    let (gateway, routes) = ("03-api-gateway.yaml", "04-checkout-routing.yaml");
    handbook.paste(world, &[gateway, routes])?;
    // It is also a host of file 16, less exactly.
    told(world, gateway, &["16 IST0101", "18 IST0145"])?;
    told(world, "16-my-gateway.yaml", &["18 IST0145"])?;
    told(world, routes, &["19 IST0101", "24 IST0101", "28 IST0101"])?;
    let waits = "-k --resolve api.example.com:443:127.0.0.1 https://api.example.com/";
    wait_for("the host's own listener", SOON, || Ok(curl_fails(world, waits).is_ok().then_some(())))?;
    let other = curl(world, &to("my-tls-cert-ca", "reviews.example.com"))?;
    ensure!(other.status == 200, "{other:?}");
    give(world, "api-tls-cert", "api.example.com")?;
    told(world, gateway, &["18 IST0145"])
}

/// File 04.
fn routes_of_the_gateway_are_its_own(world: &World) -> Result<()> {
    let routes = "04-checkout-routing.yaml";
    let (issuer, host) = ("api-tls-cert-ca", "api.example.com");
    let got = curl(world, &to(issuer, host))?;
    ensure!(got.status == 503, "there are subsets: {got:?}");
    applied(world, "production-versions.yaml", "production-versions", &subsets("checkout-service", "production"))?;
    told(world, routes, &[])?;
    let chosen = shares(world, issuer, host, "-H 'x-api-version: v2'")?;
    ensure!(chosen == BTreeMap::from([("checkout-service-v2".to_owned(), REQUESTS)]), "{chosen:?}");
    let split = shares(world, issuer, host, "-H 'x-api-version: v1'")?;
    ensure!(are_split(&split, "checkout-service-v1", "checkout-service-v2", 20), "{split:?}");
    // In the mesh nothing is split or chosen.
    let mut caller = Caller::enrolled(world, "production", "client")?;
    let inside = versions(&caller.asked("400, 'http://checkout-service/', x_api_version='v2'")?);
    let second = inside.get("checkout-service-v2").copied().unwrap_or_default();
    ensure!(inside.len() == 2 && is_share(second, 400, 50), "{inside:?}");
    Ok(())
}

const REQUESTS: usize = 400;

/// Which versions answer requests of the machine.
fn shares(world: &World, issuer: &str, host: &str, options: &str) -> Result<BTreeMap<String, usize>> {
    let text = on_host(world, &format!("curl -s -m 60 {options} {}'?n=[1-{REQUESTS}]'", to(issuer, host)))?;
    let names = text.lines().map(|line| {
        let told: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let name = told["name"].as_str().unwrap_or_default();
        Ok(name.rsplit_once('-').map_or(name, |(version, _)| version).to_owned())
    });
    Ok(counted(names.collect::<Result<Vec<_>>>()?))
}
