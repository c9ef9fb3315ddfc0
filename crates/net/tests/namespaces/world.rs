//! Worlds seen from outside: nothing outlives them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use ripstop_net::NetNs;
use ripstop_net::process::{WorkloadSpawn, check_user_namespaces};

use crate::harness::{Story, eventually, runtime, world};

pub fn stories() -> Vec<Story> {
    vec![
        ("user_namespaces_can_be_had", || check_user_namespaces().unwrap()),
        ("the_death_of_the_outer_process_ends_all", outer_killed),
        ("the_death_of_the_launcher_ends_all", launcher_killed),
        ("the_death_of_pid_1_ends_all", init_killed),
        ("an_exit_status_comes_out_of_a_world", status),
    ]
}

/// The outer process to be killed: makes a world and waits for it.
pub fn outer(_: &[String]) -> ExitCode {
    let mut child = world(&[crate::PROBE, "supervisor"]).spawn().unwrap();
    println!("launcher={}", child.pid());
    println!("init={}", child.program_pid());
    io::stdout().flush().unwrap();
    runtime().block_on(child.wait()).unwrap();
    ExitCode::SUCCESS
}

/// PID 1 of that world: has a workload.
pub fn supervisor() {
    assert_eq!(std::process::id(), 1);
    let out = || -> OwnedFd { io::stdout().as_fd().try_clone_to_owned().unwrap() };
    let program = std::env::current_exe().unwrap();
    let request = WorkloadSpawn {
        argv: vec![program.into(), crate::PROBE.into(), "sleep".into()],
        env: Vec::new(),
        cwd: "/".into(),
        netns: NetNs::create().unwrap(),
        uid: 65_534,
        gid: 65_534,
        hide: Vec::new(),
        binds: Vec::new(),
        read_only: Vec::new(),
        stdio: ripstop_net::process::Stdio::Fds([File::open("/dev/null").unwrap().into(), out(), out()]),
        limits: Vec::new(),
        hostname: "w".to_owned(),
    };
    let mut child = request.spawn().unwrap();
    runtime().block_on(child.wait()).unwrap();
}

/// Starts outer process, world and workload; gives what is known of them, and a pipe that each holds open.
fn started() -> (std::process::Child, BufReader<std::process::ChildStdout>, [u32; 2]) {
    let mut outer = Command::new(std::env::current_exe().unwrap())
        .arg(crate::OUTER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(outer.stdout.take().unwrap());
    let (mut launcher, mut init, mut asleep) = (None, None, false);
    while launcher.is_none() || init.is_none() || !asleep {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the outer process ended");
        match line.trim().split_once('=') {
            Some(("launcher", pid)) => launcher = pid.parse().ok(),
            Some(("init", pid)) => init = pid.parse().ok(),
            _ => asleep |= line.trim() == "asleep",
        }
    }
    (outer, out, [launcher.unwrap(), init.unwrap()])
}

fn gone(mut out: impl Read, pids: [u32; 2]) {
    // The end of the pipe: no program has it open any more.
    out.read_to_string(&mut String::new()).unwrap();
    for pid in pids {
        eventually("a process to be gone", || (!alive(pid)).then_some(()));
    }
}

/// Whether a process is there and is not just waiting to be reaped.
fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn outer_killed() {
    let (mut outer, out, pids) = started();
    outer.kill().unwrap();
    assert_eq!(outer.wait().unwrap().signal(), Some(libc::SIGKILL));
    gone(out, pids);
}

fn launcher_killed() {
    let (mut outer, out, pids) = started();
    assert!(Path::new(&format!("/proc/{}", pids[0])).exists());
    kill(pids[0]);
    gone(out, pids);
    assert!(outer.wait().unwrap().success());
}

fn init_killed() {
    let (mut outer, out, pids) = started();
    kill(pids[1]);
    gone(out, pids);
    assert!(outer.wait().unwrap().success());
}

fn status() {
    let ended = |arguments: &[&str]| {
        let mut child = world(arguments).spawn().unwrap();
        runtime().block_on(child.wait()).unwrap()
    };
    assert_eq!(ended(&[crate::PROBE, "exit", "42"]).code(), Some(42));
}
