//! Memory of a node proxy, by the number of workloads.

use std::time::Duration;

use anyhow::{Context, Result};
use ripstop_world::{World, wait_for};

use crate::{rounds::settle, stage::proxy_of, task::WORKLOADS};

const NODE: &str = "crowded";
const NAMESPACE: &str = "crowd";
/// What the last of many workloads may take to start.
const CROWD: Duration = Duration::from_secs(120);

/// MiB resident, after a while without any traffic, with each of the numbers of workloads. The lesser first: what the
/// proxy once had of others would count.
pub(super) fn by_workloads(progress: impl Fn(&str), measured: &mut Vec<(u32, f64)>) -> Result<()> {
    let world = World::start(&[("nodes.yaml", &node()), ("crowd.yaml", &crowd(WORKLOADS[0]))])?;
    measure(&world, progress, measured).with_context(|| world.story_so_far())
}

fn measure(world: &World, progress: impl Fn(&str), measured: &mut Vec<(u32, f64)>) -> Result<()> {
    world.enrol(NAMESPACE, true)?;
    let proxy = proxy_of(world, NODE)?;
    for workloads in WORKLOADS {
        progress(&format!("the mesh itself: a node proxy with {workloads} workloads"));
        world.write("crowd.yaml", &crowd(workloads))?;
        wait_for(&format!("{workloads} workloads to be in the mesh"), CROWD, || {
            let list = world.json(&["get", "workloads", "-n", NAMESPACE])?;
            let all = list.as_array().context("workloads are no list")?;
            let there =
                |workload: &&serde_json::Value| workload["ready"] == true && workload["mesh"]["state"] == "CAPTURED";
            Ok((all.iter().filter(there).count() == workloads as usize).then_some(()))
        })?;
        world.settle()?;
        settle();
        measured.push((workloads, proxy.resident()?));
    }
    Ok(())
}

/// A machine with addresses for all of them.
fn node() -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {{name: {NODE}}}\nspec: {{podCIDR: 10.244.0.0/22}}\n"
    )
}

/// So many workloads that do nothing.
fn crowd(replicas: u32) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: idle, namespace: {NAMESPACE}}}
spec:
  node: {NODE}
  replicas: {replicas}
  command: [sleep, infinity]
"
    )
}
