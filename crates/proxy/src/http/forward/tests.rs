use std::rc::Rc;

use ripstop_exchange::{Http1Client, Http1Server, Next};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    join,
    net::TcpStream,
    time::{advance, pause, resume},
};

use super::*;
use crate::testing::{head, pair, run};

/// What may go wrong of a clock.
const SOON: Duration = Duration::from_secs(1);

/// A request that is passed on: client, proxy's ends, server.
async fn stage() -> (TcpStream, Http1Server, Http1Client, TcpStream) {
    let ((mut client, front, _), (back, server, _)) = (pair().await, pair().await);
    let mut front = Http1Server::new(front, Rc::default());
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(matches!(front.next().await, Next::Request));
    (client, front, Http1Client::new(back, Rc::default()), server)
}

async fn passing(downstream: &mut Downstream<'_>, back: &mut Http1Client) -> Passed {
    let mut passed = Passed::default();
    let (changes, mut replay) = ((&HeadChanges::NONE, &HeadChanges::NONE), Replay::none());
    let all = |_: &Pump<'_>| Kept::Passed;
    let waits = Waits { until: None, idle: idle(None) };
    forward(downstream, Upstream::Http1(back), changes, &mut replay, waits, all, &mut passed).await;
    passed
}

fn is_idled(passed: &Passed, answered: Answered) -> bool {
    passed.failure.as_ref().is_some_and(|failure| {
        failure.answered == answered
            && matches!(&failure.fault, Fault::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
    })
}

#[test]
fn a_request_that_nobody_answers_ends() {
    run(async {
        let (_client, mut front, mut back, mut server) = stage().await;
        let mut downstream = Downstream::Http1(&mut front);
        let forwarding = passing(&mut downstream, &mut back);
        let asking = async {
            head(&mut server).await;
            pause();
            Instant::now()
        };
        let (passed, asked) = join!(forwarding, asking);
        assert!(is_idled(&passed, Answered::Nothing), "{passed:?}");
        let lasted = asked.elapsed();
        assert!(lasted + SOON > IDLE && lasted < IDLE + SOON, "{lasted:?}");
    });
}

#[test]
fn an_answer_may_take_long_as_long_as_it_moves() {
    run(async {
        let (mut client, mut front, mut back, mut server) = stage().await;
        let mut downstream = Downstream::Http1(&mut front);
        let forwarding = passing(&mut downstream, &mut back);
        let answering = async {
            head(&mut server).await;
            server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await.unwrap();
            head(&mut client).await;
            for _ in 0..3 {
                server.write_all(b"x").await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), b'x');
                pause();
                advance(IDLE.saturating_sub(SOON)).await;
                resume();
            }
            server.write_all(b"x").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'x');
            pause();
            Instant::now()
        };
        let (passed, last) = join!(forwarding, answering);
        assert!(is_idled(&passed, Answered::Head) && passed.status == 200, "{passed:?}");
        assert_eq!(passed.totals.response_body, 4);
        let lasted = last.elapsed();
        assert!(lasted + SOON > IDLE && lasted < IDLE + SOON, "{lasted:?}");
    });
}

#[test]
fn settings_say_how_long_nothing_may_move() {
    let settings = |stream_idle| ConnectionSettings { stream_idle, ..ConnectionSettings::NONE };
    assert_eq!((idle(None), idle(Some(&ConnectionSettings::NONE))), (Some(IDLE), Some(IDLE)));
    // Where they say something, another clock runs, or none.
    for said in [Duration::ZERO, 2 * IDLE] {
        assert_eq!(idle(Some(&settings(Some(said)))), None);
    }
}
