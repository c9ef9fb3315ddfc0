//! Who may call.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::Got,
    handbook::{Handbook, told},
};
use ripstop_world::{SOON, World, wait_for};

use crate::caller::Caller;

/// Whether a policy said no to a request.
fn is_denied(got: &Got) -> bool {
    got.status == 403 && got.body.starts_with("RBAC: access denied")
}

/// What each of these requests gets: 200, or what a policy says.
fn allows(caller: &mut Caller, cases: &[(&str, bool)]) -> Result<()> {
    for (what, is_allowed) in cases {
        let got = caller.ask(what)?;
        let as_expected = if *is_allowed { got.status == 200 } else { is_denied(&got) };
        ensure!(as_expected, "{what}: {} {}", got.status, got.body);
    }
    Ok(())
}

/// Files 06, 10 and 22.
pub fn callers_are_let_in_by_identity_and_request(world: &World, handbook: &Handbook) -> Result<()> {
    let mut payment = Caller::enrolled(world, "production", "payment-service")?;
    let mut frontend = Caller::enrolled(world, "production", "frontend")?;

    let everybody = [
        ("'http://checkout-service/checkout/a', method='PUT'", true),
        ("'http://backend/', method='PUT'", true),
        ("'http://reviews/'", true),
    ];
    allows(&mut payment, &everybody)?;
    handbook.paste(world, &["06-checkout-access.yaml"])?;
    told(world, "06-checkout-access.yaml", &[])?;
    let cases = [
        ("'http://checkout-service/checkout/a'", true),
        ("'http://checkout-service/checkout/a/b?c=d', method='POST', body='e'", true),
        ("'http://checkout-service/checkout/'", true),
        ("'http://checkout-service/checkout'", false),
        ("'http://checkout-service/checkouts/a'", false),
        ("'http://checkout-service/'", false),
        ("'http://checkout-service/checkout/a', method='PUT'", false),
        ("'http://checkout-service/checkout/../admin'", false),
        // Nobody else is concerned.
        ("'http://backend/', method='PUT'", true),
    ];
    allows(&mut payment, &cases)?;
    allows(&mut frontend, &[("'http://checkout-service/checkout/a'", false)])?;

    handbook.paste(world, &["10-allow-frontend.yaml"])?;
    told(world, "10-allow-frontend.yaml", &[])?;
    let cases = [
        ("'http://backend/api/a'", true),
        ("'http://backend/api/a', method='POST', body='b'", true),
        ("'http://backend/api/a', method='DELETE'", false),
        ("'http://backend/api'", false),
        ("'http://backend/'", false),
    ];
    allows(&mut frontend, &cases)?;
    allows(&mut payment, &[("'http://backend/api/a'", false), ("'http://reviews/', method='PUT'", true)])?;

    handbook.paste(world, &["22-reviews-authz.yaml"])?;
    told(world, "22-reviews-authz.yaml", &[])?;
    let cases = [
        ("'http://reviews/api/a', x_api_version='v1'", true),
        ("'http://reviews/api/a', x_api_version='v2'", true),
        ("'http://reviews/api/a', x_api_version='v3'", false),
        ("'http://reviews/api/a'", false),
        ("'http://reviews/a', x_api_version='v1'", false),
        ("'http://reviews/api/a', method='POST', x_api_version='v1'", false),
    ];
    allows(&mut frontend, &cases)?;
    allows(&mut payment, &[("'http://reviews/api/a', x_api_version='v1'", false)])
}

/// Files 11-12 and 23, on top of those.
pub fn nobody_else_is_let_in(world: &World, handbook: &Handbook) -> Result<()> {
    let (zero_trust, deny_all) = ("11-12-zero-trust.yaml", "23-deny-all.yaml");
    let mut frontend = Caller::enrolled(world, "production", "frontend")?;
    let mut outsider = Caller::outside(world, "elsewhere")?;
    let ratings = "'http://ratings.production/'";
    for caller in [&mut frontend, &mut outsider] {
        allows(caller, &[(ratings, true)])?;
    }
    // Without an identity nobody is whom a policy names.
    let backend = "'http://backend.production/api/a'";
    allows(&mut outsider, &[(backend, false)])?;

    handbook.paste(world, &[zero_trust])?;
    told(world, zero_trust, &[])?;
    // Nobody looks at requests where there is nothing to look for: connections end.
    for caller in [&mut frontend, &mut outsider] {
        let got = caller.ask(ratings)?;
        ensure!(got.status == 0, "{} {}", got.status, got.body);
    }
    // What others let in still comes in, and plaintext never.
    let let_in = [
        (backend, true),
        ("'http://backend.production/'", false),
        ("'http://reviews.production/api/a', x_api_version='v1'", true),
    ];
    allows(&mut frontend, &let_in)?;
    let got = outsider.ask(backend)?;
    ensure!(got.status == 0, "{} {}", got.status, got.body);

    // The same object twice: the first one stays, until it goes.
    handbook.paste(world, &[deny_all])?;
    told(world, deny_all, &["2 RS301"])?;
    ensure!(denied_by(world)?.contains(zero_trust), "{}", denied_by(world)?);
    world.remove(zero_trust)?;
    told(world, deny_all, &[])?;
    wait_for("the other file to deny", SOON, || Ok(denied_by(world)?.contains(deny_all).then_some(())))
        .with_context(|| denied_by(world).unwrap_or_default())?;
    world.settle()?;
    let got = frontend.ask(ratings)?;
    ensure!(got.status == 0, "{} {}", got.status, got.body);
    allows(&mut frontend, &let_in)?;
    // Plaintext is read again, and there is still nobody who lets it in.
    allows(&mut outsider, &[(backend, false)])?;

    world.remove(deny_all)?;
    for caller in [&mut frontend, &mut outsider] {
        wait_for("everybody to be let in", SOON, || Ok((caller.status(ratings)? == 200).then_some(())))?;
    }
    Ok(())
}

/// What explains that a call to ratings is denied.
fn denied_by(world: &World) -> Result<String> {
    let asked = ["explain", "--from", "production/backend-v1", "--to", "ratings.production:80"];
    Ok(String::from_utf8_lossy(&world.try_cli(&asked)?.stdout).into_owned())
}
