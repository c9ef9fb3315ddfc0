//! The same stories between either HTTP and either HTTP.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use ripstop_exchange::{FieldChange, HeadChanges, Outcome};
use ripstop_tls::Buffer;

use crate::{
    bed::{Http, Plan, Proxy, Went, run},
    real::{self, Client, empty, pieces, whole},
};

const ALL: [(Http, Http); 4] =
    [(Http::One, Http::One), (Http::One, Http::Two), (Http::Two, Http::One), (Http::Two, Http::Two)];

/// Runs a story for each combination.
fn each<F: Future<Output = ()>>(story: impl Fn(Plan, Proxy, Client) -> F) {
    each_with(&Plan::default(), story);
}

fn each_with<F: Future<Output = ()>>(plan: &Plan, story: impl Fn(Plan, Proxy, Client) -> F) {
    for (front, back) in ALL {
        run(async {
            let plan = Plan { front, back, ..plan.clone() };
            let (address, _) = real::server(back).await;
            let proxy = Proxy::with(vec![address], plan.clone()).await;
            let client = Client::connect(front, proxy.address).await;
            story(plan, proxy, client).await;
        });
    }
}

fn get(path: &str) -> Request<real::Content> {
    Request::get(path).body(empty()).unwrap()
}

#[test]
fn get_and_head_are_answered_with_what_the_server_says() {
    each(|plan, proxy, mut client| async move {
        let answer = client.send(get("/hello?a=b")).await;
        assert_eq!(answer.status(), 200, "{:?} {:?}", plan.front, plan.back);
        assert_eq!(answer.headers()["x-seen"], "GET /hello?a=b");
        assert_eq!(answer.headers()["x-host"], "shop");
        assert_eq!(answer.headers()["x-names"], "");
        assert_eq!(answer.headers()["content-length"], "5");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
        let head = Request::builder().method(Method::HEAD).uri("/hello").body(empty()).unwrap();
        let answer = client.send(head).await;
        assert_eq!(answer.headers()["x-seen"], "HEAD /hello");
        assert_eq!(answer.headers()["content-length"], "5");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "");
        assert_eq!(proxy.went(2).await, [Went::Well(Outcome::Answered, 0, 5), Went::Well(Outcome::Answered, 0, 0)]);
        assert_eq!(Buffer::storages(), 0, "idle connections hold no buffer");
    });
}

#[test]
fn statuses_without_content_have_none() {
    each(|_, proxy, mut client| async move {
        for (path, status) in [("/none", 204), ("/same", 304), ("/hello", 200)] {
            let answer = client.send(get(path)).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers().contains_key("etag"), status == 304);
            assert!(!answer.headers().contains_key("transfer-encoding"));
            let content = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(content, if status == 200 { "hello" } else { "" });
        }
        assert_eq!(proxy.went(3).await.len(), 3);
    });
}

#[test]
fn a_body_of_known_length_keeps_it() {
    each(|_, proxy, mut client| async move {
        let request = Request::post("/echo").header("content-length", 6).body(whole("abcdef")).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.headers()["content-length"], "6");
        assert_eq!(answer.headers()["x-names"], "content-length");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "abcdef");
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 6, 6)]);
    });
}

#[test]
fn bodies_of_unknown_length_and_trailers_pass() {
    each(|plan, _proxy, mut client| async move {
        let content = pieces(vec!["abc".into(), "de".into()], Some(("x-sum", "5")));
        let mut request = Request::post("/echo").body(content).unwrap();
        // Announced as HTTP/1.1 wants it: that they come, and that they are wanted.
        request.headers_mut().insert("trailer", "x-sum".parse().unwrap());
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        if plan.front == Http::One {
            request.headers_mut().insert("connection", "te".parse().unwrap());
        }
        let answer = client.send(request).await;
        assert!(!answer.headers().contains_key("content-length"));
        let collected = answer.into_body().collect().await.unwrap();
        // hyper, as a server of HTTP/1.1, sends trailers only to who says TE in the same request.
        let trailers = collected.trailers().map(|trailers| trailers["x-sum"].clone());
        let expected =
            if (plan.front, plan.back) == (Http::Two, Http::One) { None } else { Some("5".parse().unwrap()) };
        assert_eq!(trailers, expected, "{:?} {:?}", plan.front, plan.back);
        assert_eq!(collected.to_bytes(), "abcde");
    });
}

#[test]
fn ten_megabytes_come_back_whole() {
    each(|plan, proxy, mut client| async move {
        const SIZE: usize = 10 << 20;
        let content: Bytes = (0..SIZE).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let parts = content.chunks(50_000).map(Bytes::copy_from_slice).collect();
        let answer = client.send(Request::post("/echo").body(pieces(parts, None)).unwrap()).await;
        let got = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(got == content, "{:?} {:?}", plan.front, plan.back);
        let went = proxy.went(1).await;
        assert!(matches!(went[..], [Went::Well(Outcome::Answered, _, _)]), "{went:?}");
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_is_passed_on() {
    each(|_, proxy, mut client| async move {
        // A request that never ends by itself.
        let (held, rest) = tokio::sync::oneshot::channel::<Bytes>();
        let first = futures_util::stream::iter([Ok(hyper::body::Frame::data(Bytes::from("abc")))]);
        let rest = futures_util::stream::once(async { Ok(hyper::body::Frame::data(rest.await.unwrap_or_default())) });
        let frames = futures_util::StreamExt::chain(first, rest);
        let content = http_body_util::StreamBody::new(Box::pin(frames));
        let request = Request::post("/early").body(SendBody::boxed(content)).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "enough");
        assert!(matches!(proxy.went(1).await[..], [Went::Well(Outcome::Answered, _, 6)]));
        drop(held);
    });
}

/// A body whose source is no `Sync`.
struct SendBody;

impl SendBody {
    fn boxed<B>(body: B) -> real::Content
    where
        B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        body.boxed()
    }
}

#[test]
fn requests_at_the_same_time_share_connections_of_http_2_and_do_not_mix() {
    for back in [Http::One, Http::Two] {
        run(async {
            let (address, _) = real::server(back).await;
            let plan = Plan { front: Http::Two, back, ..Plan::default() };
            let proxy = Proxy::with(vec![address], plan).await;
            let Client::Two(client) = Client::connect(Http::Two, proxy.address).await else { unreachable!() };
            let calls = (0..50).map(|n| {
                let mut client = Client::Two(client.clone());
                async move {
                    let text = format!("{n}-").repeat(10_000);
                    let request = Request::post(format!("/echo?{n}")).body(whole(text.clone())).unwrap();
                    let answer = client.send(request).await;
                    assert_eq!(answer.headers()["x-seen"].to_str().unwrap(), format!("POST /echo?{n}"));
                    assert!(answer.into_body().collect().await.unwrap().to_bytes() == text);
                }
            });
            futures_util::future::join_all(calls).await;
            assert_eq!(proxy.went(50).await.len(), 50);
        });
    }
}

#[test]
fn cookies_are_one_field_in_http_1_1() {
    for (back, seen) in [(Http::One, "a=1; b=2; c=3"), (Http::Two, "a=1|b=2; c=3")] {
        run(async {
            let (address, _) = real::server(back).await;
            let plan = Plan { front: Http::Two, back, ..Plan::default() };
            let proxy = Proxy::with(vec![address], plan).await;
            let mut client = Client::connect(Http::Two, proxy.address).await;
            let request = Request::get("/hello").header("cookie", "a=1").header("cookie", "b=2; c=3");
            let answer = client.send(request.body(empty()).unwrap()).await;
            assert_eq!(answer.headers()["x-cookies"], seen);
        });
    }
}

#[test]
fn a_route_changes_the_same_whatever_the_http() {
    const REQUEST: HeadChanges<'_> = HeadChanges {
        path: Some(b"/hello?changed"),
        authority: Some(b"backend:81"),
        fields: &[
            FieldChange::Set { name: b"X-Set", value: b"new" },
            FieldChange::Add { name: b"x-add", value: b"two" },
            FieldChange::Remove { name: b"x-gone" },
        ],
        ..HeadChanges::NONE
    };
    const RESPONSE: HeadChanges<'_> = HeadChanges {
        fields: &[FieldChange::Remove { name: b"X-Cookies" }, FieldChange::Set { name: b"Via", value: b"mesh" }],
        ..HeadChanges::NONE
    };
    let plan = Plan { request: REQUEST, response: RESPONSE, ..Plan::default() };
    each_with(&plan, |plan, _, mut client| async move {
        let request = Request::get("/before").header("x-set", "old").header("x-gone", "1").body(empty()).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.headers()["x-seen"], "GET /hello?changed");
        assert_eq!(answer.headers()["x-host"], "backend:81");
        assert_eq!(answer.headers()["x-names"], "x-set,x-add", "{:?} {:?}", plan.front, plan.back);
        assert!(!answer.headers().contains_key("x-cookies"));
        assert_eq!(answer.headers()["via"], "mesh");
    });
}

#[test]
fn a_server_that_is_not_there_is_answered_for() {
    for front in [Http::One, Http::Two] {
        run(async {
            // It takes connections and closes them.
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let plan = Plan { front, ..Plan::default() };
            let proxy = Proxy::with(vec![listener.local_addr().unwrap()], plan).await;
            tokio::task::spawn_local(async move {
                loop {
                    drop(listener.accept().await.unwrap());
                }
            });
            let mut client = Client::connect(front, proxy.address).await;
            assert_eq!(client.send(get("/hello")).await.status(), 503);
        });
    }
}
