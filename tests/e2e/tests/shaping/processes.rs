//! What a `Process` says of itself.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, curl::shares, reflect, service, shop::routes};
use ripstop_world::{SOON, World, wait_for};

/// The service finds their port by its name, and those that are not ready get nothing.
#[test]
fn its_port_is_found_by_name_and_it_gets_requests_once_it_is_ready() -> Result<()> {
    let by_name = service("web", "shop", "http").replace("targetPort: 8080", "targetPort: http");
    let files = [
        ("nodes.yaml", NODES),
        ("service.yaml", &by_name),
        ("v1.yaml", &reflect("web", "v1", "shop", "west")),
        ("v2.yaml", &reflect("web", "v2", "shop", "east")),
        // Each request is led for itself.
        ("routes.yaml", &routes("  - route: [{destination: {host: web}}]\n")),
    ];
    World::start(&files)?.tell(|world| {
        world.enrol("shop", true)?;
        world.settle()?;
        let well = reflect("web", "v3", "shop", "west");
        // Nobody listens there.
        world.write("v3.yaml", &well.replace("tcpSocket: {port: http}", "tcpSocket: {port: 8099}"))?;
        let row = wait_for("it to run", SOON, || {
            Ok(world.get("shop", "web-v3-0").ok().filter(|row| row["mesh"]["state"] == "CAPTURED"))
        })
        .with_context(|| world.story_so_far())?;
        world.settle()?;
        ensure!(row["ready"] == false, "{row}");
        let names = shares(world, "", 40)?;
        ensure!(names.keys().eq(["web-v1", "web-v2"]), "{names:?}\n{}", world.story_so_far());

        world.write("v3.yaml", &well)?;
        wait_for("it to get requests", SOON, || Ok(shares(world, "", 20)?.contains_key("web-v3").then_some(())))
            .with_context(|| world.story_so_far())
    })
}
