//! Runs stories as the standard harness runs tests, in the worlds they need.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ripstop_net::process::WorldSpawn;

/// A name and what it tells.
pub type Story = (&'static str, fn());

/// The user that root's second run is.
const ORDINARY_USER: u32 = 65_533;

/// Runs the stories of the outside, and makes a world for the others; as root twice.
pub fn run_everywhere(arguments: &[String], outside: &[Story]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in outside.iter().chain(&crate::stories()) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let root = rustix::process::geteuid().is_root();
    let who = if root { "as root" } else { "as an ordinary user" };
    let mut well = run(who, arguments, outside) == ExitCode::SUCCESS;
    well &= run_in_world(arguments);
    if root {
        well &= run_as_ordinary_user(arguments);
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs stories one after the other and prints what the standard harness would.
pub fn run(place: &str, arguments: &[String], stories: &[Story]) -> ExitCode {
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen: Vec<&Story> = stories
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())))
        .collect();
    println!("\nrunning {} tests ({place})", chosen.len());
    let started = Instant::now();
    let mut failed = Vec::new();
    for (name, story) in &chosen {
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(story));
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({:.2}s)", start.elapsed().as_secs_f64());
        if result.is_err() {
            failed.push(*name);
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        chosen.len() - failed.len(),
        failed.len(),
        stories.len() - chosen.len(),
        started.elapsed().as_secs_f64()
    );
    for name in &failed {
        println!("    {name} ({place})");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits until a condition holds; a test that waits longer than anything reasonable fails.
#[track_caller]
#[allow(clippy::disallowed_methods)] // between two looks at a condition, with a deadline
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A world whose PID 1 is this binary with these arguments.
pub fn world(arguments: &[&str]) -> WorldSpawn {
    let program = std::env::current_exe().expect("this program's path");
    let argv = [program.as_os_str()].into_iter().chain(arguments.iter().map(std::ffi::OsStr::new));
    WorldSpawn {
        argv: argv.map(OsString::from).collect(),
        program,
        env: std::env::vars_os().collect(),
        hostname: "world".to_owned(),
        stdio: None,
        pass_fds: Vec::new(),
    }
}

/// A runtime for the parts that are asynchronous.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn run_in_world(arguments: &[String]) -> bool {
    let arguments: Vec<&str> = [crate::IN_WORLD].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let mut child = match world(&arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("test world ... FAILED\n{error}");
            return false;
        }
    };
    let status = runtime().block_on(child.wait()).expect("the world's end");
    if !status.success() {
        println!("the world ended with {status}");
    }
    status.success()
}

fn run_as_ordinary_user(arguments: &[String]) -> bool {
    // The build directory may be closed to others: a copy that everybody may run.
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("namespaces");
    std::fs::copy(std::env::current_exe().expect("this program's path"), &copy).expect("a copy of this program");
    open_to_all(directory.path());
    open_to_all(&copy);
    let status = Command::new(&copy)
        .args(arguments)
        .uid(ORDINARY_USER)
        .gid(ORDINARY_USER)
        .current_dir("/")
        .env("TMPDIR", "/tmp")
        .status()
        .expect("a run as an ordinary user");
    status.success()
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}
