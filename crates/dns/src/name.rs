//! What a name means in the mesh.

use std::{net::IpAddr, sync::Arc};

use hickory_proto::rr::{Name, RData, Record, rdata::SOA};
use ipnet::IpNet;
use ripstop_model::{Service, Snapshot, Workload};

/// The part of the name space that is ours: the cluster domain, which is the
/// service domain without its leading `svc.` as in Kubernetes
/// (`svc.cluster.local` → `cluster.local`), and with it every name that a
/// resolver's search list makes of an unknown one.
pub(crate) struct Zone<'a> {
    service_domain: &'a str,
    cluster_domain: &'a str,
}

/// What a name stands for.
pub(crate) enum Meaning<'a> {
    /// Not ours.
    Foreign,
    /// Ours, but there is no such name.
    Unknown,
    /// Ours, and there are names below it, but it has no records.
    Empty,
    /// The zone itself.
    Apex,
    /// A service.
    Service(&'a Arc<Service>),
    /// One endpoint of a headless service.
    Instance(&'a Arc<Service>, &'a Arc<Workload>),
    /// A named port of a service, by its position.
    Port(&'a Arc<Service>, usize),
    /// A declared host that no service has, with its addresses.
    Entry(Vec<IpAddr>),
    /// The name of an address.
    Reverse(Name),
}

// === impl Zone ===

impl<'a> Zone<'a> {
    pub(crate) fn new(service_domain: &'a str) -> Self {
        let parent = service_domain.split_once('.').filter(|(first, rest)| *first == "svc" && !rest.is_empty());
        Self { service_domain, cluster_domain: parent.map_or(service_domain, |(_, rest)| rest) }
    }

    /// What `name` means to a client in namespace `own`.
    pub(crate) fn meaning<'s>(&self, name: &Name, snapshot: &'s Snapshot, own: Option<&str>) -> Meaning<'s> {
        let Some(name) = plain(name) else {
            // No name of ours has such bytes, but a name below our zone is still ours to deny.
            let labels = |domain: &'a str| domain.rsplit('.').map(str::as_bytes);
            let below = labels(self.cluster_domain)
                .zip(name.iter().rev())
                .filter(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
                .count();
            let inside = below == labels(self.cluster_domain).count();
            return if inside { Meaning::Unknown } else { Meaning::Foreign };
        };
        if let Some(service) = find(snapshot, &name, own) {
            return Meaning::Service(service);
        }
        if let Some(addresses) = entry(snapshot, &name, own) {
            return Meaning::Entry(addresses);
        }
        if let Some(relative) = below(&name, self.service_domain) {
            return self.in_services(relative, snapshot, own);
        }
        if name == self.cluster_domain {
            return Meaning::Apex;
        }
        if below(&name, self.cluster_domain).is_some() {
            return Meaning::Unknown;
        }
        self.shortened(&name, snapshot, own)
    }

    /// Start of authority for negative answers: they may be kept for 5 s.
    pub(crate) fn soa(&self, version: u64) -> Record {
        let name = |text: String| Name::from_ascii(text).unwrap_or_default();
        let owner = name(format!("{}.", self.cluster_domain));
        let serial = u32::try_from(version & u64::from(u32::MAX)).unwrap_or_default();
        let data = SOA::new(
            name(format!("ns.dns.{}.", self.cluster_domain)),
            name(format!("hostmaster.{}.", self.cluster_domain)),
            serial,
            7200,
            1800,
            86400,
            5,
        );
        Record::from_rdata(owner, 5, RData::SOA(data))
    }

    /// `relative` is what precedes the service domain, empty for the domain itself.
    fn in_services<'s>(&self, relative: &str, snapshot: &'s Snapshot, own: Option<&str>) -> Meaning<'s> {
        let labels: Vec<&str> = relative.split('.').filter(|label| !label.is_empty()).collect();
        let service =
            |name: &str, namespace: &str| find(snapshot, &format!("{name}.{namespace}.{}", self.service_domain), own);
        match labels[..] {
            [] => {
                if self.service_domain == self.cluster_domain {
                    Meaning::Apex
                } else {
                    Meaning::Empty
                }
            }
            [namespace] => {
                let lives = snapshot.services().any(|service| &*service.key.namespace == namespace);
                if lives { Meaning::Empty } else { Meaning::Unknown }
            }
            ["_tcp", name, namespace] => match service(name, namespace) {
                Some(_) => Meaning::Empty,
                None => Meaning::Unknown,
            },
            [instance, name, namespace] => service(name, namespace)
                .filter(|service| service.headless)
                .and_then(|service| {
                    let mut endpoints = snapshot.endpoints(&service.key);
                    let workload = endpoints.find(|workload| workload.name.eq_ignore_ascii_case(instance))?;
                    Some(Meaning::Instance(service, workload))
                })
                .unwrap_or(Meaning::Unknown),
            [port, "_tcp", name, namespace] => service(name, namespace)
                .and_then(|service| {
                    let port = port.strip_prefix('_').filter(|port| !port.is_empty())?;
                    let position = service.ports.iter().position(|p| p.name.eq_ignore_ascii_case(port))?;
                    Some(Meaning::Port(service, position))
                })
                .unwrap_or(Meaning::Unknown),
            _ => Meaning::Unknown,
        }
    }

    /// `<svc>.<ns>.svc`, `<svc>.<ns>` and `<svc>`, for clients that use no search list. These
    /// are ours only if there is such a service.
    fn shortened<'s>(&self, name: &str, snapshot: &'s Snapshot, own: Option<&str>) -> Meaning<'s> {
        let domain = self.service_domain;
        let first = domain.split('.').next().unwrap_or(domain);
        let labels: Vec<&str> = name.split('.').collect();
        let full = match labels[..] {
            [service] => own.map(|own| format!("{service}.{own}.{domain}")),
            [service, namespace] => Some(format!("{service}.{namespace}.{domain}")),
            [service, namespace, svc] if svc == first => Some(format!("{service}.{namespace}.{domain}")),
            _ => None,
        };
        full.and_then(|full| find(snapshot, &full, own)).map_or(Meaning::Foreign, Meaning::Service)
    }
}

/// What `name`, a reverse name, stands for: a service's virtual address, or an endpoint of a
/// headless service. Other addresses of workloads have no name; foreign ones are not ours.
pub(crate) fn reverse<'s>(name: &Name, snapshot: &'s Snapshot) -> Option<Meaning<'s>> {
    let net = name.parse_arpa_name().ok()?;
    let address = (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())?;
    if let Some(service) = snapshot.service_at(address) {
        return Name::from_ascii(format!("{}.", service.key.hostname)).ok().map(Meaning::Reverse);
    }
    let workload = snapshot.workload_at(address)?;
    let named = workload
        .services
        .iter()
        .filter_map(|(key, _)| snapshot.service(key))
        .find(|service| service.headless)
        .and_then(|service| Name::from_ascii(format!("{}.{}.", workload.name, service.key.hostname)).ok());
    Some(named.map_or(Meaning::Unknown, Meaning::Reverse))
}

/// The service of that host name; where several namespaces declare it, the client's own first.
fn find<'s>(snapshot: &'s Snapshot, hostname: &str, own: Option<&str>) -> Option<&'s Arc<Service>> {
    let mut first = None;
    for service in snapshot.services_named(hostname) {
        if Some(&*service.key.namespace) == own {
            return Some(service);
        }
        first = first.or(Some(service));
    }
    first
}

/// Addresses of the host that declared entries have of that name; where several do, the client's own namespace first, and
/// then the oldest. Nothing: there is none, or it is where everybody else finds it.
fn entry(snapshot: &Snapshot, host: &str, own: Option<&str>) -> Option<Vec<IpAddr>> {
    let entries = snapshot.traffic().entries.values().flat_map(|entries| entries.iter());
    let named = entries.filter(|entry| entry.host.exact().is_some_and(|exact| **exact == *host));
    let seen = named.filter(|entry| entry.visibility.includes(own.unwrap_or_default()));
    let nearest = seen.min_by_key(|entry| (Some(&*entry.object.0) != own, entry.created, &entry.object))?;
    let single = nearest.addresses.iter().filter(|block| block.prefix_len() == block.max_prefix_len());
    let addresses: Vec<IpAddr> = single.map(IpNet::addr).chain(nearest.own_address().map(IpAddr::V4)).collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// What precedes `domain` in `name`; empty if they are equal.
fn below<'n>(name: &'n str, domain: &str) -> Option<&'n str> {
    let rest = name.strip_suffix(domain)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix('.') }
}

/// The name in lower case without its trailing dot, if all of its bytes may stand in the name
/// of a service, port or instance.
fn plain(name: &Name) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
                return None;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests;
