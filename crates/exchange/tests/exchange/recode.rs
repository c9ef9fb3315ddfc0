//! Bodies that are written anew on their way to an upstream of HTTP/2.

use http_body_util::BodyExt as _;
use hyper::Request;
use ripstop_exchange::{Framing, HeadChanges, Outcome, Recode, Recoding, Unreadable};

use crate::{
    bed::{Http, Plan, Proxy, Went, run},
    real::{self, Client, pieces, whole},
};

const ANEW: HeadChanges<'_> = HeadChanges { framing: Framing::Anew, ..HeadChanges::NONE };

/// Upstream each byte comes twice, downstream in upper case; trailers stand behind the body.
#[derive(Debug)]
struct Louder;

impl Recode for Louder {
    fn request(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if piece.contains(&b'?') {
            return Err(Unreadable("a question".into()));
        }
        out.extend(piece.iter().flat_map(|byte| [*byte; 2]));
        Ok(())
    }

    fn end_request(&mut self) -> Result<(), Unreadable> {
        Ok(())
    }

    fn answer(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.extend(piece.to_ascii_uppercase());
    }

    fn end_answer<'f>(
        &mut self,
        trailers: &mut dyn Iterator<Item = (&'f [u8], &'f [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        out.push(b'|');
        trailers.for_each(|(name, value)| out.extend([name, b"=", value].concat()));
        Ok(())
    }
}

/// Runs a story for a client of either HTTP.
fn each<F: Future<Output = ()>>(story: impl Fn(Proxy, Client) -> F) {
    for front in [Http::One, Http::Two] {
        run(async {
            let recoding: fn() -> Recoding = || Recoding::new(Box::new(Louder));
            let plan = Plan {
                request: ANEW,
                response: ANEW,
                recoding: Some(recoding),
                front,
                back: Http::Two,
                ..Plan::default()
            };
            let (address, _) = real::server(Http::Two).await;
            let proxy = Proxy::with(vec![address], plan).await;
            let client = Client::connect(front, proxy.address).await;
            story(proxy, client).await;
        });
    }
}

#[test]
fn lengths_and_trailers_are_those_of_what_is_written() {
    each(|proxy, mut client| async move {
        let request = Request::post("/echo").header("content-length", 3).body(whole("abc")).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.headers()["x-names"], "te");
        assert!(!answer.headers().contains_key("content-length"));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "AABBCC|");

        let request = Request::post("/echo")
            .header("trailer", "x-sum")
            .body(pieces(vec!["a".into(), "b".into()], Some(("x-sum", "5"))));
        let collected = client.send(request.unwrap()).await.into_body().collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "AABB|x-sum=5");

        let answer = client.send(Request::post("/collect").body(whole(vec![b'x'; 1_000_000])).unwrap()).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((body.len(), &body[1_999_999..]), (2_000_001, &b"X|"[..]));
        assert_eq!(proxy.went(3).await[2], Went::Well(Outcome::Answered, 2_000_000, 2_000_001));
    });
}

#[test]
fn what_is_all_said_in_the_head_stays_as_it_is() {
    each(|_, mut client| async move {
        let answer = client.send(Request::post("/none").body(whole("abc")).unwrap()).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "");
    });
}

#[test]
fn what_can_not_be_read_is_the_clients_fault() {
    each(|proxy, mut client| async move {
        let answer = client.send(Request::post("/collect").body(whole("what?")).unwrap()).await;
        assert_eq!(answer.status(), 503, "as the proxy of this test says");
        assert!(matches!(proxy.went(1).await[0], Went::Badly(ripstop_exchange::Party::Downstream, ..)));
    });
}
