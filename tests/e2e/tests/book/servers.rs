//! Servers of others that docs/load.md has a reader send requests to, on the mesh's machine.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use ripstop_e2e::{
    authorities::{authority, certificate},
    python,
};
use ripstop_world::{SOON, World, wait_for};

/// Where the one of TLS is; documents call it `https://shop.example/`.
pub const TLS: &str = "https://localhost:8443/";

/// HTTP/1.1 and, for who begins with it, HTTP/2; with TLS for clients that have a certificate. By turns it says that it is
/// one of two.
const HAPROXY: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend plain
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain string ok hdr server one if { rand(2) eq 0 }
    http-request return status 200 content-type text/plain string ok hdr server two
frontend secret
    bind 127.0.0.1:8443 ssl crt server.both alpn h2,http/1.1 verify required ca-file ca.pem
    http-request return status 200 content-type text/plain string ok
";

/// Servers that end with this.
pub struct Servers {
    children: Vec<Child>,
}

// === impl Servers ===

impl Servers {
    /// Starts them, and writes what commands need of their clients: `ca.pem`, `client.pem`, `client.key`, `request.bin`.
    pub fn start(world: &World) -> Result<Self> {
        authority(world, "ca")?;
        certificate(world, "ca", "server", "localhost")?;
        certificate(world, "ca", "client", "client")?;
        let both = ["server.pem", "server.key"].map(|file| fs::read_to_string(world.path(file)));
        let [certificate, key] = both;
        fs::write(world.path("server.both"), certificate? + &key?)?;
        fs::write(world.path("haproxy.cfg"), HAPROXY)?;
        fs::write(world.path("request.bin"), "hello")?;
        python::libraries(world)?;
        let calls = format!(
            "import sys\nsys.path.insert(0, \"{}\")\n{}\nserver.wait_for_termination()\n",
            world.path("python").display(),
            include_str!("../clients/grpc_server.py")
        );
        fs::write(world.path("calls.py"), calls)?;
        let mut servers = Self { children: Vec::new() };
        servers.run(world, "/usr/sbin/haproxy", &["-db", "-f", "haproxy.cfg"])?;
        servers.run(world, "/usr/bin/python3", &["calls.py"])?;
        for port in [8080, 8443, 50051] {
            let there = ["-c".to_owned(), format!("exec 3<>/dev/tcp/{}/{port}", Ipv4Addr::LOCALHOST)];
            wait_for(&format!("a server at port {port}"), SOON, || {
                let reached = world.as_user("/bin/bash".as_ref()).args(&there).stderr(Stdio::null()).status()?;
                Ok(reached.success().then_some(()))
            })?;
        }
        Ok(servers)
    }

    fn run(&mut self, world: &World, program: &str, words: &[&str]) -> Result<()> {
        let mut command: Command = world.as_user(Path::new(program));
        command.args(words).current_dir(world.path("")).stdin(Stdio::null()).stdout(Stdio::null());
        self.children.push(command.spawn().with_context(|| format!("{program}: scripts/prepare installs it"))?);
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}
