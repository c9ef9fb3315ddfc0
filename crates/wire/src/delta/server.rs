//! The server's end.

mod subscription;

use std::collections::VecDeque;

use prost::Message as _;
use thiserror::Error;

use self::subscription::{Chunk, Subscription};
use super::{COMMIT_NAME, ResourceSet, WILDCARD};
use crate::{
    Encoded,
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
    ripstop::Commit,
    type_url,
};

/// Most types that one connection may subscribe to.
const MAX_TYPES: usize = 32;

/// One connection of a client.
///
/// The shell feeds each request to [`receive`](Self::receive) and each new state of the world to
/// [`set_target`](Self::set_target), and sends what [`poll`](Self::poll) gives as fast as the
/// connection takes it. A slow client is sent the newest state when it has answered, not each one
/// between.
#[derive(Debug, Default)]
pub struct DeltaServer {
    node: String,
    target: Option<ResourceSet>,
    /// In order of their push rank.
    subscriptions: Vec<Subscription>,
    /// Nothing: the client does not know commits.
    commits: Option<Commits>,
    queue: VecDeque<Chunk>,
    last_nonce: u64,
    nack: Option<Nack>,
}

/// The last thing that a client refused, until it acknowledges something newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// Version of the refused push.
    pub version: u64,
    /// Type that was refused; the commit's stands for the whole push.
    pub type_url: String,
    /// What the client says.
    pub message: String,
}

/// The client broke the protocol, or asks for what is not offered; the stream should be ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// Only all resources of a type can be subscribed to.
    #[error("subscription to single resources of {type_url:?} is not offered: subscribe to \"*\"")]
    NotWildcard {
        /// The type asked for.
        type_url: String,
    },
    /// An answer or a change of a subscription that does not exist.
    #[error("request for {type_url:?}, which is not subscribed to")]
    NotSubscribed {
        /// The type asked for.
        type_url: String,
    },
    /// More types than anybody needs.
    #[error("more than {MAX_TYPES} types are subscribed to")]
    TooManyTypes,
}

#[derive(Debug)]
struct Commits {
    /// Version that the client has in force.
    acked: u64,
    /// Newest version that was queued for it.
    sent: u64,
    in_flight: Option<InFlight>,
    /// Refused; not sent again, a newer one may.
    refused: Option<u64>,
}

#[derive(Debug)]
struct InFlight {
    nonce: u64,
    version: u64,
}

// === impl DeltaServer ===

impl DeltaServer {
    /// A connection on which nothing was said yet. Nothing is sent before the first target.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name the client gave itself; empty before its first request.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Newest version that was queued for the client; 0 before the first.
    pub fn sent(&self) -> u64 {
        match &self.commits {
            Some(commits) => commits.sent,
            None => self.subscriptions.iter().map(Subscription::sent_version).min().unwrap_or(0),
        }
    }

    /// Newest version that the client has in force, as a whole; 0 before the first.
    pub fn acked(&self) -> u64 {
        match &self.commits {
            Some(commits) => commits.acked,
            None => self.subscriptions.iter().map(Subscription::acked_version).min().unwrap_or(0),
        }
    }

    /// What the client refused last, until it acknowledges something newer.
    pub fn nack(&self) -> Option<&Nack> {
        self.nack.as_ref()
    }

    /// This is what the client is to have. Older versions than the one set last are passed over.
    pub fn set_target(&mut self, target: &ResourceSet) {
        if self.target.as_ref().is_none_or(|old| old.version() <= target.version()) {
            self.target = Some(target.clone());
            self.plan();
        }
    }

    /// Takes one request.
    pub fn receive(&mut self, request: DeltaDiscoveryRequest) -> Result<(), RequestError> {
        if let Some(node) = &request.node
            && self.node.is_empty()
        {
            self.node.clone_from(&node.id);
        }
        if request.type_url == type_url::COMMIT {
            self.receive_commit(&request);
        } else {
            self.receive_type(request)?;
        }
        self.plan();
        Ok(())
    }

    /// The next response, if one is due.
    pub fn poll(&mut self) -> Option<DeltaDiscoveryResponse> {
        self.queue.pop_front().map(Chunk::into_response)
    }

    fn receive_type(&mut self, request: DeltaDiscoveryRequest) -> Result<(), RequestError> {
        let names = &request.resource_names_subscribe;
        let wildcard = names.iter().any(|name| name == WILDCARD);
        if !names.is_empty() && !wildcard {
            return Err(RequestError::NotWildcard { type_url: request.type_url });
        }
        let found = self.subscriptions.iter().position(|known| known.type_url() == request.type_url);
        let Some(index) = found else {
            if !request.response_nonce.is_empty() || !request.resource_names_unsubscribe.is_empty() {
                return Err(RequestError::NotSubscribed { type_url: request.type_url });
            }
            return self.subscribe(request);
        };
        let subscription = &mut self.subscriptions[index];
        // In the commit's mode the answer to the commit speaks for the whole push.
        if let Ok(nonce) = request.response_nonce.parse() {
            let refused = request.error_detail.as_ref();
            if let Some(detail) = refused {
                self.nack = Some(Nack {
                    version: subscription.sent_version(),
                    type_url: request.type_url.clone(),
                    message: detail.message.clone(),
                });
            }
            if self.commits.is_none() && subscription.answered(nonce, refused.is_some()) {
                self.nack.take_if(|nack| nack.type_url == request.type_url);
            }
        }
        if request.resource_names_unsubscribe.iter().any(|name| name == WILDCARD) && !wildcard {
            self.subscriptions.remove(index);
            self.queue.retain(|chunk| chunk.type_url() != request.type_url);
        } else if wildcard {
            // Asked for again: everything that the client does not name is sent again.
            self.queue.retain(|chunk| chunk.type_url() != request.type_url || self.commits.is_some());
            self.subscriptions[index].restart(request.initial_resource_versions);
        }
        Ok(())
    }

    fn subscribe(&mut self, request: DeltaDiscoveryRequest) -> Result<(), RequestError> {
        if self.subscriptions.len() == MAX_TYPES {
            return Err(RequestError::TooManyTypes);
        }
        let rank = |type_url: &str| (type_url::push_rank(type_url), type_url.to_owned());
        let place = self.subscriptions.partition_point(|known| rank(known.type_url()) < rank(&request.type_url));
        self.subscriptions.insert(place, Subscription::new(request.type_url, request.initial_resource_versions));
        Ok(())
    }

    fn receive_commit(&mut self, request: &DeltaDiscoveryRequest) {
        let Some(commits) = &mut self.commits else {
            if request.response_nonce.is_empty() {
                let claimed = request.initial_resource_versions.get(COMMIT_NAME);
                let acked = claimed.and_then(|version| version.parse().ok()).unwrap_or(0);
                self.commits = Some(Commits { acked, sent: acked, in_flight: None, refused: None });
                for subscription in &mut self.subscriptions {
                    subscription.join_commits();
                }
            }
            return;
        };
        let answered = request.response_nonce.parse().ok();
        let Some(InFlight { version, .. }) = commits.in_flight.take_if(|flight| Some(flight.nonce) == answered) else {
            return;
        };
        match &request.error_detail {
            None => {
                commits.acked = version;
                commits.refused = None;
                self.nack = None;
            }
            Some(detail) => {
                commits.refused = Some(version);
                self.nack =
                    Some(Nack { version, type_url: type_url::COMMIT.to_owned(), message: detail.message.clone() });
            }
        }
        for subscription in &mut self.subscriptions {
            subscription.settle(version, request.error_detail.is_some());
        }
    }

    /// Queues what leads the client to the target, if it is ready for it.
    fn plan(&mut self) {
        let Some(target) = &self.target else { return };
        let Some(commits) = &mut self.commits else {
            for subscription in &mut self.subscriptions {
                subscription.push_alone(target, &mut self.queue, &mut self.last_nonce);
            }
            return;
        };
        let version = target.version();
        if commits.in_flight.is_some() || commits.refused == Some(version) {
            return;
        }
        let mut anything = false;
        for subscription in &mut self.subscriptions {
            anything |= subscription.push(target, &mut self.queue, &mut self.last_nonce);
        }
        if anything || commits.acked != version {
            self.last_nonce += 1;
            let counts = self
                .subscriptions
                .iter()
                .map(|subscription| (subscription.type_url().to_owned(), target.count(subscription.type_url()) as u64));
            let commit = Commit { version, counts: counts.collect() };
            self.queue.push_back(Chunk::commit(version, self.last_nonce, &commit));
            commits.sent = version;
            commits.in_flight = Some(InFlight { nonce: self.last_nonce, version });
        } else {
            for subscription in &mut self.subscriptions {
                subscription.settle(version, false);
            }
        }
    }
}

// === impl Chunk ===

impl Chunk {
    fn commit(version: u64, nonce: u64, commit: &Commit) -> Self {
        Self::Commit { version, nonce, body: commit.encode_to_vec().into() }
    }

    fn into_response(self) -> DeltaDiscoveryResponse {
        match self {
            Self::Commit { version, nonce, body } => {
                let commit = Encoded {
                    type_url: type_url::COMMIT,
                    name: COMMIT_NAME.into(),
                    version: version.to_string().into(),
                    body,
                };
                DeltaDiscoveryResponse {
                    system_version_info: version.to_string(),
                    resources: vec![Resource {
                        version: commit.version.to_string(),
                        resource: Some(commit.any()),
                        name: commit.name.to_string(),
                        aliases: Vec::new(),
                    }],
                    type_url: type_url::COMMIT.to_owned(),
                    nonce: nonce.to_string(),
                    removed_resources: Vec::new(),
                }
            }
            Self::Resources { type_url, version, nonce, resources, removed } => {
                let any = |value| crate::discovery::Any { type_url: type_url.clone(), value };
                DeltaDiscoveryResponse {
                    system_version_info: version.to_string(),
                    resources: resources
                        .into_iter()
                        .map(|(name, entry)| Resource {
                            version: entry.version.to_string(),
                            resource: Some(any(entry.body.clone())),
                            name: name.to_string(),
                            aliases: Vec::new(),
                        })
                        .collect(),
                    nonce: nonce.to_string(),
                    removed_resources: removed.iter().map(ToString::to_string).collect(),
                    type_url,
                }
            }
        }
    }
}
