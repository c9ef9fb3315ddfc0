//! Client and server against one another, message by message.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use prost::Message as _;

use super::*;
use crate::{
    ResourceChange,
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    ripstop::Commit,
    type_url::{self, ADDRESS, COMMIT, MESH, NODE, PEER_AUTHENTICATION},
};

mod convergence;
mod foreign;

const TYPES: &[&str] = &[ADDRESS, PEER_AUTHENTICATION, MESH];

fn put(type_url: &'static str, name: &str, content: &str) -> ResourceChange {
    ResourceChange {
        type_url,
        name: name.into(),
        version: format!("v-{content}").into(),
        body: Some(Bytes::from(content.to_owned())),
    }
}

fn gone(type_url: &'static str, name: &str) -> ResourceChange {
    ResourceChange::removed(type_url, name)
}

fn set(version: u64, changes: impl IntoIterator<Item = ResourceChange>) -> ResourceSet {
    ResourceSet::default().with(version, changes)
}

/// Names and contents of a response, removals with a minus.
fn says(response: &DeltaDiscoveryResponse) -> Vec<String> {
    let changed = response.resources.iter().map(|resource| {
        let body = &resource.resource.as_ref().unwrap().value;
        format!("{}={}", resource.name, String::from_utf8_lossy(body))
    });
    response.removed_resources.iter().map(|name| format!("-{name}")).chain(changed).collect()
}

/// A client with its applied state, and the wire between it and a server.
struct World {
    client: DeltaClient,
    server: DeltaServer,
    to_server: VecDeque<DeltaDiscoveryRequest>,
    /// What the owner of the client has in force.
    applied: BTreeMap<(&'static str, String), Bytes>,
    updates: Vec<CommittedUpdate>,
    mismatches: usize,
    /// Bodies that the owner refuses.
    poison: Option<&'static str>,
    sent_resources: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            client: DeltaClient::new("client", TYPES),
            server: DeltaServer::new(),
            to_server: VecDeque::new(),
            applied: BTreeMap::new(),
            updates: Vec::new(),
            mismatches: 0,
            poison: None,
            sent_resources: 0,
        };
        world.reconnect();
        world
    }

    /// A new stream, to a server that knows nothing of the one before.
    fn reconnect(&mut self) {
        self.server = DeltaServer::new();
        self.to_server = self.client.connect().into();
    }

    /// Everything that can be said is said.
    fn run(&mut self) {
        loop {
            if let Some(request) = self.to_server.pop_front() {
                self.server.receive(request).unwrap();
            } else if let Some(response) = self.server.poll() {
                self.deliver(response);
            } else {
                break;
            }
        }
    }

    fn deliver(&mut self, response: DeltaDiscoveryResponse) {
        if response.type_url != COMMIT {
            self.sent_resources += response.resources.len() + response.removed_resources.len();
        }
        let Received { request, event } = self.client.receive(response).unwrap();
        self.to_server.extend(request);
        match event {
            Some(Event::Committed(update)) => {
                let bad = |change: &ResourceChange| {
                    self.poison.is_some_and(|poison| change.body.as_deref() == Some(poison.as_bytes()))
                };
                if update.changes.iter().any(bad) {
                    self.to_server.extend(self.client.reject("poison"));
                    return;
                }
                for change in &update.changes {
                    let key = (change.type_url, change.name.to_string());
                    match &change.body {
                        Some(body) => self.applied.insert(key, body.clone()),
                        None => self.applied.remove(&key),
                    };
                }
                self.updates.push(update);
                self.to_server.extend(self.client.accept());
            }
            Some(Event::Mismatch { .. }) => self.mismatches += 1,
            None => {}
        }
    }

    #[track_caller]
    fn assert_has(&self, target: &ResourceSet) {
        let expected: BTreeMap<_, _> = TYPES
            .iter()
            .flat_map(|url| target.resources(url).map(|(name, entry)| ((*url, name.to_string()), entry.body.clone())))
            .collect();
        assert_eq!(self.applied, expected);
        assert_eq!(self.client.version(), target.version());
        assert_eq!(self.server.acked(), target.version());
        assert_eq!(self.server.nack(), None);
    }
}

#[test]
fn first_push_is_one_commit() {
    let mut world = World::new();
    world.run();
    assert_eq!(world.updates, [], "nothing is said before there is a target");
    let target = set(
        7,
        [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1"), put(PEER_AUTHENTICATION, "ns/p", "x"), put(NODE, "n", "1")],
    );
    world.server.set_target(&target);
    world.run();
    assert_eq!(world.updates.len(), 1);
    assert_eq!(world.updates[0].changes.len(), 3, "what is not subscribed to is not sent");
    world.assert_has(&target);
    assert_eq!(world.server.node(), "client");
}

#[test]
fn target_may_be_there_first() {
    let mut world = World::new();
    let target = set(7, [put(ADDRESS, "a", "1"), put(MESH, "default", "m")]);
    world.server.set_target(&target);
    world.run();
    assert_eq!(world.updates.len(), 1, "what went out before commits were asked for is in the commit");
    world.assert_has(&target);
}

#[test]
fn an_empty_mesh_is_committed_too() {
    let mut world = World::new();
    world.server.set_target(&set(1, []));
    world.run();
    assert_eq!(world.updates, [CommittedUpdate { version: 1, changes: vec![] }]);
}

#[test]
fn only_what_changed_is_sent() {
    let mut world = World::new();
    let first = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1"), put(MESH, "default", "m")]);
    world.server.set_target(&first);
    world.run();
    world.sent_resources = 0;
    let second = first.with(2, [put(ADDRESS, "b", "2"), gone(MESH, "default"), put(ADDRESS, "a", "1")]);
    world.server.set_target(&second);
    world.run();
    assert_eq!(world.sent_resources, 2);
    world.assert_has(&second);
    // A version without changes for this client is acknowledged all the same.
    let third = second.with(3, [put(NODE, "n", "1")]);
    world.server.set_target(&third);
    world.run();
    assert_eq!(world.sent_resources, 2);
    world.assert_has(&third);
}

#[test]
fn slow_client_gets_the_newest_only() {
    let mut world = World::new();
    let mut target = set(1, [put(ADDRESS, "a", "1")]);
    world.server.set_target(&target);
    // The client's requests arrive, but it does not read.
    for request in std::mem::take(&mut world.to_server) {
        world.server.receive(request).unwrap();
    }
    for version in 2..=50 {
        target = target.with(version, [put(ADDRESS, "a", &version.to_string())]);
        world.server.set_target(&target);
    }
    let mut commits = 0;
    let mut waiting = Vec::new();
    while let Some(response) = world.server.poll() {
        commits += usize::from(response.type_url == COMMIT);
        waiting.push(response);
    }
    assert_eq!(commits, 1, "one commit is in flight, and only one");
    for response in waiting {
        world.deliver(response);
    }
    world.run();
    let versions: Vec<_> = world.updates.iter().map(|update| update.version).collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    world.assert_has(&target);
}

#[test]
fn older_targets_are_passed_over() {
    let mut world = World::new();
    let newer = set(5, [put(ADDRESS, "a", "5")]);
    world.server.set_target(&newer);
    world.server.set_target(&set(4, []));
    world.run();
    world.assert_has(&newer);
}

#[test]
fn reconnection_sends_nothing_twice() {
    let mut world = World::new();
    let target = set(3, [put(ADDRESS, "a", "1"), put(MESH, "default", "m")]);
    world.server.set_target(&target);
    world.run();
    world.sent_resources = 0;
    world.reconnect();
    world.server.set_target(&target);
    world.run();
    assert_eq!(world.sent_resources, 0);
    assert_eq!(world.updates.len(), 1);
    assert_eq!(world.server.acked(), 3, "the client's word counts");
    // Also when the server has counted on meanwhile.
    world.reconnect();
    let newer = target.with(4, []);
    world.server.set_target(&newer);
    world.run();
    assert_eq!(world.sent_resources, 0);
    world.assert_has(&newer);
}

#[test]
fn removal_while_disconnected() {
    let mut world = World::new();
    let first = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1")]);
    world.server.set_target(&first);
    world.run();
    world.reconnect();
    let second = set(2, [put(ADDRESS, "b", "2")]);
    world.server.set_target(&second);
    world.run();
    world.assert_has(&second);
    assert_eq!(world.updates[1].changes, [gone(ADDRESS, "a"), put(ADDRESS, "b", "2")]);
}

#[test]
fn a_restarted_client_starts_from_what_it_saved() {
    let mut world = World::new();
    world.client.restore(4, [(ADDRESS, "a".into(), "v-1".into()), (ADDRESS, "b".into(), "v-1".into())]);
    world.reconnect();
    let target = set(5, [put(ADDRESS, "a", "1"), put(ADDRESS, "c", "1")]);
    world.server.set_target(&target);
    world.run();
    assert_eq!(world.updates[0].changes, [gone(ADDRESS, "b"), put(ADDRESS, "c", "1")]);
}

#[test]
fn lost_commit_leaves_the_last_good_state() {
    let mut world = World::new();
    let first = set(1, [put(ADDRESS, "a", "1")]);
    world.server.set_target(&first);
    world.run();
    let second = first.with(2, [put(ADDRESS, "a", "2"), put(ADDRESS, "b", "2")]);
    world.server.set_target(&second);
    // The resources arrive, then the connection breaks.
    let response = world.server.poll().unwrap();
    assert_eq!(response.type_url, ADDRESS);
    world.deliver(response);
    assert_eq!(world.client.version(), 1);
    assert_eq!(world.updates.len(), 1);
    world.reconnect();
    world.server.set_target(&second);
    world.run();
    world.assert_has(&second);
}

#[test]
fn nack_holds_until_something_newer() {
    let mut world = World::new();
    world.poison = Some("bad");
    let first = set(1, [put(ADDRESS, "a", "1")]);
    world.server.set_target(&first);
    world.run();
    let second = first.with(2, [put(ADDRESS, "a", "bad"), put(ADDRESS, "b", "1")]);
    world.server.set_target(&second);
    world.run();
    assert_eq!(world.client.version(), 1);
    assert_eq!((world.server.sent(), world.server.acked()), (2, 1));
    let nack = world.server.nack().unwrap();
    assert_eq!((nack.version, &*nack.type_url, &*nack.message), (2, COMMIT, "poison"));
    // The same is not sent again.
    world.sent_resources = 0;
    world.server.set_target(&second);
    world.run();
    assert_eq!(world.sent_resources, 0);
    // The fix comes whole: what was refused with the bad one is there again.
    let third = second.with(3, [put(ADDRESS, "a", "3")]);
    world.server.set_target(&third);
    world.run();
    assert_eq!(world.sent_resources, 2);
    world.assert_has(&third);
}

#[test]
fn nack_then_back_to_what_was() {
    let mut world = World::new();
    world.poison = Some("bad");
    let first = set(1, [put(ADDRESS, "a", "1")]);
    world.server.set_target(&first);
    world.run();
    let second = first.with(2, [put(ADDRESS, "a", "bad")]);
    world.server.set_target(&second);
    world.run();
    let third = second.with(3, [put(ADDRESS, "a", "1")]);
    world.server.set_target(&third);
    world.run();
    world.assert_has(&third);
}

#[test]
fn wrong_counts_are_refused_and_the_next_stream_starts_from_nothing() {
    let mut world = World::new();
    let first = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1"), put(MESH, "default", "m")]);
    world.server.set_target(&first);
    world.run();
    let second = first.with(2, [put(ADDRESS, "c", "2")]);
    world.server.set_target(&second);
    // The response with the resource is lost on the way.
    assert_eq!(says(&world.server.poll().unwrap()), ["c=2"]);
    world.run();
    assert_eq!(world.mismatches, 1);
    assert_eq!(world.client.version(), 1, "the last good state stays");
    let nack = world.server.nack().unwrap();
    assert!(nack.message.contains("counts 3") && nack.message.contains("2 arrived"), "{}", nack.message);

    world.reconnect();
    assert!(world.to_server.iter().all(|request| request.initial_resource_versions.is_empty()));
    world.sent_resources = 0;
    world.server.set_target(&second);
    world.run();
    assert_eq!(world.sent_resources, 4, "everything is sent again");
    assert_eq!(world.updates.last().unwrap().changes, [put(ADDRESS, "c", "2")], "but only what differs is applied");
    world.assert_has(&second);
    // And only once.
    world.reconnect();
    assert!(world.to_server.iter().any(|request| !request.initial_resource_versions.is_empty()));
}

#[test]
fn starting_from_nothing_forgets_what_is_gone() {
    let mut world = World::new();
    let first = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", "1")]);
    world.server.set_target(&first);
    world.run();
    world.server.set_target(&first.with(2, [put(ADDRESS, "c", "2")]));
    world.server.poll().unwrap();
    world.run();
    assert_eq!(world.mismatches, 1);
    world.reconnect();
    let third = set(3, [put(ADDRESS, "b", "1")]);
    world.server.set_target(&third);
    world.run();
    assert_eq!(world.updates.last().unwrap().changes, [gone(ADDRESS, "a")]);
    world.assert_has(&third);
}

#[test]
fn large_pushes_are_cut() {
    let mut world = World::new();
    let body = Bytes::from("x".repeat(700_000));
    let target = set(
        1,
        (0..20).map(|n| ResourceChange {
            type_url: ADDRESS,
            name: format!("r{n}").into(),
            version: "1".into(),
            body: Some(body.clone()),
        }),
    );
    world.server.set_target(&target);
    for request in std::mem::take(&mut world.to_server) {
        world.server.receive(request).unwrap();
    }
    let mut responses = 0;
    while let Some(response) = world.server.poll() {
        assert!(response.encoded_len() <= MAX_RESPONSE, "{}", response.encoded_len());
        responses += 1;
        world.deliver(response);
    }
    assert_eq!(responses, 4 + 2 + 1, "five resources a piece; two types without resources; the commit");
    world.run();
    world.assert_has(&target);
}

#[test]
fn a_resource_larger_than_a_piece_goes_alone() {
    let mut world = World::new();
    let target = set(1, [put(ADDRESS, "a", "1"), put(ADDRESS, "b", &"x".repeat(MAX_RESPONSE)), put(ADDRESS, "c", "1")]);
    world.server.set_target(&target);
    world.run();
    world.assert_has(&target);
}

#[test]
fn servers_that_break_the_protocol_are_left() {
    let mut client = DeltaClient::new("client", TYPES);
    client.connect();
    let response = |type_url: &str, resource: crate::discovery::Resource| DeltaDiscoveryResponse {
        type_url: type_url.to_owned(),
        resources: vec![resource],
        ..DeltaDiscoveryResponse::default()
    };
    let resource = |type_url: &str, value: Vec<u8>| crate::discovery::Resource {
        name: "a".to_owned(),
        resource: Some(crate::discovery::Any { type_url: type_url.to_owned(), value: value.into() }),
        ..crate::discovery::Resource::default()
    };
    let unknown = client.receive(response(NODE, resource(NODE, vec![])));
    assert!(matches!(unknown, Err(ProtocolError::UnknownType(_))));
    let other = client.receive(response(ADDRESS, resource(MESH, vec![])));
    assert!(matches!(other, Err(ProtocolError::Resource { .. })));
    let empty = client.receive(response(ADDRESS, crate::discovery::Resource::default()));
    assert!(matches!(empty, Err(ProtocolError::Resource { .. })));
    let garbage = client.receive(response(COMMIT, resource(COMMIT, vec![0xff])));
    assert!(matches!(garbage, Err(ProtocolError::Resource { .. })));
    let commit = |version| Commit { version, counts: BTreeMap::new() }.encode_to_vec();
    let first = client.receive(response(COMMIT, resource(COMMIT, commit(1)))).unwrap();
    assert!(matches!(first.event, Some(Event::Committed(_))));
    let second = client.receive(response(COMMIT, resource(COMMIT, commit(2))));
    assert_eq!(second.unwrap_err(), ProtocolError::Overrun { unanswered: 1, next: 2 });
}

#[test]
fn types_are_pushed_before_what_names_them() {
    let order = [MESH, NODE, ADDRESS, PEER_AUTHENTICATION, "unknown"].map(type_url::push_rank);
    assert!(order.is_sorted(), "{order:?}");
}
