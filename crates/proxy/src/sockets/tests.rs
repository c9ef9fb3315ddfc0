use std::{net::Ipv4Addr, os::fd::OwnedFd};

use tokio::time;

use super::*;

fn key() -> SocketKey {
    SocketKey { uid: WorkloadUid::new("c/ripstop.dev/Process/ns/a"), kind: SocketKind::Plain, ipv6: false }
}

fn sockets(count: usize) -> Vec<OwnedFd> {
    let new = || Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap().into();
    std::iter::repeat_with(new).take(count).collect()
}

#[test]
fn spoofed_ports_are_never_those_of_clients() {
    for random in [0, 1, 22_767, 22_768, u64::MAX] {
        assert!(SPOOFED_PORTS.contains(&port_of(random)), "{random}");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_are_asked_for_early_and_follow_the_pace() {
    let (refills, mut wishes) = mpsc::channel(8);
    let (pool, wanted) = (SocketPool::new(3, refills), key());
    // Nothing there: the first wish, and the taker waits for its delivery.
    let taken = tokio::join!(pool.take(&wanted), async {
        let wish = wishes.recv().await.unwrap();
        assert_eq!((wish.worker, wish.count), (3, SMALLEST_BATCH));
        pool.deliver(&wish.key, Ok(sockets(wish.count)));
    });
    taken.0.unwrap();
    assert!(wishes.try_recv().is_err(), "three of four are left: no wish yet");
    time::advance(SOON).await;
    pool.take(&key()).await.unwrap();
    assert_eq!(wishes.try_recv().unwrap().count, SMALLEST_BATCH, "half a batch is left, and it lasted");
    pool.take(&key()).await.unwrap();
    pool.take(&key()).await.unwrap();
    assert!(wishes.try_recv().is_err(), "one wish at a time");
    time::advance(SOON).await;
    pool.deliver(&key(), Ok(Vec::new()));
    let ran_out = tokio::join!(pool.take(&wanted), async {
        let wish = wishes.recv().await.unwrap();
        assert_eq!(wish.count, 2 * SMALLEST_BATCH, "it ran out: the batch grows");
        pool.deliver(&wish.key, Ok(sockets(wish.count)));
    });
    ran_out.0.unwrap();
    for (pause, count) in [(SOON / 2, 16), (SOON, 16), (Duration::ZERO, 32), (LONG, 16)] {
        time::advance(pause).await;
        while wishes.is_empty() {
            pool.take(&key()).await.unwrap();
        }
        assert_eq!(wishes.try_recv().unwrap().count, count, "after {pause:?}");
        pool.deliver(&key(), Ok(sockets(count)));
    }
}

#[tokio::test]
async fn a_returning_agent_is_asked_again() {
    let (refills, mut wishes) = mpsc::channel(8);
    let (pool, wanted) = (SocketPool::new(0, refills), key());
    let taken = tokio::join!(pool.take(&wanted), async {
        wishes.recv().await.unwrap();
        // The agent died with the wish.
        pool.ask_again();
        let wish = wishes.recv().await.unwrap();
        pool.deliver(&wish.key, Ok(sockets(wish.count)));
    });
    taken.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let (refills, _wishes) = mpsc::channel(8);
    let error = SocketPool::new(0, refills).take(&key()).await.unwrap_err();
    assert!(matches!(error, Error::NoSocket(_)), "{error}");
}

#[tokio::test]
async fn a_refusal_fails_those_who_wait_and_is_not_asked_again_at_once() {
    let (refills, mut wishes) = mpsc::channel(8);
    let (pool, wanted) = (SocketPool::new(0, refills), key());
    let taken = tokio::join!(pool.take(&wanted), async {
        let wish = wishes.recv().await.unwrap();
        pool.deliver(&wish.key, Err("no such workload".into()));
    });
    assert!(matches!(taken.0, Err(Error::NoSocket(_))));
    assert!(wishes.try_recv().is_err());
}

#[tokio::test]
async fn what_belongs_to_a_workload_that_is_gone_is_dropped() {
    let (refills, mut wishes) = mpsc::channel(8);
    let (pool, wanted) = (SocketPool::new(0, refills), key());
    let taken = tokio::join!(pool.take(&wanted), async {
        let wish = wishes.recv().await.unwrap();
        pool.deliver(&wish.key, Ok(sockets(2)));
    });
    taken.0.unwrap();
    pool.forget(&key().uid);
    pool.deliver(&key(), Ok(sockets(2)));
    assert!(pool.0.ready.borrow().is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_its_only_workload_makes_its_sockets_itself() {
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let control = "::1:2".parse().unwrap();
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control, gate: None }), key().uid);
    let (connected, accepted) = tokio::join!(pool.connect(&uid, None, address), listener.accept());
    assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
    assert!(pool.0.ready.borrow().is_empty(), "nothing is kept in stock");
}

#[tokio::test]
async fn nobody_is_led_to_the_control_plane() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control: address.ip(), gate: None }), key().uid);
    let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), address.port());
    for address in [address, mapped] {
        let error = pool.connect(&uid, None, address).await.unwrap_err();
        assert!(matches!(error, Error::OwnPort(refused) if refused == address), "{error}");
    }
}

/// From outside, that is: at a gateway.
#[tokio::test]
async fn nobody_is_led_to_a_node_or_to_what_proxies_tell_of_themselves() {
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control: Ipv4Addr::LOCALHOST.into(), gate: None }), key().uid);
    for address in [
        "100.64.1.1:80",
        "[::ffff:100.64.1.1]:80",
        "[fd00:7269:7073::1:1]:80",
        "10.244.1.1:15020",
        "127.0.0.2:15090",
        "[::1]:15021",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let error = pool.connect(&uid, None, address).await.unwrap_err();
        assert!(matches!(error, Error::OwnPort(refused) if refused == address), "{error}");
    }
}

/// An agent's gate, which gives these answers, and nothing to those that it does not know.
async fn gate(answer: Option<Answer>) -> (SocketAddr, tokio::task::JoinHandle<Ask>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; ripstop_wire::gate::ASK];
        stream.read_exact(&mut bytes).await.unwrap();
        if let Some(answer) = answer {
            stream.write_all(&[answer.encode(), b'!']).await.unwrap();
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        Ask::decode(&bytes).unwrap()
    });
    (address, asked)
}

const OUTSIDE: &str = "192.0.2.1:443";

#[tokio::test]
async fn connections_out_of_the_mesh_are_asked_for() {
    let (gate, asked) = gate(Some(Answer::Connected)).await;
    let control = "::1:2".parse().unwrap();
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control, gate: Some(gate) }), key().uid);
    let (place, limit) = (OUTSIDE.parse().unwrap(), Duration::from_secs(3));
    let mut stream = pool.connect_outside(&uid, place, limit).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    drop(stream);
    assert_eq!(asked.await.unwrap(), Ask { destination: place, limit });
}

#[tokio::test]
async fn what_can_not_be_had_outside_is_told() {
    let control = "::1:2".parse().unwrap();
    let uid = key().uid;
    for (answer, limit, kind) in [
        (Some(Answer::Failed), Duration::from_secs(3), std::io::ErrorKind::ConnectionRefused),
        (None, Duration::from_millis(20), std::io::ErrorKind::TimedOut),
    ] {
        let (gate, _asked) = gate(answer).await;
        let pool = SocketPool::new(0, Supply::Own { control, gate: Some(gate) });
        let error = pool.connect_outside(&uid, OUTSIDE.parse().unwrap(), limit).await.unwrap_err();
        assert!(matches!(&error, Error::Connect { source, .. } if source.kind() == kind), "{error}");
    }
}

/// Whoever asks the gate for what is in the mesh gets there by itself; the loopback device is never asked for.
#[tokio::test]
async fn what_is_inside_is_connected_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = "::1:2".parse().unwrap();
    let nobody = Some("127.0.0.1:9".parse().unwrap());
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control, gate: nobody }), key().uid);
    let address = listener.local_addr().unwrap();
    let (connected, _) = tokio::join!(pool.connect_outside(&uid, address, Duration::from_secs(3)), listener.accept());
    connected.unwrap();
}

#[tokio::test]
async fn nobody_is_led_to_the_gate() {
    let (refills, _wishes) = mpsc::channel(8);
    let (pool, uid) = (SocketPool::new(0, refills), key().uid);
    for error in [
        pool.connect(&uid, None, GATE.into()).await.unwrap_err(),
        pool.connect_outside(&uid, GATE.into(), LONGEST).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::OwnPort(_)), "{error}");
    }
}
