//! What is answered about JWTs.

use ripstop_explain::Question;

use crate::world::{asked, notes, world};

/// Issuer `https://a` for the audience `shop`, and issuer `https://b`.
const TWO: &str = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  jwtRules:
  - issuer: https://a
    audiences: [shop]
    spaceDelimitedClaims: [groups]
  - issuer: https://b
---
";

const ONE: &str = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: istio-system}
spec:
  jwtRules:
  - issuer: https://a
---
";

const ELSEWHERE: &str = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  jwtRules:
  - issuer: https://a
---
";

/// Whoever has a token.
const ANY: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - from: [{source: {requestPrincipals: ['*']}}]
";

const CLAIM: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - when: [{key: 'request.auth.claims[groups]', values: [staff]}]
";

const SCOPE: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - when: [{key: 'request.auth.claims[scope]', values: [read]}]
";

fn claims(question: &mut Question, claims: &str) {
    question.method = "GET".into();
    let pairs = claims.split(';').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    question.claims = pairs.map(|(name, value)| (name.into(), value.into())).collect();
}

#[test]
fn a_jwt_counts_where_a_request_authentication_accepts_it() {
    for (title, objects, given, verdict, reason, note) in [
        (
            "nobody looks",
            vec![ANY],
            "iss=https://a;sub=x",
            "DENIED",
            "none of them matches",
            "no RequestAuthentication",
        ),
        ("nobody looks there", vec![ELSEWHERE, ANY], "iss=https://a;sub=x", "DENIED", "", "no RequestAuthentication"),
        ("accepted", vec![TWO, ANY], "iss=https://b;sub=x", "ALLOWED", "allowed by", ""),
        ("accepted for its audience", vec![TWO, ANY], "iss=https://a;sub=x;aud=shop", "ALLOWED", "allowed by", ""),
        ("of the root namespace", vec![ONE, ANY], "iss=https://a;sub=x", "ALLOWED", "allowed by", ""),
        ("another audience", vec![TWO, ANY], "iss=https://a;sub=x;aud=bank", "DENIED", "JWT refused: 401", ""),
        ("another issuer", vec![TWO], "iss=https://c;sub=x", "DENIED", "group.yaml:8", ""),
        (
            "what would be accepted",
            vec![TWO],
            "iss=https://c",
            "DENIED",
            "accepts issuer https://a for audience shop",
            "",
        ),
        ("no issuer, of one", vec![ONE, ANY], "sub=x", "ALLOWED", "", "taken to be of https://a"),
        ("no issuer, of two", vec![TWO, ANY], "sub=x", "DENIED", "JWT refused: 401, the token has no issuer", ""),
        ("no token is no offence", vec![TWO], "", "ALLOWED", "", ""),
        ("a list", vec![TWO, CLAIM], "iss=https://a;aud=shop;groups=staff admins", "ALLOWED", "", ""),
        ("no list of that rule", vec![TWO, CLAIM], "iss=https://b;groups=staff admins", "DENIED", "", ""),
        ("always a list", vec![TWO, SCOPE], "iss=https://b;scope=write read", "ALLOWED", "", ""),
    ] {
        let explanation = asked(&world(&objects.concat()), |question| claims(question, given));
        let notes = notes(&explanation);
        assert_eq!(explanation.verdict.to_string(), verdict, "{title}: {explanation:#?}");
        assert!(explanation.summary.contains(reason), "{title}: {}", explanation.summary);
        assert!(notes.contains(note) && (!note.is_empty() || notes.is_empty()), "{title}: {notes}");
    }
}

#[test]
fn plaintext_that_may_not_come_in_is_refused_before_its_jwt() {
    let strict = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
";
    let world = world(&format!("{TWO}{strict}"));
    let explanation = asked(&world, |question| {
        claims(question, "iss=https://c");
        question.plaintext = true;
    });
    assert!(explanation.summary.contains("plaintext"), "{}", explanation.summary);
}

#[test]
fn flips_propose_tokens_that_are_accepted() {
    for (title, objects, given, verdict, change) in [
        ("nobody looks", vec![ANY], "", "", ""),
        ("any principal", vec![TWO, ANY], "", "ALLOWED", "send a valid JWT of https://a for x with the audience shop"),
        (
            "a claim",
            vec![TWO, CLAIM],
            "",
            "ALLOWED",
            "send a JWT of https://a for x with the audience shop and the claim groups=staff",
        ),
        (
            "refused",
            vec![TWO, ANY],
            "iss=https://c;sub=x",
            "ALLOWED",
            "send a valid JWT of https://a with the audience shop",
        ),
        ("refused, none needed", vec![TWO], "iss=https://c;sub=x", "ALLOWED", "send no JWT"),
    ] {
        let explanation = asked(&world(&objects.concat()), |question| {
            claims(question, given);
            question.method = "GET".into();
        });
        let flip = explanation.flip.unwrap_or_default();
        assert_eq!((&*flip.verdict, &*flip.changes.join(", ")), (verdict, change), "{title}");
    }
}

#[test]
fn routes_of_a_gateway_go_by_claims_that_it_accepts() {
    let routes = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
  - match: [{headers: {'@request.auth.claims.group': {exact: staff}}}]
    directResponse: {status: 201}
  - directResponse: {status: 202}
---
";
    for (objects, status) in [(vec![routes], "202"), (vec![routes, ONE], "201"), (vec![routes, TWO], "202")] {
        let explanation = asked(&world(&objects.concat()), |question| {
            claims(question, "iss=https://a;group=staff");
            (question.from, question.to, question.via) = (String::new(), "shop.example:80".into(), "gateway".into());
        });
        assert!(explanation.route.outcome.contains(status), "{status}: {:#?}", explanation.route);
    }
}
