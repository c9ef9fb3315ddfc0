//! Tests inside a real world: each test of [`inside`] is run once more, alone, as PID 1 of fresh
//! namespaces, and needs no privileges outside.

use std::{ffi::OsString, process::ExitStatus};

use ripstop_net::process::WorldSpawn;

mod inside;

/// Runs the ignored test `inside::NAME` of this binary in a world of its own.
fn in_a_world(name: &str) {
    let program = std::env::current_exe().unwrap();
    let test = format!("world::tests::inside::{name}");
    let argv = ["test", "--exact", &test, "--ignored", "--nocapture", "--test-threads", "1"];
    let spawn = WorldSpawn {
        argv: argv.iter().map(OsString::from).collect(),
        env: std::env::vars_os().collect(),
        hostname: "world".into(),
        stdio: None,
        pass_fds: Vec::new(),
        program,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status: ExitStatus = runtime.block_on(async {
        let mut child = spawn.spawn().unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait()).await;
        ended.expect("the test in the world hangs").unwrap()
    });
    assert!(status.success(), "{test}: {status}");
}

#[test]
fn nodes_and_workloads_reach_one_another() {
    in_a_world("nodes_and_workloads_reach_one_another");
}

#[test]
fn an_instance_lives_and_leaves_nothing() {
    in_a_world("an_instance_lives_and_leaves_nothing");
}

#[test]
fn a_killed_workload_heals_and_a_stopped_one_stays_down() {
    in_a_world("a_killed_workload_heals_and_a_stopped_one_stays_down");
}

#[test]
fn a_change_is_rolled_out_without_a_gap() {
    in_a_world("a_change_is_rolled_out_without_a_gap");
}

#[test]
fn runs_pass_on_streams_signals_and_status() {
    in_a_world("runs_pass_on_streams_signals_and_status");
}

#[test]
fn a_node_that_goes_takes_its_workloads_along() {
    in_a_world("a_node_that_goes_takes_its_workloads_along");
}
