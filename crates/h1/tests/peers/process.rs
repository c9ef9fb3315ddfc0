//! nginx and HAProxy as children, each with its configuration in a directory of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a peer may take to listen.
const START: Duration = Duration::from_secs(30);
/// How often a peer is started, should it end by itself.
const STARTS: usize = 5;

/// A running peer. It ends with this.
pub struct Peer {
    kind: Kind,
    /// The process, and how often it was started.
    child: Mutex<(Child, usize)>,
    address: SocketAddr,
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
        let directory = tempfile::tempdir().expect("a directory");
        let address = kind.address();
        fs::write(directory.path().join("configuration"), kind.configuration(address, backend)).expect("a directory");
        let child = Mutex::new((kind.spawn(directory.path()), 1));
        let peer = Self { kind, child, address, directory };
        drop(peer.connect());
        peer
    }

    /// A connection to it; it is waited for until it listens.
    pub fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + START;
        loop {
            if let Ok(stream) = TcpStream::connect(self.address) {
                return stream;
            }
            let _started = self.starts();
            assert!(Instant::now() < deadline, "{:?} does not listen: {}", self.kind, self.log());
            std::thread::yield_now();
        }
    }

    /// How often it was started. One that has ended by itself is started again.
    pub fn starts(&self) -> usize {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let (process, starts) = &mut *child;
        if let Some(status) = process.try_wait().expect("a child of ours") {
            eprintln!("{:?} ended, {status}: {}", self.kind, self.log());
            assert!(*starts < STARTS, "{:?} does not last", self.kind);
            *process = self.kind.spawn(self.directory.path());
            *starts += 1;
        }
        *starts
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let (child, _) = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ended = child.kill();
        let _status = child.wait();
    }
}

impl Kind {
    /// An address of the loopback network that nobody else uses: no socket of another test listens there, and no
    /// connection begins there.
    fn address(self) -> SocketAddr {
        let [.., high, low] = std::process::id().to_be_bytes();
        let host = match self {
            Self::Nginx => 2,
            Self::Haproxy => 3,
        };
        let free = TcpListener::bind((Ipv4Addr::new(127, high, low, host), 0));
        free.and_then(|listener| listener.local_addr()).expect("a free port")
    }

    /// It waits two seconds for what is missing, then ends the connection.
    fn configuration(self, address: SocketAddr, backend: SocketAddr) -> String {
        match self {
            Self::Nginx => format!(
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
            Self::Haproxy => format!(
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
        }
    }

    fn spawn(self, directory: &Path) -> Child {
        let (program, arguments): (_, &[&str]) = match self {
            Self::Nginx => ("nginx", &["-e", "log", "-p", ".", "-c", "configuration"]),
            Self::Haproxy => ("haproxy", &["-db", "-f", "configuration"]),
        };
        let log = fs::File::create(directory.join("log")).expect("a writable directory");
        // Debian keeps them out of the path of ordinary users.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let mut command = Command::new(program);
        command.args(arguments).current_dir(directory).env("PATH", path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}; scripts/prepare installs it"))
    }
}
