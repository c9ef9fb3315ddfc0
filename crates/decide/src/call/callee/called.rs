//! What is called.

use std::{fmt, sync::Arc};

use ripstop_model::{AppProtocol, HostEntry, HostPattern, Service, ServiceKey, Waypoint, Workload, WorkloadUid};

/// A service, a declared host, or a workload by its own address.
#[derive(Clone, Debug, PartialEq)]
pub enum Callee {
    /// A service.
    Service(Arc<Service>),
    /// A host that no service declares.
    Entry(Arc<HostEntry>),
    /// A workload, whose callers go through a waypoint. Any other is nothing that rules know.
    Workload(Arc<Workload>),
}

/// What tells one callee from others, whatever is said of it by now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CalledKey {
    /// Namespace and host name of a service or declared host.
    Host(ServiceKey),
    /// A workload.
    Workload(WorkloadUid),
}

// === impl Callee ===

impl Callee {
    /// Namespace of the object that declares it.
    pub fn namespace(&self) -> &Arc<str> {
        match self {
            Self::Service(service) => &service.key.namespace,
            Self::Entry(entry) => &entry.object.0,
            Self::Workload(workload) => &workload.namespace,
        }
    }

    /// Through whom it is called.
    pub fn waypoint(&self) -> Option<&Waypoint> {
        match self {
            Self::Service(service) => service.waypoint.as_ref(),
            Self::Entry(entry) => entry.waypoint.as_ref(),
            Self::Workload(workload) => workload.waypoint.as_ref(),
        }
    }

    /// Namespace and host name, as policies know it; nothing: it has a wildcard, or is a workload.
    pub fn key(&self) -> Option<ServiceKey> {
        match self {
            Self::Service(service) => Some(service.key.clone()),
            Self::Entry(entry) => Some(ServiceKey::new(entry.object.0.clone(), entry.host.exact()?)),
            Self::Workload(_) => None,
        }
    }

    /// What tells it from others; nothing: it has a wildcard.
    pub fn called(&self) -> Option<CalledKey> {
        match self {
            Self::Service(_) | Self::Entry(_) => self.key().map(CalledKey::Host),
            Self::Workload(workload) => Some(CalledKey::Workload(workload.uid.clone())),
        }
    }

    /// The protocol of a port; nothing: it has no such port. What is declared without ports takes any, and so does a
    /// workload.
    pub fn protocol(&self, port: u16) -> Option<AppProtocol> {
        match self {
            Self::Service(service) => {
                service.ports.iter().find(|declared| declared.port == port).map(|declared| declared.protocol)
            }
            Self::Workload(_) => Some(AppProtocol::Unknown),
            Self::Entry(entry) if entry.ports.is_empty() => Some(AppProtocol::Unknown),
            Self::Entry(entry) => {
                entry.ports.iter().find(|declared| declared.port == port).map(|declared| declared.protocol)
            }
        }
    }

    /// Its only port.
    pub(super) fn sole_port(&self) -> Option<u16> {
        match self {
            Self::Service(service) => match &service.ports[..] {
                [port] => Some(port.port),
                _ => None,
            },
            Self::Entry(entry) => match &entry.ports[..] {
                [port] => Some(port.port),
                _ => None,
            },
            Self::Workload(_) => None,
        }
    }

    /// The name that rules know it by: its own, or the one that was called if it has a wildcard. They know no workload.
    pub(crate) fn host_for(&self, called: Option<&str>) -> Option<Arc<str>> {
        match self {
            Self::Service(service) => Some(service.key.hostname.clone()),
            Self::Entry(entry) => match &entry.host {
                HostPattern::Exact(host) => Some(host.clone()),
                _ => called.map(Arc::from),
            },
            Self::Workload(_) => None,
        }
    }

    pub(in crate::call) fn pattern(&self) -> HostPattern {
        match self {
            Self::Service(service) => HostPattern::Exact(service.key.hostname.clone()),
            Self::Entry(entry) => entry.host.clone(),
            // No host is called as it is.
            Self::Workload(workload) => HostPattern::Exact(workload.uid.as_str().into()),
        }
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "service {}", service.key),
            Self::Entry(entry) => write!(f, "{} ({})", entry.host, entry.id),
            Self::Workload(workload) => write!(f, "workload {}/{}", workload.namespace, workload.name),
        }
    }
}

// === impl CalledKey ===

impl CalledKey {
    /// Namespace and host name, as policies know them; nothing: it is a workload.
    pub fn host(&self) -> Option<&ServiceKey> {
        match self {
            Self::Host(key) => Some(key),
            Self::Workload(_) => None,
        }
    }
}
