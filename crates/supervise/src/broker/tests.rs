use std::net::{TcpListener, TcpStream};

use super::*;

fn rules(allow: &[&str]) -> EgressRules {
    EgressRules { allow: allow.iter().map(|net| net.parse().unwrap()).collect(), ..Default::default() }
}

fn request(text: &str) -> BrokerRequest {
    parse(text.as_bytes()).unwrap()
}

/// Asks a broker under `rules`; gives its reply and how many descriptors came with it.
async fn ask(rules: EgressRules, text: &str) -> (BrokerReply, Vec<OwnedFd>) {
    let (ours, theirs) = FdChannel::pair().unwrap();
    let (_rules, receiver) = watch::channel(rules);
    let broker = tokio::spawn(Broker::new(theirs, receiver).run());
    ours.send(text.as_bytes(), &[]).await.unwrap();
    let reply = handover::receive::<BrokerReply>(&ours).await.unwrap().unwrap();
    drop(ours);
    broker.await.unwrap();
    reply
}

#[test]
fn requests_read_as_documented() {
    let connect = request(r#"{"id":3,"connect":{"addr":"192.0.2.1:443","proto":"tcp","workload":"a/b-0"}}"#);
    assert_eq!((connect.id, connect.dns), (3, false));
    let inner = connect.connect.unwrap();
    assert_eq!(
        (inner.addr.to_string().as_str(), inner.proto, inner.workload.as_str()),
        ("192.0.2.1:443", Transport::Tcp, "a/b-0")
    );
    assert_eq!(inner.within, None);
    let within = request(r#"{"id":3,"connect":{"addr":"192.0.2.1:443","within":300}}"#).connect.unwrap().within;
    assert_eq!(within, Some(300));
    assert!(request(r#"{"id":4,"dns":true}"#).dns);
    assert!(parse(b"{").is_none());
    assert!(parse(&[b' '; MAX_REQUEST + 1]).is_none());
}

/// Nobody answers at an address for documentation (RFC 5737), or there is no way there at all.
#[tokio::test]
async fn whoever_asks_says_how_long_it_may_take() {
    let text = r#"{"id":1,"connect":{"addr":"192.0.2.1:9","workload":"a/b-0","within":20}}"#;
    let asked = std::time::Instant::now();
    let (reply, fds) = ask(rules(&[]), text).await;
    assert_eq!((reply.ok, fds.len()), (false, 0));
    assert!(asked.elapsed() < CONNECT_DEADLINE / 2, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn loopback_is_refused_unless_it_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(r#"{{"id":1,"connect":{{"addr":"{address}","workload":"a/b-0"}}}}"#);

    let (reply, fds) = ask(rules(&[]), &text).await;
    assert_eq!((reply.ok, fds.len()), (false, 0));
    assert!(reply.error.unwrap().contains("the host's loopback"));

    let (reply, mut fds) = ask(rules(&["127.0.0.1/32"]), &text).await;
    assert_eq!((reply, fds.len()), (BrokerReply::granted(1), 1));
    let stream = std::net::TcpStream::from(fds.remove(0));
    assert_eq!(stream.peer_addr().unwrap(), address, "the socket is connected");
}

#[tokio::test]
async fn the_hosts_own_addresses_are_recognised() {
    assert_eq!(owner_of("127.0.0.1".parse().unwrap()).await, Owner::Host);
    assert_eq!(owner_of("::1".parse().unwrap()).await, Owner::Host);
    assert_eq!(owner_of("192.0.2.77".parse().unwrap()).await, Owner::Other);
}

#[tokio::test]
async fn a_refused_connection_says_why() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(r#"{{"id":9,"connect":{{"addr":"{unused}"}}}}"#);
    let (reply, _) = ask(rules(&["127.0.0.0/8"]), &text).await;
    assert!(reply.error.unwrap().to_lowercase().contains("refused"));
}

#[tokio::test]
async fn dns_goes_to_the_resolver_that_the_mesh_names() {
    let upstream = EgressRules { dns_upstream: vec!["127.0.0.53".parse().unwrap()], ..Default::default() };
    let (reply, mut fds) = ask(upstream, r#"{"id":2,"dns":true}"#).await;
    assert!(reply.ok);
    let socket = std::net::UdpSocket::from(fds.remove(0));
    assert_eq!(socket.peer_addr().unwrap().to_string(), "127.0.0.53:53");
}

#[test]
fn resolvers_are_read_in_order() {
    let text = "# x\nnameserver 192.0.2.1\nsearch a\n nameserver\t2001:db8::1 # y\nnameserver fe80::1%eth0\n";
    let seen: Vec<_> = resolvers_of(text).iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["192.0.2.1", "2001:db8::1"]);
}

#[tokio::test]
async fn a_name_is_found_and_its_addresses_are_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(r#"{{"id":5,"named":{{"host":"127.0.0.1","port":{port},"asker":"control plane"}}}}"#);
    let (reply, fds) = ask(rules(&[]), &text).await;
    assert_eq!((reply.ok, fds.len()), (false, 0));
    assert!(reply.error.unwrap().contains("the host's loopback"));
    let (reply, fds) = ask(rules(&["127.0.0.0/8"]), &text).await;
    assert_eq!((reply, fds.len()), (BrokerReply::granted(5), 1));
    let (reply, _) = ask(rules(&[]), r#"{"id":6,"named":{"host":"nobody.invalid","port":1}}"#).await;
    assert!(reply.error.unwrap().starts_with("nobody.invalid "));
}

/// Whoever says nothing leaves the others their time.
#[tokio::test]
async fn a_silent_address_is_not_the_last() {
    let (silent, answering) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let place = silent.local_addr().unwrap();
    // Nobody accepts, and what is in line is more than it may be.
    rustix::net::listen(&silent, 0).unwrap();
    let _waiting: Vec<_> = (0..3).map(|_| TcpStream::connect_timeout(&place, Duration::from_millis(50))).collect();
    let found = [place, answering.local_addr().unwrap()];
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    let rules = rules(&["127.0.0.0/8"]);
    let granted = grant_first(&rules, &found, "test", until).await.unwrap().unwrap();
    let peer = TcpStream::from(granted).peer_addr().unwrap();
    assert_eq!(peer, found[1]);
    let until = tokio::time::Instant::now() + Duration::from_millis(100);
    assert!(grant_first(&rules, &found[..1], "test", until).await.unwrap().is_err());
    assert!(grant_first(&rules, &[], "test", until).await.is_none());
}
