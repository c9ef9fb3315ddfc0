//! What proxies put up with of those who connect to them.

use std::time::Duration;

use crate::PathNormalization;

/// What proxies put up with of those who connect to them (Istio's `connectionSettings`). Nothing: as a proxy thinks fit; of
/// times, zero: without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Where nothing is said of something.
    pub profile: ConnectionProfile,
    /// How much of a request's body is kept for further attempts, in bytes.
    pub kept: Option<u32>,
    /// How long a connection of requests may be without any.
    pub idle: Option<Duration>,
    /// How long a request may take to come, from its head to its end.
    pub request: Option<Duration>,
    /// How long its head may take, from its first byte on.
    pub head: Option<Duration>,
    /// How long nothing may move of a request and its answer.
    pub stream_idle: Option<Duration>,
    /// How long a connection of requests is used; then it drains.
    pub connection: Option<Duration>,
    /// How long a request may take with its answer.
    pub stream: Option<Duration>,
    /// Requests at once on a connection of HTTP/2.
    pub streams: Option<u32>,
    /// Receive window of such a request, in bytes.
    pub stream_window: Option<u32>,
    /// The same of its connection.
    pub connection_window: Option<u32>,
    /// What becomes of fields with `_` in their names.
    pub underscores: Option<Underscores>,
    /// Whether `//` in a path is `/`; nothing: as for all of the mesh.
    pub merge_slashes: Option<bool>,
    /// What becomes of escaped slashes in a path; nothing: as for all of the mesh.
    pub escaped_slashes: Option<EscapedSlashes>,
    /// Connections at once that a proxy takes.
    pub connections: Option<u32>,
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionProfile {
    /// None.
    #[default]
    Usual,
    /// Of gateways that strangers call; of no account elsewhere.
    Edge,
}

/// What becomes of fields with `_` in their names, which some applications take for `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They pass.
    #[default]
    Pass,
    /// Their request is refused.
    Refused,
    /// They are taken away.
    Dropped,
}

/// What becomes of `%2F` and `%5C` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They stay.
    #[default]
    Kept,
    /// Their request is refused.
    Refused,
    /// Their request is sent to the path with slashes.
    Redirected,
    /// They are slashes.
    Decoded,
}

/// What a path is before it is compared and forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// As RFC 3986 has it ([`PathNormalization::Base`]).
    pub base: bool,
    /// And `//` as `/`.
    pub merge_slashes: bool,
    /// Before both.
    pub escaped_slashes: EscapedSlashes,
}

// === impl ConnectionSettings ===

impl ConnectionSettings {
    /// Nothing is said.
    pub const NONE: Self = Self {
        profile: ConnectionProfile::Usual,
        kept: None,
        idle: None,
        request: None,
        head: None,
        stream_idle: None,
        connection: None,
        stream: None,
        streams: None,
        stream_window: None,
        connection_window: None,
        underscores: None,
        merge_slashes: None,
        escaped_slashes: None,
        connections: None,
    };

    /// As a gateway follows them: what is not said is as its profile has it (Istio's `EDGE`, after Envoy's advice for
    /// proxies that strangers call).
    #[must_use]
    pub fn at_gateway(self) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        if self.profile == ConnectionProfile::Usual {
            return self;
        }
        Self {
            kept: self.kept.or(Some(32 * 1024)),
            idle: self.idle.or(Some(60 * MINUTE)),
            request: self.request.or(Some(5 * MINUTE)),
            head: self.head.or(Some(MINUTE)),
            stream_idle: self.stream_idle.or(Some(5 * MINUTE)),
            streams: self.streams.or(Some(100)),
            stream_window: self.stream_window.or(Some(64 * 1024)),
            connection_window: self.connection_window.or(Some(1024 * 1024)),
            underscores: self.underscores.or(Some(Underscores::Refused)),
            merge_slashes: self.merge_slashes.or(Some(true)),
            escaped_slashes: self.escaped_slashes.or(Some(EscapedSlashes::Redirected)),
            ..self
        }
    }

    /// Whether they say anything that only who reads requests can do.
    pub fn asks_of_requests(&self) -> bool {
        Self { profile: ConnectionProfile::Usual, kept: None, connections: None, ..*self } != Self::NONE
    }

    /// What paths are, where the mesh says `usual`.
    pub fn paths(&self, usual: PathNormalization) -> PathRules {
        let usual = PathRules::from(usual);
        PathRules {
            merge_slashes: self.merge_slashes.unwrap_or(usual.merge_slashes),
            escaped_slashes: self.escaped_slashes.unwrap_or(usual.escaped_slashes),
            ..usual
        }
    }
}

impl From<PathNormalization> for PathRules {
    fn from(how: PathNormalization) -> Self {
        let decodes = how == PathNormalization::DecodeAndMergeSlashes;
        Self {
            base: how != PathNormalization::None,
            merge_slashes: decodes || how == PathNormalization::MergeSlashes,
            escaped_slashes: if decodes { EscapedSlashes::Decoded } else { EscapedSlashes::Kept },
        }
    }
}

#[cfg(test)]
mod tests;
