//! What a connection is made for.

use std::{fmt, sync::Arc};

use ripstop_model::{SpiffeId, WorkloadUid};
use rustls::ClientConfig;

use super::{announced::Announced, endpoint::EndpointKey};

/// What a connection is made for. It is used for nothing else.
#[derive(Clone, Debug)]
pub(super) struct Purpose {
    /// Where to.
    pub(super) endpoint: EndpointKey,
    /// How.
    pub(super) way: Way,
    /// Whom it begins with; nothing: nobody.
    pub(super) announced: Option<Announced>,
}

/// What becomes of bytes of any protocol on their way to an endpoint, besides the tunnel of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// What the callee's rules say: TLS, an introduction, another proxy.
    AsRuled,
    /// Nothing.
    AsItIs,
}

/// How an endpoint is reached.
#[derive(Clone)]
pub(super) enum Way {
    /// A plain connection.
    Plain,
    /// A connection with TLS.
    Tls(Secured),
    /// A stream of a tunnel, which proves an identity of the caller.
    Tunnel {
        /// The caller.
        caller: WorkloadUid,
        /// Its identity.
        identity: SpiffeId,
        /// Which certificate proves it.
        generation: u64,
        /// TLS that the application itself ends, inside of it; nothing: none.
        inside: Option<Box<Secured>>,
    },
}

/// TLS of a rule.
#[derive(Clone)]
pub(super) struct Secured {
    /// How it is made.
    pub(super) config: Arc<ClientConfig>,
    /// As whose.
    pub(super) server_name: Arc<str>,
}

/// How a connection fits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is what is wanted.
    Same,
    /// It is for another host at the same endpoint.
    Other,
    /// What it was made for is no more.
    Stale,
}

// === impl Purpose ===

impl Purpose {
    /// How a connection that was made for `made` fits.
    pub(super) fn fits(&self, made: &Self) -> Fit {
        if !self.endpoint.is_reached_like(&made.endpoint) {
            return Fit::Stale;
        }
        match (self.way.fits(&made.way), &self.announced, &made.announced) {
            (Fit::Stale, ..) => Fit::Stale,
            (fit, None, None) => fit,
            (fit, Some(announced), Some(before)) if announced.is_like(before) && !before.is_over() => {
                if announced.is_for(before) { fit } else { Fit::Other }
            }
            _ => Fit::Stale,
        }
    }

    /// Whether whom it is made for has gone.
    pub(super) fn is_over(&self) -> bool {
        self.announced.as_ref().is_some_and(Announced::is_over)
    }
}

// === impl Way ===

impl Way {
    fn fits(&self, made: &Self) -> Fit {
        match (self, made) {
            (Self::Plain, Self::Plain) => Fit::Same,
            (Self::Tls(secured), Self::Tls(before)) => secured.fits(before),
            (
                Self::Tunnel { caller, identity, generation, inside },
                Self::Tunnel {
                    caller: caller_before,
                    identity: identity_before,
                    generation: generation_before,
                    inside: inside_before,
                },
            ) if (caller, identity, generation) == (caller_before, identity_before, generation_before) => {
                match (inside, inside_before) {
                    (None, None) => Fit::Same,
                    (Some(secured), Some(before)) => secured.fits(before),
                    _ => Fit::Stale,
                }
            }
            _ => Fit::Stale,
        }
    }
}

// === impl Secured ===

impl Secured {
    fn fits(&self, made: &Self) -> Fit {
        match (Arc::ptr_eq(&self.config, &made.config), self.server_name == made.server_name) {
            (true, true) => Fit::Same,
            (true, false) => Fit::Other,
            (false, _) => Fit::Stale,
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("Plain"),
            Self::Tls(secured) => write!(f, "Tls({})", secured.server_name),
            Self::Tunnel { identity, generation, inside: None, .. } => write!(f, "Tunnel({identity}, {generation})"),
            Self::Tunnel { identity, generation, inside: Some(secured), .. } => {
                write!(f, "Tunnel({identity}, {generation}, {})", secured.server_name)
            }
        }
    }
}
