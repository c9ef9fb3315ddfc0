use super::*;
use crate::{
    analyze::table::{check, ground, object, process, told},
    finding::SEVERAL_POLICIES,
    tests::World,
};

#[test]
fn policies() {
    let policy = |namespace: &str, spec: &str| object("AuthorizationPolicy", namespace, "a", spec);
    let select = |app: &str| format!("{{selector: {{matchLabels: {{app: {app}}}}}}}");
    let ground = ground("shop", &["cart"]) + &process("yard", "rake", "");
    check(
        &[NO_WORKLOAD],
        &[
            ("one", ground.clone() + &policy("shop", &select("cart")), &[]),
            (
                "none",
                ground.clone() + &policy("shop", &select("crat")),
                &["20:18: warning IST0127 AuthorizationPolicy/shop/a spec.selector: its selector matches no \
                workload (compare it with the workloads' labels)"],
            ),
            (
                "one elsewhere",
                ground.clone() + &policy("shop", &select("rake")),
                &["20:18: warning IST0127 AuthorizationPolicy/shop/a spec.selector: its selector matches no \
                workload (compare it with the workloads' labels)"],
            ),
            (
                "outside of the mesh",
                ground.clone() + &policy("yard", &select("rake")),
                &["20:18: warning IST0127 AuthorizationPolicy/yard/a spec.selector: it applies to no workload \
                of the mesh: Process/yard/rake and its like are not enrolled (enrol them, or their \
                namespace)"],
            ),
            ("a whole namespace", ground.clone() + &policy("shop", "{}"), &[]),
            (
                "a whole namespace outside",
                ground.clone() + &policy("yard", "{}"),
                &["17:1: warning IST0127 AuthorizationPolicy/yard/a: it applies to no workload of the mesh: \
                Process/yard/rake and its like are not enrolled (enrol them, or their namespace)"],
            ),
            (
                "an empty namespace",
                ground.clone() + &policy("empty", "{selector: {}}"),
                &["17:1: warning IST0127 AuthorizationPolicy/empty/a: there is no workload in its namespace \
                (enrol the namespace, or remove the policy)"],
            ),
            ("whole mesh", policy("istio-system", "{}"), &[]),
            ("anywhere", ground.clone() + &policy("istio-system", &select("cart")), &[]),
            (
                "nowhere",
                ground.clone() + &policy("istio-system", &select("crat")),
                &["20:18: warning IST0127 AuthorizationPolicy/istio-system/a spec.selector: its selector \
                matches no workload (compare it with the workloads' labels)"],
            ),
            ("gateway", policy("istio-system", "{selector: {matchLabels: {istio: ingressgateway}}}"), &[]),
            (
                "a gateway of a namespace outside",
                ground.clone()
                    + &object("Process", "yard", "door labels: {app: door}", "{role: gateway}")
                    + &policy("yard", &select("door")),
                &[],
            ),
            ("attached", policy("shop", "{targetRefs: [{kind: Service, name: cart}]}"), &[]),
        ],
    );
    let mut world = World::of(&(ground + &policy("shop", &select("once"))));
    assert_eq!(told(&mut world, &[NO_WORKLOAD]).len(), 1);
    world.run("shop", "once", 0).labels.insert("app".into(), "once".into());
    assert!(told(&mut world, &[NO_WORKLOAD]).is_empty(), "what runs counts");
}

#[test]
fn peer_authentications_of_nobody() {
    let ground = ground("shop", &["cart"]) + &process("yard", "rake", "");
    let strict = |namespace: &str, spec: &str| object("PeerAuthentication", namespace, "a", spec);
    check(
        &[NO_PEER],
        &[
            ("in the mesh", ground.clone() + &strict("shop", "{mtls: {mode: STRICT}}"), &[]),
            ("whole mesh", ground.clone() + &strict("istio-system", "{mtls: {mode: STRICT}}"), &[]),
            (
                "a gateway",
                ground.clone()
                    + &object("Process", "yard", "door labels: {app: door}", "{role: gateway}")
                    + &strict("yard", "{selector: {matchLabels: {app: door}}, mtls: {mode: STRICT}}"),
                &["25:18: warning RS239 PeerAuthentication/yard/a spec.selector: it applies to no workload of the \
                mesh: Process/yard/door and its like are not enrolled (enrol them, or their namespace)"],
            ),
            (
                "a namespace outside",
                ground.clone() + &strict("yard", "{mtls: {mode: STRICT}}"),
                &["17:1: warning RS239 PeerAuthentication/yard/a: it applies to no workload of the mesh: \
                Process/yard/rake and its like are not enrolled (enrol them, or their namespace)"],
            ),
            (
                "a selector that nobody matches",
                ground + &strict("shop", "{selector: {matchLabels: {app: crat}}, mtls: {mode: STRICT}}"),
                &["20:18: warning RS239 PeerAuthentication/shop/a spec.selector: its selector matches no workload \
                (compare it with the workloads' labels)"],
            ),
        ],
    );
}

#[test]
fn namespaces() {
    let policy = |source: &str| {
        let spec =
            format!("{{rules: [{{}}, {{from: [{{source: {{ipBlocks: [10.0.0.1]}}}}, {{source: {{{source}}}}}]}}]}}");
        ground("shop", &["cart"])
            + &process("back-yard", "rake", "")
            + &object("AuthorizationPolicy", "shop", "a", &spec)
    };
    check(
        &[NOT_FOUND],
        &[
            ("known", policy("namespaces: [shop, back-yard, istio-system], notNamespaces: [back-yard]"), &[]),
            (
                "unknown",
                policy("namespaces: [shop, yard], notNamespaces: [front]"),
                &[
                    "20:91: error IST0101 AuthorizationPolicy/shop/a spec.rules[1].from[1].source.namespaces[1]: \
                there is no namespace \"yard\" (is it misspelt, or still to come?)",
                    "20:114: error IST0101 AuthorizationPolicy/shop/a \
                spec.rules[1].from[1].source.notNamespaces[0]: there is no namespace \"front\" (is it \
                misspelt, or still to come?)",
                ],
            ),
            ("patterns", policy("namespaces: ['*', 'sh*', '*yard', 'b*-*d', '*o*']"), &[]),
            (
                "unknown patterns",
                policy("namespaces: ['yard*', '*back', 'b*d-*', 's*x*p']"),
                &[
                    "20:85: error IST0101 AuthorizationPolicy/shop/a spec.rules[1].from[1].source.namespaces[0]: \
                there is no namespace \"yard*\" (is it misspelt, or still to come?)",
                    "20:94: error IST0101 AuthorizationPolicy/shop/a spec.rules[1].from[1].source.namespaces[1]: \
                there is no namespace \"*back\" (is it misspelt, or still to come?)",
                    "20:103: error IST0101 AuthorizationPolicy/shop/a \
                spec.rules[1].from[1].source.namespaces[2]: there is no namespace \"b*d-*\" (is it \
                misspelt, or still to come?)",
                    "20:112: error IST0101 AuthorizationPolicy/shop/a \
                spec.rules[1].from[1].source.namespaces[3]: there is no namespace \"s*x*p\" (is it \
                misspelt, or still to come?)",
                ],
            ),
        ],
    );
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("*", "a", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*a", "a", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "axbxc", true),
        ("a*b*c", "acb", false),
        ("a*bc*c", "abc", false),
        ("**", "", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

const TRACING: &str = "tracing: [{randomSamplingPercentage: 1}]";

const SIDECAR: &str = "egress: [{hosts: ['./*']}]";

fn sidecar(name: &str, labels: &str) -> String {
    object("Sidecar", "shop", name, &format!("{{workloadSelector: {{labels: {{{labels}}}}}, {SIDECAR}}}"))
}

#[test]
fn sidecars() {
    let codes = &[NOT_FOUND, SIDECARS_OVERLAP, SEVERAL_SIDECARS, SIDECAR_ON_AMBIENT];
    let injected = object("Namespace", "", "shop labels: {istio-injection: enabled}", "");
    let ground = injected + &process("shop", "cart", "") + &process("shop", "pay", "");
    let general = |namespace: &str, name: &str| object("Sidecar", namespace, name, &format!("{{{SIDECAR}}}"));
    check(
        codes,
        &[
            (
                "fine",
                ground.clone() + &sidecar("a", "app: cart") + &sidecar("b", "app: pay") + &general("shop", "c"),
                &[],
            ),
            (
                "nobody",
                ground.clone() + &sidecar("a", "app: crat"),
                &["20:26: error IST0101 Sidecar/shop/a spec.workloadSelector: no workload of namespace shop \
                has these labels (compare them with the workloads' labels)"],
            ),
            (
                "same selector",
                ground.clone() + &sidecar("b", "app: cart") + &sidecar("a", "app: cart"),
                &[
                    "20:26: error IST0110 Sidecar/shop/b spec.workloadSelector: Process/shop/cart is selected by \
                others, too, which do not act there (let each workload be selected by one)",
                    "25:26: error IST0110 Sidecar/shop/a spec.workloadSelector: Process/shop/cart is selected by \
                Sidecar/shop/b, too, which is older and acts alone there (let each workload be selected by \
                one)",
                ],
            ),
            (
                "overlap",
                ground.clone() + &sidecar("a", "app: cart") + &sidecar("b", "version: v1"),
                &[
                    "20:26: error IST0110 Sidecar/shop/a spec.workloadSelector: Process/shop/cart is selected by \
                others, too, which do not act there (let each workload be selected by one)",
                    "25:26: error IST0110 Sidecar/shop/b spec.workloadSelector: Process/shop/cart is selected by \
                Sidecar/shop/a, too, which is older and acts alone there (let each workload be selected by \
                one)",
                ],
            ),
            (
                "several",
                ground.clone() + &general("shop", "b") + &general("shop", "a") + &general("yard", "c"),
                &[
                    "17:1: error IST0111 Sidecar/shop/b: others without selector in its namespace do not \
                act (merge them, or remove all but one)",
                    "22:1: error IST0111 Sidecar/shop/a: Sidecar/shop/b is the oldest without selector in its \
                namespace; this one has no effect (merge them, or remove all but one)",
                ],
            ),
        ],
    );
    let ambient = super::super::table::ground("shop", &["cart"]);
    check(
        codes,
        &[
            (
                "ambient",
                ambient.clone() + &sidecar("a", "app: cart"),
                &["15:26: warning IST0167 Sidecar/shop/a spec.workloadSelector: Process/shop/cart is ambient, \
                and Istio ignores Sidecars there (callers in Istio's ambient mode know everything that is \
                exported to them)"],
            ),
            (
                "ambient namespace",
                ambient + &general("shop", "a") + &general("yard", "a"),
                &["12:1: warning IST0167 Sidecar/shop/a: namespace shop is ambient, and Istio ignores Sidecars \
                there (callers in Istio's ambient mode know everything that is exported to them)"],
            ),
        ],
    );
}

#[test]
fn telemetries() {
    let codes = &[NOT_FOUND, TELEMETRIES_OVERLAP, SEVERAL_POLICIES];
    let telemetry =
        |namespace: &str, name: &str, more: &str| object("Telemetry", namespace, name, &format!("{{{more}{TRACING}}}"));
    let select =
        |name: &str, app: &str| telemetry("shop", name, &format!("selector: {{matchLabels: {{app: {app}}}}}, "));
    let attached = |name: &str| telemetry("shop", name, "targetRefs: [{kind: Service, name: cart}], ");
    let ground = ground("shop", &["cart", "pay"]);
    check(
        codes,
        &[
            ("fine", ground.clone() + &select("a", "cart") + &select("b", "pay") + &telemetry("shop", "c", ""), &[]),
            ("attached", attached("a") + &attached("b"), &[]),
            (
                "nobody",
                ground.clone() + &select("a", "crat"),
                &["20:18: error IST0101 Telemetry/shop/a spec.selector: no workload of namespace shop has \
                these labels (compare them with the workloads' labels)"],
            ),
            (
                "overlap",
                ground + &select("a", "cart") + &select("b", "cart"),
                &[
                    "20:18: error IST0159 Telemetry/shop/a spec.selector: Process/shop/cart is selected by \
                others, too, which do not act there (let each workload be selected by one)",
                    "25:18: error IST0159 Telemetry/shop/b spec.selector: Process/shop/cart is selected by \
                Telemetry/shop/a, too, which is older and acts alone there (let each workload be selected \
                by one)",
                ],
            ),
            (
                "several",
                telemetry("shop", "b", "") + &telemetry("shop", "a", "") + &telemetry("yard", "a", ""),
                &["7:1: warning RS13 Telemetry/shop/a: Telemetry/shop/b is the oldest without selector in its \
                namespace; this one has no effect (merge the two, or remove one)"],
            ),
        ],
    );
}

#[test]
fn of_one_age_the_first_by_name_acts() {
    let sidecar = |name: &str, spec: &str| object("Sidecar", "shop", name, spec);
    let selecting = "{workloadSelector: {labels: {app: cart}}, egress: [{hosts: ['./*']}]}";
    let general = "{egress: [{hosts: ['./*']}]}";
    let text = process("shop", "cart", "")
        + &sidecar("b", selecting)
        + &sidecar("a", selecting)
        + &sidecar("d", general)
        + &sidecar("c", general)
        + &object("Telemetry", "shop", "b", &format!("{{{TRACING}}}"))
        + &object("Telemetry", "shop", "a", &format!("{{{TRACING}}}"))
        + &object("PeerAuthentication", "shop", "b", "{mtls: {mode: STRICT}}")
        + &object("PeerAuthentication", "shop", "a", "{mtls: {mode: STRICT}}");
    let mut world = World::of(&text);
    let same_age = |declared: &Declared| Declared { created: 1, ..declared.clone() };
    world.objects = world.objects.iter().map(|(id, declared)| (id.clone(), same_age(declared))).collect();
    let told = told(&mut world, &[SIDECARS_OVERLAP, SEVERAL_SIDECARS, SEVERAL_POLICIES]);
    let without_places: Vec<&str> = told.iter().filter_map(|line| line.split_once(' ')).map(|(_, text)| text).collect();
    assert_eq!(
        without_places,
        [
            "error IST0110 Sidecar/shop/b spec.workloadSelector: Process/shop/cart is selected by Sidecar/shop/a, too, \
             which is the first by name and acts alone there (let each workload be selected by one)",
            "error IST0110 Sidecar/shop/a spec.workloadSelector: Process/shop/cart is selected by others, too, which do \
             not act there (let each workload be selected by one)",
            "error IST0111 Sidecar/shop/d: Sidecar/shop/c is the first by name without selector in its namespace; this \
             one has no effect (merge them, or remove all but one)",
            "error IST0111 Sidecar/shop/c: others without selector in its namespace do not act (merge them, or remove \
             all but one)",
            "warning RS13 Telemetry/shop/b: Telemetry/shop/a is the first by name without selector in its namespace; \
             this one has no effect (merge the two, or remove one)",
            "warning RS13 PeerAuthentication/shop/b: PeerAuthentication/shop/a is the first by name without selector \
             in its namespace; this one has no effect (merge the two, or remove one)",
        ]
    );
}
