//! The client's end.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

use super::{COMMIT_NAME, WILDCARD};
use crate::{
    ResourceChange,
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, ErrorDetail, Node, Resource},
    ripstop::Commit,
    type_url,
};

/// `google.rpc.Code.INVALID_ARGUMENT`, which a NACK carries.
const INVALID_ARGUMENT: i32 = 3;

/// The client of one control plane, over any number of streams. It keeps names and versions of what
/// is committed, not the content.
///
/// The shell opens a stream and sends what [`connect`](Self::connect) gives, feeds each response to
/// [`receive`](Self::receive), and sends the requests it gives back. A
/// [`CommittedUpdate`] must be answered by [`accept`](Self::accept) or
/// [`reject`](Self::reject), before the next stream is opened.
#[derive(Debug)]
pub struct DeltaClient {
    node: String,
    types: BTreeMap<&'static str, TypeState>,
    /// Last accepted version; 0 before the first.
    version: u64,
    /// Handed out, not yet accepted or rejected.
    pending: Option<Pending>,
    /// The next stream starts as if nothing were committed.
    from_nothing: bool,
}

/// What a response leads to.
#[derive(Debug, Default)]
pub struct Received {
    /// To be sent at once.
    pub request: Option<DeltaDiscoveryRequest>,
    /// What the shell has to act on.
    pub event: Option<Event>,
}

/// What the shell has to act on.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// A whole push arrived; to be applied, then accepted or rejected.
    Committed(CommittedUpdate),
    /// What arrived does not add up to what the commit says. The last good state stays. The shell
    /// should wait a little, close the stream and open a new one: it starts from nothing.
    Mismatch {
        /// Version of the commit.
        version: u64,
        /// Type whose count differs.
        type_url: &'static str,
        /// Number of resources according to the commit.
        expected: u64,
        /// Number of resources here.
        staged: u64,
    },
}

/// What leads from the last accepted version to this one.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedUpdate {
    /// Version of the commit.
    pub version: u64,
    /// What changed: removals of a type before its additions.
    pub changes: Vec<ResourceChange>,
}

/// The server broke the protocol; the stream is of no further use.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ProtocolError {
    /// A response of a type that was not asked for.
    #[error("response for {0:?}, which was not subscribed to")]
    UnknownType(String),
    /// A resource without a body, or with one of another type.
    #[error("resource {name:?} of {type_url}: {reason}")]
    Resource {
        /// Type of the response.
        type_url: &'static str,
        /// Name of the resource.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A commit while the last one is not answered yet.
    #[error("commit {next} arrived before commit {unanswered} was answered")]
    Overrun {
        /// The commit that was handed out.
        unanswered: u64,
        /// The one that arrived.
        next: u64,
    },
}

#[derive(Debug, Default)]
struct TypeState {
    /// Name and version of all resources of the last accepted commit.
    committed: HashMap<Arc<str>, Arc<str>>,
    /// Since then, or since `staged_from_nothing`: version and content, or nothing for a removal.
    staged: BTreeMap<Arc<str>, Option<(Arc<str>, Bytes)>>,
    /// What is staged does not build on `committed`.
    staged_from_nothing: bool,
}

#[derive(Debug)]
struct Pending {
    version: u64,
    nonce: String,
}

// === impl DeltaClient ===

impl DeltaClient {
    /// A client that names itself `node` and subscribes to all resources of `types`, and to commits.
    pub fn new(node: impl Into<String>, types: &[&'static str]) -> Self {
        let types = types.iter().filter(|url| **url != type_url::COMMIT);
        Self {
            node: node.into(),
            types: types.map(|url| (*url, TypeState::default())).collect(),
            version: 0,
            pending: None,
            from_nothing: false,
        }
    }

    /// Takes up what an earlier run committed. Resources of types that are not subscribed to are
    /// passed over.
    pub fn restore<'a>(&mut self, version: u64, resources: impl IntoIterator<Item = (&'a str, Arc<str>, Arc<str>)>) {
        self.version = version;
        for (type_url, name, version) in resources {
            if let Some(state) = self.types.get_mut(type_url) {
                state.committed.insert(name, version);
            }
        }
    }

    /// The last accepted version; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Forgets the stream before, and gives what a new one starts with: a request per type that names
    /// the resources held, commits last. Must not be called while an update is unanswered.
    pub fn connect(&mut self) -> Vec<DeltaDiscoveryRequest> {
        debug_assert!(self.pending.is_none(), "a stream is opened while an update is unanswered");
        self.pending = None;
        let from_nothing = mem::take(&mut self.from_nothing);
        let mut requests = Vec::with_capacity(self.types.len() + 1);
        for (type_url, state) in &mut self.types {
            state.unstage();
            state.staged_from_nothing = from_nothing;
            let held = state.committed.iter().filter(|_| !from_nothing);
            requests.push(DeltaDiscoveryRequest {
                type_url: (*type_url).to_owned(),
                resource_names_subscribe: vec![WILDCARD.to_owned()],
                initial_resource_versions: held.map(|(name, held)| (name.to_string(), held.to_string())).collect(),
                ..DeltaDiscoveryRequest::default()
            });
        }
        requests.sort_by_key(|request| type_url::push_rank(&request.type_url));
        let committed =
            (self.version != 0 && !from_nothing).then(|| (COMMIT_NAME.to_owned(), self.version.to_string()));
        requests.push(DeltaDiscoveryRequest {
            type_url: type_url::COMMIT.to_owned(),
            resource_names_subscribe: vec![WILDCARD.to_owned()],
            initial_resource_versions: committed.into_iter().collect(),
            ..DeltaDiscoveryRequest::default()
        });
        // Only the first request of a stream says who asks.
        requests[0].node = Some(Node { id: self.node.clone(), cluster: String::new() });
        requests
    }

    /// Takes one response.
    pub fn receive(&mut self, response: DeltaDiscoveryResponse) -> Result<Received, ProtocolError> {
        if response.type_url == type_url::COMMIT {
            return self.commit(response);
        }
        let type_url = self.types.get_key_value(&*response.type_url).map(|(url, _)| *url);
        let Some((type_url, state)) = type_url.and_then(|url| Some((url, self.types.get_mut(url)?))) else {
            return Err(ProtocolError::UnknownType(response.type_url));
        };
        for name in response.removed_resources {
            state.staged.insert(name.into(), None);
        }
        for resource in response.resources {
            let (name, version, body) = checked(type_url, resource)?;
            state.staged.insert(name, Some((version, body)));
        }
        Ok(Received { request: Some(answer(type_url, response.nonce, None)), event: None })
    }

    /// The update handed out last is in force: gives its acknowledgement.
    ///
    /// Nothing is given when no update is unanswered.
    pub fn accept(&mut self) -> Option<DeltaDiscoveryRequest> {
        let Pending { version, nonce } = self.pending.take()?;
        self.version = version;
        for state in self.types.values_mut() {
            state.swap();
        }
        Some(answer(type_url::COMMIT, nonce, None))
    }

    /// The update handed out last is refused, and the state before it stays: gives the NACK.
    ///
    /// Nothing is given when no update is unanswered.
    pub fn reject(&mut self, reason: &str) -> Option<DeltaDiscoveryRequest> {
        let Pending { nonce, .. } = self.pending.take()?;
        for state in self.types.values_mut() {
            state.unstage();
        }
        Some(answer(type_url::COMMIT, nonce, Some(reason.to_owned())))
    }

    fn commit(&mut self, response: DeltaDiscoveryResponse) -> Result<Received, ProtocolError> {
        // A removed commit, or a subscription without one yet, says nothing.
        let Some(resource) = response.resources.into_iter().next() else {
            return Ok(Received { request: Some(answer(type_url::COMMIT, response.nonce, None)), event: None });
        };
        let (name, _, body) = checked(type_url::COMMIT, resource)?;
        let Commit { version, counts } = Commit::decode(body).map_err(|error| ProtocolError::Resource {
            type_url: type_url::COMMIT,
            name: name.to_string(),
            reason: error.to_string(),
        })?;
        if let Some(pending) = &self.pending {
            return Err(ProtocolError::Overrun { unanswered: pending.version, next: version });
        }
        for (type_url, state) in &self.types {
            let expected = counts.get(*type_url).copied().unwrap_or(0);
            let staged = state.staged_count();
            if staged != expected {
                return Ok(self.mismatch(response.nonce, version, type_url, expected, staged));
            }
        }
        self.pending = Some(Pending { version, nonce: response.nonce });
        let changes = self.types.iter().flat_map(|(type_url, state)| state.changes(type_url)).collect();
        Ok(Received { request: None, event: Some(Event::Committed(CommittedUpdate { version, changes })) })
    }

    fn mismatch(
        &mut self,
        nonce: String,
        version: u64,
        type_url: &'static str,
        expected: u64,
        staged: u64,
    ) -> Received {
        self.from_nothing = true;
        for state in self.types.values_mut() {
            state.unstage();
        }
        let reason = format!("commit {version} counts {expected} resources of {type_url}, but {staged} arrived");
        Received {
            request: Some(answer(type_url::COMMIT, nonce, Some(reason))),
            event: Some(Event::Mismatch { version, type_url, expected, staged }),
        }
    }
}

// === impl TypeState ===

impl TypeState {
    fn unstage(&mut self) {
        self.staged.clear();
        self.staged_from_nothing = false;
    }

    fn swap(&mut self) {
        if self.staged_from_nothing {
            self.committed.clear();
        }
        for (name, resource) in mem::take(&mut self.staged) {
            match resource {
                Some((version, _)) => self.committed.insert(name, version),
                None => self.committed.remove(&name),
            };
        }
        self.staged_from_nothing = false;
    }

    /// Number of resources after the swap; costs what is staged.
    fn staged_count(&self) -> u64 {
        let before = if self.staged_from_nothing { 0 } else { self.committed.len() };
        let count = self.staged.iter().fold(before, |count, (name, resource)| {
            let held = !self.staged_from_nothing && self.committed.contains_key(name);
            match (held, resource) {
                (false, Some(_)) => count + 1,
                (true, None) => count - 1,
                _ => count,
            }
        });
        count as u64
    }

    /// What the swap changes: removals first.
    fn changes(&self, type_url: &'static str) -> Vec<ResourceChange> {
        let mut changes: Vec<_> = self
            .staged
            .iter()
            .filter(|(name, resource)| resource.is_none() && self.committed.contains_key(*name))
            .map(|(name, _)| ResourceChange::removed(type_url, name.clone()))
            .collect();
        if self.staged_from_nothing {
            let gone = self.committed.keys().filter(|name| !self.staged.contains_key(*name));
            changes.extend(gone.map(|name| ResourceChange::removed(type_url, name.clone())));
        }
        for (name, resource) in &self.staged {
            if let Some((version, body)) = resource
                && self.committed.get(name) != Some(version)
            {
                changes.push(ResourceChange {
                    type_url,
                    name: name.clone(),
                    version: version.clone(),
                    body: Some(body.clone()),
                });
            }
        }
        changes
    }
}

/// Name, version and content of a resource of `type_url`.
fn checked(type_url: &'static str, resource: Resource) -> Result<(Arc<str>, Arc<str>, Bytes), ProtocolError> {
    let wrong = |name: &str, reason: String| ProtocolError::Resource { type_url, name: name.to_owned(), reason };
    match resource.resource {
        Some(any) if any.type_url == type_url => Ok((resource.name.into(), resource.version.into(), any.value)),
        Some(any) => Err(wrong(&resource.name, format!("its body is a {:?}", any.type_url))),
        None => Err(wrong(&resource.name, "it has no body".to_owned())),
    }
}

fn answer(type_url: &'static str, nonce: String, refused: Option<String>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        response_nonce: nonce,
        error_detail: refused.map(|message| ErrorDetail { code: INVALID_ARGUMENT, message }),
        ..DeltaDiscoveryRequest::default()
    }
}
