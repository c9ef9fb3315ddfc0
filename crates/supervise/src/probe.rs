//! Readiness probes, with Kubernetes' meaning.
//!
//! Connections are made from inside the workload's own network namespace to its own address, by
//! sockets that carry the proxy's mark: capture leaves them alone, so a probe says what the
//! application itself answers, whatever the mesh demands of its callers. Commands run in the
//! instance's network, user and files, in a pid namespace of their own. As in Kubernetes a workload
//! that is not ready is tried more often than its period.

mod grpc;
mod tls;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use ripstop_model::{Probe, ProbeAction, ProbeScheme};
use ripstop_net::{NamespaceSockets, SocketKind, SocketSource, process::Stdio};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    sync::watch,
};

use crate::{
    Error, Result,
    board::Key,
    child::{self, exited},
    context::World,
    instance::{Home, Live},
    ipam::Addresses,
    web::exchange,
};

/// What is probed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) key: Key,
    pub(crate) home: Home,
}

/// Counts results in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Streak {
    ready: bool,
    against: u32,
}

/// Longest pause between two tries of a workload that is not ready.
const EAGER: Duration = Duration::from_millis(200);
/// The same, where a try is a command.
const EAGER_COMMAND: Duration = Duration::from_secs(2);

// === impl Streak ===

impl Streak {
    /// A workload starts unready.
    fn new() -> Self {
        Self { ready: false, against: 0 }
    }

    /// Takes a result; gives whether the workload is ready now.
    fn take(&mut self, success: bool, probe: &Probe) -> bool {
        if success == self.ready {
            self.against = 0;
            return self.ready;
        }
        self.against += 1;
        let threshold = if success { probe.success_threshold } else { probe.failure_threshold };
        if self.against >= threshold.max(1) {
            *self = Self { ready: success, against: 0 };
        }
        self.ready
    }

    /// The pause before the next try.
    fn pause(self, probe: &Probe) -> Duration {
        // A command costs a process, and may be anything but cheap.
        let eager = if matches!(probe.action, ProbeAction::Exec { .. }) { EAGER_COMMAND } else { EAGER };
        if self.ready { probe.period } else { probe.period.min(eager) }
    }
}

/// Probes an instance for as long as it lives; without a probe it only waits for one.
pub(crate) async fn run(world: World, target: Target, mut live: watch::Receiver<Live>) {
    let mut board = world.board.subscribe();
    loop {
        let probe = live.borrow_and_update().readiness.clone();
        let pid = world.board.get(&target.key).and_then(|entry| entry.phase.pid());
        let over = if let (Some(probe), Some(pid)) = (&probe, pid) {
            tokio::select! {
                () = life(&world, &target, probe, pid, &mut board) => Ok(()),
                changed = live.changed() => changed,
            }
        } else {
            tokio::select! {
                changed = board.changed() => changed,
                changed = live.changed() => changed,
            }
        };
        if over.is_err() {
            return;
        }
    }
}

/// Probes one life of a process; returns when that is over.
async fn life(world: &World, target: &Target, probe: &Probe, pid: i32, board: &mut watch::Receiver<u64>) {
    let over = async {
        while world.board.get(&target.key).and_then(|entry| entry.phase.pid()) == Some(pid) {
            if board.changed().await.is_err() {
                return;
            }
        }
    };
    let probing = async {
        tokio::time::sleep(probe.initial_delay).await;
        let mut streak = Streak::new();
        let mut last_failure = None;
        loop {
            let result =
                tokio::time::timeout(probe.timeout.max(Duration::from_millis(1)), attempt(world, target, probe))
                    .await
                    .unwrap_or(Err(Error::Timeout("the probe", probe.timeout.as_secs())));
            let was = streak.ready;
            let ready = streak.take(result.is_ok(), probe);
            if ready != was {
                tracing::info!(workload = %target.key, ready, "readiness changed");
            }
            if let Err(error) = result {
                let text = error.to_string();
                if last_failure.as_ref() != Some(&text) {
                    tracing::debug!(workload = %target.key, error = text, "probe failed");
                    last_failure = Some(text);
                }
            }
            world.board.ready(&target.key, pid, ready);
            tokio::time::sleep(streak.pause(probe).max(Duration::from_millis(10))).await;
        }
    };
    tokio::select! {
        () = over => {}
        () = probing => {}
    }
}

async fn attempt(world: &World, target: &Target, probe: &Probe) -> Result<()> {
    let own = IpAddr::V4(target.home.addresses.v4);
    match &probe.action {
        ProbeAction::TcpSocket { port, host } => {
            let host = asked(target.home.addresses, *host)?;
            connect(target, host, *port).await.map(drop)
        }
        ProbeAction::HttpGet { path, port, host, scheme, headers } => {
            let host = asked(target.home.addresses, *host)?;
            let stream = connect(target, host, *port).await?;
            let get = Get { host, port: *port, path, headers };
            match scheme {
                ProbeScheme::Http => get.by(stream).await,
                ProbeScheme::Https => get.by(tls::begin(stream, host).await?).await,
            }
        }
        ProbeAction::Grpc { port, service } => {
            let stream = connect(target, own, *port).await?;
            grpc::check(stream, (own, *port).into(), service).await
        }
        ProbeAction::Exec { command } => exec(world, target, command).await,
    }
}

/// Who is asked: the workload, at an address of its own or on loopback, which is its own, too. Nobody else is, whatever a
/// probe says: the sockets of probes pass by capture, and from the workload's network they would reach nodes and the
/// control plane as well.
fn asked(own: Addresses, host: Option<IpAddr>) -> Result<IpAddr> {
    let Some(host) = host else { return Ok(own.v4.into()) };
    let bare = host.to_canonical();
    if bare.is_loopback() || bare == IpAddr::V4(own.v4) || bare == IpAddr::V6(own.v6) {
        return Ok(bare);
    }
    Err(Error::protocol(
        "the probe",
        format!("{host} is no address of the workload, and nobody else is asked; leave `host` out"),
    ))
}

async fn connect(target: &Target, address: IpAddr, port: u16) -> Result<TcpStream> {
    let sockets = NamespaceSockets::new(target.home.netns.clone());
    let socket =
        sockets.socket(SocketKind::Plain, address.into()).await.map_err(Error::system("make a probe's socket"))?;
    let socket = TcpSocket::from_std_stream(socket.into());
    socket.connect((address, port).into()).await.map_err(Error::system(format!("connect to {address} port {port}")))
}

/// A request of a probe.
struct Get<'a> {
    host: IpAddr,
    port: u16,
    path: &'a str,
    headers: &'a [(Arc<str>, Arc<str>)],
}

impl Get<'_> {
    /// 200 to 399 is success, as for the kubelet.
    async fn by(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<()> {
        let usual = [
            ("host", std::net::SocketAddr::new(self.host, self.port).to_string()),
            ("user-agent", concat!("ripstop-probe/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("accept", "*/*".to_owned()),
            ("connection", "close".to_owned()),
        ];
        let mut request = Request::get(self.path);
        for (name, value) in self.headers {
            request = request.header(&**name, &**value);
        }
        let is_written = |name: &str| self.headers.iter().any(|(written, _)| written.eq_ignore_ascii_case(name));
        for (name, value) in usual.iter().filter(|(name, _)| !is_written(name)) {
            request = request.header(*name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| Error::protocol("the probe", error))?;
        let response = exchange("the workload", stream, request).await?;
        match response.status().as_u16() {
            200..=399 => Ok(()),
            status => Err(Error::protocol("the workload", format!("status {status}"))),
        }
    }
}

async fn exec(world: &World, target: &Target, command: &[Arc<str>]) -> Result<()> {
    let stdio = Stdio::Fds([child::null()?, child::null()?, child::null()?]);
    let request = target.home.spawn(Some(command), stdio);
    // Dropping the child, as a timeout does, kills it.
    let mut child = world.spawn_workload(request).await.map_err(Error::net("start the probe's command"))?;
    match exited(&mut child).await {
        exit if exit.success() => Ok(()),
        exit => Err(Error::protocol("the probe's command", format!("it ended with {exit}"))),
    }
}

#[cfg(test)]
mod tests;
