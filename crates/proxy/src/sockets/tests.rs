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
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control }), key().uid);
    let (connected, accepted) = tokio::join!(pool.connect(&uid, None, address), listener.accept());
    assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
    assert!(pool.0.ready.borrow().is_empty(), "nothing is kept in stock");
}

#[tokio::test]
async fn nobody_is_led_to_the_control_plane() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control: address.ip() }), key().uid);
    let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), address.port());
    for address in [address, mapped] {
        let error = pool.connect(&uid, None, address).await.unwrap_err();
        assert!(matches!(error, Error::OwnPort(refused) if refused == address), "{error}");
    }
}

/// From outside, that is: at a gateway.
#[tokio::test]
async fn nobody_is_led_to_a_node_or_to_what_proxies_tell_of_themselves() {
    let (pool, uid) = (SocketPool::new(0, Supply::Own { control: Ipv4Addr::LOCALHOST.into() }), key().uid);
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
