//! A small proxy made of the crate, and the two sides around it.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc};

use ripstop_exchange::{
    Answered, Downstream, Failure, HeadChanges, Http1Client, Http1Server, Http2Client, Http2Options, Http2Request,
    Http2Server, Next, Outcome, Party, Pump, Recoding, Replay, Retry, Sent, ServerOptions, Totals, Upstream,
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

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http {
    #[default]
    One,
    Two,
}

/// What the proxy does.
#[derive(Clone, Default)]
pub struct Plan {
    pub front: Http,
    pub back: Http,
    pub http2: Rc<Http2Options>,
    pub request: HeadChanges<'static>,
    pub response: HeadChanges<'static>,
    pub options: Rc<ServerOptions>,
    pub replay: usize,
    /// What writes bodies anew.
    pub recoding: Option<fn() -> Recoding>,
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
                    let report = Rc::new(move |how| {
                        went.borrow_mut().push(how);
                        told.notify_waiters();
                    });
                    serve(socket, &upstreams, &plan, report).await;
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

/// Serves one connection of a client.
async fn serve(socket: TcpStream, upstreams: &[SocketAddr], plan: &Plan, report: Rc<dyn Fn(Went)>) {
    match plan.front {
        Http::One => serve_http1(socket, upstreams, plan, &*report).await,
        Http::Two => {
            let (mut server, driver) = Http2Server::new(socket, plan.http2.clone());
            let driver = tokio::task::spawn_local(driver);
            while let Some(mut request) = server.next().await {
                let (upstreams, plan, report) = (upstreams.to_vec(), plan.clone(), report.clone());
                tokio::task::spawn_local(async move {
                    let (mut back, mut replay) = (Back::default(), Replay::up_to(plan.replay));
                    let front = Front::Two(&mut request);
                    let answered = attempts(front, &mut back, &upstreams, &plan, &mut replay, &*report).await;
                    let mut downstream = Downstream::Http2(&mut request);
                    if answered || downstream.reply(503, [], b"").is_ok() {
                        let _ = downstream.finish().await;
                    }
                });
            }
            drop(server);
            let _ = driver.await.unwrap();
        }
    }
}

async fn serve_http1(socket: TcpStream, upstreams: &[SocketAddr], plan: &Plan, report: &dyn Fn(Went)) {
    let mut server = Http1Server::new(socket, plan.options.clone());
    let mut back = Back::default();
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
        let front = Front::One(&mut server);
        let answered = attempts(front, &mut back, upstreams, plan, &mut replay, report).await;
        if !answered && server.reply(503, [], b"").is_err() {
            return;
        }
        match std::future::poll_fn(|cx| server.poll_finish(cx)).await {
            Ok(ripstop_h1::Persistence::KeepAlive) => {}
            _ => break,
        }
    }
    server.close().await;
}

/// The client's side, for one attempt after the other.
enum Front<'c> {
    One(&'c mut Http1Server),
    Two(&'c mut Http2Request),
}

impl Front<'_> {
    fn again(&mut self) -> Downstream<'_> {
        match self {
            Self::One(server) => Downstream::Http1(server),
            Self::Two(request) => Downstream::Http2(request),
        }
    }
}

/// A connection upstream that may be used again.
#[derive(Default)]
struct Back {
    http1: Option<Http1Client>,
    http2: Option<Http2Client>,
}

/// Tries one upstream after the other; gives whether one has answered.
async fn attempts(
    mut downstream: Front<'_>,
    back: &mut Back,
    upstreams: &[SocketAddr],
    plan: &Plan,
    replay: &mut Replay,
    report: &dyn Fn(Went),
) -> bool {
    for upstream in upstreams {
        let connect = || async { TcpStream::connect(upstream).await.unwrap() };
        let result = match plan.back {
            Http::One => {
                let kept = back.http1.take().and_then(|mut kept| kept.is_reusable().then_some(kept));
                let mut client = match kept {
                    Some(client) => client,
                    None => Http1Client::new(connect().await, Rc::default()),
                };
                let result = exchange(downstream.again(), Upstream::Http1(&mut client), plan, replay).await;
                // What can't be used again is dropped at once: a reset is seen then.
                back.http1 = client.is_reusable().then_some(client);
                result
            }
            Http::Two => {
                let kept = back.http2.take().filter(|kept| kept.may_open().is_ok());
                let client = if let Some(client) = kept {
                    client
                } else {
                    let (client, driver) = Http2Client::new(connect().await, plan.http2.clone());
                    tokio::task::spawn_local(driver);
                    client.settled().await;
                    client
                };
                let mut call = client.call();
                let result = exchange(downstream.again(), Upstream::Http2(&mut call), plan, replay).await;
                // After a failure another server is asked.
                back.http2 = result.is_ok().then_some(client);
                result
            }
        };
        match result {
            Ok((outcome, totals)) => {
                report(Went::Well(outcome, totals.request_body, totals.response_body));
                return true;
            }
            Err(failure) => {
                // Shown when a test fails.
                println!("{failure}");
                report(Went::Badly(failure.party, failure.sent, failure.answered, failure.retry()));
                if failure.retry() == Retry::Never || !replay.is_possible() {
                    return false;
                }
            }
        }
    }
    false
}

async fn exchange(
    downstream: Downstream<'_>,
    upstream: Upstream<'_>,
    plan: &Plan,
    replay: &mut Replay,
) -> Result<(Outcome, Totals), Failure> {
    let mut recoding = plan.recoding.map(|make| make());
    let mut pump = Pump::new(downstream, upstream, &plan.request, replay)?;
    if let Some(recoding) = &mut recoding {
        pump.recode(recoding);
    }
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

    /// Reads a head.
    pub async fn head(&mut self) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(heard).unwrap()
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
