//! What an agent may still do after it gave up what it does not need. Without the usual harness,
//! because privileges are given up before there are threads.

use std::{net::TcpListener, process::Command};

use ripstop_agent::restrict_privileges;
use ripstop_net::{
    NetNs,
    link::Links,
    nft::capture::{Capture, Phase},
    run_in,
    socket::transparent_listener,
};

fn main() {
    const INSIDE: &str = "RIPSTOP_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "--mount", "--"])
            .arg(std::env::current_exe().expect("the test knows its own program"))
            .env(INSIDE, "1")
            .status()
            .expect("unshare (util-linux) starts the test in a world of its own");
        assert!(status.success(), "failed in its world");
        return;
    }
    // Of a workload, as the supervisor makes it before.
    let workload = NetNs::create().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("shop.web-0");
    workload.bind_to(&file).unwrap();

    restrict_privileges().unwrap();

    // What an agent does still works.
    let workload = NetNs::open(&file).unwrap();
    run_in(&workload, || TcpListener::bind("0.0.0.0:0").map(drop)).unwrap().unwrap();
    let _listener = transparent_listener(&workload, 15001).unwrap();
    Links::open(&workload).unwrap().set_up("lo").unwrap();
    let capture = Capture::new(workload);
    capture.enrol().unwrap();
    assert_eq!(capture.phase().unwrap(), Phase::Full);
    capture.remove().unwrap();
    let node = NetNs::current().unwrap();
    Links::open(&node).unwrap().set_up("lo").unwrap();
    TcpListener::bind("127.0.0.1:53").unwrap();

    // The rest is gone for good, for children too.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let set = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(set("CapEff").count_ones(), 5);
    assert_eq!((set("CapPrm"), set("CapBnd")), (set("CapEff"), set("CapEff")));
    assert!(status.contains("NoNewPrivs:\t1"));
    println!("an agent keeps what it needs, and nothing else: ok");
}
