//! A small proxy made of the crate, and the two sides around it.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc};

use ripstop_exchange::{
    Answered, Downstream, Failure, HeadChanges, Http1Client, Http1Server, Next, Outcome, Party, Pump, Replay, Retry,
    Sent, ServerOptions, Totals, Upstream,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

/// Runs a story on one thread, as a worker does.
pub fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, story);
}

/// How an exchange went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went {
    Well(Outcome, u64, u64),
    Badly(Party, Sent, Answered, Retry),
}

/// What the proxy does.
#[derive(Clone, Default)]
pub struct Plan {
    pub request: HeadChanges<'static>,
    pub response: HeadChanges<'static>,
    pub options: Rc<ServerOptions>,
    pub replay: usize,
}

/// A proxy to one upstream, or to several, the next after each failure.
pub struct Proxy {
    pub address: SocketAddr,
    went: Rc<RefCell<Vec<Went>>>,
    told: Rc<tokio::sync::Notify>,
}

impl Proxy {
    pub async fn to(upstream: SocketAddr) -> Self {
        Self::with(vec![upstream], Plan::default()).await
    }

    pub async fn with(upstreams: Vec<SocketAddr>, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (went, told) = (Rc::<RefCell<Vec<Went>>>::default(), Rc::new(tokio::sync::Notify::new()));
        let proxy = Self { address, went: went.clone(), told: told.clone() };
        tokio::task::spawn_local(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (upstreams, plan, went, told) = (upstreams.clone(), plan.clone(), went.clone(), told.clone());
                tokio::task::spawn_local(async move {
                    serve(socket, &upstreams, &plan, |how| {
                        went.borrow_mut().push(how);
                        told.notify_waiters();
                    })
                    .await;
                });
            }
        });
        proxy
    }

    /// The first `n` exchanges, once they are over.
    pub async fn went(&self, n: usize) -> Vec<Went> {
        loop {
            let told = self.told.notified();
            if self.went.borrow().len() >= n {
                return self.went.borrow().clone();
            }
            told.await;
        }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

async fn serve(socket: TcpStream, upstreams: &[SocketAddr], plan: &Plan, mut report: impl FnMut(Went)) {
    let mut server = Http1Server::new(socket, plan.options.clone());
    let mut idle: Option<Http1Client> = None;
    loop {
        match server.next().await {
            Next::Request => {}
            Next::Refused(refusal) => {
                server.reply(refusal.status(), [], b"").unwrap();
                let _ = Downstream::Http1(&mut server).finish().await;
                break;
            }
            Next::Closed(_) => break,
        }
        let mut replay = Replay::up_to(plan.replay);
        let mut failed = false;
        for upstream in upstreams {
            let mut client = match idle.take().and_then(|mut kept| kept.is_reusable().then_some(kept)) {
                Some(client) => client,
                None => Http1Client::new(TcpStream::connect(upstream).await.unwrap(), Rc::default()),
            };
            let result = exchange(&mut server, &mut client, plan, &mut replay).await;
            match result {
                Ok((outcome, totals)) => {
                    report(Went::Well(outcome, totals.request_body, totals.response_body));
                    // What can't be used again is dropped at once: a reset is seen then.
                    idle = client.is_reusable().then_some(client);
                    failed = false;
                }
                Err(failure) => {
                    report(Went::Badly(failure.party, failure.sent, failure.answered, failure.retry()));
                    failed = true;
                    if failure.retry() != Retry::Never && replay.is_possible() {
                        continue;
                    }
                }
            }
            break;
        }
        if failed && server.reply(503, [], b"").is_err() {
            return;
        }
        match std::future::poll_fn(|cx| server.poll_finish(cx)).await {
            Ok(ripstop_h1::Persistence::KeepAlive) => {}
            _ => break,
        }
    }
    server.close().await;
}

async fn exchange(
    server: &mut Http1Server,
    client: &mut Http1Client,
    plan: &Plan,
    replay: &mut Replay,
) -> Result<(Outcome, Totals), Failure> {
    let (downstream, upstream) = (Downstream::Http1(server), Upstream::Http1(client));
    let mut pump = Pump::new(downstream, upstream, &plan.request, replay)?;
    pump.answer().await?;
    pump.pass_on(&plan.response)?;
    let outcome = pump.through().await?;
    Ok((outcome, pump.totals()))
}

/// A client of raw bytes, or a server's end of one.
pub struct Client(pub TcpStream);

impl Client {
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads exactly `bytes`, and panics at anything else.
    pub async fn hear(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut heard = Vec::new();
        while heard.len() < expected.len() && expected.starts_with(&heard) {
            let mut some = vec![0; expected.len() - heard.len()];
            let n = self.0.read(&mut some).await.unwrap();
            heard.extend_from_slice(&some[..n]);
            if n == 0 {
                break;
            }
        }
        assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    /// Nothing more comes, and that is in order.
    pub async fn hear_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.escape_ascii().to_string(), "");
    }

    /// The other side has reset the connection.
    pub async fn hear_reset(&mut self) {
        let mut rest = Vec::new();
        let error = self.0.read_to_end(&mut rest).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// An upstream that the test plays itself.
pub struct Server(TcpListener);

impl Server {
    pub async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub async fn accept(&self) -> Client {
        Client(self.0.accept().await.unwrap().0)
    }
}

/// A proxy with an upstream that the test plays, and a client.
pub async fn stage() -> (Proxy, Server, Client) {
    let server = Server::new().await;
    let proxy = Proxy::to(server.address()).await;
    let client = proxy.connect().await;
    (proxy, server, client)
}
