//! Relays that are looked at.

use super::*;

/// What was seen, until it is enough.
#[derive(Default)]
struct Seen {
    forward: Vec<u8>,
    backward: Vec<u8>,
    ended: Vec<Way>,
    enough: Option<usize>,
}

impl Observer for Seen {
    fn bytes(&mut self, way: Way, bytes: &[u8]) {
        match way {
            Way::Forward => self.forward.extend_from_slice(bytes),
            Way::Backward => self.backward.extend_from_slice(bytes),
        }
    }

    fn end(&mut self, way: Way) {
        self.ended.push(way);
    }

    fn is_done(&self) -> bool {
        self.enough.is_some_and(|enough| self.forward.len() + self.backward.len() >= enough)
    }
}

/// Relays between `near` and `peer` with somebody who looks on.
fn watched(near: TcpStream, peer: impl Into<Peer> + 'static, enough: Option<usize>) -> JoinSet<(Seen, Totals)> {
    let mut tasks = JoinSet::new();
    tasks.spawn_local(async move {
        let (counts, mut seen) = (Counts::default(), Seen { enough, ..Seen::default() });
        let totals = relay_observed(near, peer, counts.counters(), Some(&mut seen), std::future::pending()).await;
        (seen, totals.unwrap().totals)
    });
    tasks
}

/// Far more than goes through the kernel when nobody looks on.
const SIZE: usize = 3_000_000;

#[tokio::test(flavor = "local")]
async fn all_that_passes_between_sockets_is_seen_as_it_is() {
    let (app, near) = tcp_pair().await;
    let (peer, far) = tcp_pair().await;
    let mut relays = watched(near, far, None);
    let (up, down) = (Arc::new(noise(SIZE, 1)), Arc::new(noise(SIZE, 2)));
    tokio::join!(exchange(app, up.clone(), down.clone()), exchange(peer, down.clone(), up.clone()));
    let (seen, totals) = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap();
    assert!(seen.forward == *up && seen.backward == *down);
    assert_eq!(totals, Totals { forward: SIZE as u64, backward: SIZE as u64 });
    assert!(seen.ended.contains(&Way::Forward) && seen.ended.contains(&Way::Backward) && seen.ended.len() == 2);
}

#[tokio::test(flavor = "local")]
async fn all_that_passes_through_a_tunnel_is_seen_as_it_is() {
    let (mesh, mut backends) = (Mesh::new(), JoinSet::new());
    let (up, down) = (Arc::new(noise(SIZE, 3)), Arc::new(noise(SIZE, 4)));
    let (send, expect) = (down.clone(), up.clone());
    let address = backend(&mut backends, move |tcp| exchange(tcp, send.clone(), expect.clone())).await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let (app, near) = tcp_pair().await;
    let mut relays = watched(near, client.open().await.unwrap(), None);
    timeout(LONG, exchange(app, up.clone(), down.clone())).await.unwrap();
    let (seen, totals) = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap();
    assert!(seen.forward == *up && seen.backward == *down);
    assert_eq!(totals, Totals { forward: SIZE as u64, backward: SIZE as u64 });
    assert_eq!(seen.ended.len(), 2);
}

/// What answers is never seen before what it answers.
#[tokio::test(flavor = "local")]
async fn a_question_is_seen_before_its_answer() {
    struct Order(Vec<Way>);
    impl Observer for Order {
        fn bytes(&mut self, way: Way, _: &[u8]) {
            self.0.push(way);
        }

        fn end(&mut self, _: Way) {}

        fn is_done(&self) -> bool {
            false
        }
    }
    let (mut app, near) = tcp_pair().await;
    let (mut peer, far) = tcp_pair().await;
    let mut relays = JoinSet::new();
    relays.spawn_local(async move {
        let (counts, mut order) = (Counts::default(), Order(Vec::new()));
        relay_observed(near, far, counts.counters(), Some(&mut order), std::future::pending()).await.unwrap();
        order.0
    });
    for _ in 0..20 {
        app.write_all(b"?").await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), b'?');
        peer.write_all(b"!").await.unwrap();
        assert_eq!(app.read_u8().await.unwrap(), b'!');
    }
    drop((app, peer));
    let order = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(order, [Way::Forward, Way::Backward].repeat(20));
}

/// Who has seen enough sees nothing more, and all arrives.
#[tokio::test(flavor = "local")]
async fn an_observer_that_has_seen_enough_is_left_alone() {
    let (app, near) = tcp_pair().await;
    let (peer, far) = tcp_pair().await;
    let mut relays = watched(near, far, Some(1));
    let (up, down) = (Arc::new(noise(SIZE, 5)), Arc::new(noise(SIZE, 6)));
    tokio::join!(exchange(app, up.clone(), down.clone()), exchange(peer, down, up));
    let (seen, totals) = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(totals, Totals { forward: SIZE as u64, backward: SIZE as u64 });
    // It was in the middle of a turn when it had enough.
    assert!(seen.forward.len() + seen.backward.len() < SIZE && seen.ended.is_empty());
}

/// Has a wish once it was asked a question and saw the answer.
#[derive(Default)]
struct Once {
    wish: Wish,
    asked: bool,
    answered: bool,
}

impl Observer for Once {
    fn bytes(&mut self, way: Way, _: &[u8]) {
        match way {
            Way::Forward => (self.asked, self.answered) = (true, false),
            Way::Backward => self.answered = self.asked,
        }
    }

    fn end(&mut self, _: Way) {}

    fn is_done(&self) -> bool {
        false
    }

    fn wish(&self) -> Wish {
        if self.answered { self.wish } else { Wish::GoOn }
    }

    fn last_words(&self) -> Vec<u8> {
        b", and good-bye".to_vec()
    }
}

/// A server that answers each question, and ends when its caller does; a tunnel to it.
async fn answering(mesh: &Mesh, backends: &mut JoinSet<()>) -> (std::net::SocketAddr, Server) {
    let address = backend(backends, |mut tcp| async move {
        let mut text = [0; 8];
        // A caller that lets go may reset its connection.
        while let Ok(n @ 1..) = tcp.read(&mut text).await {
            tcp.write_all(&text[..n]).await.unwrap();
        }
    })
    .await;
    (address, relaying_server(mesh, address).await)
}

#[tokio::test(flavor = "local")]
async fn whoever_looks_on_may_want_the_end() {
    let (mesh, mut backends) = (Mesh::new(), JoinSet::new());
    let (address, server) = answering(&mesh, &mut backends).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    for tunnelled in [false, true] {
        let (mut app, near) = tcp_pair().await;
        let peer: Peer = if tunnelled {
            client.open().await.unwrap().into()
        } else {
            TcpStream::connect(address).await.unwrap().into()
        };
        let mut relays = JoinSet::new();
        relays.spawn_local(async move {
            let (counts, mut once) = (Counts::default(), Once { wish: Wish::End, ..Once::default() });
            relay_observed(near, peer, counts.counters(), Some(&mut once), std::future::pending()).await
        });
        app.write_all(b"question").await.unwrap();
        let mut answer = Vec::new();
        // The end comes behind the answer, though nobody at either side has ended.
        timeout(LONG, app.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, b"question, and good-bye");
        let relayed = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        assert_eq!(relayed.totals, Totals { forward: 8, backward: 8 }, "tunnelled: {tunnelled}");
        assert!(relayed.left.is_none());
    }
}

#[tokio::test(flavor = "local")]
async fn whoever_looks_on_may_have_the_socket() {
    let (mesh, mut backends) = (Mesh::new(), JoinSet::new());
    let (address, server) = answering(&mesh, &mut backends).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    for tunnelled in [false, true] {
        let (mut app, near) = tcp_pair().await;
        let peer: Peer = if tunnelled {
            client.open().await.unwrap().into()
        } else {
            TcpStream::connect(address).await.unwrap().into()
        };
        let mut relays = JoinSet::new();
        relays.spawn_local(async move {
            let (counts, mut once) = (Counts::default(), Once { wish: Wish::LetGo(Side::First), ..Once::default() });
            relay_observed(near, peer, counts.counters(), Some(&mut once), std::future::pending()).await
        });
        let mut answer = [0; 8];
        app.write_all(b"question").await.unwrap();
        app.read_exact(&mut answer).await.unwrap();
        let relayed = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        assert_eq!(relayed.totals, Totals { forward: 8, backward: 8 }, "tunnelled: {tunnelled}");
        // Somebody else answers now, and nobody at the other end has noticed.
        let Some(Left::Socket(mut near)) = relayed.left else { panic!("the socket stays") };
        app.write_all(b"another!").await.unwrap();
        near.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"another!");
        near.write_all(b"of mine").await.unwrap();
        drop(near);
        let mut text = Vec::new();
        timeout(LONG, app.read_to_end(&mut text)).await.unwrap().unwrap();
        assert_eq!(text, b"of mine");
    }
}

/// Looks on at a client that is the peer: holds it while its question is answered, lets go of it afterwards.
#[derive(Default)]
struct Taking {
    asked: usize,
    answered: usize,
    announced: bool,
}

impl Observer for Taking {
    fn hands_on(&mut self, way: Way) {
        self.announced |= way == Way::Backward;
    }

    fn bytes(&mut self, way: Way, bytes: &[u8]) {
        assert!(way == Way::Forward || std::mem::take(&mut self.announced), "it was about to be handed on");
        *(if way == Way::Backward { &mut self.asked } else { &mut self.answered }) += bytes.len();
    }

    fn end(&mut self, _: Way) {}

    fn is_done(&self) -> bool {
        false
    }

    fn wish(&self) -> Wish {
        match (self.asked, self.answered) {
            (8, 8) => Wish::LetGo(Side::Second),
            (8.., _) => Wish::Hold,
            _ => Wish::GoOn,
        }
    }
}

#[tokio::test(flavor = "local")]
async fn whoever_looks_on_may_have_the_peer_and_what_it_says_meanwhile() {
    let (mesh, mut backends) = (Mesh::new(), JoinSet::new());
    let (callers, mut called) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(&mut backends, move |tcp| {
        let callers = callers.clone();
        async move {
            callers.send(tcp).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    for tunnelled in [false, true] {
        let (mut app, near) = tcp_pair().await;
        let peer: Peer = if tunnelled {
            client.open().await.unwrap().into()
        } else {
            TcpStream::connect(address).await.unwrap().into()
        };
        let mut asker = called.recv().await.unwrap();
        let mut relays = JoinSet::new();
        relays.spawn_local(async move {
            let (counts, mut taking) = (Counts::default(), Taking::default());
            relay_observed(near, peer, counts.counters(), Some(&mut taking), std::future::pending()).await
        });
        let mut text = [0; 8];
        asker.write_all(b"question").await.unwrap();
        app.read_exact(&mut text).await.unwrap();
        // It is held now: of this the application never hears.
        asker.write_all(b"another!").await.unwrap();
        app.write_all(b"ans").await.unwrap();
        asker.read_exact(&mut text[..3]).await.unwrap();
        app.write_all(b"wered").await.unwrap();
        asker.read_exact(&mut text[3..]).await.unwrap();
        assert_eq!(&text, b"answered");
        let relayed = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        assert_eq!(relayed.totals, Totals { forward: 8, backward: 8 }, "tunnelled: {tunnelled}");
        assert_eq!(timeout(LONG, app.read(&mut [0; 8])).await.unwrap().unwrap(), 0, "the application sees the end");
        match relayed.left {
            Some(Left::Peer(Peer::Plain(mut peer))) => {
                peer.read_exact(&mut text).await.unwrap();
                peer.write_all(b"from me!").await.unwrap();
            }
            Some(Left::Peer(Peer::Tunnel(mut peer))) => {
                peer.read_exact(&mut text).await.unwrap();
                peer.write_all(b"from me!").await.unwrap();
            }
            other => panic!("the peer stays: {other:?}"),
        }
        assert_eq!(&text, b"another!");
        asker.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"from me!");
    }
}
