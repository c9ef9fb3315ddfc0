//! `AuthorizationPolicy` and `RequestAuthentication` with every field, in every version and spelling.

use std::{collections::BTreeMap, time::Duration};

use ripstop_api::{
    Spec,
    istio::{
        AuthorizationAction, AuthorizationCondition, AuthorizationFrom, AuthorizationOperation, AuthorizationPolicy,
        AuthorizationProvider, AuthorizationRule, AuthorizationSource, AuthorizationTo, ClaimToHeader, JwtHeader,
        JwtRule, Labels, RequestAuthentication, TargetRef, WorkloadSelector,
    },
    parse_file,
};

/// The object in `text`; what it gives but for notes on spellings is nothing.
#[track_caller]
fn spec(text: &str) -> Spec {
    let mut parsed = parse_file("a.yaml", text);
    parsed.findings.retain(|finding| finding.code != "RS16");
    assert_eq!(parsed.findings, [], "{text}");
    assert_eq!(parsed.objects.len(), 1, "{text}");
    parsed.objects.remove(0).spec
}

/// The text in each version, with the names of fields in both spellings; of each, what it gives.
#[track_caller]
fn assert_reads(kind: &str, body: &str, expected: &Spec) {
    for version in ["v1", "v1beta1"] {
        for snake in [false, true] {
            let body = if snake { snake_case(body) } else { body.to_owned() };
            let text = format!("apiVersion: security.istio.io/{version}\nkind: {kind}\nmetadata: {{name: a}}\n{body}");
            let found = parse_file("a.yaml", &text).findings.len();
            assert_eq!(found == 0, !snake, "{text}");
            assert_eq!(spec(&text), *expected, "{text}");
        }
    }
}

/// Writes keys of mappings in snake_case; keys are what stands before `: `, at the end of a line or of a flow.
fn snake_case(text: &str) -> String {
    let key = |line: &str| {
        let Some((key, rest)) = line.split_once(':') else { return line.to_owned() };
        let mut snake = String::new();
        for c in key.chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        format!("{snake}:{rest}")
    };
    text.lines().map(|line| key(line) + "\n").collect()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn selector() -> WorkloadSelector {
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("example.com/tier".to_owned(), String::new())]);
    WorkloadSelector { match_labels: Labels(labels) }
}

fn target(group: &str, kind: &str) -> TargetRef {
    TargetRef { group: group.into(), kind: kind.into(), name: "web".into(), namespace: String::new() }
}

const SELECTED: &str = r#"spec:
  selector:
    matchLabels:
      app: web
      example.com/tier: ""
  action: DENY
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/shop/sa/web", "cluster.local/*", "*/sa/web", "*"]
        notPrincipals: ["td/ns/a/sa/b"]
        requestPrincipals: ["https://issuer.example/subject", "issuer/*", "*"]
        notRequestPrincipals: ["*/root"]
        namespaces: [shop, "shop-*", "*-test-*"]
        notNamespaces: ["*"]
        trustDomains: [example.org, "*.example.org", "td.*", "*"]
        notTrustDomains: [other.example]
        ipBlocks: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32"]
        notIpBlocks: ["::1", 10.0.0.7/8]
        remoteIpBlocks: [198.51.100.0/24]
        notRemoteIpBlocks: [198.51.100.7]
    - source:
        serviceAccounts: [web, shop/web]
        notServiceAccounts: [shop/root]
    to:
    - operation:
        hosts: [shop.example, "*.shop.example", "shop.example:*", "*"]
        notHosts: ["10.0.0.1:8080"]
        ports: ["80", "65535", "1"]
        notPorts: ["0443"]
        methods: [GET, "P*", "*T", "*", PURGE]
        notMethods: [TRACE]
        paths: [/, "/admin*", "*/info", "*", "/users/{*}/orders/{**}", "/{**}/tail", "/{*}/"]
        notPaths: ["/admin/{*}"]
    when:
    - key: source.ip
      values: [10.0.0.0/8]
      notValues: [10.0.0.1]
    - key: request.headers[User-Agent]
      notValues: ["curl*"]
  - {}
"#;

#[test]
fn a_policy_by_selector_with_every_field() {
    let source = AuthorizationSource {
        principals: texts(&["cluster.local/ns/shop/sa/web", "cluster.local/*", "*/sa/web", "*"]),
        not_principals: texts(&["td/ns/a/sa/b"]),
        request_principals: texts(&["https://issuer.example/subject", "issuer/*", "*"]),
        not_request_principals: texts(&["*/root"]),
        namespaces: texts(&["shop", "shop-*", "*-test-*"]),
        not_namespaces: texts(&["*"]),
        service_accounts: Vec::new(),
        not_service_accounts: Vec::new(),
        trust_domains: texts(&["example.org", "*.example.org", "td.*", "*"]),
        not_trust_domains: texts(&["other.example"]),
        ip_blocks: texts(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]),
        not_ip_blocks: texts(&["::1", "10.0.0.7/8"]),
        remote_ip_blocks: texts(&["198.51.100.0/24"]),
        not_remote_ip_blocks: texts(&["198.51.100.7"]),
    };
    let accounts = AuthorizationSource {
        service_accounts: texts(&["web", "shop/web"]),
        not_service_accounts: texts(&["shop/root"]),
        ..AuthorizationSource::default()
    };
    let operation = AuthorizationOperation {
        hosts: texts(&["shop.example", "*.shop.example", "shop.example:*", "*"]),
        not_hosts: texts(&["10.0.0.1:8080"]),
        ports: texts(&["80", "65535", "1"]),
        not_ports: texts(&["0443"]),
        methods: texts(&["GET", "P*", "*T", "*", "PURGE"]),
        not_methods: texts(&["TRACE"]),
        paths: texts(&["/", "/admin*", "*/info", "*", "/users/{*}/orders/{**}", "/{**}/tail", "/{*}/"]),
        not_paths: texts(&["/admin/{*}"]),
    };
    let when = vec![
        AuthorizationCondition {
            key: "source.ip".into(),
            values: texts(&["10.0.0.0/8"]),
            not_values: texts(&["10.0.0.1"]),
        },
        AuthorizationCondition {
            key: "request.headers[User-Agent]".into(),
            values: Vec::new(),
            not_values: texts(&["curl*"]),
        },
    ];
    let rule = AuthorizationRule {
        from: [source, accounts].map(|source| AuthorizationFrom { source: Some(source) }).into(),
        to: vec![AuthorizationTo { operation: Some(operation) }],
        when,
    };
    let policy = AuthorizationPolicy {
        selector: Some(selector()),
        action: AuthorizationAction::Deny,
        rules: vec![rule, AuthorizationRule::default()],
        ..AuthorizationPolicy::default()
    };
    assert_reads("AuthorizationPolicy", SELECTED, &Spec::AuthorizationPolicy(Box::new(policy)));
}

#[test]
fn a_policy_by_targets_that_asks_an_authorizer() {
    let body = "spec:
  targetRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, name: web}
  - {group: gateway.networking.k8s.io, kind: GatewayClass, name: web}
  - {kind: Service, name: web}
  - {group: core, kind: Service, name: web, namespace: default}
  - {group: networking.istio.io, kind: ServiceEntry, name: web}
  action: CUSTOM
  provider:
    name: opa
  rules:
  - to:
    - operation: {paths: [/admin]}
    when:
    - {key: remote.ip, values: [192.0.2.7]}
";
    let mut own = target("core", "Service");
    own.namespace = "default".into();
    let operation = AuthorizationOperation { paths: texts(&["/admin"]), ..AuthorizationOperation::default() };
    let policy = AuthorizationPolicy {
        target_refs: vec![
            target("gateway.networking.k8s.io", "Gateway"),
            target("gateway.networking.k8s.io", "GatewayClass"),
            target("", "Service"),
            own,
            target("networking.istio.io", "ServiceEntry"),
        ],
        action: AuthorizationAction::Custom,
        provider: Some(AuthorizationProvider { name: "opa".into() }),
        rules: vec![AuthorizationRule {
            from: Vec::new(),
            to: vec![AuthorizationTo { operation: Some(operation) }],
            when: vec![AuthorizationCondition {
                key: "remote.ip".into(),
                values: texts(&["192.0.2.7"]),
                not_values: Vec::new(),
            }],
        }],
        ..AuthorizationPolicy::default()
    };
    assert_reads("AuthorizationPolicy", body, &Spec::AuthorizationPolicy(Box::new(policy)));
}

#[test]
fn every_attribute_can_be_asked_for() {
    let conditions = [
        ("source.ip", "10.0.0.0/8"),
        ("remote.ip", "2001:db8::1"),
        ("source.namespace", "a*b*c"),
        ("source.principal", "*/sa/web"),
        ("source.serviceAccount", "shop/web"),
        ("source.trustDomain", "*.example"),
        ("request.headers[x-user]", "*"),
        ("request.headers[:method]", "GET"),
        ("request.auth.principal", "https://issuer.example/*"),
        ("request.auth.audiences", "web"),
        ("request.auth.presenter", "web"),
        ("request.auth.claims[iss]", "issuer"),
        ("request.auth.claims[a][b.c][d e]", "*"),
        ("destination.ip", "192.0.2.0/24"),
        ("destination.port", "443"),
        ("connection.sni", "*.example"),
        ("experimental.envoy.filters.network.mysql_proxy[db.table]", "[update, delete]"),
    ];
    for (key, value) in conditions {
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\nspec:\n  rules:\n  - when:\n    - key: '{key}'\n      values: ['{value}']\n"
        );
        let Spec::AuthorizationPolicy(policy) = spec(&text) else { panic!("{text}") };
        let condition = AuthorizationCondition { key: key.into(), values: texts(&[value]), not_values: Vec::new() };
        assert_eq!(policy.rules[0].when, [condition]);
    }
}

#[test]
fn a_policy_without_rules_allows_nothing_and_is_legal() {
    for body in ["", "spec:\n", "spec: {}\n", "spec: {rules: []}\n", "spec: {action: ALLOW, selector: {}}\n"] {
        let text =
            format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\n{body}");
        let Spec::AuthorizationPolicy(policy) = spec(&text) else { panic!("{text}") };
        assert_eq!((policy.action, policy.rules.len()), (AuthorizationAction::Allow, 0));
    }
}

#[test]
fn every_action_by_name_and_number() {
    let actions = [
        ("ALLOW", AuthorizationAction::Allow),
        ("DENY", AuthorizationAction::Deny),
        ("AUDIT", AuthorizationAction::Audit),
        ("CUSTOM", AuthorizationAction::Custom),
    ];
    for (number, (name, action)) in actions.iter().enumerate() {
        let provider = if *name == "CUSTOM" { "provider: {name: opa}, " } else { "" };
        for spelled in [(*name).to_owned(), number.to_string()] {
            let text = format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\nspec: {{action: {spelled}, {provider}rules: [{{}}]}}\n"
            );
            let Spec::AuthorizationPolicy(policy) = spec(&text) else { panic!("{text}") };
            assert_eq!((policy.action, policy.rules), (*action, vec![AuthorizationRule::default()]));
        }
    }
}

#[test]
fn jwt_rules_with_every_field() {
    let body = r#"spec:
  selector:
    matchLabels:
      app: web
      example.com/tier: ""
  jwtRules:
  - issuer: https://issuer.example
    audiences: [web, https://shop.example]
    jwksUri: https://issuer.example/.well-known/jwks.json
    fromHeaders:
    - name: x-token
      prefix: "Bearer "
    - name: Authorization
    fromParams: [token, access_token]
    fromCookies: [session]
    outputPayloadToHeader: x-payload
    forwardOriginalToken: true
    outputClaimToHeaders:
    - header: x-sub
      claim: sub
    - header: X_Group
      claim: nested.group
    timeout: 1ms
    spaceDelimitedClaims: [roles, provider.login.scope]
  - issuer: https://issuer.example
    jwks: '{"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}]}'
  - jwksUri: http://keys.shop.svc.cluster.local:8080/jwks
"#;
    let rule = JwtRule {
        issuer: "https://issuer.example".into(),
        audiences: texts(&["web", "https://shop.example"]),
        jwks_uri: "https://issuer.example/.well-known/jwks.json".into(),
        jwks: String::new(),
        from_headers: vec![
            JwtHeader { name: "x-token".into(), prefix: "Bearer ".into() },
            JwtHeader { name: "Authorization".into(), prefix: String::new() },
        ],
        from_params: texts(&["token", "access_token"]),
        from_cookies: texts(&["session"]),
        output_payload_to_header: "x-payload".into(),
        forward_original_token: true,
        output_claim_to_headers: vec![
            ClaimToHeader { header: "x-sub".into(), claim: "sub".into() },
            ClaimToHeader { header: "X_Group".into(), claim: "nested.group".into() },
        ],
        timeout: Some(Duration::from_millis(1)),
        space_delimited_claims: texts(&["roles", "provider.login.scope"]),
    };
    let inline = JwtRule {
        issuer: "https://issuer.example".into(),
        jwks: r#"{"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}]}"#.into(),
        ..JwtRule::default()
    };
    let any = JwtRule { jwks_uri: "http://keys.shop.svc.cluster.local:8080/jwks".into(), ..JwtRule::default() };
    let policy = RequestAuthentication {
        selector: Some(selector()),
        jwt_rules: vec![rule, inline, any],
        ..RequestAuthentication::default()
    };
    assert_reads("RequestAuthentication", body, &Spec::RequestAuthentication(Box::new(policy)));
}

#[test]
fn older_and_present_targets() {
    for (body, old, new) in [
        ("targetRef: {kind: Service, name: web}", Some(target("", "Service")), Vec::new()),
        ("targetRefs: [{kind: Service, name: web}]", None, vec![target("", "Service")]),
    ] {
        for kind in ["RequestAuthentication", "AuthorizationPolicy"] {
            let text =
                format!("apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n  {body}\n");
            let seen = match spec(&text) {
                Spec::RequestAuthentication(policy) => (policy.target_ref, policy.target_refs),
                Spec::AuthorizationPolicy(policy) => (policy.target_ref, policy.target_refs),
                other => panic!("{other:?}"),
            };
            assert_eq!(seen, (old.clone(), new.clone()));
        }
    }
}

/// What is wrong with a `spec`, without the place and the object.
fn wrong(kind: &str, spec: &str) -> Vec<String> {
    let text = format!("apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
    let findings = parse_file("a.yaml", &text).findings;
    findings.into_iter().map(|finding| format!("{} {}: {}", finding.code, finding.path, finding.message)).collect()
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

/// Kind, its `spec` with so many of something, how many are allowed, and what one more gives.
type Limit = (&'static str, fn(usize) -> String, usize, &'static str);

#[test]
fn limits_are_the_last_that_is_allowed() {
    let cases: [Limit; 7] = [
        (
            "AuthorizationPolicy",
            |n| format!("{{rules: [{}]}}", list(n, |_| "{}".into())),
            512,
            "RS109 spec.rules: `rules` has 513 items, at most 512 are allowed",
        ),
        (
            "AuthorizationPolicy",
            |n| format!("{{targetRefs: [{}]}}", list(n, |i| format!("{{kind: Service, name: s{i}}}"))),
            16,
            "RS109 spec.targetRefs: `targetRefs` has 17 items, at most 16 are allowed",
        ),
        (
            "AuthorizationPolicy",
            |n| {
                let accounts = list(n, |i| format!("sa{i}"));
                format!("{{rules: [{{from: [{{source: {{serviceAccounts: [{accounts}]}}}}]}}]}}")
            },
            16,
            "RS109 spec.rules[0].from[0].source.serviceAccounts: `serviceAccounts` has 17 items, at most 16 are allowed",
        ),
        (
            "AuthorizationPolicy",
            |n| format!("{{rules: [{{when: [{{key: source.serviceAccount, values: [{}]}}]}}]}}", "x".repeat(n)),
            320,
            "RS109 spec.rules[0].when[0].values[0]: the service account has 321 characters, at most 320 are allowed",
        ),
        (
            "RequestAuthentication",
            |n| format!("{{jwtRules: [{}]}}", list(n, |_| "{issuer: a}".into())),
            4096,
            "RS109 spec.jwtRules: `jwtRules` has 4097 items, at most 4096 are allowed",
        ),
        (
            "RequestAuthentication",
            |n| format!("{{jwtRules: [{{issuer: a, spaceDelimitedClaims: [{}]}}]}}", list(n, |i| format!("c{i}"))),
            64,
            "RS109 spec.jwtRules[0].spaceDelimitedClaims: `spaceDelimitedClaims` has 65 items, at most 64 are allowed",
        ),
        (
            "RequestAuthentication",
            |n| format!("{{jwtRules: [{{issuer: a, jwksUri: 'https://issuer.example/{}'}}]}}", "x".repeat(n - 23)),
            2048,
            "RS109 spec.jwtRules[0].jwksUri: `jwksUri` has 2049 characters, at most 2048 are allowed",
        ),
    ];
    for (kind, spec, most, message) in cases {
        assert_eq!(wrong(kind, &spec(most)), [""; 0], "{message}");
        assert_eq!(wrong(kind, &spec(most + 1)), [message]);
    }
}

#[test]
fn what_keys_hold_is_never_shown() {
    let secrets = [
        r#"{"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB", "d": "hunter2"}]}"#,
        r#"{"keys": [{"kty": "hunter2"}, "hunter2", {"hunter2": 1}]}"#,
        r#"{"keys": {"hunter2": "hunter2"}}"#,
        r#""hunter2""#,
        "hunter2",
        "-----BEGIN PRIVATE KEY----- hunter2",
    ];
    let uris = ["ftp://hunter2@a/", "hunter2", "https://u:hunter2@", "https://u:hunter2@a:port/?hunter2#hunter2"];
    let jwks = secrets.iter().map(|text| format!("jwks: '{text}'"));
    for field in jwks.chain(uris.iter().map(|text| format!("jwksUri: '{text}'"))) {
        let findings = wrong("RequestAuthentication", &format!("{{jwtRules: [{{issuer: a, {field}}}]}}"));
        assert!(!findings.is_empty(), "{field}");
        assert!(findings.iter().all(|finding| !finding.contains("hunter2")), "{findings:?}");
    }
}
