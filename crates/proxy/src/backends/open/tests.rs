use std::time::Duration;

use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn probes_are_as_the_rule_has_them_and_the_rest_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    crate::worker::keep_alive(&socket).unwrap();
    let rule = Keepalive { probes: None, time: Some(Duration::from_secs(7)), interval: Some(Duration::from_secs(3)) };
    keep_alive(&socket, rule).unwrap();
    let socket = SockRef::from(&socket);
    assert!(socket.keepalive().unwrap());
    let seconds = Duration::from_secs;
    assert_eq!(
        (
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap()
        ),
        (seconds(7), seconds(3), 9)
    );
}
