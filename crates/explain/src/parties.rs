//! Who calls, and who is called.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_decide::{Callee, Program, through_waypoint};
use ripstop_model::{
    HostEntry, SpiffeId, Workload,
    lookup::{self, Called, Found, NotFound},
};

use crate::{Error, Question};

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A workload of the mesh.
    Workload(Arc<Workload>),
    /// Whoever proves that identity.
    Identity(SpiffeId),
    /// Whoever has that address.
    Address(IpAddr),
    /// Somebody outside.
    Outside,
}

/// What is called.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// Whole host name, lower case; nothing: an address, or a gateway's port.
    pub(crate) host: Option<String>,
    /// Address, if it was written.
    pub(crate) address: Option<IpAddr>,
    /// Port.
    pub(crate) port: u16,
    /// As it was written, without the port.
    pub(crate) written: String,
}

// === impl Destination ===

impl Destination {
    /// The service or declared host that is called by its name or address from the namespace `caller`: of several hosts its
    /// own, else the oldest that it sees; else the workload that has the address, if there is a waypoint in front of that.
    pub(crate) fn callee(&self, program: &Program, caller: &str) -> Option<Callee> {
        let service = match (self.address, &self.host) {
            (Some(address), _) => program.service_at(address),
            (None, Some(host)) => program.services_named(host).next(),
            (None, None) => None,
        };
        if let Some(service) = service {
            return Some(Callee::Service(service.clone()));
        }
        let is_called = |entry: &&Arc<HostEntry>| match (self.address, &self.host) {
            (Some(address), _) => entry.address() == Some(address),
            (None, Some(host)) => entry.host.contains(host),
            (None, None) => false,
        };
        let seen = program.entries().filter(|entry| entry.visibility.includes(caller));
        let nearest = seen.filter(is_called).min_by_key(|entry| {
            (entry.host.exact().is_none(), *entry.object.0 != *caller, entry.created, entry.object.clone())
        });
        nearest.map(|entry| Callee::Entry(entry.clone())).or_else(|| {
            let workload = program.workload_at(self.address?).filter(|workload| workload.waypoint.is_some())?;
            Some(Callee::Workload(workload.clone()))
        })
    }

    /// The workload whose own address is called, if `caller` goes through a waypoint for that.
    pub(crate) fn through_waypoint(&self, program: &Program, caller: &Caller) -> Option<Arc<Workload>> {
        let caller = caller.workload().map(|caller| &**caller);
        through_waypoint(program, caller, SocketAddr::new(self.address?, self.port))
    }
}

// === impl Caller ===

impl Caller {
    pub(crate) fn read(program: &Program, text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() || text == "outside" {
            return Ok(Self::Outside);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(match program.workload_at(address) {
                Some(workload) => Self::Workload(workload.clone()),
                None => Self::Address(address),
            });
        }
        if text.starts_with("spiffe://") || text.contains("/sa/") {
            let uri = if text.starts_with("spiffe://") { text.to_owned() } else { format!("spiffe://{text}") };
            return uri.parse().map(Self::Identity).map_err(|error| Error::Identity(format!("{error}")));
        }
        workload(program, text).map(Self::Workload)
    }

    pub(crate) fn workload(&self) -> Option<&Arc<Workload>> {
        match self {
            Self::Workload(workload) => Some(workload),
            _ => None,
        }
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Workload(workload) => workload.addresses.first().copied(),
            Self::Address(address) => Some(*address),
            Self::Identity(_) | Self::Outside => None,
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        match self {
            Self::Workload(workload) => &workload.namespace,
            Self::Identity(identity) => identity.as_service_account().map_or("", |(namespace, _)| namespace),
            Self::Address(_) | Self::Outside => "",
        }
    }

    /// For people.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Workload(workload) => format!("{}/{}", workload.namespace, workload.name),
            Self::Identity(identity) => identity.to_string(),
            Self::Address(address) => address.to_string(),
            Self::Outside => "somebody outside of the mesh".into(),
        }
    }
}

// === impl Destination ===

impl Destination {
    pub(crate) fn read(program: &Program, question: &Question, namespace: &str) -> Result<Self, Error> {
        let text = question.to.trim();
        let bad = || Error::Destination(text.into());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Ok(Self { host: None, address: Some(address), port, written: bare.unwrap_or(host).into() });
        }
        let written = host.to_owned();
        if host.is_empty() {
            return Ok(Self { host: None, address: None, port, written });
        }
        if !is_host_name(host) {
            return Err(Error::Host(host.into()));
        }
        let full = full_name(program, host, namespace);
        // The name of a workload stands for its address, unless a service of another namespace may be meant.
        let is_service = || program.services().any(|service| *service.name == *host);
        if !host.contains('.') && !is_known(program, &full) && !is_service() {
            match workload(program, host) {
                Ok(found) => {
                    let address = found.addresses.first().copied();
                    return Ok(Self { host: address.is_none().then_some(full), address, port, written });
                }
                Err(error @ Error::Ambiguous { .. }) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self { host: Some(full), address: None, port, written })
    }
}

/// Whether a resolver takes it (RFC 1123, and the underscores that people use).
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // What ends in a number is an address, or meant as one (WHATWG URL, 3.5).
    let is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

/// Whether a service, or an entry without wildcard, has that name.
pub(crate) fn is_known(program: &Program, name: &str) -> bool {
    let mut entries = program.entries_of(name);
    program.services_named(name).next().is_some()
        || entries.any(|entry| entry.host.exact().is_some_and(|host| **host == *name))
}

/// As the resolver of a workload of `namespace` completes a name.
pub(crate) fn full_name(program: &Program, host: &str, namespace: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let domain = &program.mesh().service_domain;
    let candidates = [
        host.clone(),
        format!("{host}.{namespace}.{domain}"),
        format!("{host}.{domain}"),
        format!("{host}.{}", domain.strip_prefix("svc.").unwrap_or(domain)),
    ];
    match candidates.iter().find(|name| is_known(program, name)) {
        Some(name) => name.clone(),
        None if !host.contains('.') && !namespace.is_empty() => candidates[1].clone(),
        None => host,
    }
}

/// The workload of that name: an instance, or the first one of a process or of a canonical service; `name`,
/// `namespace/name` or `name.namespace`.
pub(crate) fn workload(program: &Program, text: &str) -> Result<Arc<Workload>, Error> {
    let mut all: Vec<&Arc<Workload>> = program.workloads().collect();
    all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let called = all.iter().map(|workload| Called {
        namespace: &workload.namespace,
        instance: &workload.name,
        process: &workload.workload_name,
        app: &workload.canonical_name,
    });
    let found = lookup::find(&called.collect::<Vec<_>>(), None, text).map_err(|error| match error {
        NotFound::Ambiguous { namespaces } => Error::Ambiguous { name: text.into(), found: namespaces.join(", ") },
        NotFound::Unknown { ref near } => {
            let near = if near.is_empty() { String::new() } else { format!(" ({error})") };
            Error::UnknownWorkload { name: text.into(), near }
        }
    })?;
    let first = match found {
        Found::Instance(place) => Some(place),
        Found::Process(places) | Found::App(places) => places.first().copied(),
    };
    first
        .and_then(|place| all.get(place).map(|workload| (*workload).clone()))
        .ok_or_else(|| Error::UnknownWorkload { name: text.into(), near: String::new() })
}
