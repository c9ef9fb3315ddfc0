use ripstop_wire::ripstop::{ConnectionCount, ConnectionCounts, WorkloadAck};

use super::*;

struct Node {
    events: mpsc::Receiver<ProxyEvent>,
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

fn start(netns: NetNs) -> Node {
    start_with(netns, Voucher::Nobody)
}

fn start_with(netns: NetNs, voucher: Voucher) -> Node {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let listener = listen(&path).unwrap();
    let (sender, events) = mpsc::channel(16);
    tokio::spawn(serve(listener, netns, voucher, sender));
    Node { events, path, _directory: directory }
}

async fn say(channel: &FdChannel, kind: proxy_to_agent::Kind) {
    channel.send(&ProxyToAgent { kind: Some(kind) }.encode_to_vec(), &[]).await.unwrap();
}

fn hello(held: &[&str]) -> proxy_to_agent::Kind {
    let held = held.iter().map(ToString::to_string).collect();
    proxy_to_agent::Kind::Hello(ProxyHello { protocol: PROTOCOL, pid: 1, held, only: String::new() })
}

impl Node {
    async fn next(&mut self) -> ProxyEvent {
        timeout(DEADLINE, self.events.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn carries_messages_and_descriptors_both_ways() {
    let mut node = start(NetNs::current().unwrap());
    let proxy = FdChannel::connect(&node.path).unwrap();
    say(&proxy, hello(&["a/b"])).await;
    let ProxyEvent { line: 1, said: Said::Up { held, only: None, outbox, .. } } = node.next().await else {
        panic!("hello")
    };
    assert_eq!(held, ["a/b"]);

    say(&proxy, proxy_to_agent::Kind::Ack(WorkloadAck { uid: "a/b".into(), error: "no".into() })).await;
    assert!(matches!(node.next().await.said, Said::Ack { uid, error } if uid == "a/b" && error == "no"));
    let counts = vec![ConnectionCount { uid: "a/b".into(), captured: 4 }];
    say(&proxy, proxy_to_agent::Kind::Counts(ConnectionCounts { counts })).await;
    assert!(matches!(node.next().await.said, Said::Counts(counts) if counts == [("a/b".to_owned(), 4)]));

    let (reader, writer) = std::io::pipe().unwrap();
    assert!(outbox.add("a/b", vec![writer.into()]));
    let message = proxy.recv().await.unwrap().unwrap();
    assert_eq!(message.fds.len(), 1);
    drop(message);
    // Nobody holds the other end any more: the agent has closed its copy.
    let end = tokio::task::spawn_blocking(move || std::io::read_to_string(reader)).await.unwrap().unwrap();
    assert_eq!(end, "");

    drop(proxy);
    assert!(matches!(node.next().await.said, Said::Down));
}

#[tokio::test]
async fn a_dropped_outbox_closes_the_line() {
    let mut node = start(NetNs::current().unwrap());
    let proxy = FdChannel::connect(&node.path).unwrap();
    say(&proxy, hello(&[])).await;
    let event = node.next().await;
    drop(event);
    assert!(timeout(DEADLINE, proxy.recv()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn whoever_says_no_hello_is_no_proxy() {
    let mut node = start(NetNs::current().unwrap());
    let stranger = FdChannel::connect(&node.path).unwrap();
    stranger.send(b"\xff\xff\xff", &[]).await.unwrap();
    assert!(timeout(DEADLINE, stranger.recv()).await.unwrap().is_ok_and(|end| end.is_none()));
    let other = FdChannel::connect(&node.path).unwrap();
    say(&other, proxy_to_agent::Kind::Hello(ProxyHello { protocol: 99, pid: 1, held: vec![], only: String::new() }))
        .await;
    assert!(timeout(DEADLINE, other.recv()).await.unwrap().unwrap().is_none());
    assert!(node.events.try_recv().is_err());
}

#[tokio::test]
async fn peers_of_other_namespaces_are_refused() {
    // Needs the right to make namespaces; without it there is no other namespace to come from.
    let Ok(elsewhere) = NetNs::create() else { return };
    let mut node = start(elsewhere);
    let stranger = FdChannel::connect(&node.path).unwrap();
    assert!(timeout(DEADLINE, stranger.recv()).await.unwrap().is_ok_and(|end| end.is_none()));
    assert!(node.events.try_recv().is_err());
}

#[tokio::test]
async fn no_proxy_is_what_it_was_not_started_for() {
    let (ours, theirs) = ripstop_net::scm::seqpacket_pair().unwrap();
    let (broker, line) = Broker::new(ours).unwrap();
    tokio::spawn(line.run());
    let supervisor = FdChannel::new(theirs).unwrap();
    let started_for = async |serves: &str| {
        let question: serde_json::Value =
            serde_json::from_slice(&supervisor.recv().await.unwrap().unwrap().data).unwrap();
        assert_eq!(question["process"], std::process::id());
        let answer = serde_json::json!({"id": question["id"], "ok": true, "serves": serves});
        supervisor.send(&serde_json::to_vec(&answer).unwrap(), &[]).await.unwrap();
    };
    let mut node = start_with(NetNs::current().unwrap(), Voucher::Supervisor(broker));
    let own = "Ripstop/ripstop.dev/Process/shop/web-0";
    let says = async |only: &str| {
        let proxy = FdChannel::connect(&node.path).unwrap();
        let hello = ProxyHello { protocol: PROTOCOL, pid: 1, held: Vec::new(), only: only.to_owned() };
        say(&proxy, proxy_to_agent::Kind::Hello(hello)).await;
        proxy
    };
    // Not the node's, nor another workload's.
    for (claim, serves) in [("", "shop/web-0"), ("Ripstop/ripstop.dev/Process/shop/web-1", "shop/web-0"), (own, "node")]
    {
        let (proxy, ()) = tokio::join!(says(claim), started_for(serves));
        assert!(timeout(DEADLINE, proxy.recv()).await.unwrap().is_ok_and(|end| end.is_none()), "{claim:?}");
    }
    let (proxy, ()) = tokio::join!(says(own), started_for("shop/web-0"));
    let ProxyEvent { said: Said::Up { only, .. }, .. } = node.next().await else { panic!("hello") };
    assert_eq!(only.as_deref(), Some(own));
    drop(proxy);
}
