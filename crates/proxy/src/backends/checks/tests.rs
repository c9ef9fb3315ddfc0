use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use ripstop_balance::{Criteria, Refused};
use ripstop_decide::Callee;
use ripstop_model::{
    AppProtocol, Change, Quarantine, RuleId, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind, Workload,
};
use ripstop_wire::health::{HealthCheckRequest, HealthCheckResponse};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    backends::{
        Backends, WorkerBackend,
        testing::{address, behind, service, target, workload},
    },
    testing::{Worker, head, run, until},
};

/// A server whose answers the test chooses.
struct Server {
    address: SocketAddr,
    /// What it answers; empty: nothing, and it keeps the connection.
    answer: Rc<RefCell<String>>,
    /// The heads of what it was asked, or what came before it answered.
    heard: Rc<RefCell<Vec<String>>>,
}

impl Server {
    /// Of HTTP/1.1, whose answers are 200.
    async fn new() -> Self {
        Self::begun(async |stream| head(stream).await).await
    }

    /// Whose requests are what `read` reads.
    async fn begun(read: impl AsyncFn(&mut TcpStream) -> String + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, heard) = (Rc::new(RefCell::new(answer(200))), Rc::new(RefCell::new(Vec::new())));
        let server = Self { address, answer: Rc::clone(&answer), heard: Rc::clone(&heard) };
        spawn_local(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let said = read(&mut stream).await;
                heard.borrow_mut().push(said);
                let now = answer.borrow().clone();
                let _ = stream.write_all(now.as_bytes()).await;
                if now.is_empty() {
                    kept.push(stream);
                }
            }
        });
        server
    }

    fn answers(&self, status: u16) {
        *self.answer.borrow_mut() = answer(status);
    }

    fn asked(&self) -> usize {
        self.heard.borrow().len()
    }
}

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} So\r\ncontent-length: 2\r\n\r\nok")
}

fn http(expected: &[u16]) -> HealthCheck {
    HealthCheck::Http { method: "GET".into(), path: "/healthz?deep".into(), host: None, expected: expected.to_vec() }
}

fn checks(check: HealthCheck) -> HealthChecks {
    HealthChecks {
        id: RuleId("TrafficPolicy/ns/checks/1/spec.healthChecks".into()),
        check,
        interval: Duration::from_millis(100),
        jitter: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        healthy_threshold: 2,
        unhealthy_threshold: 2,
    }
}

fn policy(checks: Option<HealthChecks>) -> Change {
    let policy = checks.map(|checks| {
        Arc::new(TrafficPolicy {
            id: RuleId("TrafficPolicy/ns/checks/1".into()),
            namespace: "ns".into(),
            name: "checks".into(),
            targets: vec![TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None }],
            rate_limits: Vec::new(),
            balancing: None,
            retry_budget: None,
            session_affinity: None,
            global_rate_limits: Vec::new(),
            connection_rates: Vec::new(),
            connection_limits: Vec::new(),
            health_checks: Some(Arc::new(checks)),
            adaptive_concurrency: None,
            hedging: None,
            created: 1,
        })
    });
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "checks".into()), policy))
}

/// A caller of a service, whose endpoints are the test's.
struct Bed {
    worker: Worker,
    callee: Callee,
}

impl Bed {
    /// Endpoints get names by their order.
    async fn new(protocol: AppProtocol, endpoints: &[SocketAddr], checks: HealthChecks) -> Self {
        let mut web = service("web");
        web.ports[0].protocol = protocol;
        let nth = |(number, address): (usize, &SocketAddr)| {
            let mut workload = behind(workload(&format!("w{number}"), 2), &web, address.port());
            workload.addresses = vec![address.ip()];
            Change::Workload(Arc::new(workload))
        };
        let changes: Vec<_> = endpoints.iter().enumerate().map(nth).collect();
        let more = [
            Change::Workload(Arc::new(workload("caller", 1))),
            Change::Service(Arc::new(web.clone())),
            policy(Some(checks)),
        ];
        let worker = Worker::new(changes.into_iter().chain(more), Backends::new).await;
        Self { worker, callee: Callee::Service(Arc::new(web)) }
    }

    fn backend(&self) -> Rc<WorkerBackend> {
        let context = &self.worker.context;
        let program = context.shared.snapshot.load_full();
        let caller = program.workload(&workload("caller", 1).uid).unwrap().clone();
        context.backends.backend(context, &program, &caller, &target(&self.callee))
    }

    /// Who would get each of some requests.
    fn picked(&self) -> Result<Vec<SocketAddr>, Refused> {
        let backend = self.backend();
        let pick = |random| {
            backend.pick(&Criteria::default(), address("240.240.0.1:80"), random).map(|picked| picked.key().address())
        };
        let picked: Result<Vec<_>, _> =
            (0..20_u64).map(|number| pick(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        picked.map(|mut picked| {
            picked.sort_unstable();
            picked.dedup();
            picked
        })
    }

    /// Why each endpoint is out, as `ripstop config` tells.
    fn failing(&self) -> Vec<String> {
        let told = self.worker.context.shared.backends.inspect(std::time::Instant::now());
        let endpoints = told[0]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints.iter().filter_map(|endpoint| endpoint["failing"].as_str().map(str::to_owned)).collect()
    }
}

/// Another proxy that checks: what it does meanwhile says that others had time to do as much.
struct Clock {
    server: Server,
    _bed: Bed,
}

impl Clock {
    async fn new() -> Self {
        let server = Server::new().await;
        let bed = Bed::new(AppProtocol::Http11, &[server.address], checks(http(&[]))).await;
        bed.picked().unwrap();
        Self { server, _bed: bed }
    }

    /// Waits until it has checked some times more.
    async fn ticks(&self) {
        let before = self.server.asked();
        until(|| self.server.asked() > before + 4).await;
    }
}

#[test]
fn who_fails_its_checks_gets_no_request_until_it_passes_them() {
    run(async {
        let (one, other) = (Server::new().await, Server::new().await);
        let bed = Bed::new(AppProtocol::Http11, &[one.address, other.address], checks(http(&[]))).await;
        let both = bed.picked().unwrap();
        assert_eq!(both.len(), 2);
        until(|| one.asked() > 2 && other.asked() > 2).await;
        assert_eq!(bed.picked().unwrap(), both);
        let head = one.heard.borrow()[0].clone();
        assert!(head.starts_with("GET /healthz?deep HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("host: web.ns.svc.cluster.local\r\n"), "{head}");

        one.answers(503);
        until(|| bed.picked() == Ok(vec![other.address])).await;
        assert_eq!(bed.failing(), ["status 503"]);
        other.answers(301);
        let nobody = Refused::NoneUsable { endpoints: 2, unready: 0, ejected: 0, failing: 2 };
        until(|| bed.picked() == Err(nobody)).await;
        one.answers(201);
        until(|| bed.picked() == Ok(vec![one.address])).await;
        assert_eq!(bed.failing(), ["status 301"]);
        // What passes is said.
        let mut wanted = checks(http(&[301]));
        wanted.unhealthy_threshold = 1;
        bed.worker.change(policy(Some(wanted)));
        until(|| bed.picked() == Ok(vec![other.address])).await;
        assert_eq!(bed.failing(), ["status 201"]);
        // Without checks nobody is out.
        bed.worker.change(policy(None));
        until(|| bed.picked() == Ok(both.clone())).await;
    });
}

#[test]
fn they_are_asked_by_the_request_that_is_wanted() {
    run(async {
        let server = Server::new().await;
        let (method, path, host) = ("OPTIONS".into(), "/up".into(), Some("up.example".into()));
        let check = HealthCheck::Http { method, path, host, expected: vec![200] };
        let bed = Bed::new(AppProtocol::Http11, &[server.address], checks(check)).await;
        bed.picked().unwrap();
        until(|| server.asked() > 0).await;
        let head = server.heard.borrow()[0].to_ascii_lowercase();
        assert!(head.starts_with("options /up http/1.1\r\n") && head.contains("host: up.example\r\n"), "{head}");
    });
}

#[test]
fn what_is_the_askers_own_fault_says_nothing_of_the_endpoint() {
    run(async {
        let server = Server::new().await;
        let bed = Bed::new(AppProtocol::Http11, &[server.address], checks(http(&[]))).await;
        bed.picked().unwrap();
        let counted = |result: &str| {
            let metrics = bed.worker.metrics();
            let wanted = format!("result=\"{result}\"}} ");
            let line =
                metrics.lines().find(|line| line.starts_with("ripstop_health_checks_total{") && line.contains(&wanted));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        until(|| counted("success") > 2).await;
        for status in [401, 403, 429] {
            let before = counted("none");
            server.answers(status);
            until(|| counted("none") > before + 3).await;
            assert!(bed.failing().is_empty(), "{status}: {:?}", bed.failing());
        }
        assert_eq!(counted("failure"), 0);
        // Who has enough to do is not ill, either.
        let before = counted("none");
        *server.answer.borrow_mut() = "HTTP/1.1 503 So\r\nx-envoy-overloaded: true\r\ncontent-length: 0\r\n\r\n".into();
        until(|| counted("none") > before + 3).await;
        assert!(bed.failing().is_empty());
        // Who says what it expects means it.
        server.answers(403);
        bed.worker.change(policy(Some(checks(http(&[200])))));
        until(|| bed.failing() == ["status 403"]).await;
        let metrics = bed.worker.metrics();
        let out = metrics.lines().find(|line| line.contains("state=\"unhealthy\""));
        assert!(
            out.is_some_and(|line| line.starts_with("ripstop_health_check_endpoints{") && line.ends_with(" 1")),
            "{metrics}"
        );
        assert!(counted("failure") > 1);
    });
}

#[test]
fn an_endpoint_that_cannot_be_reached_or_says_nothing_fails() {
    run(async {
        let silent = Server::new().await;
        silent.answer.borrow_mut().clear();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let well = Server::new().await;
        let limit = Duration::from_millis(200);
        let settings = HealthChecks { timeout: limit, ..checks(http(&[])) };
        let bed = Bed::new(AppProtocol::Http11, &[silent.address, closed, well.address], settings).await;
        until(|| bed.picked() == Ok(vec![well.address])).await;
        let mut why = bed.failing();
        why.sort();
        assert!(why.iter().any(|why| why == "nothing within 200ms"), "{why:?}");
        assert!(why.iter().any(|why| why.contains("refused")), "{why:?}");
    });
}

#[test]
fn one_worker_asks_for_all_and_only_while_somebody_asked_for_it() {
    run(async {
        let (clock, server) = (Clock::new().await, Server::new().await);
        let slow = HealthChecks { interval: Duration::from_secs(3600), ..checks(http(&[])) };
        let bed = Bed::new(AppProtocol::Http11, &[server.address], slow.clone()).await;
        // Nobody has called it.
        clock.ticks().await;
        assert_eq!(server.asked(), 0);
        for _ in 0..10 {
            bed.picked().unwrap();
        }
        until(|| server.asked() == 1).await;
        clock.ticks().await;
        assert_eq!(server.asked(), 1);
        // Other checks are heard of at once, though nobody calls.
        bed.worker.change(policy(Some(checks(http(&[])))));
        until(|| server.asked() > 5).await;
        bed.worker.change(policy(None));
        let backend = bed.backend();
        until(|| !backend.shared().checking.load(Acquire)).await;
        let asked = server.asked();
        clock.ticks().await;
        assert_eq!(server.asked(), asked);
        // And with the next call there is somebody again.
        bed.worker.change(policy(Some(checks(http(&[])))));
        bed.picked().unwrap();
        until(|| server.asked() > asked).await;
    });
}

#[test]
fn whoever_is_cut_off_asks_nobody() {
    run(async {
        let (clock, server) = (Clock::new().await, Server::new().await);
        let bed = Bed::new(AppProtocol::Http11, &[server.address], checks(http(&[]))).await;
        bed.picked().unwrap();
        until(|| server.asked() > 1).await;
        let quarantine = Quarantine { rule: RuleId("Process/test/caller/2/quarantine".into()), peers: Vec::new() };
        let cut = Workload { quarantine: Some(Arc::new(quarantine)), ..workload("caller", 1) };
        bed.worker.change(Change::Workload(Arc::new(cut)));
        clock.ticks().await;
        let asked = server.asked();
        clock.ticks().await;
        assert_eq!(server.asked(), asked);
        // That says nothing of the endpoint.
        assert!(bed.failing().is_empty());
    });
}

#[test]
fn a_connection_may_be_enough_or_must_answer() {
    run(async {
        let server = Server::begun(async |stream| {
            let mut read = [0; 6];
            // Whoever says nothing closes.
            let _ = stream.read_exact(&mut read).await;
            String::from_utf8_lossy(&read).into_owned()
        })
        .await;
        *server.answer.borrow_mut() = "+PONG\r\n".into();
        let check = HealthCheck::Tcp { send: "PING\r\n".into(), receive: "+PONG".into() };
        let bed = Bed::new(AppProtocol::Tcp, &[server.address], checks(check)).await;
        bed.picked().unwrap();
        until(|| server.asked() > 2).await;
        assert_eq!((server.heard.borrow()[0].as_str(), bed.failing()), ("PING\r\n", vec![]));
        *server.answer.borrow_mut() = "-LOADING".into();
        until(|| !bed.failing().is_empty()).await;
        assert_eq!(bed.failing(), ["another answer than the expected one"]);
        bed.worker.change(policy(Some(checks(HealthCheck::Tcp { send: "".into(), receive: "".into() }))));
        until(|| bed.picked().is_ok()).await;
    });
}

#[test]
fn a_health_service_of_grpc_is_asked() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (status, grpc) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(Some("0"))));
        let asked = Rc::new(RefCell::new(Vec::new()));
        let (state, told, said) = (Rc::clone(&status), Rc::clone(&grpc), Rc::clone(&asked));
        spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (state, told, said) = (Rc::clone(&state), Rc::clone(&told), Rc::clone(&said));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (state, told, said) = (Rc::clone(&state), Rc::clone(&told), Rc::clone(&said));
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let message = HealthCheckRequest::decode(&body[5..]).unwrap();
                        said.borrow_mut().push((path, message.service));
                        let message = HealthCheckResponse { status: state.get() }.encode_to_vec();
                        let prefix = [0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
                        let framed = [&prefix[..], &message].concat();
                        let trailers = told.get().map(|status| {
                            let mut trailers = HeaderMap::new();
                            trailers.insert("grpc-status", status.parse().unwrap());
                            Ok::<_, Infallible>(trailers)
                        });
                        let body = Full::new(Bytes::from(framed)).with_trailers(async move { trailers });
                        Ok::<_, Infallible>(Response::new(body))
                    }
                });
                spawn_local(async move {
                    let builder = http2::Builder::new(LocalExecutor);
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        let check = HealthCheck::Grpc { service: "shop.Cart".into() };
        let bed = Bed::new(AppProtocol::Grpc, &[at], checks(check)).await;
        bed.picked().unwrap();
        until(|| asked.borrow().len() > 2).await;
        assert_eq!(asked.borrow()[0], ("/grpc.health.v1.Health/Check".to_owned(), "shop.Cart".to_owned()));
        assert!(bed.failing().is_empty(), "{:?}", bed.failing());
        status.set(2);
        until(|| bed.failing() == ["NOT_SERVING"]).await;
        status.set(1);
        until(|| bed.failing().is_empty()).await;
        grpc.set(Some("5"));
        until(|| bed.failing() == ["gRPC status 5"]).await;
        grpc.set(None);
        until(|| bed.failing() == ["no gRPC status"]).await;
    });
}

/// Runs what a server does on the test's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
