use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A port that was free a moment ago.
fn free() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn opening(port: u16) -> Opening {
    Opening { port, gateway: "istio-system/gateway".into(), protocol: "http".into() }
}

fn entrance(port: u16, address: Option<&str>, error: Option<&str>) -> Entrance {
    Entrance {
        port,
        gateway: "istio-system/gateway".into(),
        protocol: "http".into(),
        address: address.map(|address| address.parse().unwrap()),
        error: error.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_connection_is_handed_over_connected() {
    let (host, world) = FdChannel::pair().unwrap();
    let mut entrances = Entrances::new(Arc::new(host));
    let port = free();
    assert!(entrances.follow(vec![opening(port)]).is_empty());
    let opened = timeout(LONG, entrances.next()).await.unwrap();
    assert_eq!(opened, entrance(port, Some(&format!("127.0.0.1:{port}")), None));
    assert_eq!(entrances.all(), std::slice::from_ref(&opened));

    let mut client = TcpStream::connect(opened.address.unwrap()).await.unwrap();
    let (message, mut fds) = timeout(LONG, handover::receive::<ToWorld>(&world)).await.unwrap().unwrap().unwrap();
    let peer = client.local_addr().unwrap();
    assert_eq!(message, ToWorld::Ingress(Came { port, gateway: "istio-system/gateway".into(), peer }));
    let handed = std::net::TcpStream::from(fds.pop().unwrap());
    assert_eq!(handed.peer_addr().unwrap(), peer);
    std::io::Write::write_all(&mut &handed, b"hello").unwrap();
    let mut text = [0; 5];
    timeout(LONG, client.read_exact(&mut text)).await.unwrap().unwrap();
    assert_eq!(&text, b"hello");

    // What stays is not touched; what goes is closed, and its port is free again.
    assert!(entrances.follow(vec![opening(port)]).is_empty());
    assert_eq!(entrances.follow(Vec::new()), [opened]);
    assert!(entrances.all().is_empty());
    while let Some(ended) = entrances.tasks.join_next().await {
        assert!(ended.unwrap_err().is_cancelled());
    }
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_had_once_it_is_free() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let (host, _world) = FdChannel::pair().unwrap();
    let mut entrances = Entrances::new(Arc::new(host));
    entrances.follow(vec![opening(port)]);
    let told = timeout(LONG, entrances.next()).await.unwrap();
    assert!(told.error.as_ref().is_some_and(|error| error.contains("in use")), "{told:?}");
    drop(taken);
    let told = timeout(LONG, entrances.next()).await.unwrap();
    assert_eq!(told, entrance(port, Some(&format!("127.0.0.1:{port}")), None));
}

#[test]
fn where_it_is_is_said_as_one_writes_it() {
    let text = |entrance: Entrance| entrance.to_string();
    let here = entrance(8080, Some("127.0.0.1:8080"), None);
    assert_eq!(text(here.clone()), "http://127.0.0.1:8080 → gateway istio-system/gateway");
    assert_eq!(
        text(entrance(80, Some("127.0.0.1:8080"), None)),
        "http://127.0.0.1:8080 → gateway istio-system/gateway (port 80, moved: only root may open it here)"
    );
    assert_eq!(
        text(entrance(80, None, Some("127.0.0.1:80: in use"))),
        "port 80 of gateway istio-system/gateway is not open: 127.0.0.1:80: in use; it is tried again"
    );
    assert_eq!(
        text(Entrance { protocol: "tcp".into(), ..here }),
        "127.0.0.1:8080 (tcp) → gateway istio-system/gateway"
    );
}
