use std::os::fd::AsFd;

use ripstop_model::WorkloadUid;
use ripstop_net::scm::seqpacket_pair;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn start() -> (Broker, FdChannel) {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let (broker, line) = Broker::new(ours).unwrap();
    tokio::spawn(line.run());
    (broker, FdChannel::new(theirs).unwrap())
}

async fn question(broker: &FdChannel) -> Value {
    serde_json::from_slice(&broker.recv().await.unwrap().unwrap().data).unwrap()
}

async fn reply(broker: &FdChannel, reply: Value, fds: &[std::os::fd::BorrowedFd<'_>]) {
    broker.send(&serde_json::to_vec(&reply).unwrap(), fds).await.unwrap();
}

#[tokio::test]
async fn answers_find_their_questions() {
    let (broker, other) = start();
    let asker = broker.clone();
    let granted =
        tokio::spawn(async move { asker.connect("192.0.2.1:443".parse().unwrap(), "shop/web-0", None).await });
    let first = question(&other).await;
    assert_eq!(first["connect"], json!({"addr": "192.0.2.1:443", "proto": "tcp", "workload": "shop/web-0"}));
    let resolver = tokio::spawn(async move { broker.resolver(Proto::Udp).await });
    let second = question(&other).await;
    assert_eq!((&second["dns"], &second["proto"]), (&json!(true), &json!("udp")));

    reply(&other, json!({"id": 3, "error": "nobody asked"}), &[]).await;
    reply(&other, json!({"id": second["id"], "error": "no resolver"}), &[]).await;
    let refused = resolver.await.unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "the broker refused the host's resolver: no resolver");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    reply(&other, json!({"id": first["id"], "ok": true}), &[stream.as_fd()]).await;
    granted.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_grant_without_a_socket_is_an_error() {
    let (broker, other) = start();
    let asked = tokio::spawn(async move { broker.resolver(Proto::Tcp).await });
    let id = question(&other).await["id"].clone();
    reply(&other, json!({"id": id, "ok": true}), &[]).await;
    assert!(matches!(asked.await.unwrap(), Err(Error::Broker { .. })));
}

#[tokio::test]
async fn without_a_broker_nothing_is_granted() {
    let (broker, other) = start();
    drop(other);
    let refused = broker.connect("192.0.2.1:443".parse().unwrap(), "shop/web-0", None).await;
    assert!(matches!(refused, Err(Error::NoBroker)));
}

#[tokio::test]
async fn one_workload_leaves_places_to_the_others() {
    let (broker, other) = start();
    let connect = |workload: &'static str| {
        let asker = broker.clone();
        tokio::spawn(async move { asker.connect("192.0.2.1:443".parse().unwrap(), workload, None).await })
    };
    // All that may ask do, and nobody answers.
    let _stuck: Vec<_> = (0..IN_FLIGHT).map(|_| connect("shop/greedy")).collect();
    for _ in 0..EACH {
        assert_eq!(question(&other).await["connect"]["workload"], "shop/greedy");
    }
    let others = connect("shop/modest");
    let modest = question(&other).await;
    assert_eq!(modest["connect"]["workload"], "shop/modest");
    reply(&other, json!({"id": modest["id"], "error": "no"}), &[]).await;
    assert!(matches!(others.await.unwrap(), Err(Error::Refused { .. })));
    // Even where every place for connections is taken, names can be asked for.
    let _more: Vec<_> = ["shop/a", "shop/b"].iter().flat_map(|workload| (0..EACH).map(|_| connect(workload))).collect();
    for _ in 0..2 * EACH {
        question(&other).await;
    }
    let asker = broker.clone();
    let resolver = tokio::spawn(async move { asker.resolver(Proto::Udp).await });
    let dns = question(&other).await;
    assert_eq!(dns["dns"], true);
    reply(&other, json!({"id": dns["id"], "error": "no"}), &[]).await;
    assert!(matches!(resolver.await.unwrap(), Err(Error::Refused { .. })));
    assert!(broker.places.each.lock().unwrap().len() <= 4);
}

#[tokio::test]
async fn whose_proxy_a_process_is_says_who_started_it() {
    let (broker, other) = start();
    for (answer, expected) in [
        (json!({"ok": true, "serves": "node"}), Some(Serves::Node)),
        (json!({"ok": true, "serves": "shop/web-0"}), Some(Serves::Workload("shop".into(), "web-0".into()))),
        (json!({"error": "it is none"}), None),
        (json!({"ok": true}), None),
    ] {
        let asker = broker.clone();
        let asked = tokio::spawn(async move { asker.serves(77).await });
        let mut answer = answer;
        let question = question(&other).await;
        assert_eq!(question["process"], json!(77));
        answer["id"] = question["id"].clone();
        reply(&other, answer, &[]).await;
        assert_eq!(asked.await.unwrap().ok(), expected);
    }
}

#[test]
fn a_proxy_may_say_what_it_was_started_for() {
    let own = Serves::Workload("shop".into(), "web-0".into());
    assert!(own.may_say(Some("Ripstop/ripstop.dev/Process/shop/web-0")));
    for uid in [
        None,
        Some(""),
        Some("Ripstop/ripstop.dev/Process/shop/web-1"),
        Some("Ripstop/ripstop.dev/Process/shop/x/web-0"),
    ] {
        assert!(!own.may_say(uid), "{uid:?}");
    }
    assert!(Serves::Node.may_say(None));
    assert!(!Serves::Node.may_say(Some("Ripstop/ripstop.dev/Process/shop/web-0")));
}

#[tokio::test]
async fn whoever_starts_workloads_hears_which_are_captured() {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let (served, captured) = watch::channel(Served::from([(WorkloadUid::new("a"), 7)]));
    let (_broker, line) = Broker::new(ours).unwrap();
    tokio::spawn(line.telling(captured).run());
    let other = FdChannel::new(theirs).unwrap();
    assert_eq!(question(&other).await, json!({"served": {"uid": "a", "netns": 7}}), "also what it is from the start");
    served.send_replace([(WorkloadUid::new("a"), 7), (WorkloadUid::new("b"), 8)].into());
    assert_eq!(question(&other).await, json!({"served": {"uid": "b", "netns": 8}}), "what stays is not told anew");
    served.send_replace([(WorkloadUid::new("b"), 9)].into());
    assert_eq!(question(&other).await, json!({"served": {"uid": "a", "netns": null}}));
    assert_eq!(question(&other).await, json!({"served": {"uid": "b", "netns": 9}}));
}
