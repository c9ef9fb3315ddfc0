//! In which namespaces an object acts (`exportTo`), and whom a `ServiceEntry` means by a selector.

use anyhow::{Result, ensure};
use ripstop_e2e::{
    NODES, Talker,
    observe::{applied, fails, logged},
    reflect, service,
};
use ripstop_world::{SOON, World, wait_for};

/// Versions of a service in `shop`; callers there, and in `office`.
fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    for namespace in ["shop", "office"] {
        world.enrol(namespace, true)?;
    }
    world.settle()?;
    Ok(world)
}

/// What two requests from a namespace get: status and who answered; if there is no answer, how curl ended.
fn asked(world: &World, namespace: &str, url: &str) -> Result<[String; 2]> {
    let script = format!(
        "for i in 1 2; do curl -s -m 20 -o /dev/null -w '%{{http_code}} %header{{x-reflect-name}}' {url}; echo \" $?\"; done"
    );
    let output = world.run(namespace, &[], &script)?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok([lines.next().unwrap_or_default(), lines.next().unwrap_or_default()])
}

/// Both namespaces get what is expected of `url`: that of those who see it, or else the other.
fn expect(world: &World, mark: &str, url: &str, sees: [bool; 2], seeing: &str, other: &str) -> Result<()> {
    for (namespace, sees) in ["shop", "office"].into_iter().zip(sees) {
        let expected = if sees { seeing } else { other };
        let got = asked(world, namespace, url)?;
        ensure!(got == [expected, expected], "{mark}, {namespace}: {got:?}\n{}", world.story_so_far());
    }
    Ok(())
}

/// What `exportTo` may say, and whether the object's own namespace sees it, and the other one.
const SCOPES: [(&str, &str, [bool; 2]); 5] = [
    ("everywhere", "['*']", [true, true]),
    ("unsaid", "[]", [true, true]),
    ("at-home", "[.]", [true, false]),
    ("abroad", "[office]", [false, true]),
    ("both", "[., office]", [true, true]),
];

#[test]
fn a_virtual_service_acts_where_it_is_seen() -> Result<()> {
    world()?.tell(|world| {
        for (mark, scope, sees) in SCOPES {
            let routes = format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec: {{hosts: [web], exportTo: {scope}, http: [{{directResponse: {{status: 418}}}}]}}\n"
            );
            applied(world, "scope.yaml", mark, &routes)?;
            for (namespace, sees) in ["shop", "office"].into_iter().zip(sees) {
                let got = asked(world, namespace, "http://web.shop/")?;
                let expected = if sees { "418" } else { "200 web-v" };
                ensure!(got.iter().all(|got| got.starts_with(expected)), "{mark}, {namespace}: {got:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_destination_rule_acts_where_it_is_seen() -> Result<()> {
    world()?.tell(|world| {
        // Where the subset is not defined, there is nobody. As in Istio, rules always act in their own namespace.
        let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{route: [{destination: {host: web, subset: one}}]}]}\n";
        for (mark, scope, [_, abroad]) in SCOPES {
            let rule = format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, exportTo: {scope}, subsets: [{{name: one, labels: {{version: v1}}}}]}}\n---\n"
            );
            applied(world, "scope.yaml", mark, &(rule + routes))?;
            expect(world, mark, "http://web.shop/", [true, abroad], "200 web-v1 0", "503 0")?;
        }
        Ok(())
    })
}

#[test]
fn the_mesh_says_who_sees_what_does_not_say_it_itself() -> Result<()> {
    world()?.tell(|world| {
        let mesh = |mark: &str, setting: &str| {
            let text = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{{setting}}}}}\n"
            );
            applied(world, "mesh.yaml", mark, &text)
        };
        let routes = |rule: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec: {{hosts: [web], http: [{rule}]}}\n"
            )
        };
        let url = "http://web.shop/";
        applied(world, "scope.yaml", "routes", &routes("{directResponse: {status: 418}}"))?;
        mesh("routes-at-home", "defaultVirtualServiceExportTo: ['.']")?;
        let (home, abroad) = (asked(world, "shop", url)?, asked(world, "office", url)?);
        ensure!(home == ["418 0", "418 0"], "{home:?}");
        ensure!(abroad.iter().all(|got| got.starts_with("200 web-v")), "{abroad:?}");

        let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: one, labels: {version: v1}}]}\n---\n";
        let to_subset = rule.to_owned() + &routes("{route: [{destination: {host: web, subset: one}}]}");
        applied(world, "scope.yaml", "rules", &to_subset)?;
        mesh("rules-at-home", "defaultDestinationRuleExportTo: ['.']")?;
        expect(world, "rules", url, [true, false], "200 web-v1 0", "503 0")?;

        // curl's 6: no such name.
        let own = "http://own.example/";
        applied(world, "entry.yaml", "entry", &entry("[]", "version: v2", ""))?;
        mesh("hosts-at-home", "defaultServiceExportTo: ['.']")?;
        expect(world, "hosts", own, [true, false], "200 web-v2 0", "000 6")?;
        mesh("all-unsaid", "")?;
        expect(world, "unsaid", own, [true, true], "200 web-v2 0", "")?;
        expect(world, "unsaid", url, [true, true], "200 web-v1 0", "")
    })
}

fn entry(scope: &str, selected: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: own, namespace: shop}}
spec:
  hosts: [own.example]
  exportTo: {scope}
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {{labels: {{{selected}}}}}
{more}"
    )
}

#[test]
fn a_service_entry_is_known_where_it_is_seen() -> Result<()> {
    world()?.tell(|world| {
        for (mark, scope, sees) in SCOPES {
            applied(world, "scope.yaml", mark, &entry(scope, "version: v2", ""))?;
            // curl's 6: no such name.
            expect(world, mark, "http://own.example/", sees, "200 web-v2 0", "000 6")?;
        }
        Ok(())
    })
}

#[test]
fn the_mesh_says_who_sees_hosts_and_which_namespaces_there_are() -> Result<()> {
    world()?.tell(|world| {
        let mesh = |mark: &str, config: &str| {
            let text = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{{config}}}}}\n"
            );
            applied(world, "mesh.yaml", mark, &text)
        };
        applied(world, "scope.yaml", "everybody", &entry("['*']", "version: v2", ""))?;
        let own = "http://own.example/";
        for (mark, visibility, sees) in
            [("public", "PUBLIC", [true, true]), ("own", "NAMESPACE", [true, false]), ("none", "NONE", [false, false])]
        {
            mesh(mark, &format!("serviceEntryVisibility: {{defaultVisibility: {visibility}}}"))?;
            expect(world, mark, own, sees, "200 web-v2 0", "000 6")?;
        }
        let namespaces = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}";
        mesh(
            "granted",
            &format!("serviceEntryVisibility: {{defaultVisibility: NONE, policies: [{{visibility: PUBLIC, matchingRules: [{{{namespaces}}}]}}]}}"),
        )?;
        expect(world, "granted", own, [true, true], "200 web-v2 0", "")?;

        // What marks the end of a change stands there.
        let named = "{matchLabels: {kubernetes.io/metadata.name: default}}";
        // A namespace that is not looked at: its services and hosts are gone, its workloads are not in the mesh.
        let state = || -> Result<String> { Ok(world.get("shop", "web-v1-0")?["mesh"]["state"].to_string()) };
        ensure!(state()? == "\"CAPTURED\"", "{}", state()?);
        mesh("office", &format!("discoverySelectors: [{named}, {{matchLabels: {{kubernetes.io/metadata.name: office}}}}]"))?;
        for url in [own, "http://web.shop/"] {
            let got = asked(world, "office", url)?;
            ensure!(got == ["000 6", "000 6"], "{url}: {got:?}\n{}", world.story_so_far());
        }
        wait_for("the workloads to leave the mesh", SOON, || Ok((state()? == "\"NONE\"").then_some(())))?;
        ensure!(world.cli(&["get", "findings"])?.contains("RS260"), "nobody is told");
        let both = "{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop, office]}]}";
        mesh("all", &format!("discoverySelectors: [{named}, {both}]"))?;
        wait_for("the workloads to come back", SOON, || Ok((state()? == "\"CAPTURED\"").then_some(())))?;
        world.settle()?;
        expect(world, "all", own, [true, true], "200 web-v2 0", "")
    })
}

#[test]
fn a_selector_means_workloads_and_entries_of_its_namespace() -> Result<()> {
    world()?.tell(|world| {
        let both = [true, true];
        applied(world, "entry.yaml", "workloads", &entry("['*']", "app: web, version: v1", ""))?;
        expect(world, "workloads", "http://own.example/", both, "200 web-v1 0", "")?;
        applied(world, "entry.yaml", "nobody", &entry("['*']", "app: nobody", ""))?;
        expect(world, "nobody", "http://own.example/", both, "503 0", "")?;

        // Addresses that are written down, with labels.
        let ip = world.get("shop", "web-v2-0")?["addresses"][0].as_str().unwrap_or_default().to_owned();
        let written = |namespace: &str| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: written, namespace: {namespace}}}\nspec: {{address: {ip}, labels: {{app: written}}}}\n"
            )
        };
        applied(world, "entry.yaml", "written", &entry("['*']", "app: written", &written("shop")))?;
        expect(world, "written", "http://own.example/", both, "200 web-v2 0", "")?;
        applied(world, "entry.yaml", "elsewhere", &entry("['*']", "app: written", &written("office")))?;
        expect(world, "written elsewhere", "http://own.example/", both, "503 0", "")
    })
}

/// What a curl of the scoped caller, and of an ambient one, gets: status and how curl ended.
fn got(world: &World, label: &str, url: &str) -> Result<String> {
    let script = format!("curl -s -m 20 -o /dev/null -w '%{{http_code}}' {url}; echo \" $?\"");
    let output = world.run("office", &[label], &script)?;
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // A reset comes while curl connects, sends or reads.
    Ok(if ["000 7", "000 55"].contains(&told.as_str()) { "000 56".to_owned() } else { told })
}

#[test]
fn a_sidecar_limits_what_injected_workloads_know() -> Result<()> {
    let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{directResponse: {status: 418}}]}\n";
    let sidecar = |spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: known, namespace: office}}\nspec: {spec}\n"
        )
    };
    world()?.tell(|world| {
        let url = "http://web.shop/";
        // Its labels ask for a sidecar.
        let mut caller = Talker::start(world, "office", &["--label", "sidecar.istio.io/inject=true"])?;
        applied(world, "routes.yaml", "routes", routes)?;
        let only = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}";
        let web = "'shop/web.shop.svc.cluster.local'";
        // What it says, what an injected caller gets, and what an explanation of that says.
        let cases = [
            ("all", format!("{{egress: [{{hosts: ['*/*']}}], {only}}}"), "418 0", "ANSWERED"),
            ("named", format!("{{egress: [{{hosts: [{web}]}}], {only}}}"), "418 0", "ANSWERED"),
            ("elsewhere", "{egress: [{hosts: ['./*']}]}".into(), "200 0", "ALLOWED"),
            ("elsewhere-only", format!("{{egress: [{{hosts: ['./*']}}], {only}}}"), "000 56", "NOT ROUTED"),
            ("taken-away", format!("{{egress: [{{hosts: ['*/*', '~shop/*']}}], {only}}}"), "000 56", "NOT ROUTED"),
            (
                "by-port",
                format!(
                    "{{egress: [{{port: {{number: 80, protocol: HTTP, name: http}}, hosts: [{web}]}}, {{hosts: ['./*']}}], {only}}}"
                ),
                "418 0",
                "ANSWERED",
            ),
            (
                "by-other-port",
                format!(
                    "{{egress: [{{port: {{number: 81, protocol: HTTP, name: http}}, hosts: [{web}]}}, {{hosts: ['./*']}}], {only}}}"
                ),
                "000 56",
                "NOT ROUTED",
            ),
            (
                "of-others",
                format!("{{workloadSelector: {{labels: {{app: other}}}}, egress: [{{hosts: ['./*']}}], {only}}}"),
                "418 0",
                "ANSWERED",
            ),
        ];
        for (mark, spec, injected, verdict) in cases {
            applied(world, "sidecar.yaml", mark, &sidecar(&spec))?;
            let seen = got(world, "sidecar.istio.io/inject=true", url)?;
            ensure!(seen == injected, "{mark}: {seen}, not {injected}\n{}", world.story_so_far());
            // Those who ask for none have no such limits.
            let ambient = got(world, "app=ambient", url)?;
            ensure!(ambient == "418 0", "{mark}, ambient: {ambient}\n{}", world.story_so_far());
            let from = format!("office/{}", caller.name);
            let explained = world.try_cli(&["explain", "--from", &from, "--to", "web.shop:80", "--path", "/"])?;
            let text = String::from_utf8_lossy(&explained.stdout).into_owned();
            ensure!(text.starts_with(verdict), "{mark}: {text}");
        }
        // Connections alike, with a word about it.
        applied(world, "sidecar.yaml", "tcp", &sidecar(&format!("{{egress: [{{hosts: ['./*']}}], {only}}}")))?;
        fails(world, &mut caller, "dial refused web.shop 80", "ConnectionResetError")?;
        let sidecar = format!("sidecar-office.{}", caller.name);
        logged(world, &sidecar, &["whom the caller knows", "REGISTRY_ONLY"])?;
        world.remove("sidecar.yaml")?;
        Ok(())
    })
}
