use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
    time::Duration,
};

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn buffer(bytes: &[u8]) -> Rc<Buffer> {
    let mut buffer = Buffer::default();
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.fill(bytes.len());
    Rc::new(buffer)
}

/// Hands all that `peer` has to say to `link`.
fn hear(link: &Link, peer: &mut Connection) {
    let bytes = peer.output().to_vec();
    peer.sent(bytes.len());
    link.receive(&buffer(&bytes)).unwrap();
}

/// Hands all that `link` has to say to `peer`.
fn tell(link: &Link, peer: &mut Connection) {
    let mut bytes = Vec::new();
    while link
        .flush(|output| {
            bytes.extend_from_slice(output);
            Ok(())
        })
        .unwrap()
    {}
    let mut input = &bytes[..];
    while peer.receive(Instant::now().into_std(), &mut input).unwrap().is_some() {}
}

fn peer(role: Role) -> Connection {
    Connection::new(role, settings::config(role), Instant::now().into_std())
}

/// A stream and who waits for it.
struct Sender {
    stream: StreamRef,
    inbox: Rc<Inbox>,
    count: Arc<Count>,
}

impl Sender {
    fn open(link: &Link) -> Self {
        let connect = PreEncoded::new([Field::new(b":method", b"CONNECT")]);
        let (stream, inbox) = link.open(100, &connect, [Field::new(b":authority", b"10.0.0.9:80")]).unwrap();
        Self { stream, inbox, count: Arc::default() }
    }

    /// Sends up to `most` bytes; none if there is no room.
    fn fill(&self, link: &Link, most: usize) -> Option<usize> {
        let waker = Waker::from(self.count.clone());
        let mut cx = Context::from_waker(&waker);
        let fill = |_: &mut Context<'_>, space: &mut [u8]| Poll::Ready(Ok(space.len().min(most)));
        match link.poll_fill(self.stream, &self.inbox, &mut cx, fill) {
            Poll::Ready(n) => Some(n.unwrap()),
            Poll::Pending => None,
        }
    }
}

/// Room goes to those who wait for it, in order, even if those before have no use for it.
#[tokio::test(flavor = "local")]
async fn room_is_offered_until_it_is_used() {
    let mut server = peer(Role::Server);
    let link = Link::new(Role::Client);
    hear(&link, &mut server);
    let mut senders: Vec<_> = (0..30).map(|_| Sender::open(&link)).collect();
    tell(&link, &mut server);
    let owner = Arc::new(Count::default());
    link.register_owner(&Context::from_waker(&Waker::from(owner.clone())));

    while senders[0].fill(&link, usize::MAX).is_some() {}
    for sender in &senders {
        // Asking again is not waiting twice.
        assert_eq!((sender.fill(&link, 1), sender.fill(&link, 1)), (None, None));
    }
    let woken = |senders: &[Sender]| senders.iter().map(|sender| sender.count.take()).collect::<Vec<_>>();
    let seal = |_: &[u8]| Ok(());
    assert!(link.flush(seal).unwrap());
    let places = settings::OUTPUT / SOME_ROOM;
    let [first, later] = [places, 30 - places].map(|n| vec![1; n]);
    assert_eq!(woken(&senders), [first.clone(), vec![0; 22]].concat());
    owner.take();
    assert!(!link.flush(seal).unwrap());
    assert_eq!((woken(&senders), owner.take()), (vec![0; 30], 1), "they get their turn first");

    // Some give up; the others are woken all the same.
    for gone in senders.drain(places..places + 5) {
        link.drop_stream(gone.stream, &gone.inbox, Code::CANCEL);
    }
    assert!(link.flush(seal).unwrap());
    assert_eq!(woken(&senders), [vec![0; places], first.clone(), vec![0; 9]].concat());
    owner.take();
    for expected in [vec![0; 9], [first, vec![0]].concat(), [vec![0; places], vec![1]].concat()] {
        assert!(!link.flush(seal).unwrap());
        assert_eq!(woken(&senders), [vec![0; 2 * places], expected].concat());
    }
    assert_eq!(later.len(), 22);
    owner.take();
    assert!(!link.flush(seal).unwrap());
    assert_eq!(owner.take(), 0, "nobody waits any more");
}

/// Who uses little of the room hands it on at once.
#[tokio::test(flavor = "local")]
async fn room_that_is_left_is_handed_on() {
    let mut server = peer(Role::Server);
    let link = Link::new(Role::Client);
    hear(&link, &mut server);
    let senders: Vec<_> = (0..30).map(|_| Sender::open(&link)).collect();
    tell(&link, &mut server);
    while senders[0].fill(&link, usize::MAX).is_some() {}
    for sender in &senders[1..] {
        assert_eq!(sender.fill(&link, 1), None);
    }
    assert!(link.flush(|_| Ok(())).unwrap());
    for sender in &senders {
        assert_eq!(sender.count.take(), 1);
        assert_eq!(sender.fill(&link, 100), Some(100));
    }
}

/// Whoever waits for room learns of a reset at once, not when there is room.
#[tokio::test(flavor = "local")]
async fn a_reset_is_told_before_there_is_room() {
    let mut server = peer(Role::Server);
    let link = Link::new(Role::Client);
    hear(&link, &mut server);
    let senders: Vec<_> = (0..2).map(|_| Sender::open(&link)).collect();
    let mut bytes = Vec::new();
    while link
        .flush(|output| {
            bytes.extend_from_slice(output);
            Ok(())
        })
        .unwrap()
    {}
    let (mut input, mut streams) = (&bytes[..], Vec::new());
    while let Some(event) = server.receive(Instant::now().into_std(), &mut input).unwrap() {
        if let Event::Headers { stream, .. } = event {
            streams.push(stream);
        }
    }
    while senders[0].fill(&link, usize::MAX).is_some() {}
    assert_eq!(senders[1].fill(&link, 1), None);
    server.reset(streams[1], Code::INTERNAL_ERROR);
    hear(&link, &mut server);
    assert_eq!(senders[1].count.take(), 1);
    let waker = Waker::noop();
    let mut cx = Context::from_waker(waker);
    let fill = |_: &mut Context<'_>, _: &mut [u8]| unreachable!("the stream is gone");
    let Poll::Ready(Err(error)) = link.poll_fill(senders[1].stream, &senders[1].inbox, &mut cx, fill) else {
        panic!("it waits for room")
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(senders[0].fill(&link, 1), None, "there is still no room");
}

/// The PING that tells when a server's last stream has come is not given up for one that asks for a sign of life.
#[tokio::test(flavor = "local")]
async fn draining_survives_a_keepalive() {
    let mut client = peer(Role::Client);
    let link = Link::new(Role::Server);
    hear(&link, &mut client);
    tell(&link, &mut client);
    hear(&link, &mut client);
    link.drain();
    link.ping(*b"ripstop?");
    assert!(!link.is_finishing());
    tell(&link, &mut client);
    hear(&link, &mut client);
    assert!(link.is_finishing());
    // Then there may be others.
    link.ping(*b"ripstop?");
    let mut said = Vec::new();
    link.flush(|output| {
        said.extend_from_slice(output);
        Ok(())
    })
    .unwrap();
    assert!(said.ends_with(b"ripstop?"));
}

/// Acknowledgements and window updates are written into storage of the pool, which is held only until they are sent.
#[tokio::test(flavor = "local")]
async fn control_frames_hold_no_storage() {
    let mut client = peer(Role::Client);
    let link = Link::new(Role::Server);
    hear(&link, &mut client);
    let storage = |link: &Link| link.0.borrow().h2.storage();
    tell(&link, &mut client);
    assert_eq!(storage(&link), 0);
    client.ping(*b"12345678", Instant::now().into_std());
    hear(&link, &mut client);
    assert!(buffers::is_pooled(storage(&link)));
    tell(&link, &mut client);
    assert_eq!(storage(&link), 0);
    client.ping(*b"12345678", Instant::now().into_std());
    hear(&link, &mut client);
    link.end(Arc::new(io::ErrorKind::ConnectionReset.into()));
    assert_eq!(storage(&link), 0, "what is not sent is not kept");
}

#[test]
fn rates_are_those_of_the_last_interval() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut rate = Rate { since: start, bytes: 0, last: 0 };
    rate.count(6_000_000, at(0));
    rate.count(6_000_000, at(99));
    assert_eq!(rate.now(at(99)), 0, "no whole interval yet");
    assert_eq!(rate.now(at(100)), 120_000_000);
    assert!(rate.now(at(199)) > settings::BUSY);
    assert_eq!(rate.now(at(200)), 0, "nothing moved since");
    rate.count(50_000_000, at(200));
    assert_eq!(rate.now(at(1200)), 50_000_000, "over the time that passed");
}
