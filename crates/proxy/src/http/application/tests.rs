use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ripstop_exchange::Upstream;
use ripstop_h1::BodyKind;
use ripstop_model::ConnectionPool;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, spawn_local, yield_now},
    time::timeout,
};

use super::*;
use crate::testing::{LONG, run, until};

/// An application that takes one request of a connection at a time, and answers each when the test lets it.
struct Served {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

impl Served {
    async fn new() -> Self {
        Self::with(1).await
    }

    /// One that takes many.
    async fn wide() -> Self {
        Self::with(100).await
    }

    async fn with(streams: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served =
            Self { address, accepted: Arc::default(), asked: Arc::default(), answers: Arc::new(Semaphore::new(0)) };
        let (accepted, asked, answers) = (served.accepted.clone(), served.asked.clone(), served.answers.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, SeqCst);
                let (asked, answers) = (asked.clone(), answers.clone());
                let service = service_fn(move |_: Request<Incoming>| {
                    let (asked, answers) = (asked.clone(), answers.clone());
                    async move {
                        asked.fetch_add(1, SeqCst);
                        answers.acquire().await.unwrap().forget();
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                    }
                });
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(streams);
                tokio::spawn(builder.serve_connection(TokioIo::new(socket), service));
            }
        });
        served
    }
}

/// Connecting as these tests have it: counted, and only as far as they let it.
#[derive(Clone)]
struct Dials {
    application: Rc<SharedApplication>,
    begun: Rc<Cell<usize>>,
    gate: Rc<Semaphore>,
    /// Where to; nothing: it fails.
    leads: Option<SocketAddr>,
    reaching: Reaching,
}

impl Dials {
    fn new(leads: Option<SocketAddr>) -> Self {
        Self {
            application: Rc::default(),
            begun: Rc::default(),
            gate: Rc::new(Semaphore::new(0)),
            leads,
            reaching: Reaching {
                to: ToApplication::at(leads.unwrap_or(([127, 0, 0, 1], 1).into())),
                limits: RequestLimits::default(),
            },
        }
    }

    /// Connects.
    fn connect(&self) -> impl Future<Output = Result<Io, Error>> + use<> {
        let (begun, gate, leads) = (self.begun.clone(), self.gate.clone(), self.leads);
        async move {
            begun.set(begun.get() + 1);
            gate.acquire().await.unwrap().forget();
            match leads {
                Some(address) => Ok(TcpStream::connect(address).await.unwrap().into()),
                None => Err(Error::GaveUp(([127, 0, 0, 1], 1).into())),
            }
        }
    }

    /// Somebody who asks for a request's place, and waits by now.
    async fn ask(&self) -> JoinHandle<Result<ApplicationCall, Arc<Error>>> {
        let dials = self.clone();
        let asked = spawn_local(async move { dials.application.call(&dials.reaching, || dials.connect()).await });
        // The second time it is the opening's turn.
        yield_now().await;
        yield_now().await;
        asked
    }
}

fn send(call: &mut ApplicationCall) {
    let fields = std::iter::empty::<(&[u8], &[u8])>();
    let mut upstream = Upstream::Http2(call.call());
    upstream.send(b"GET", b"/", b"web", fields, BodyKind::None).unwrap();
    upstream.end(std::iter::empty()).unwrap_or(());
}

async fn status(call: &mut ApplicationCall) -> u16 {
    let mut upstream = Upstream::Http2(call.call());
    timeout(LONG, poll_fn(|cx| upstream.poll_head(cx))).await.expect("an answer comes").unwrap();
    upstream.status()
}

async fn leave<T: std::fmt::Debug>(asked: JoinHandle<T>) {
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
}

#[test]
fn an_opening_goes_on_for_those_who_wait_when_its_asker_leaves() {
    run(async {
        let served = Served::new().await;
        let dials = Dials::new(Some(served.address));
        let (first, second) = (dials.ask().await, dials.ask().await);
        leave(first).await;
        dials.gate.add_permits(1);
        let mut call = timeout(LONG, second).await.expect("the opening ends").unwrap().unwrap();
        send(&mut call);
        served.answers.add_permits(1);
        assert_eq!(status(&mut call).await, 200);
        assert_eq!((dials.begun.get(), served.accepted.load(SeqCst)), (1, 1));
    });
}

#[test]
fn whoever_waits_is_told_that_the_opening_failed_whose_asker_left() {
    run(async {
        let dials = Dials::new(None);
        let (first, second, third) = (dials.ask().await, dials.ask().await, dials.ask().await);
        leave(first).await;
        dials.gate.add_permits(1);
        for asked in [second, third] {
            let told = timeout(LONG, asked).await.expect("the opening ends").unwrap();
            assert!(matches!(told.map_err(|error| error.to_string()), Err(why) if why.contains("127.0.0.1:1")));
        }
        assert_eq!(dials.begun.get(), 1);
        // Who comes later tries anew.
        leave(dials.ask().await).await;
        assert_eq!(dials.begun.get(), 2);
    });
}

#[test]
fn an_opening_ends_with_the_connection_that_it_is_for() {
    run(async {
        let dials = Dials::new(None);
        leave(dials.ask().await).await;
        let Dials { application, gate, .. } = dials;
        assert_eq!(Rc::strong_count(&gate), 2);
        drop(application);
        until(|| Rc::strong_count(&gate) == 1).await;
    });
}

#[test]
fn a_connection_that_takes_no_more_requests_ends_those_that_it_has() {
    run(async {
        let served = Served::new().await;
        let dials = Dials::new(Some(served.address));
        dials.gate.add_permits(2);
        let mut calls = Vec::new();
        for number in 1..=2 {
            let mut call = timeout(LONG, dials.ask().await).await.expect("the opening ends").unwrap().unwrap();
            send(&mut call);
            until(|| served.asked.load(SeqCst) == number).await;
            calls.push(call);
        }
        assert_eq!((dials.begun.get(), served.accepted.load(SeqCst)), (2, 2));
        served.answers.add_permits(2);
        for call in &mut calls {
            assert_eq!(status(call).await, 200);
        }
    });
}

fn limits(pool: &ConnectionPool) -> RequestLimits {
    RequestLimits::from_pool(None, pool)
}

#[test]
fn streams_of_a_connection_have_a_limit() {
    run(async {
        let served = Served::wide().await;
        let mut dials = Dials::new(Some(served.address));
        dials.reaching.limits =
            limits(&ConnectionPool { max_concurrent_streams: Some(2), ..ConnectionPool::default() });
        dials.gate.add_permits(3);
        // They wait together, and are more than one connection takes.
        let asked = [dials.ask().await, dials.ask().await, dials.ask().await, dials.ask().await, dials.ask().await];
        let mut calls = Vec::new();
        for asked in asked {
            calls.push(timeout(LONG, asked).await.expect("the openings end").unwrap().unwrap());
        }
        assert_eq!((dials.begun.get(), served.accepted.load(SeqCst)), (3, 3));
        // A place that is given back is taken by the next one.
        calls.pop();
        let last = timeout(LONG, dials.ask().await).await.expect("there is room").unwrap().unwrap();
        assert_eq!(dials.begun.get(), 3);
        drop(last);
    });
}

#[test]
fn a_connection_carries_so_many_requests() {
    run(async {
        let served = Served::wide().await;
        let mut dials = Dials::new(Some(served.address));
        dials.reaching.limits =
            limits(&ConnectionPool { max_requests_per_connection: Some(2), ..ConnectionPool::default() });
        dials.gate.add_permits(9);
        for begun in [1, 1, 2, 2, 3] {
            drop(timeout(LONG, dials.ask().await).await.expect("the opening ends").unwrap().unwrap());
            assert_eq!(dials.begun.get(), begun);
        }
    });
}

/// What was opened before, or is just being opened, leads to nobody any more.
#[test]
fn an_application_that_moved_is_connected_to_anew() {
    run(async {
        let (served, moved) = (Served::wide().await, Served::wide().await);
        let mut dials = Dials::new(Some(served.address));
        let before = dials.ask().await;
        (dials.leads, dials.reaching.to) = (Some(moved.address), ToApplication::at(moved.address));
        let after = dials.ask().await;
        dials.gate.add_permits(9);
        for asked in [before, after] {
            drop(timeout(LONG, asked).await.expect("the openings end").unwrap().unwrap());
        }
        assert!(dials.application.ready(&dials.reaching).is_some());
        until(|| moved.accepted.load(SeqCst) == 1).await;
        assert_eq!((dials.begun.get(), served.accepted.load(SeqCst)), (2, 1));
    });
}

/// That it was not to be had where it was is nobody's error who goes where it is.
#[test]
fn an_application_that_was_not_there_may_be_elsewhere() {
    run(async {
        let moved = Served::wide().await;
        let mut dials = Dials::new(None);
        let before = dials.ask().await;
        (dials.leads, dials.reaching.to) = (Some(moved.address), ToApplication::at(moved.address));
        let after = dials.ask().await;
        dials.gate.add_permits(9);
        let failed = timeout(LONG, before).await.expect("the opening ends").unwrap();
        assert!(failed.is_err());
        drop(timeout(LONG, after).await.expect("the opening ends").unwrap().unwrap());
        assert_eq!(dials.begun.get(), 2);
    });
}

#[test]
fn idle_connections_end() {
    run(async {
        let served = Served::wide().await;
        let mut dials = Dials::new(Some(served.address));
        let time = Duration::from_millis(20);
        dials.reaching.limits = limits(&ConnectionPool { http_idle_timeout: Some(time), ..ConnectionPool::default() });
        dials.gate.add_permits(9);
        let mut call = timeout(LONG, dials.ask().await).await.expect("the opening ends").unwrap().unwrap();
        send(&mut call);
        until(|| served.asked.load(SeqCst) == 1).await;
        // One that has requests is not idle.
        sleep_until(Instant::now() + 3 * time).await;
        assert!(dials.application.ready(&dials.reaching).is_some());
        served.answers.add_permits(1);
        assert_eq!(status(&mut call).await, 200);
        drop(call);
        until(|| dials.application.0.last.borrow().is_none()).await;
        drop(timeout(LONG, dials.ask().await).await.expect("the opening ends").unwrap().unwrap());
        assert_eq!(dials.begun.get(), 2);
    });
}
