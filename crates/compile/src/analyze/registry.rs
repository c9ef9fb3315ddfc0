//! Hosts that can be called: those of Services and ServiceEntries.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use ripstop_api::nearest;
use ripstop_model::{HostEntry, HostPattern, Service, Visibility};

use super::{Mesh, host_index::HostIndex};

/// Hosts by name.
pub(crate) struct Registry<'a> {
    hosts: HostIndex<Known<'a>>,
    /// Namespaces of Services by their short name.
    short: BTreeMap<&'a str, Vec<&'a str>>,
    domain: &'a str,
    /// How many have been compared with all names.
    compared: Cell<u32>,
}

/// Hosts of one look at the mesh that are compared with all there are.
const COMPARED: u32 = 10;

/// Whoever has a host.
#[derive(Clone, Copy)]
pub(crate) enum Known<'a> {
    /// A Service.
    Service(&'a Service),
    /// A ServiceEntry.
    Entry(&'a HostEntry),
}

/// Who has a host, as far as its callers see.
pub(crate) enum Found<'a> {
    /// These.
    Known(Vec<Known<'a>>),
    /// Somebody of this namespace, whom they do not see.
    Hidden(&'a str),
    /// Nobody.
    Nobody,
}

// === impl Registry ===

impl<'a> Registry<'a> {
    pub(crate) fn new(mesh: &Mesh<'a>) -> Self {
        let mut hosts = HostIndex::default();
        let mut short: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for service in mesh.output.services.values() {
            hosts.insert(&HostPattern::Exact(service.key.hostname.clone()), Known::Service(service));
            short.entry(&service.name).or_default().push(&service.key.namespace);
        }
        for entry in mesh.output.traffic.entries.values().flat_map(|entries| entries.iter()) {
            hosts.insert(&entry.host, Known::Entry(entry));
        }
        Self { hosts, short, domain: &mesh.output.mesh.service_domain, compared: Cell::new(0) }
    }

    /// Who has `host`, or a wildcard around it, for callers of any of these namespaces.
    pub(crate) fn find(&self, host: &HostPattern, callers: &BTreeSet<&str>) -> Found<'a> {
        let levels = std::iter::once(self.hosts.at(host)).chain(self.hosts.wider(host));
        Self::first_seen(levels, callers)
    }

    /// The same; for a wildcard, hosts inside of it count too.
    pub(crate) fn find_overlapping(&self, host: &HostPattern, callers: &BTreeSet<&str>) -> Found<'a> {
        let levels =
            std::iter::once(self.hosts.at(host)).chain(self.hosts.wider(host)).chain(self.hosts.narrower(host));
        Self::first_seen(levels, callers)
    }

    /// Whoever has that very host, seen or not.
    pub(crate) fn at(&self, host: &HostPattern) -> &[Known<'a>] {
        self.hosts.at(host)
    }

    fn first_seen<'s>(levels: impl Iterator<Item = &'s [Known<'a>]>, callers: &BTreeSet<&str>) -> Found<'a>
    where
        'a: 's,
    {
        let mut hidden = None;
        for level in levels {
            let seen: Vec<Known<'a>> = level
                .iter()
                .filter(|known| callers.iter().any(|caller| known.visibility().includes(caller)))
                .copied()
                .collect();
            if !seen.is_empty() {
                return Found::Known(seen);
            }
            hidden = hidden.or_else(|| level.first().map(Known::namespace));
        }
        hidden.map_or(Found::Nobody, Found::Hidden)
    }

    /// What was probably meant by a host that nobody has, in an object of namespace `own`, and what to do.
    pub(crate) fn advice(&self, written: &str, own: &str) -> String {
        let text = written.trim_end_matches('.').to_ascii_lowercase();
        let (name, namespace) = text.split_once('.').unwrap_or((&text, ""));
        let namespace = namespace.strip_suffix(".svc").unwrap_or(namespace);
        let meant = self.short.get(name).and_then(|namespaces| {
            if text.contains('.') { namespaces.iter().find(|other| **other == namespace) } else { namespaces.first() }
        });
        match meant {
            Some(namespace) => {
                format!("if the Service of namespace {namespace} is meant, write {}", self.whole(name, namespace))
            }
            None => match self.alike(&text, own) {
                Some(host) => format!("did you mean {host:?}?"),
                None => "correct the name, or declare a Service or ServiceEntry".into(),
            },
        }
    }

    /// The host that is most like `text`, spelt as short as it may be in namespace `own`.
    fn alike(&self, text: &str, own: &str) -> Option<String> {
        // To compare with all takes a while: for the first few.
        self.compared.set(self.compared.get() + 1);
        if self.compared.get() > COMPARED {
            return None;
        }
        if !text.contains('.') {
            let short = |near: bool| {
                let names = self.short.iter().filter(move |(_, namespaces)| namespaces.contains(&own) == near);
                nearest(text, names.map(|(name, _)| *name))
            };
            let elsewhere = || short(false).map(|name| self.whole(name, self.short[name][0]));
            return short(true).map(str::to_owned).or_else(elsewhere);
        }
        let whole = self.short.iter().flat_map(|(name, namespaces)| {
            let within = |namespace: &&str| (self.whole(name, namespace), format!("{name}.{namespace}"));
            namespaces.iter().map(within).collect::<Vec<_>>()
        });
        let whole: Vec<(String, String)> = whole.collect();
        let entries = self.hosts.iter().flatten().filter_map(|known| match known {
            Known::Service(_) => None,
            Known::Entry(entry) => entry.host.exact().map(|host| &**host),
        });
        // Where the domain is left out, what stands before it is compared.
        let form = |(whole, short): &'_ (String, String)| {
            if text.ends_with(self.domain) { whole.clone() } else { short.clone() }
        };
        let forms: Vec<String> = whole.iter().map(form).collect();
        let found = nearest(text, forms.iter().map(String::as_str).chain(entries))?;
        Some(forms.iter().position(|form| form == found).map_or_else(|| found.to_owned(), |at| whole[at].0.clone()))
    }

    /// The host of a Service.
    fn whole(&self, name: &str, namespace: &str) -> String {
        format!("{name}.{namespace}.{}", self.domain)
    }
}

// === impl Known ===

impl<'a> Known<'a> {
    pub(crate) fn namespace(&self) -> &'a str {
        match *self {
            Self::Service(service) => &service.key.namespace,
            Self::Entry(entry) => &entry.object.0,
        }
    }

    fn visibility(&self) -> &'a Visibility {
        match *self {
            Self::Service(service) => &service.visibility,
            Self::Entry(entry) => &entry.visibility,
        }
    }

    /// Ports by which it is called.
    pub(crate) fn ports(&self) -> Vec<u16> {
        match *self {
            Self::Service(service) => service.ports.iter().map(|port| port.port).collect(),
            Self::Entry(entry) => entry.ports.iter().map(|port| port.port).collect(),
        }
    }
}
