//! Workloads and roles: what they can't do, and how they end.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use ripstop_net::nft::capture::{Capture, Phase};
use ripstop_net::process::{
    Capabilities, Child, Limit, RoleSpawn, Signal, Spawner, Stdio, WorkloadSpawn, open_pty, reap_orphans,
    set_window_size,
};
use ripstop_net::{Error, NetNs};

use crate::bed::Bed;
use crate::harness::{Story, eventually, runtime, world};

pub fn stories() -> Vec<Story> {
    vec![
        ("a_workload_can_do_nothing_to_the_mesh", isolation),
        ("a_workload_is_known_by_its_namespace", known),
        ("a_program_behind_a_closed_directory_runs", closed_directory),
        ("a_protected_directory_stays_as_it_is", protected),
        ("programs_are_found_and_errors_name_the_step", lookup),
        ("exit_statuses_are_passed_on", statuses),
        ("signals_reach_the_program", signals),
        ("the_end_of_the_program_ends_all", orphans),
        ("a_killed_workload_leaves_nothing", killed),
        ("a_workload_has_a_controlling_terminal", terminal),
        ("roles_keep_or_lose_their_privileges", roles),
        ("orphans_of_the_world_are_reaped", reaping),
        ("a_child_of_an_ended_thread_dies", ended_thread),
        ("what_forbids_user_namespaces_is_named", forbidden),
    ]
}

/// A pipe: what the child writes, and where.
fn output() -> (BufReader<File>, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (BufReader::new(File::from(read)), write)
}

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn workload(program: &Path, probe: &[&str], out: OwnedFd) -> WorkloadSpawn {
    let mut argv = vec![program.as_os_str().to_owned(), OsString::from(crate::PROBE)];
    argv.extend(probe.iter().map(OsString::from));
    let error = out.try_clone().unwrap();
    WorkloadSpawn {
        argv,
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("RUST_BACKTRACE".into(), "0".into())],
        cwd: "/".into(),
        netns: NetNs::create().unwrap(),
        uid: 65_534,
        gid: 65_534,
        hide: Vec::new(),
        binds: Vec::new(),
        read_only: Vec::new(),
        stdio: Stdio::Fds([null(), out, error]),
        limits: Vec::new(),
        hostname: "a-workload".to_owned(),
    }
}

fn ended(mut child: Child) -> ExitStatus {
    runtime().block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await.expect("an end").unwrap()
    })
}

fn values(mut out: impl Read) -> HashMap<String, String> {
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn isolation() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    let directory = tempfile::tempdir().unwrap();
    let hidden = directory.path().join("state");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("key"), "secret").unwrap();
    // What covers a file may itself be hidden, and the file may be a link.
    let covered = directory.path().join("resolv.conf");
    fs::write(directory.path().join("real"), "of the host").unwrap();
    std::os::unix::fs::symlink("real", &covered).unwrap();
    fs::write(hidden.join("ours"), "of the mesh").unwrap();
    fs::set_permissions(hidden.join("ours"), fs::Permissions::from_mode(0o666)).unwrap();
    open_to_all(directory.path());
    let capture = Capture::new(bed.a.netns.clone());
    capture.enrol().unwrap();
    let (out, write) = output();
    let arguments = ["isolation", hidden.to_str().unwrap(), covered.to_str().unwrap()];
    let mut request = workload(&this_program(), &arguments, write);
    request.netns = bed.a.netns.clone();
    request.hide.push(hidden.clone());
    request.binds.push((hidden.join("ours"), covered.clone()));
    request.limits.push((Limit::OpenFiles, 321));
    request.cwd = "/nowhere".into();
    let child = request.spawn().unwrap();
    let found = values(out);
    assert!(ended(child).success(), "{found:?}");
    let netns = bed.a.netns.inode().to_string();
    let expected = [
        ("uid", "65534"),
        ("gid", "65534"),
        ("capabilities-empty", "true"),
        ("no-new-privs", "1"),
        ("mark", "1"),
        ("transparent", "1"),
        ("raw", "1"),
        ("netns", netns.as_str()),
        ("enter", "1"),
        ("flush", "1"),
        ("hidden", "0"),
        ("write-hidden", "30"),
        ("unmount", "1"),
        ("covered", "of the mesh"),
        ("write-covered", "30"),
        ("pids", "2"),
        ("init", "ripstop-init"),
        ("init-environ", "13"),
        ("init-mem", "13"),
        ("init-maps", "13"),
        ("init-fd/0", "13"),
        ("init-root", "13"),
        ("init-exe", "13"),
        ("init-ns/net", "13"),
        ("hostname", "a-workload"),
        ("fds", "4"),
        ("sysctl", "13"),
        ("limit", "321"),
        ("port-80", "done"),
        ("cwd", "/"),
        ("ignored-signals", "0000000000001000"),
        ("blocked-signals", "0000000000000000"),
        ("nested-mark", "1"),
        ("nested-flush", "1"),
        ("nested-hidden", "0"),
    ];
    for (name, value) in expected {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name} in {found:#?}");
    }
    // Locked: the kernel says invalid, not done.
    assert_ne!(found["nested-unmount"], "done");
    assert_eq!(capture.phase().unwrap(), Phase::Full);
    assert_eq!(fs::read_to_string(&covered).unwrap(), "of the host");
    assert_eq!(fs::read_to_string(hidden.join("key")).unwrap(), "secret");
}

fn known() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    open_to_all(directory.path());
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let (_out, write) = output();
    let request = workload(&this_program(), &["connect", path.to_str().unwrap()], write);
    let netns = request.netns.clone();
    let child = request.spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let peer = ripstop_net::peer_namespace(&stream).unwrap();
    assert_eq!((peer.netns, peer.pid), (netns.inode(), Some(child.program_pid())));
    assert!(netns.holds_process(child.program_pid()).unwrap());
    drop(stream);
    assert!(ended(child).success());
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn closed_directory() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::copy(this_program(), &program).unwrap();
    open_to_all(&program);
    // 0700: as root, another user's workload can't walk there.
    let (out, write) = output();
    let child = workload(&program, &["exit", "5"], write).spawn().unwrap();
    assert_eq!(ended(child).code(), Some(5), "{:?}", values(out));
}

fn protected() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("file"), "as it was").unwrap();
    for (path, mode) in [(directory.path(), 0o755), (&inside, 0o777), (&inside.join("file"), 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let script = r#"cat "$0/file" && ! echo other > "$0/file" && ! echo new > "$0/new" && ! umount "$0""#;
    let (out, write) = output();
    let mut request = workload(Path::new("sh"), &[], write);
    request.argv = vec!["sh".into(), "-c".into(), script.into(), inside.clone().into()];
    request.read_only = vec![inside.clone(), directory.path().join("missing")];
    let child = request.spawn().unwrap();
    let text = io::read_to_string(out).unwrap();
    assert!(ended(child).success() && text.starts_with("as it was"), "{text}");
    assert_eq!(fs::read_to_string(inside.join("file")).unwrap(), "as it was");
    assert!(!inside.join("new").exists());
    // Only for it.
    fs::write(inside.join("new"), "").unwrap();
}

fn lookup() {
    let (_out, write) = output();
    let mut request = workload(Path::new("sh"), &[], write.try_clone().unwrap());
    request.argv = ["sh", "-c", "exit 9"].map(OsString::from).to_vec();
    assert_eq!(ended(request.spawn().unwrap()).code(), Some(9));
    // A script by its own path, with an interpreter.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\nexit 8\n").unwrap();
    open_to_all(&script);
    open_to_all(directory.path());
    let mut request = workload(&script, &[], write.try_clone().unwrap());
    request.argv = vec!["./script".into()];
    request.cwd = directory.path().into();
    assert_eq!(ended(request.spawn().unwrap()).code(), Some(8));
    for program in ["no-such-program", "/no/such/program", "/etc/passwd"] {
        let mut request = workload(Path::new(program), &[], write.try_clone().unwrap());
        request.argv = vec![program.into()];
        let error = request.spawn().unwrap_err().to_string();
        assert!(error.contains("finding the program") && error.contains(program), "{error}");
    }
    let garbage = directory.path().join("garbage");
    fs::write(&garbage, "neither ELF nor script").unwrap();
    open_to_all(&garbage);
    let mut request = workload(&garbage, &[], write.try_clone().unwrap());
    request.argv = vec![garbage.clone().into()];
    let error = request.spawn().unwrap_err().to_string();
    assert!(error.contains("executing the program") && error.contains("xec format"), "{error}");
    let mut request = workload(&this_program(), &["exit", "0"], write.try_clone().unwrap());
    request.hide.push("/no/such/directory".into());
    let error = request.spawn().unwrap_err().to_string();
    assert!(error.contains("directory to hide"), "{error}");
    let mut request = workload(&this_program(), &["exit", "0"], write);
    request.uid = 0;
    assert!(matches!(request.spawn(), Err(Error::Invalid(_))));
}

fn statuses() {
    for code in [0, 1, 200] {
        let (_out, write) = output();
        let child = workload(&this_program(), &["exit", &code.to_string()], write).spawn().unwrap();
        assert_eq!(ended(child).code(), Some(code));
    }
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT] {
        let (_out, write) = output();
        let child = workload(&this_program(), &["die", &signal.to_string()], write).spawn().unwrap();
        assert_eq!(ended(child).signal(), Some(signal));
    }
}

fn signals() {
    let (mut out, write) = output();
    let child = workload(&this_program(), &["signals"], write).spawn().unwrap();
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(line(), "ready=2");
    // The number of the program here, not there.
    let name = fs::read(format!("/proc/{}/cmdline", child.program_pid())).unwrap();
    assert!(String::from_utf8_lossy(&name).contains("signals"));
    for (signal, number) in
        [(Signal::HUP, 1), (Signal::USR1, 10), (Signal::WINCH, 28), (Signal::INT, 2), (Signal::TERM, 15)]
    {
        child.signal(signal).unwrap();
        assert_eq!(line(), format!("signal={number}"));
    }
    assert_eq!(ended(child).code(), Some(17));
}

fn orphans() {
    let (mut out, write) = output();
    let child = workload(&this_program(), &["orphan"], write).spawn().unwrap();
    assert!(ended(child).success());
    // The grandchild held the pipe: it is gone, too.
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert!(text.contains("orphan=made"), "{text}");
}

fn killed() {
    let (mut out, write) = output();
    let child = workload(&this_program(), &["sleep"], write).spawn().unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let (outside, program) = (child.pid(), child.program_pid());
    assert_ne!(outside, program);
    child.kill().unwrap();
    assert_eq!(ended(child).signal(), Some(libc::SIGKILL));
    out.read_to_string(&mut line).unwrap();
    eventually("the program to be gone", || (!Path::new(&format!("/proc/{program}/root")).exists()).then_some(()));
    // Dropping a handle is as good as a kill.
    let (mut out, write) = output();
    let child = workload(&this_program(), &["sleep"], write).spawn().unwrap();
    out.read_line(&mut line).unwrap();
    drop(child);
    out.read_to_string(&mut line).unwrap();
}

fn terminal() {
    let pty = open_pty().unwrap();
    set_window_size(&pty.master, 40, 100).unwrap();
    let (_out, write) = output();
    let mut request = workload(&this_program(), &["terminal"], write);
    request.stdio = Stdio::Terminal(pty.terminal);
    let child = request.spawn().unwrap();
    let mut master = File::from(pty.master);
    master.write_all(b"typed\n").unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    // The end of a terminal is an error.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        text.extend_from_slice(&buffer[..length]);
    }
    assert!(ended(child).success());
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    for line in ["terminal=true", "controlling=done", "read=typed"] {
        assert!(text.lines().any(|found| found == line), "{line} in {text:?}");
    }
}

fn roles() {
    let netns = NetNs::create().unwrap();
    for (capabilities, empty, mark) in [(Capabilities::Keep, "false", "done"), (Capabilities::Drop, "true", "1")] {
        let (out, write) = output();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passed");
        fs::write(&file, "by descriptor").unwrap();
        let role = RoleSpawn {
            program: this_program(),
            argv: vec!["role".into(), crate::PROBE.into(), "role".into()],
            env: Vec::new(),
            netns: Some(netns.clone()),
            capabilities,
            log: write,
            pass_fds: vec![(File::open(&file).unwrap().into(), 7)],
        };
        let child = role.spawn().unwrap();
        assert_eq!(child.pid(), child.program_pid());
        let found = values(out);
        assert!(ended(child).success(), "{found:?}");
        let netns = netns.inode().to_string();
        let expected = [
            ("uid", "0"),
            ("capabilities-empty", empty),
            ("mark", mark),
            ("netns", netns.as_str()),
            ("passed", "by descriptor"),
            ("fds", "5"),
        ];
        for (name, value) in expected {
            assert_eq!(found.get(name).map(String::as_str), Some(value), "{name} in {found:#?}");
        }
    }
}

fn reaping() {
    // What earlier stories left.
    reap_orphans().unwrap();
    // Children of nobody: made here, and not waited for.
    let mut orphan = std::process::Command::new("true").spawn().unwrap();
    let pid = orphan.id();
    let (_out, write) = output();
    let child = workload(&this_program(), &["exit", "3"], write).spawn().unwrap();
    let dead = |pid: u32| {
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
    };
    eventually("both to have ended", || (dead(pid) && dead(child.pid())).then_some(()));
    assert_eq!(reap_orphans().unwrap(), 1);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    // Somebody waits for this one.
    assert_eq!(ended(child).code(), Some(3));
    assert!(orphan.wait().is_err());
}

fn ended_thread() {
    let spawner = Spawner::start().unwrap();
    let (mut out, write) = output();
    let request = workload(&this_program(), &["sleep"], write);
    let child = runtime().block_on(spawner.workload(request)).unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "asleep\n");
    drop(spawner);
    assert_eq!(ended(child).signal(), Some(libc::SIGKILL));
    out.read_to_string(&mut line).unwrap();
}

fn forbidden() {
    const LIMIT: &str = "/proc/sys/user/max_user_namespaces";
    let before = fs::read_to_string(LIMIT).unwrap();
    ripstop_net::process::check_user_namespaces().unwrap();
    fs::write(LIMIT, "0").unwrap();
    let errors = [
        world(&[crate::PROBE, "exit", "0"]).spawn().map(drop).unwrap_err(),
        ripstop_net::process::check_user_namespaces().unwrap_err(),
    ];
    fs::write(LIMIT, before.trim()).unwrap();
    for error in errors {
        assert!(matches!(error, Error::UserNamespaces { .. }), "{error}");
        assert!(error.to_string().contains("user.max_user_namespaces = 0"), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    }
    // Worlds in worlds are fine.
    assert_eq!(ended(world(&[crate::PROBE, "exit", "4"]).spawn().unwrap()).code(), Some(4));
}
