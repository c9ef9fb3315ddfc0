//! nginx and HAProxy as children, each with its configuration in a directory of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a peer may take to listen.
const START: Duration = Duration::from_secs(30);
/// How often another port is tried, should somebody else have taken it.
const PORTS: usize = 5;

/// A running peer. It ends with this.
pub struct Peer {
    child: Child,
    pub address: SocketAddr,
    directory: TempDir,
}

/// Which peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
}

impl Peer {
    /// Starts it in front of `backend`. To each request it adds the client's port as the field `X-Row`.
    pub fn start(kind: Kind, backend: SocketAddr) -> Self {
        let started = (0..PORTS).find_map(|_| Self::try_start(kind, backend));
        started.unwrap_or_else(|| panic!("{kind:?} does not listen; is it installed (scripts/prepare)?"))
    }

    fn try_start(kind: Kind, backend: SocketAddr) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let child = kind.command(directory.path(), address, backend).spawn();
        let child = child.unwrap_or_else(|error| panic!("{kind:?}: {error}; scripts/prepare installs it"));
        let mut peer = Self { child, address, directory };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if peer.child.try_wait().expect("a child of ours").is_some() {
                eprintln!("{kind:?} ended: {}", peer.log());
                return None;
            }
            assert!(Instant::now() < deadline, "{kind:?} does not listen: {}", peer.log());
            std::thread::yield_now();
        }
        Some(peer)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Kind {
    /// It waits two seconds for what is missing, then ends the connection.
    fn command(self, directory: &Path, address: SocketAddr, backend: SocketAddr) -> Command {
        let (program, text, arguments): (_, _, &[&str]) = match self {
            Self::Nginx => (
                "nginx",
                format!(
                    "daemon off; master_process off; worker_processes 1; pid pid; error_log log;
                    events {{ worker_connections 1024; }}
                    http {{
                        access_log off;
                        client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                        uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                        client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s;
                        lingering_timeout 2s; lingering_time 2s;
                        server {{
                            listen {address}; server_name a;
                            location / {{
                                proxy_pass http://{backend};
                                proxy_http_version 1.1;
                                proxy_set_header Host $host;
                                proxy_set_header X-Row $remote_port;
                            }}
                        }}
                    }}\n"
                ),
                &["-e", "log", "-p", ".", "-c", "configuration"],
            ),
            Self::Haproxy => (
                "haproxy",
                format!(
                    "global
                        maxconn 1024
                    defaults
                        mode http
                        timeout connect 5s
                        timeout server 5s
                        timeout client 2s
                        timeout http-request 2s
                        timeout http-keep-alive 2s
                        http-reuse never
                    frontend in
                        bind {address}
                        http-request set-header X-Row %[src_port]
                        default_backend out
                    backend out
                        server one {backend}\n"
                ),
                &["-db", "-f", "configuration"],
            ),
        };
        fs::write(directory.join("configuration"), text).expect("a writable directory");
        let log = fs::File::create(directory.join("log")).expect("a writable directory");
        // Debian keeps them out of the path of ordinary users.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let mut command = Command::new(program);
        command.args(arguments).current_dir(directory).env("PATH", path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }
}
