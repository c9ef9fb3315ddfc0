//! Questions and their answers: worlds in YAML, and rows of what is asked and what is said.

use std::{sync::Arc, time::Instant};

use ripstop_api::parse_file;
use ripstop_compile::{Declared, Objects};
use ripstop_explain::{Error, Explanation, Question, Verdict, World, explain, offline};

/// Two namespaces in the mesh: `shop` with two versions of `reviews`, `bank` with `ledger` and `db`.
const GROUND: &str = include_str!("questions/ground.yaml");

fn world(yaml: &str) -> World {
    let mut objects = Objects::new();
    for (index, (file, text)) in [("ground.yaml", GROUND), ("world.yaml", yaml)].into_iter().enumerate() {
        let parsed = parse_file(file, text);
        assert!(parsed.broken.is_empty() && !parsed.unreadable, "{:#?}", parsed.findings);
        for (age, object) in parsed.objects.into_iter().enumerate() {
            let created = (index * 100_000 + age) as u64 + 1;
            objects.insert(object.id.clone(), Declared { object: Arc::new(object), created, generation: 1 });
        }
    }
    offline::world(&objects).0
}

/// A question from words: `from=… to=… via=… GET /path host=… h:name=value plaintext tcp`.
fn question(text: &str) -> Question {
    let mut question = Question::default();
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("plaintext", _) => question.plaintext = true,
            ("tcp", _) => question.protocol = "tcp".into(),
            (path, _) if path.starts_with('/') => question.path = word.into(),
            _ if word.starts_with("via=") => question.via = word["via=".len()..].into(),
            ("from", value) => question.from = value.into(),
            ("to", value) => question.to = value.into(),
            ("host", value) => question.authority = value.into(),
            ("sni", value) => question.sni = value.into(),
            (key, value) if key.starts_with("h:") => question.headers.push((key["h:".len()..].into(), value.into())),
            (key, value) if key.starts_with("claim:") => {
                question.claims.push((key["claim:".len()..].into(), value.into()));
            }
            (method, _) => question.method = method.into(),
        }
    }
    question
}

fn ask(world: &World, text: &str) -> Explanation {
    explain(world, &question(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A row: question, verdict and status, and texts that the summary contains.
fn rows(world: &World, rows: &[(&str, Verdict, u8, &[&str])]) {
    for (text, verdict, status, parts) in rows {
        let told = ask(world, text);
        assert_eq!(told.verdict, *verdict, "{text}: {}", told.summary);
        assert_eq!(told.exit_status(), *status, "{text}: {}", told.summary);
        for part in *parts {
            assert!(told.summary.contains(part), "{text}: {:?} is not in {:?}", part, told.summary);
        }
        turned(world, text, &told);
    }
}

/// What is shown as turning the verdict does so when it is asked.
fn turned(world: &World, text: &str, told: &Explanation) -> bool {
    let Some(flip) = &told.flip else { return false };
    let then = explain(world, &flip.question).unwrap_or_else(|error| panic!("{text}: {flip:?}: {error}"));
    assert!(flip.verdict.starts_with(&then.verdict.to_string()), "{text}: {flip:?} is {}", then.verdict);
    assert!(!flip.changes.is_empty(), "{text}: {flip:?}");
    let turns = match told.verdict {
        Verdict::Allowed => then.verdict == Verdict::Denied,
        Verdict::Denied | Verdict::NotRouted => matches!(then.verdict, Verdict::Allowed | Verdict::Asks),
        Verdict::Mixed => then.verdict == Verdict::Allowed,
        Verdict::Asks => matches!(then.verdict, Verdict::Allowed | Verdict::Denied),
        Verdict::Answered | Verdict::NotJudged => false,
    };
    assert!(turns, "{text}: {} becomes {} by {:?}", told.verdict, then.verdict, flip.changes);
    if then.verdict == Verdict::Allowed {
        assert!(!then.endpoints.is_empty(), "{text}: {:?} leads to nobody", flip.changes);
    }
    let elsewhere = then.route.backends.iter().map(|backend| &backend.name).ne(told
        .route
        .backends
        .iter()
        .map(|backend| &backend.name));
    if elsewhere && !then.route.backends.is_empty() {
        assert!(then.route.backends.iter().all(|backend| flip.verdict.contains(&backend.name)), "{text}: {flip:?}");
    }
    true
}

const SPLIT: &str = include_str!("questions/split.yaml");
const GATEWAY: &str = include_str!("questions/gateway.yaml");
const INGRESS: &str = include_str!("questions/ingress.yaml");
const FAULTS: &str = include_str!("questions/faults.yaml");
const WANTS: &str = include_str!("questions/wants.yaml");
const HOPELESS: &str = include_str!("questions/hopeless.yaml");
const POLICIES: &str = include_str!("questions/policies.yaml");

#[test]
fn a_flip_turns_the_whole_verdict() {
    let world = world(SPLIT);
    // Only v1 denies /b: a path that v1 lets in turns all of it.
    let told = ask(&world, "from=shop/web to=reviews:80 GET /b/1");
    assert_eq!(told.verdict, Verdict::Mixed, "{}", told.summary);
    assert!(turned(&world, "mixed", &told), "{told:#?}");
    // Both deny /c, each with another way out: what one of them lets in is no answer.
    let told = ask(&world, "from=shop/web to=reviews:80 GET /c");
    assert_eq!(told.verdict, Verdict::Denied, "{}", told.summary);
    let flip = told.flip.clone().unwrap();
    assert!(turned(&world, "denied", &told), "{told:#?}");
    assert_ne!(flip.changes, ["use method PUT"], "v1 alone lets PUT in");
    // A path that is routed elsewhere says so.
    let told = ask(&world, "from=shop/web to=reviews:80 GET /moved/away");
    assert_eq!(told.verdict, Verdict::Denied, "{}", told.summary);
    assert!(turned(&world, "moved", &told), "{told:#?}");
}

#[test]
fn a_flip_is_found_in_bounded_time() {
    use std::fmt::Write as _;
    let mut yaml = String::new();
    for index in 0..40 {
        let _ = write!(
            yaml,
            "---\napiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata:\n  name: many-{index}\n  namespace: shop\n  labels: {{app: many}}\nspec:\n  node: east\n  command: [x]\n  ports:\n  - {{name: http, containerPort: 8080}}\n"
        );
    }
    yaml += "---\napiVersion: v1\nkind: Service\nmetadata: {name: many, namespace: shop}\nspec:\n  selector: {app: many}\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n";
    // Nothing that can be asked turns this: two conditions that exclude each other, and many values.
    yaml += "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: never, namespace: shop}\nspec:\n  selector: {matchLabels: {app: many}}\n  rules:\n  - to:\n    - operation:\n        ports: [\"9\"]\n        paths: [";
    let paths: Vec<String> = (0..40).map(|index| format!("/p{index}")).collect();
    yaml += &paths.join(", ");
    yaml += "]\n        methods: [GET, PUT, POST]\n";
    let world = world(&yaml);
    let before = Instant::now();
    let told = ask(&world, "from=shop/web to=many:80 GET /x");
    let took = before.elapsed();
    assert_eq!((told.verdict, &told.flip), (Verdict::Denied, &None), "{}", told.summary);
    assert_eq!(told.endpoints.iter().map(|endpoint| 1 + endpoint.alike.len()).sum::<usize>(), 40);
    // Far more than it takes without optimization, far less than a search for each endpoint.
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn a_rule_that_wants_much_is_told_as_a_whole() {
    let world = world(WANTS);
    let told = ask(&world, "from=shop/web to=ledger.bank:80 POST /x");
    assert_eq!(told.verdict, Verdict::Denied, "{}", told.summary);
    assert!(turned(&world, "much", &told), "{told:#?}");
    let changes = told.flip.unwrap().changes;
    assert_eq!(changes.len(), 5, "{changes:?}");
}

#[test]
fn a_hopeless_search_ends() {
    let world = world(
        &HOPELESS
            .replace("PATHS", &(0..60).map(|index| format!("/p{index}")).collect::<Vec<_>>().join(", "))
            .replace("HEADERS", &(0..60).map(|index| format!("v{index}")).collect::<Vec<_>>().join(", "))
            .replace(
                "USERS",
                &(0..30).map(|index| format!("cluster.local/ns/n{index}/sa/x")).collect::<Vec<_>>().join(", "),
            ),
    );
    let before = Instant::now();
    let told = ask(&world, "from=shop/web to=ledger.bank:80 POST /x");
    assert_eq!((told.verdict, &told.flip), (Verdict::Denied, &None), "{}", told.summary);
    assert!(before.elapsed().as_secs() < 20, "{:?}", before.elapsed());
}

#[test]
fn what_nobody_has_is_not_routed() {
    let world = world("");
    rows(
        &world,
        &[
            ("from=shop/web to=reviews:81 GET /", Verdict::NotRouted, 4, &["has no port 81", "80 (http)"]),
            ("from=shop/web to=reviews:81", Verdict::NotRouted, 4, &["has no port 81"]),
            ("from=shop/web to=nosuch:80 GET /", Verdict::NotRouted, 4, &["no service has the name nosuch"]),
            ("from=shop/web to=reveiws:80 GET /", Verdict::NotRouted, 4, &["did you mean reviews?"]),
            ("from=shop/web to=ledger:80 GET /", Verdict::NotRouted, 4, &["did you mean ledger.bank?"]),
            ("from=shop/web to=reviews.nowhere:80 GET /", Verdict::NotRouted, 4, &["did you mean reviews?"]),
            ("from=shop/web to=nosuch.bank:80 GET /", Verdict::NotRouted, 4, &["namespace bank has no service nosuch"]),
            ("from=shop/web to=x.bank.svc.cluster.local:80", Verdict::NotRouted, 4, &["no service has the name"]),
            ("from=shop/web to=www.example.com:443 sni=www.example.com", Verdict::Allowed, 0, &["public DNS"]),
            ("from=shop/web to=reviews.com:80 GET /", Verdict::Allowed, 0, &["public DNS"]),
            ("from=shop/web to=192.0.2.7:80 tcp", Verdict::Allowed, 0, &["leaves the mesh", "192.0.2.7"]),
            // A workload's name stands for its address.
            ("from=shop/web to=reviews-v1:8080 GET /", Verdict::Allowed, 0, &["allowed"]),
        ],
    );
    for bad in ["..:80", "[::1:80", "a..b:80", "-:99999", "10.0.0.300:80", "we/b:80", "*.x:80", "reviews", ":80"] {
        let question = Question { from: "shop/web".into(), to: bad.into(), ..Question::default() };
        let error = explain(&world, &question).map(|told| told.summary).unwrap_err();
        assert!(matches!(error, Error::Host(_) | Error::Destination(_)), "{bad}: {error}");
    }
    let told = ask(&world, "from=shop/web to=reviews:81 GET /");
    assert_eq!(told.flip.unwrap().changes, ["call port 80"]);
    let told = ask(&world, "from=shop/web to=reveiws:80 GET /");
    assert_eq!(told.flip.unwrap().question.to, "reviews:80");
}

#[test]
fn hosts_without_dots_may_be_declared() {
    let entry = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: legacy, namespace: shop}
spec:
  hosts: [legacy]
  ports:
  - {number: 80, name: http, protocol: HTTP}
  resolution: STATIC
  endpoints:
  - address: 192.0.2.9
";
    let told = ask(&world(entry), "from=shop/web to=legacy:80 GET /");
    assert_eq!((told.verdict, told.exit_status()), (Verdict::Allowed, 0), "{}", told.summary);
    assert_eq!(told.route.backends[0].name, "legacy:80");
}

#[test]
fn a_gateway_decides_first() {
    let own = format!("{GATEWAY}---\n{INGRESS}");
    for (yaml, via, ledger) in [
        // The default one, which that policy does not name; the one that it names; and one that nobody has.
        (GATEWAY, "gateway", (Verdict::Denied, 3)),
        (&*own, "gateway", (Verdict::Allowed, 0)),
        (GATEWAY, "gateway:istio=ingressgateway,app=nobody", (Verdict::NotJudged, 5)),
    ] {
        let world = world(yaml);
        let at = |rest: &str| format!("via={via} {rest}");
        rows(
            &world,
            &[
                (&at("to=:80 host=shop.example GET /b/1"), Verdict::Denied, 3, &["at the gateway", "edge"]),
                (&at("to=:80 host=shop.example GET /a/1"), ledger.0, ledger.1, &[]),
                // Nobody looks at the gateway's identity there.
                (&at("to=:80 host=shop.example GET /open"), Verdict::Allowed, 0, &[]),
                (&at("to=:80 host=shop.example GET /nowhere"), Verdict::NotRouted, 4, &["404"]),
                (&at("to=:81 host=shop.example GET /a"), Verdict::NotRouted, 4, &["no listener"]),
            ],
        );
        // What is not denied there must also be routed.
        let told = ask(&world, &at("to=:80 host=shop.example GET /b/1"));
        assert!(turned(&world, "gateway", &told), "{told:#?}");
        let told = ask(&world, &at("to=:80 host=shop.example GET /nowhere"));
        let steps = told.route.steps.join("\n");
        assert!(steps.contains("spec.servers[0]") && steps.contains("takes it"), "{steps}");
        assert_eq!(steps.matches("does not match").count(), 2, "{steps}");
        assert!(told.flip.is_some_and(|flip| flip.changes.len() == 1));
    }
}

/// A `Gateway` and its routes are all that is pasted: what a mesh makes for them by itself is there as if it ran.
#[test]
fn the_default_gateway_is_there_where_one_is_selected() {
    const ACCOUNT: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";
    let lets_in = GATEWAY.replace("ns/edge/sa/ingress", "ns/istio-system/sa/istio-ingressgateway-service-account");
    let world = world(&lets_in);
    for via in ["gateway", "gateway:app=istio-ingressgateway", "gateway:istio-system/istio-ingressgateway"] {
        let told = ask(&world, &format!("via={via} to=:80 host=shop.example GET /a/1"));
        assert_eq!(told.verdict, Verdict::Allowed, "{via}: {}", told.summary);
        assert_eq!(told.gateway.as_ref().map(|gateway| &*gateway.name), Some("istio-system/istio-ingressgateway-0"));
        assert!(told.endpoints[0].transport.contains(ACCOUNT), "{via}: {:?}", told.endpoints[0]);
        assert!(!told.notes.iter().any(|note| note.contains("no workload has the labels")), "{:?}", told.notes);
    }
    // Where none is selected there is none.
    let other = self::world(&GATEWAY.replace("istio: ingressgateway", "istio: other"));
    let question = question("via=gateway:istio-system/istio-ingressgateway to=:80 host=shop.example GET /a/1");
    assert!(matches!(explain(&other, &question), Err(Error::UnknownWorkload { .. })));
}

#[test]
fn a_gateway_is_named_by_labels_or_name() {
    let world = world(&format!("{GATEWAY}---\n{INGRESS}"));
    for via in ["gateway", "gateway:edge/ingress", "gateway:istio=ingressgateway,app=ingress", "gateway:app=ingress"] {
        let told = ask(&world, &format!("via={via} to=:80 host=shop.example GET /a/1"));
        assert_eq!(told.verdict, Verdict::Allowed, "{via}: {}", told.summary);
        let transport = &told.endpoints[0].transport;
        assert!(transport.contains("spiffe://cluster.local/ns/edge/sa/ingress"), "{via}: {transport}");
        assert_eq!(told.gateway.unwrap().name, "edge/ingress-0");
    }
    for via in ["gateway:", "gateway:=x", "gateway:a=b,c", "somewhere"] {
        let question = Question { via: via.into(), to: ":80".into(), ..Question::default() };
        assert!(matches!(explain(&world, &question), Err(Error::Place(_))), "{via}");
    }
    let question = Question { via: "gateway:edge/nobody".into(), to: ":80".into(), ..Question::default() };
    assert!(matches!(explain(&world, &question), Err(Error::UnknownWorkload { .. })));
}

/// Clients of a gateway are whom proxies before it name, where those are trusted.
#[test]
fn a_gateway_believes_proxies_that_are_said_to_stand_before_it() {
    let campus = GATEWAY
        .replace("  - to:\n    - operation: {paths: [/b*]}", "  - from: [{source: {notRemoteIpBlocks: [192.0.2.8]}}]");
    let mesh = |topology: &str| {
        let mesh = format!(
            "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: \
             {{defaultConfig: {{gatewayTopology: {{{topology}}}}}}}}}"
        );
        world(&[&campus, INGRESS, &mesh].join("---\n"))
    };
    let asked = "via=gateway to=:80 host=shop.example GET /a/1";
    let hops = |hops: &str| format!("{asked} h:X-Forwarded-For={hops}");
    for (topology, hops, expected) in [
        ("numTrustedProxies: 2", hops("198.51.100.1,192.0.2.8,10.0.0.1"), Verdict::Allowed),
        ("numTrustedProxies: 2", hops("192.0.2.8,198.51.100.1,10.0.0.1"), Verdict::Denied),
        ("numTrustedProxies: 2", hops("192.0.2.8"), Verdict::Denied),
        ("", hops("192.0.2.8"), Verdict::Denied),
    ] {
        let told = ask(&mesh(topology), &hops);
        assert_eq!(told.verdict, expected, "{topology} {hops}: {}", told.summary);
    }
}

/// Whom a proxy names by the PROXY protocol is the client; where the proxy itself is, only the question says.
#[test]
fn a_gateway_knows_of_proxies_that_name_clients() {
    let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: \
                {defaultConfig: {gatewayTopology: {proxyProtocol: {}}}}}";
    let of = |rule: &str| {
        let campus = GATEWAY.replace("  - to:\n    - operation: {paths: [/b*]}", rule);
        world(&[&campus, INGRESS, mesh].join("---\n"))
    };
    let asked = |from: &str| question(&format!("via=gateway from={from} to=:80 host=shop.example GET /a/1"));
    let verdict = |world: &World, question: &Question| explain(world, question).unwrap().verdict;
    let by_client = of("  - from: [{source: {notRemoteIpBlocks: [192.0.2.8]}}]");
    assert_eq!(verdict(&by_client, &asked("192.0.2.8")), Verdict::Allowed);
    assert_eq!(verdict(&by_client, &asked("192.0.2.9")), Verdict::Denied);
    // What is not known is no way around a DENY.
    let by_proxy = of("  - from: [{source: {notIpBlocks: [192.0.2.8]}}]");
    assert_eq!(verdict(&by_proxy, &asked("192.0.2.8")), Verdict::Denied);
    let by_it = Question { source_ip: "192.0.2.8".into(), ..asked("198.51.100.1") };
    assert_eq!(verdict(&by_proxy, &by_it), Verdict::Allowed);
}

/// Where proxies that are trusted have ended TLS, nobody is sent to it once more.
#[test]
fn a_gateway_believes_trusted_proxies_that_tls_was_spoken() {
    let redirecting = GATEWAY.replace("protocol: HTTP}", "protocol: HTTP}\n    tls: {httpsRedirect: true}");
    assert_ne!(redirecting, GATEWAY);
    let mesh = |topology: &str| {
        let mesh = format!(
            "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: \
             {{defaultConfig: {{gatewayTopology: {{{topology}}}}}}}}}"
        );
        world(&[&redirecting, INGRESS, &mesh].join("---\n"))
    };
    for (topology, field, is_sent_on) in [
        ("numTrustedProxies: 1", "h:X-Forwarded-Proto=https", true),
        ("numTrustedProxies: 1", "h:X-Forwarded-Proto=http", false),
        ("numTrustedProxies: 1", "", false),
        ("", "h:X-Forwarded-Proto=https", false),
    ] {
        let told = ask(&mesh(topology), &format!("via=gateway to=:80 host=shop.example GET /a/1 {field}"));
        assert_eq!(told.verdict != Verdict::Answered, is_sent_on, "{topology} {field}: {}", told.summary);
    }
}

#[test]
fn faults_count() {
    rows(
        &world(FAULTS),
        &[
            ("from=shop/web to=reviews:80 GET /all", Verdict::Answered, 0, &["answered 503", "fault"]),
            ("from=shop/web to=reviews:80 GET /some", Verdict::Allowed, 0, &["10 % are answered 500"]),
            ("from=shop/web to=reviews:80 GET /slow", Verdict::Allowed, 0, &["50 % are delayed by 3s"]),
            // The caller's proxy answers before the callee could deny.
            ("from=shop/web to=ledger.bank:80 GET /all", Verdict::Answered, 0, &["answered 503"]),
        ],
    );
}

#[test]
fn files_tell_what_becomes_of_the_connection() {
    let world = world(POLICIES);
    assert!(!world.live);
    let told = ask(&world, "from=shop/web to=reviews:80 GET /reviews/1");
    assert_eq!(told.verdict, Verdict::Allowed, "{}", told.summary);
    let connection = told.connection.as_ref().expect("a connection");
    assert_eq!((connection.verdict.as_str(), told.exit_status()), ("allow", 0));
    let live = World { live: true, ..world.clone() };
    let running = ask(&live, "from=shop/web to=reviews:80 GET /reviews/1");
    assert_eq!((running.connection, running.verdict), (told.connection, told.verdict));
}

#[test]
fn every_flip_that_is_shown_turns_the_verdict() {
    let callers = ["", "shop/web", "bank/ledger", "192.0.2.1", "spiffe://cluster.local/ns/elsewhere/sa/x"];
    let calls = [
        "to=reviews:80",
        "to=reviews.shop:81",
        "to=reveiws.shop:80",
        "to=ledger.bank:80",
        "to=db.bank:5432 tcp",
        "to=reviews-v1:8080",
        "to=reviews.shop:80 tcp",
        "via=sidecar to=reviews.shop:80",
        "via=gateway to=:80 host=shop.example",
        "via=gateway to=:443 host=other.example",
        "via=waypoint to=reviews.shop:80 plaintext",
    ];
    let requests = ["", "GET /a", "POST /b/1", "GET /c", "DELETE /moved/x h:x-user=jason", "GET / claim:iss=me"];
    let (mut asked, mut shown) = (0, 0);
    let edge = format!("{GATEWAY}---\n{INGRESS}");
    for yaml in ["", SPLIT, GATEWAY, &edge, FAULTS, POLICIES, WANTS] {
        let world = world(yaml);
        for caller in callers {
            for call in calls {
                for request in requests {
                    let text = format!("from={caller} {call} {}", if call.contains("tcp") { "" } else { request });
                    let Ok(told) = explain(&world, &question(&text)) else { continue };
                    asked += 1;
                    shown += usize::from(turned(&world, &text, &told));
                }
            }
        }
    }
    assert!(asked > 1000 && shown > asked / 4, "{shown} flips of {asked} questions");
}
