use std::future::{Future, poll_fn};
use std::{pin::pin, task::Poll};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (caller, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (caller.unwrap(), accepted.unwrap().0)
}

#[tokio::test]
async fn a_reset_is_noticed_and_an_end_is_not() {
    let (mut caller, mut accepted) = pair().await;
    caller.write_all(b"request").await.unwrap();
    caller.shutdown().await.unwrap();
    let mut request = Vec::new();
    // The end has arrived for certain.
    accepted.read_to_end(&mut request).await.unwrap();
    {
        let mut gave_up = pin!(gave_up(&accepted));
        let pending = poll_fn(|cx| Poll::Ready(gave_up.as_mut().poll(cx).is_pending())).await;
        assert!(pending, "it waits for its answer");
        caller.set_zero_linger().unwrap();
        drop(caller);
        gave_up.await;
    }
    // A caller that is gone already is noticed at once, also with bytes of it that nobody has read.
    let (mut caller, accepted) = pair().await;
    caller.write_all(b"request").await.unwrap();
    caller.set_zero_linger().unwrap();
    drop(caller);
    gave_up(&accepted).await;
}
