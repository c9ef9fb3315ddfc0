use ripstop_h2::PREFACE;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, pause, resume, timeout},
};

use super::*;
use crate::testing::{Callee, LONG, denied, head, limited, run, strict};

const ASKED: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWERED: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// Asks once more, and gives the status.
async fn status(client: &mut TcpStream, path: &str) -> String {
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    head(client).await.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn between_two_requests_a_connection_is_read_from_then_on() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let mut unread = callee.answering(ANSWERED).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        callee.worker.change(denied("/secret"));
        // Its application's connection ends in good order.
        assert_eq!(timeout(LONG, unread.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
        assert_eq!(status(&mut client, "/secret").await, "403");
        let mut body = vec![0; 1024];
        assert!(timeout(LONG, client.read(&mut body)).await.unwrap().unwrap() > 0);
        let (answer, _application) = tokio::join!(status(&mut client, "/"), callee.answering(ANSWERED));
        assert_eq!(answer, "204");
    });
}

/// To have come before the limit is no way around it.
#[test]
fn a_connection_is_read_once_its_requests_have_a_limit() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let mut unread = callee.answering(ANSWERED).await;
        head(&mut client).await;
        callee.worker.change(limited(1));
        assert_eq!(timeout(LONG, unread.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
        let (answer, _application) = tokio::join!(status(&mut client, "/"), callee.answering(ANSWERED));
        assert_eq!((answer, status(&mut client, "/").await), ("204".into(), "429".into()));
    });
}

#[test]
fn what_is_under_way_is_answered_and_what_comes_meanwhile_is_judged() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let mut application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        head(&mut client).await;
        callee.worker.change(denied("/secret"));
        // Pipelined, though the first one is not answered: nobody passes it on.
        client.write_all(b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        application.write_all(b"done").await.unwrap();
        let mut text = [0; 4];
        timeout(LONG, client.read_exact(&mut text)).await.unwrap().unwrap();
        assert_eq!(&text, b"done");
        assert!(head(&mut client).await.starts_with("HTTP/1.1 403 "));
        assert_eq!(timeout(LONG, application.read(&mut text)).await.unwrap().unwrap(), 0, "it heard one request");
    });
}

#[test]
fn who_has_said_nothing_is_read_from_its_first_byte() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent("").await;
        let mut unread = callee.listener.accept().await.unwrap().0;
        callee.worker.change(denied("/secret"));
        assert_eq!(timeout(LONG, unread.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
        assert_eq!(status(&mut client, "/secret").await, "403");
    });
}

#[test]
fn an_answer_that_takes_too_long_ends_with_its_connection() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        head(&mut client).await;
        pause();
        let since = Instant::now();
        callee.worker.change(denied("/secret"));
        let ended = client.read_u8().await.unwrap_err();
        let lasted = since.elapsed();
        resume();
        assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
        let near = Duration::from_secs(1);
        assert!(lasted + near > PATIENCE && lasted < PATIENCE + near, "{lasted:?}");
    });
}

#[test]
fn a_policy_about_its_transport_does_not_wait() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        head(&mut client).await;
        callee.worker.change(denied("/secret"));
        callee.worker.change(strict());
        pause();
        let since = Instant::now();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        resume();
    });
}

#[test]
fn what_can_t_be_read_ends_at_once() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent("SSH-2.0-x\r\n\r\n").await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        pause();
        let since = Instant::now();
        callee.worker.change(denied("/secret"));
        assert_eq!(client.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        resume();
    });
}

#[test]
fn who_hides_a_request_behind_the_end_of_another_gets_no_answer() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        pause();
        let since = Instant::now();
        callee.worker.change(denied("/secret"));
        client.write_all(b"cdGET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        resume();
    });
}

/// An application that has closed its side has said all, and nobody waits for the client.
#[test]
fn an_answer_that_ends_with_its_connection_ends_in_order() {
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent(ASKED).await;
        let mut application = callee.answering("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab").await;
        head(&mut client).await;
        pause();
        let since = Instant::now();
        callee.worker.change(denied("/secret"));
        application.write_all(b"cd").await.unwrap();
        drop(application);
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.unwrap();
        assert_eq!(text, b"abcd");
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        resume();
        callee.worker.connections.tells("complete").await;
    });
}

/// A client that has said that it asks no more, and goes on.
#[test]
fn who_hides_a_request_behind_the_last_one_gets_no_answer() {
    run(async {
        let callee = Callee::unread().await;
        let asked = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nab";
        let mut client = callee.sent(asked).await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        pause();
        let since = Instant::now();
        callee.worker.change(denied("/secret"));
        client.write_all(b"cdGET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        resume();
    });
}

/// Its server has sent its settings, and it says nothing.
#[test]
fn a_client_of_http2_that_waits_is_sent_away() {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent("").await;
        let mut application = callee.listener.accept().await.unwrap().0;
        application.write_all(SETTINGS).await.unwrap();
        let mut greeted = [0; SETTINGS.len()];
        timeout(LONG, client.read_exact(&mut greeted)).await.unwrap().unwrap();
        callee.worker.change(denied("/secret"));
        let told = frames(&mut client).await;
        assert_eq!(told, [(7, vec![0; 8])]);
    });
}

/// Frames of HTTP/2: their types, flags and streams.
async fn frames(client: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    timeout(LONG, client.read_to_end(&mut text)).await.unwrap().unwrap();
    let mut rest = &text[..];
    while let [a, b, c, kind, _, _, _, _, _, more @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        frames.push((*kind, more[..length].to_vec()));
        rest = &more[length..];
    }
    frames
}

#[test]
fn a_client_of_http2_is_sent_away_once_it_is_answered() {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // `:method: GET`, `:scheme: http`, `:path: /`, `:authority: a`.
    const GET: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];
    // The same on the next stream.
    const ANOTHER: &[u8] = &[0, 0, 4, 1, 5, 0, 0, 0, 3, 0x82, 0x86, 0x84, 0xbe];
    // `:status: 204`, and the end.
    const NO_CONTENT: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x89];
    run(async {
        let callee = Callee::unread().await;
        let mut client = callee.sent("").await;
        client.write_all(&[PREFACE, SETTINGS, GET].concat()).await.unwrap();
        let mut application = callee.listener.accept().await.unwrap().0;
        let mut asked = vec![0; PREFACE.len() + SETTINGS.len() + GET.len()];
        timeout(LONG, application.read_exact(&mut asked)).await.unwrap().unwrap();
        callee.worker.change(denied("/secret"));
        client.write_all(ANOTHER).await.unwrap();
        application.write_all(&[SETTINGS, NO_CONTENT].concat()).await.unwrap();
        let told = frames(&mut client).await;
        assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [4, 1, 7], "{told:?}");
        // The last stream that was heard is the first one: the other may be asked anew.
        assert_eq!(told[2].1, [0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(timeout(LONG, application.read(&mut [0; 8])).await.unwrap().unwrap(), 0, "it heard one request");
    });
}
