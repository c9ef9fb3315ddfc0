//! What runs inside of workloads and roles: tries things and says what came of it.

use std::fs;
use std::io::{self, BufRead, Write};
use std::net::TcpListener;
use std::process::ExitCode;

use socket2::{Domain, Socket, Type};

/// Runs one of the probes; prints `name=value` lines.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["isolation", hidden, covered] => isolation(hidden, covered),
        ["role"] => role(),
        ["exit", code] => return ExitCode::from(code.parse::<u8>().unwrap()),
        ["die", signal] => {
            // SAFETY: integers.
            unsafe { libc::raise(signal.parse().unwrap()) };
        }
        ["signals"] => signals(),
        ["orphan"] => orphan(),
        ["terminal"] => terminal(),
        ["connect", path] => connect(path),
        ["sleep"] => sleep(),
        ["supervisor"] => crate::world::supervisor(),
        _ => return ExitCode::from(99),
    }
    ExitCode::SUCCESS
}

fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name}={value}");
}

fn outcome<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), |errno| errno.to_string()),
    }
}

fn isolation(hidden: &str, covered: &str) {
    who();
    // Three, and the one that reads them.
    say("fds", fs::read_dir("/proc/self/fd").unwrap().count());
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    say("mark", outcome(tcp().set_mark(0x539)));
    say("transparent", outcome(tcp().set_ip_transparent_v4(true)));
    say("raw", outcome(Socket::new(Domain::PACKET, Type::RAW, None)));
    let here = ripstop_net::NetNs::current().unwrap();
    say("netns", here.inode());
    // Without the right to enter: by a netlink socket of its own.
    say("enter", outcome(ripstop_net::run_in(&here, || ())));
    say("flush", outcome(flush_rules()));
    say("hidden", fs::read_dir(hidden).map_or(99, Iterator::count));
    say("write-hidden", outcome(fs::write(format!("{hidden}/x"), "x")));
    say(
        "unmount",
        outcome(rustix::mount::unmount(hidden, rustix::mount::UnmountFlags::DETACH).map_err(io::Error::from)),
    );
    say("covered", fs::read_to_string(covered).unwrap_or_default().trim());
    say("write-covered", outcome(fs::OpenOptions::new().write(true).open(covered)));
    let mut pids: Vec<u32> =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    say("pids", pids.len());
    say("init", fs::read_to_string("/proc/1/cmdline").unwrap_or_default().trim_end_matches('\0'));
    for file in ["environ", "mem", "maps"] {
        say(&format!("init-{file}"), outcome(fs::read(format!("/proc/1/{file}"))));
    }
    for link in ["fd/0", "root", "exe", "ns/net"] {
        say(&format!("init-{link}"), outcome(fs::read_link(format!("/proc/1/{link}"))));
    }
    // SAFETY: integers.
    say("kill-init", if unsafe { libc::kill(1, libc::SIGKILL) } == 0 { "sent" } else { "refused" });
    say("hostname", rustix::system::uname().nodename().to_string_lossy());
    say("sysctl", outcome(fs::write("/proc/sys/net/ipv4/ip_forward", "1")));
    say("limit", rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(0));
    say("port-80", outcome(TcpListener::bind("127.0.0.1:80")));
    say("cwd", std::env::current_dir().unwrap().display());
    let signals = status_line("SigIgn:");
    say("ignored-signals", signals);
    say("blocked-signals", status_line("SigBlk:"));
    // A user namespace of its own gives power over nothing that is there.
    // SAFETY: this process has one thread; what follows only looks.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } == 0;
    if unshared {
        say("nested-mark", outcome(tcp().set_mark(0x539)));
        say("nested-flush", outcome(flush_rules()));
        let unmounted = rustix::mount::unmount(hidden, rustix::mount::UnmountFlags::DETACH).map_err(io::Error::from);
        say("nested-unmount", outcome(unmounted));
        say("nested-hidden", fs::read_dir(hidden).map_or(99, Iterator::count));
    } else {
        for name in ["nested-mark", "nested-flush", "nested-unmount"] {
            say(name, libc::EPERM);
        }
        say("nested-hidden", 0);
    }
}

fn role() {
    who();
    // Three, the one passed, and the one that reads them.
    say("fds", fs::read_dir("/proc/self/fd").unwrap().count());
    say("netns", ripstop_net::NetNs::current().unwrap().inode());
    let tcp = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    say("mark", outcome(tcp.set_mark(0x539)));
    let passed = fs::read_to_string("/proc/self/fd/7").map(|text| text.trim().to_owned());
    say("passed", passed.unwrap_or_default());
}

fn who() {
    say("uid", rustix::process::getuid().as_raw());
    say("gid", rustix::process::getgid().as_raw());
    say("capabilities-empty", ripstop_net::process::capabilities_are_empty().unwrap());
    say("no-new-privs", status_line("NoNewPrivs:"));
}

fn status_line(start: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

/// Deletes the table as the library's own code would, but from this very thread.
fn flush_rules() -> io::Result<()> {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER))?;
    let mut batch = Vec::new();
    let mut message = |kind: u16, flags: u16, sequence: u32, resource: u16| {
        batch.extend_from_slice(&20_u32.to_ne_bytes());
        batch.extend_from_slice(&kind.to_ne_bytes());
        batch.extend_from_slice(&(flags | 1).to_ne_bytes());
        batch.extend_from_slice(&sequence.to_ne_bytes());
        batch.extend_from_slice(&[0; 4]);
        batch.extend_from_slice(&[0, 0]);
        batch.extend_from_slice(&resource.to_be_bytes());
    };
    message(16, 0, 1, 10);
    // Delete all tables; acknowledge.
    message(10 << 8 | 2, 4, 2, 0);
    message(17, 0, 3, 10);
    send(&socket, &batch, SendFlags::empty())?;
    let mut answer = [0; 256];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let code = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
    assert!(length >= 20);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
}

fn signals() {
    // SAFETY: a set that lives over the calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        say("ready", std::process::id());
        io::stdout().flush().unwrap();
        loop {
            let mut signal = 0;
            libc::sigwait(&raw const set, &raw mut signal);
            say("signal", signal);
            io::stdout().flush().unwrap();
            if signal == libc::SIGTERM {
                std::process::exit(17);
            }
        }
    }
}

fn orphan() {
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } == 0 {
        // SAFETY: as above.
        if unsafe { libc::fork() } == 0 {
            // The grandchild outlives its parent, and keeps standard output open.
            sleep();
        }
        std::process::exit(0);
    }
    // SAFETY: no status wanted.
    unsafe { libc::wait(std::ptr::null_mut()) };
    say("orphan", "made");
}

/// Connects, and stays until the other end has seen enough.
fn connect(path: &str) {
    use std::io::Read;
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

fn terminal() {
    use std::io::IsTerminal;
    say("terminal", io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal());
    say("controlling", outcome(fs::File::open("/dev/tty")));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).unwrap();
    say("read", line.trim());
}

fn sleep() -> ! {
    println!("asleep");
    io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}
