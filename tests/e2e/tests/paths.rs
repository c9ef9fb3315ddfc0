//! Paths that are written in many ways: routes and policies take each for the same, in every role and by both versions of HTTP.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use ripstop_e2e::{
    observe::applied,
    reflect,
    role::Role,
    service,
    shop::{SUBSETS, routes},
};
use ripstop_world::{SOON, World, wait_for};

/// As clients may send them: with dots, escapes, parameters, doubled and turned slashes.
const PATHS: [&str; 24] = [
    "/",
    "/open",
    "/admin",
    "/admin/x",
    "/administrator",
    "/ADMIN/x",
    "/%61dmin/x",
    "/adm%69n",
    "/open/../admin/x",
    "/open/%2e%2e/admin/x",
    "/open/%2E./admin",
    "/admin/../open",
    "/admin/%2e%2e/open",
    "/./admin/x",
    "//admin/x",
    "/open//../admin",
    "/%2fadmin",
    "/admin%2f..%2fopen",
    "/open%2f..%2fadmin",
    "/admin;version=1/x",
    "/..;x=/admin",
    "/open/..;/admin",
    "/open%5c..%5cadmin",
    "/admin?x=/open",
];

/// Version 2 answers what is below `/admin`, and whoever says that he is somebody else may not ask for it.
const RULES: &str = "  - match: [{uri: {prefix: /admin}}]
    route: [{destination: {host: web, subset: v2}}]
  - route: [{destination: {host: web, subset: v1}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: keep, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: ['/admin*']}}], when: [{key: 'request.headers[x-who]', values: [other]}]}]
";

fn world(role: Role) -> Result<World> {
    let files = [
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "east")),
        ("v2.yaml", reflect("web", "v2", "shop", "west")),
        ("subsets.yaml", SUBSETS.to_owned()),
        ("rules.yaml", role.objects(&routes(RULES))),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    role.world(&files)
}

/// What becomes of each path, by both versions of HTTP: a version of `web`, or a status.
fn met(world: &World, role: Role, who: &str) -> Result<Vec<String>> {
    let mut script =
        String::from("ask() { curl -s -m 20 --path-as-is -w ' %{http_code}' \"$@\" | tr -d '\\n'; echo; }\n");
    for path in PATHS {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let _ = writeln!(script, "ask {version} -H 'x-who: {who}' {}", role.place("web", 80).curl(path));
        }
    }
    let told = role.shell(world, &script)?;
    let met = told.lines().map(|line| {
        let name = ["web-v1", "web-v2"].into_iter().find(|name| line.contains(&format!("\"name\":\"{name}\"")));
        name.unwrap_or_else(|| line.rsplit(' ').next().unwrap_or_default()).to_owned()
    });
    let met: Vec<String> = met.collect();
    ensure!(met.len() == 2 * PATHS.len(), "{told}");
    Ok(met)
}

fn routes_and_policies_agree(role: Role) -> Result<()> {
    world(role)?.tell(|world| {
        wait_for("the service to answer", SOON, || {
            let told = role.shell(world, &format!("curl -s -m 20 {}", role.place("web", 80).curl("/admin")))?;
            Ok(told.contains("\"name\":\"web-v2\"").then_some(()))
        })?;
        for normalization in ["NONE", "BASE", "DECODE_AND_MERGE_SLASHES"] {
            let mesh = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\n\
                 spec: {{meshConfig: {{pathNormalization: {{normalization: {normalization}}}}}}}\n"
            );
            applied(world, "mesh.yaml", &normalization.to_lowercase().replace('_', "-"), &mesh)?;
            // Who may do everything shows which route acts; who may not call what is below /admin is refused there and
            // nowhere else.
            let (routed, judged) = (met(world, role, "somebody")?, met(world, role, "other")?);
            let asked = PATHS.iter().flat_map(|path| [(path, "HTTP/1.1"), (path, "HTTP/2")]);
            for ((path, version), (routed, judged)) in asked.zip(routed.iter().zip(&judged)) {
                let expected = if routed == "web-v2" { "403" } else { routed.as_str() };
                ensure!(
                    judged == expected,
                    "{normalization}, {version} {path}: who may is led to {routed}, who may not to {judged}\n{}",
                    world.story_so_far()
                );
            }
            // What a path is does not hang on the version.
            for (path, both) in PATHS.iter().zip(routed.chunks(2)) {
                ensure!(both[0] == both[1], "{normalization}, {path}: {both:?}");
            }
            let admin = routed.iter().filter(|name| *name == "web-v2").count();
            ensure!(admin >= 8, "{normalization}: {routed:?}");
        }
        Ok(())
    })
}

#[test]
fn routes_and_policies_agree_at_nodes() -> Result<()> {
    routes_and_policies_agree(Role::Node)
}

#[test]
fn routes_and_policies_agree_at_sidecars() -> Result<()> {
    routes_and_policies_agree(Role::Sidecar)
}

#[test]
fn routes_and_policies_agree_at_a_waypoint() -> Result<()> {
    routes_and_policies_agree(Role::Waypoint)
}

#[test]
fn routes_and_policies_agree_at_a_gateway() -> Result<()> {
    routes_and_policies_agree(Role::Gateway)
}
