use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

#[tokio::test]
async fn messages_and_descriptors_arrive() {
    let (outer, world) = FdChannel::pair().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let peer = AdminPeer { uid: 1000, pid: 7 };
    send_with(&outer, &ToWorld::Admin(peer), &theirs).await.unwrap();
    let (message, mut fds) = receive::<ToWorld>(&world).await.unwrap().unwrap();
    assert_eq!((message, fds.len()), (ToWorld::Admin(peer), 1));
    UnixStream::from(fds.remove(0)).write_all(b"x").unwrap();
    let mut seen = [0];
    ours.read_exact(&mut seen).unwrap();

    let rules = EgressRules { deny: vec!["10.0.0.0/8".parse().unwrap()], ..Default::default() };
    send(&world, &ToOuter::Egress(rules.clone()), &[]).await.unwrap();
    assert_eq!(receive::<ToOuter>(&outer).await.unwrap().unwrap().0, ToOuter::Egress(rules));

    drop(world);
    assert!(receive::<ToOuter>(&outer).await.unwrap().is_none());
}

#[test]
fn events_have_a_readable_form_on_the_wire() {
    let settled = Event::Settled { nodes: 2, workloads: 8, ready: 7 };
    let text = serde_json::to_string(&ToOuter::Event(settled)).unwrap();
    assert_eq!(text, r#"{"event":{"event":"settled","nodes":2,"workloads":8,"ready":7}}"#);
}
