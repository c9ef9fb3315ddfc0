//! `VirtualService`s that load, with every field read.

use std::{collections::BTreeMap, time::Duration};

use ripstop_api::{
    Level, Spec,
    istio::{
        CorsPolicy, Delegate, DerivePort, Destination, FaultAbort, FaultDelay, HeaderOperations, Headers, HttpBody,
        HttpDirectResponse, HttpFault, HttpMatch, HttpMirror, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute,
        HttpRouteDestination, Percent, PortSelector, RegexRewrite, RouteDestination, StringMatch, TcpMatch, TcpRoute,
        TlsMatch, TlsRoute, UnmatchedPreflights, VirtualService,
    },
    parse_file,
};

/// Every field that acts, and those that are older or act nowhere.
const EVERYTHING: &str = r#"
  hosts: [web, "*.example.com", 10.0.0.1]
  gateways: [mesh, shop/edge]
  exportTo: [".", shop]
  http:
  - name: everything
    match:
    - name: first
      uri: {prefix: /API}
      scheme: {exact: https}
      method: {regex: GET|PUT}
      authority: {prefix: web.}
      headers:
        x-user: {exact: ""}
        x-there: {}
        x-any: {regex: "*"}
        ":path": {prefix: /a}
      withoutHeaders:
        x-bot: {exact: "1"}
      queryParams:
        page: {regex: "[0-9]+"}
      ignoreUriCase: true
      port: 8080
      sourceLabels: {app: shop, role: ""}
      sourceNamespace: shop
      statPrefix: web
    - uri: {exact: /b}
      gateways: [edge]
    route:
    - destination: {host: web, subset: v1, port: {number: 80}}
      weight: 90
      headers:
        request: {set: {host: v1.example.com}}
    - destination: {host: web.shop.svc.cluster.local, subset: V2}
      weight: 10
    rewrite:
      uriRegexRewrite: {match: "^/API/(.*)$", rewrite: '/\1'}
      authority: web.example.com
    timeout: 1.5s
    retries:
      attempts: 3
      perTryTimeout: 500ms
      retryOn: 5xx,reset-before-request,503
      retryRemoteLocalities: true
      retryIgnorePreviousHosts: false
      backoff: 25ms
    fault:
      delay:
        fixedDelay: 2s
        percentage: {value: 0.1}
      abort:
        httpStatus: 503
        percentage: {value: 100}
    mirror: {host: shadow, port: {number: 8080}}
    mirrorPercent: 50
    mirrorPercentage: {value: 12.5}
    corsPolicy:
      allowOrigin: ["https://old.example.com"]
      allowOrigins:
      - exact: https://example.com
      - prefix: https://
      - regex: https://[a-z]+
      allowMethods: [GET, "*"]
      allowHeaders: [x-user]
      exposeHeaders: ["*"]
      maxAge: 24h
      allowCredentials: true
      unmatchedPreflights: IGNORE
    headers:
      request:
        set: {x-start: "%START_TIME(%s)%", x-full: "100%%"}
        add: {x-user: "%REQ(x-user)%"}
        remove: [x-secret]
      response:
        set: {x-a: b}
        add: {x-c: d}
        remove: [server]
  - match:
    - uri: {prefix: /old}
    redirect:
      prefixRewrite: /new
      authority: example.com
      derivePort: FROM_REQUEST_PORT
      scheme: https
      redirectCode: 308
  - match:
    - uri: {exact: /elder}
    redirect: {uri: /new, port: 8443}
  - match:
    - uri: {exact: /text}
    directResponse:
      status: 200
      body: {string: hello}
  - match:
    - uri: {exact: /bytes}
    directResponse:
      status: 599
      body: {bytes: aGVsbG8}
  - match:
    - uri: {prefix: /team}
    delegate: {name: team, namespace: shop}
  - match:
    - uri: {regex: "/x/.*"}
    route:
    - destination: {host: web}
    rewrite: {uri: /y}
    timeout: 0s
    fault:
      delay: {fixedDelay: 1ms, percent: 100}
      abort: {grpcStatus: NOT_FOUND, percentage: {value: 0}}
    mirrors:
    - destination: {host: a}
      percentage: {value: 1}
    - destination: {host: b}
  tls:
  - match:
    - sniHosts: [a.example.com, "*.b.example.com", web]
      destinationSubnets: [10.0.0.0/8, "::1"]
      port: 443
      sourceLabels: {app: shop}
      sourceNamespace: shop
      gateways: [mesh]
    route:
    - destination: {host: web}
      weight: 1
    - destination: {host: other}
      weight: 2
  tcp:
  - match:
    - destinationSubnets: [10.1.2.3]
      port: 5432
      sourceSubnet: 10.0.0.0/8
      sourceLabels: {app: shop}
      sourceNamespace: shop
      gateways: [mesh]
    route:
    - destination: {host: db}
"#;

fn file(version: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/{version}\nkind: VirtualService\nmetadata:\n  name: web\n  namespace: bookinfo\nspec:{spec}"
    )
}

/// Field names as proto writes them.
fn snake_case(spec: &str) -> String {
    let key = |word: &str| {
        let mut snake = String::new();
        for c in word.chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        snake
    };
    let mut snake = String::new();
    let mut word = String::new();
    for c in spec.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        snake += &if c == ':' { key(&word) } else { word.clone() };
        word.clear();
        snake.push(c);
    }
    snake
}

/// Reads one object; nothing is found but the codes, in any number.
#[track_caller]
fn read(text: &str, codes: &[&str]) -> VirtualService {
    let parsed = parse_file("a.yaml", text);
    for finding in &parsed.findings {
        assert!(codes.contains(&finding.code) && finding.level != Level::Error, "{finding}");
    }
    let [object] = parsed.objects.as_slice() else { panic!("{:?}", parsed.findings) };
    assert_eq!(object.id.to_string(), "VirtualService/bookinfo/web");
    let Spec::VirtualService(service) = &object.spec else { panic!("{:?}", object.spec) };
    service.as_ref().clone()
}

fn map<T: Clone>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn exact(text: &str) -> StringMatch {
    StringMatch::Exact(text.into())
}

fn prefix(text: &str) -> StringMatch {
    StringMatch::Prefix(text.into())
}

fn regex(text: &str) -> StringMatch {
    StringMatch::Regex(text.into())
}

fn to(host: &str) -> Destination {
    Destination { host: host.into(), ..Destination::default() }
}

fn at(uri: StringMatch) -> Vec<HttpMatch> {
    vec![HttpMatch { uri: Some(uri), ..HttpMatch::default() }]
}

fn percent(value: f64) -> Percent {
    Percent { value }
}

fn everything() -> VirtualService {
    VirtualService {
        hosts: list(&["web", "*.example.com", "10.0.0.1"]),
        gateways: list(&["mesh", "shop/edge"]),
        export_to: list(&[".", "shop"]),
        http: http(),
        tls: vec![TlsRoute {
            matches: vec![TlsMatch {
                sni_hosts: list(&["a.example.com", "*.b.example.com", "web"]),
                destination_subnets: list(&["10.0.0.0/8", "::1"]),
                port: Some(443),
                source_labels: texts(&[("app", "shop")]),
                source_namespace: "shop".into(),
                gateways: list(&["mesh"]),
            }],
            route: vec![
                RouteDestination { destination: to("web"), weight: Some(1) },
                RouteDestination { destination: to("other"), weight: Some(2) },
            ],
        }],
        tcp: vec![TcpRoute {
            matches: vec![TcpMatch {
                destination_subnets: list(&["10.1.2.3"]),
                port: Some(5432),
                source_subnet: "10.0.0.0/8".into(),
                source_labels: texts(&[("app", "shop")]),
                source_namespace: "shop".into(),
                gateways: list(&["mesh"]),
            }],
            route: vec![RouteDestination { destination: to("db"), weight: None }],
        }],
    }
}

fn http() -> Vec<HttpRoute> {
    vec![
        HttpRoute {
            name: "everything".into(),
            matches: vec![
                HttpMatch {
                    name: "first".into(),
                    uri: Some(prefix("/API")),
                    scheme: Some(exact("https")),
                    method: Some(regex("GET|PUT")),
                    authority: Some(prefix("web.")),
                    headers: map(&[
                        ("x-user", exact("")),
                        ("x-there", StringMatch::Present),
                        ("x-any", regex("*")),
                        (":path", prefix("/a")),
                    ]),
                    without_headers: map(&[("x-bot", exact("1"))]),
                    query_params: map(&[("page", regex("[0-9]+"))]),
                    ignore_uri_case: true,
                    port: Some(8080),
                    source_labels: texts(&[("app", "shop"), ("role", "")]),
                    source_namespace: "shop".into(),
                    gateways: Vec::new(),
                    stat_prefix: "web".into(),
                },
                HttpMatch { uri: Some(exact("/b")), gateways: list(&["edge"]), ..HttpMatch::default() },
            ],
            route: vec![
                HttpRouteDestination {
                    destination: Destination {
                        host: "web".into(),
                        subset: "v1".into(),
                        port: Some(PortSelector { number: Some(80) }),
                    },
                    weight: Some(90),
                    headers: Headers {
                        request: HeaderOperations {
                            set: texts(&[("host", "v1.example.com")]),
                            ..HeaderOperations::default()
                        },
                        response: HeaderOperations::default(),
                    },
                },
                HttpRouteDestination {
                    destination: Destination { subset: "V2".into(), ..to("web.shop.svc.cluster.local") },
                    weight: Some(10),
                    headers: Headers::default(),
                },
            ],
            rewrite: Some(HttpRewrite {
                uri: None,
                authority: Some("web.example.com".into()),
                uri_regex_rewrite: Some(RegexRewrite { pattern: "^/API/(.*)$".into(), rewrite: r"/\1".into() }),
            }),
            timeout: Some(Duration::from_millis(1500)),
            retries: Some(HttpRetry {
                attempts: 3,
                per_try_timeout: Some(Duration::from_millis(500)),
                retry_on: "5xx,reset-before-request,503".into(),
                retry_remote_localities: Some(true),
                retry_ignore_previous_hosts: Some(false),
                backoff: Some(Duration::from_millis(25)),
            }),
            fault: Some(HttpFault {
                delay: Some(FaultDelay {
                    fixed_delay: Some(Duration::from_secs(2)),
                    percentage: Some(percent(0.1)),
                    ..FaultDelay::default()
                }),
                abort: Some(FaultAbort {
                    http_status: Some(503),
                    percentage: Some(percent(100.0)),
                    ..FaultAbort::default()
                }),
            }),
            mirror: Some(Destination { port: Some(PortSelector { number: Some(8080) }), ..to("shadow") }),
            mirror_percent: Some(50),
            mirror_percentage: Some(percent(12.5)),
            cors_policy: Some(CorsPolicy {
                allow_origin: list(&["https://old.example.com"]),
                allow_origins: vec![exact("https://example.com"), prefix("https://"), regex("https://[a-z]+")],
                allow_methods: list(&["GET", "*"]),
                allow_headers: list(&["x-user"]),
                expose_headers: list(&["*"]),
                max_age: Some(Duration::from_secs(86400)),
                allow_credentials: Some(true),
                unmatched_preflights: UnmatchedPreflights::Ignore,
            }),
            headers: Headers {
                request: HeaderOperations {
                    set: texts(&[("x-start", "%START_TIME(%s)%"), ("x-full", "100%%")]),
                    add: texts(&[("x-user", "%REQ(x-user)%")]),
                    remove: list(&["x-secret"]),
                },
                response: HeaderOperations {
                    set: texts(&[("x-a", "b")]),
                    add: texts(&[("x-c", "d")]),
                    remove: list(&["server"]),
                },
            },
            ..HttpRoute::default()
        },
        HttpRoute {
            matches: at(prefix("/old")),
            redirect: Some(HttpRedirect {
                uri: None,
                prefix_rewrite: Some("/new".into()),
                authority: Some("example.com".into()),
                port: None,
                derive_port: Some(DerivePort::FromRequestPort),
                scheme: Some("https".into()),
                redirect_code: Some(308),
            }),
            ..HttpRoute::default()
        },
        HttpRoute {
            matches: at(exact("/elder")),
            redirect: Some(HttpRedirect { uri: Some("/new".into()), port: Some(8443), ..HttpRedirect::default() }),
            ..HttpRoute::default()
        },
        answer("/text", 200, HttpBody { string: Some("hello".into()), bytes: None }),
        answer("/bytes", 599, HttpBody { string: None, bytes: Some("aGVsbG8".into()) }),
        HttpRoute {
            matches: at(prefix("/team")),
            delegate: Some(Delegate { name: "team".into(), namespace: "shop".into() }),
            ..HttpRoute::default()
        },
        HttpRoute {
            matches: at(regex("/x/.*")),
            route: vec![HttpRouteDestination { destination: to("web"), ..HttpRouteDestination::default() }],
            rewrite: Some(HttpRewrite { uri: Some("/y".into()), ..HttpRewrite::default() }),
            timeout: Some(Duration::ZERO),
            fault: Some(HttpFault {
                delay: Some(FaultDelay {
                    fixed_delay: Some(Duration::from_millis(1)),
                    percent: Some(100),
                    ..FaultDelay::default()
                }),
                abort: Some(FaultAbort {
                    grpc_status: Some("NOT_FOUND".into()),
                    percentage: Some(percent(0.0)),
                    ..FaultAbort::default()
                }),
            }),
            mirrors: vec![
                HttpMirror { destination: to("a"), percentage: Some(percent(1.0)) },
                HttpMirror { destination: to("b"), percentage: None },
            ],
            ..HttpRoute::default()
        },
    ]
}

fn answer(path: &str, status: u32, body: HttpBody) -> HttpRoute {
    HttpRoute {
        matches: at(exact(path)),
        direct_response: Some(HttpDirectResponse { status: Some(status), body: Some(body) }),
        ..HttpRoute::default()
    }
}

#[test]
fn every_field_in_every_version() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        assert_eq!(read(&file(version, EVERYTHING), &["RS16", "RS120"]), everything(), "{version}");
    }
}

#[test]
fn what_is_older_or_acts_nowhere_is_said_and_nothing_else() {
    let parsed = parse_file("a.yaml", &file("v1", EVERYTHING));
    let seen: Vec<_> = parsed.findings.iter().map(|finding| (finding.code, finding.path.as_str())).collect();
    let expected = [
        ("RS120", "spec.http[0].match[0].statPrefix"),
        ("RS16", "spec.http[0].mirrorPercent"),
        ("RS16", "spec.http[0].corsPolicy.allowOrigin"),
        ("RS16", "spec.http[6].fault.delay.percent"),
        ("RS120", "spec.tcp[0].match[0].sourceSubnet"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn every_field_in_snake_case_and_enums_by_number() {
    let spec = snake_case(EVERYTHING)
        .replace("derive_port: FROM_REQUEST_PORT", "derive_port: 1")
        .replace("unmatched_preflights: IGNORE", "unmatched_preflights: 2");
    for name in ["uri_regex_rewrite:", "per_try_timeout:", "destination_subnets:", "export_to:", "derive_port: 1"] {
        assert!(spec.contains(name), "{name}");
    }
    assert_eq!(read(&file("v1", &spec), &["RS16", "RS120"]), everything());
}

#[test]
fn a_delegate_has_no_hosts() {
    let spec = "\n  http:\n  - route:\n    - destination: {host: web}\n";
    assert_eq!(read(&file("v1", spec), &[]).hosts, [""; 0]);
    assert_eq!(read(&file("v1", &format!("\n  hosts: []{spec}")), &[]).hosts, [""; 0]);
}

#[test]
fn at_gateways_every_host_and_claims_are_allowed() {
    let spec = r#"
  hosts: ["*"]
  gateways: [edge, shop/edge]
  http:
  - match:
    - headers:
        "@request.auth.claims.sub": {exact: a}
        "@request.auth.claims[realm][role]": {exact: b}
    route:
    - destination: {host: "*.example.com"}
"#;
    assert_eq!(read(&file("v1", spec), &[]).http.len(), 1);
    let generated = r"
  hosts: [outbound_.80_._.web.shop.svc.cluster.local]
  gateways: [edge]
  tls:
  - match:
    - sniHosts: [outbound_.80_._.web.shop.svc.cluster.local]
    route:
    - destination: {host: web}
";
    assert_eq!(read(&file("v1", generated), &[]).tls.len(), 1);
}

#[test]
fn bodies_are_limited() {
    let findings = |kind: &str, text: &str| {
        let spec = format!(
            "\n  hosts: [web]\n  http:\n  - directResponse:\n      status: 200\n      body: {{{kind}: {text}}}\n"
        );
        let parsed = parse_file("a.yaml", &file("v1", &spec));
        parsed.findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect::<Vec<_>>()
    };
    let body = |bytes: usize| "x".repeat(bytes);
    assert_eq!(findings("string", &body(100 << 10)), [""; 0]);
    assert_eq!(
        findings("string", &body((100 << 10) + 1)),
        ["RS130 the body has 102401 bytes, every proxy must keep them"]
    );
    assert_eq!(findings("string", &body(1 << 20)).len(), 1);
    assert_eq!(
        findings("string", &body((1 << 20) + 1)),
        ["RS109 the body has 1048577 bytes, at most 1048576 are allowed"]
    );
    assert_eq!(findings("bytes", &"eHh4".repeat(34_133)), [""; 0]);
    assert_eq!(
        findings("bytes", &"eHh4".repeat(34_134)),
        ["RS130 the body has 102402 bytes, every proxy must keep them"]
    );
}

#[test]
fn regexes_are_limited() {
    let findings = |length: usize| {
        let regex = "x".repeat(length);
        let spec = format!(
            "\n  hosts: [web]\n  http:\n  - match:\n    - uri: {{regex: {regex}}}\n    route:\n    - destination: {{host: web}}\n"
        );
        parse_file("a.yaml", &file("v1", &spec)).findings
    };
    assert_eq!(findings(1024), []);
    let [finding] = &findings(1025)[..] else { panic!() };
    let expected = "a.yaml:10:20: error RS109 VirtualService/bookinfo/web spec.http[0].match[0].uri.regex: the regex has 1025 characters, at most 1024 are allowed";
    assert_eq!(finding.to_string(), expected);
}

#[test]
fn many_hosts_rules_and_names_are_compared_in_time() {
    let lines = |count: u32, line: fn(u32) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
    let hosts = lines(20_000, |n| format!("  - h{n}.a.b.c.d.e.f.example.com\n"));
    let matches = lines(5_000, |n| format!("    - uri: {{prefix: /{n}/}}\n"));
    let spec =
        format!("\n  hosts:\n{hosts}  http:\n  - match:\n{matches}    route:\n    - destination: {{host: web}}\n");
    assert_eq!(read(&file("v1", &spec), &[]).hosts.len(), 20_000);
}
