use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

#[tokio::test]
async fn each_side_hears_all_that_the_other_said_and_its_end() {
    let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
    let (forward, backward) = (AtomicU64::new(0), AtomicU64::new(0));
    let counters = Counters { forward: &forward, backward: &backward };
    let question = vec![b'q'; 300_000];
    let asking = async {
        client.write_all(&question).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answering = async {
        let mut asked = Vec::new();
        // The end of the question is heard although the answer is still to come.
        server.read_to_end(&mut asked).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        asked
    };
    let relaying = relay(near.into(), far.into(), counters, std::future::pending());
    let ((moved, ended), answer, asked) = tokio::join!(relaying, asking, answering);
    assert!(ended.is_none(), "{ended:?}");
    assert_eq!(moved, (300_000, 6));
    assert_eq!((forward.load(Relaxed), backward.load(Relaxed)), (300_000, 6));
    assert_eq!(answer, b"answer");
    assert!(asked == question);
}

#[tokio::test]
async fn one_that_is_told_to_stop_resets_both() {
    let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
    let (forward, backward) = (AtomicU64::new(0), AtomicU64::new(0));
    let counters = Counters { forward: &forward, backward: &backward };
    let (moved, ended) = relay(near.into(), far.into(), counters, async { Error::Gone }).await;
    assert_eq!(moved, (0, 0));
    assert!(matches!(ended, Some(Error::Gone)));
    for end in [&mut client, &mut server] {
        assert_eq!(end.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
