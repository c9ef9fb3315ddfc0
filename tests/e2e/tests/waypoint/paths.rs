//! Paths that are written in many ways: at a waypoint, routes and policies take each for the same.

use std::fmt::Write as _;

use super::*;

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

/// What becomes of each path, by both versions of HTTP: a version of `web`, or a status.
fn met(world: &World, namespace: &str) -> Result<Vec<String>> {
    let mut script =
        String::from("ask() { curl -s -m 20 --path-as-is -w ' %{http_code}' \"$@\" | tr -d '\\n'; echo; }\n");
    for path in PATHS {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let _ = writeln!(script, "ask {version} 'http://web.shop{path}'");
        }
    }
    let told = world.shell(namespace, &script)?;
    let met = told.lines().map(|line| {
        let name = ["web-v1", "web-v2"].into_iter().find(|name| line.contains(&format!("\"name\":\"{name}\"")));
        name.unwrap_or_else(|| line.rsplit(' ').next().unwrap_or_default()).to_owned()
    });
    let met: Vec<String> = met.collect();
    ensure!(met.len() == 2 * PATHS.len(), "{told}");
    Ok(met)
}

#[test]
fn routes_and_policies_agree_about_them() -> Result<()> {
    with_waypoint()?.tell(|world| {
        let rules = routes(
            "  - match: [{uri: {prefix: /admin}}]\n    route: [{destination: {host: web, subset: v2}}]\n  \
             - route: [{destination: {host: web, subset: v1}}]\n",
        );
        let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: keep, namespace: shop}\n\
                      spec:\n  targetRefs: [{kind: Service, group: '', name: web}]\n  action: DENY\n  rules:\n  \
                      - from: [{source: {principals: [cluster.local/ns/other/sa/default]}}]\n    \
                      to: [{operation: {paths: ['/admin*']}}]\n";
        applied(world, "rules.yaml", "kept", &format!("{rules}{policy}"))?;
        answers(world, "other", &format!("{WEB}admin"), &["RBAC: access denied", " 403"])?;
        for normalization in ["NONE", "BASE", "DECODE_AND_MERGE_SLASHES"] {
            let mesh = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\n\
                 spec: {{meshConfig: {{accessLogFile: /dev/stdout, pathNormalization: {{normalization: {normalization}}}}}}}\n"
            );
            world.write("mesh.yaml", &mesh)?;
            world.settle()?;
            // Who may do everything shows which route acts; who may not call what is below /admin is refused there and
            // nowhere else.
            let (routed, judged) = (met(world, "shop")?, met(world, "other")?);
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
