//! Clients that do not know commits.

use super::*;
use crate::discovery::ErrorDetail;

fn subscribe(type_url: &str, names: &[&str], initial: &[(&str, &str)]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: names.iter().map(ToString::to_string).collect(),
        initial_resource_versions: initial.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn answer(response: &DeltaDiscoveryResponse, error: Option<&str>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: error.map(|message| ErrorDetail { code: 3, message: message.to_owned() }),
        ..DeltaDiscoveryRequest::default()
    }
}

#[test]
fn foreign_client_gets_types_in_order_without_commits() {
    let mut server = DeltaServer::new();
    server.receive(subscribe("type.googleapis.com/istio.security.Authorization", &["*"], &[])).unwrap();
    // Without names means everything, too.
    server.receive(subscribe(ADDRESS, &[], &[])).unwrap();
    let first = set(1, [put(ADDRESS, "a", "1")]);
    server.set_target(&first);
    let address = server.poll().unwrap();
    assert_eq!((&*address.type_url, says(&address)), (ADDRESS, vec!["a=1".to_owned()]));
    let policies = server.poll().unwrap();
    assert_eq!(policies.type_url, "type.googleapis.com/istio.security.Authorization");
    assert_eq!(says(&policies), Vec::<String>::new(), "it waits for an answer for each type");
    assert_eq!(server.poll(), None);
    assert_eq!((server.sent(), server.acked()), (1, 0));
    server.receive(answer(&address, None)).unwrap();
    assert_eq!(server.acked(), 0);
    server.receive(answer(&policies, None)).unwrap();
    assert_eq!(server.acked(), 1);

    // A change, and a further one before the first is answered.
    let second = first.with(2, [put(ADDRESS, "a", "2")]);
    server.set_target(&second);
    let response = server.poll().unwrap();
    assert_eq!(says(&response), ["a=2"]);
    assert_eq!(server.poll(), None, "nothing is said twice about a type without changes");
    server.set_target(&second.with(3, [put(ADDRESS, "a", "3")]));
    server.set_target(&second.with(4, [gone(ADDRESS, "a")]));
    assert_eq!(server.poll(), None);
    server.receive(answer(&response, None)).unwrap();
    let response = server.poll().unwrap();
    assert_eq!(says(&response), ["-a"]);
    server.receive(answer(&response, None)).unwrap();
    assert_eq!((server.poll(), server.acked()), (None, 4));
}

#[test]
fn foreign_client_reconnects() {
    let mut server = DeltaServer::new();
    server.receive(subscribe(ADDRESS, &["*"], &[("a", "v-1"), ("b", "v-1"), ("c", "v-1")])).unwrap();
    server.set_target(&set(9, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "2")]));
    assert_eq!(says(&server.poll().unwrap()), ["-c", "b=2"]);
}

#[test]
fn foreign_client_refuses() {
    let mut server = DeltaServer::new();
    server.receive(subscribe(ADDRESS, &["*"], &[])).unwrap();
    let first = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1")]);
    server.set_target(&first);
    let response = server.poll().unwrap();
    server.receive(answer(&response, Some("no"))).unwrap();
    assert_eq!(server.nack(), Some(&Nack { version: 1, type_url: ADDRESS.to_owned(), message: "no".to_owned() }));
    assert_eq!((server.poll(), server.acked()), (None, 0), "the same is not sent again");
    server.set_target(&first.with(2, [put(MESH, "default", "m")]));
    assert_eq!(server.poll(), None, "nor when something else changes");
    server.set_target(&first.with(3, [put(ADDRESS, "a", "3")]));
    let response = server.poll().unwrap();
    assert_eq!(says(&response), ["a=3", "b=1"], "all that was refused comes again");
    server.receive(answer(&response, None)).unwrap();
    assert_eq!((server.nack(), server.acked()), (None, 3));
}

#[test]
fn foreign_client_unsubscribes_and_asks_again() {
    let mut server = DeltaServer::new();
    server.receive(subscribe(ADDRESS, &["*"], &[])).unwrap();
    let target = set(1, [put(ADDRESS, "a", "1")]);
    server.set_target(&target);
    let response = server.poll().unwrap();
    server.receive(answer(&response, None)).unwrap();
    server.receive(subscribe(ADDRESS, &["*"], &[])).unwrap();
    let response = server.poll().unwrap();
    assert_eq!(says(&response), ["a=1"], "asked for again is sent again");
    server.receive(answer(&response, None)).unwrap();
    let away = DeltaDiscoveryRequest {
        type_url: ADDRESS.to_owned(),
        resource_names_unsubscribe: vec!["*".to_owned()],
        ..DeltaDiscoveryRequest::default()
    };
    server.receive(away).unwrap();
    server.set_target(&target.with(2, [put(ADDRESS, "a", "2")]));
    assert_eq!(server.poll(), None);
}

#[test]
fn what_is_not_offered_is_refused() {
    let mut server = DeltaServer::new();
    let single = server.receive(subscribe(ADDRESS, &["default/host"], &[]));
    assert_eq!(single, Err(RequestError::NotWildcard { type_url: ADDRESS.to_owned() }));
    let stray = DeltaDiscoveryRequest {
        type_url: ADDRESS.to_owned(),
        response_nonce: "1".to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    assert_eq!(server.receive(stray), Err(RequestError::NotSubscribed { type_url: ADDRESS.to_owned() }));
    for n in 0..32 {
        server.receive(subscribe(&format!("type-{n}"), &["*"], &[])).unwrap();
    }
    assert_eq!(server.receive(subscribe("one more", &["*"], &[])), Err(RequestError::TooManyTypes));
}
