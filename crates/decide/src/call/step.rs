//! What was found on the way to where a call goes.

use std::fmt;

use ripstop_model::{RuleId, ServiceKey};

use crate::table::Mismatch;

/// Something that was found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// That service or declared host was called.
    Called(String),
    /// Whoever calls it goes through the waypoint behind that service, which decides about it.
    Waypoint(ServiceKey),
    /// Nobody whom the caller sees has that name.
    Unknown(String),
    /// What the caller knows is limited by that object.
    Scope(RuleId),
    /// Its routes apply.
    Table(RuleId),
    /// It has a host of the same name, and is younger or less near.
    Shadowed(RuleId),
    /// That alternative of that rule does not match.
    NoMatch {
        /// The rule.
        rule: RuleId,
        /// Why.
        because: Vec<Mismatch>,
    },
    /// That rule matches.
    Match(RuleId),
    /// That listener of a gateway takes it.
    Server(RuleId),
    /// That port is not declared as one of TLS, which a gateway would pass on to it.
    NotOfTls(String),
}

impl fmt::Display for CallStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called(callee) => write!(f, "{callee} is called"),
            Self::Waypoint(key) => write!(f, "it is called through the waypoint behind {key}, which decides about it"),
            Self::Unknown(name) => write!(f, "the caller sees nobody named {name}"),
            Self::Scope(id) => write!(f, "what the caller sees is limited by {id}"),
            Self::Table(id) => write!(f, "{id} has its routes"),
            Self::Shadowed(id) => write!(f, "{id} has routes for the same host, and does not act here"),
            Self::NoMatch { rule, because } => {
                write!(f, "{rule} does not match")?;
                for (index, mismatch) in because.iter().enumerate() {
                    write!(f, "{} {mismatch}", if index == 0 { ":" } else { "," })?;
                }
                Ok(())
            }
            Self::Match(id) => write!(f, "{id} matches"),
            Self::Server(id) => write!(f, "{id} takes it"),
            Self::NotOfTls(port) => {
                write!(f, "{port} is not declared as TLS (name its port tls or https), and nobody there would end it")
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{} {} and was {found:?}", self.field, self.wanted),
            None => write!(f, "{} {} and is not there", self.field, self.wanted),
        }
    }
}
