//! What is known of a connection or request that arrives at a workload.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ripstop_model::{Attribute, MeshConfig, ServiceKey, SpiffeId, Workload};

/// What is known of an inbound connection, and of a request on it.
#[derive(Clone, Copy, Debug)]
pub struct InboundFacts<'a> {
    /// The workload that is called.
    pub destination: &'a Workload,
    /// The address that is called; nothing: not known.
    pub address: Option<IpAddr>,
    /// The port that is called: the workload's, not a service's.
    pub port: u16,
    /// The verified identity of the caller; nothing: the connection came as plaintext.
    pub peer: Option<&'a SpiffeId>,
    /// Address of the caller, as far as known. Never decides about mutual TLS.
    pub source: Option<SocketAddr>,
    /// Address of the original client, if a trusted hop told it.
    pub remote: Option<IpAddr>,
    /// Server name of the connection.
    pub sni: Option<&'a str>,
    /// The service that was called, if a trusted hop told it.
    pub service: Option<&'a ServiceKey>,
    /// What the connection carries.
    pub content: Content<'a>,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Nobody looked: the decision is about the connection as such.
    Unread,
    /// Something that is not HTTP.
    Opaque,
    /// A request.
    Request(&'a RequestFacts<'a>),
}

/// What is known of a request. Names of headers are lower case.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Method.
    pub method: &'a str,
    /// Scheme.
    pub scheme: &'a str,
    /// Authority.
    pub authority: &'a str,
    /// Normalized path without query.
    pub path: &'a str,
    /// Query without `?`; empty: none.
    pub query: &'a str,
    /// Headers, in order.
    pub headers: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// The JWT.
    pub token: Token<'a>,
}

/// What is known of a request's JWT.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// Nobody looked.
    Unchecked,
    /// There is none.
    Absent,
    /// It is valid.
    Valid(&'a Claims),
}

/// Claims of a valid JWT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `azp`.
    pub presenter: Option<String>,
    /// All others.
    pub others: BTreeMap<String, Claim>,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A text, or a list of them.
    Texts(Vec<String>),
    /// Claims by name.
    Nested(BTreeMap<String, Claim>),
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// It cannot be known here.
    Missing,
    /// It is known that there is none.
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// Several texts.
    Texts(Vec<&'a str>),
    /// Issuer and subject.
    Principal(&'a str, &'a str),
    /// An address.
    Ip(IpAddr),
    /// A port.
    Port(u16),
    /// Namespace and service account.
    Account(&'a str, &'a str),
}

// === impl InboundFacts ===

impl<'a> InboundFacts<'a> {
    /// A connection of which no more is known.
    pub fn connection(
        destination: &'a Workload,
        port: u16,
        peer: Option<&'a SpiffeId>,
        source: Option<SocketAddr>,
    ) -> Self {
        let (address, remote, sni, service) = (None, None, None, None);
        Self { destination, address, port, peer, source, remote, sni, service, content: Content::Unread }
    }

    /// The request, if it is one.
    pub fn request(&self) -> Option<&'a RequestFacts<'a>> {
        match self.content {
            Content::Request(request) => Some(request),
            Content::Unread | Content::Opaque => None,
        }
    }

    /// Whether only a request would have this attribute, and there is none. For whom a connection is, its header of the
    /// PROXY protocol says, too.
    pub fn lacks(&self, attribute: &Attribute) -> bool {
        let is_told = *attribute == Attribute::RemoteIp && self.remote.is_some();
        attribute.is_http() && self.request().is_none() && !is_told
    }

    /// The value of an attribute, as `mesh` understands it.
    pub fn value(&self, attribute: &Attribute, mesh: &MeshConfig) -> Known<'a> {
        match attribute {
            Attribute::Principal => match self.peer {
                Some(peer) => Known::Text(Cow::Borrowed(peer.as_str().trim_start_matches("spiffe://"))),
                None => Known::Missing,
            },
            Attribute::Namespace => self.account(mesh, |namespace, _| Known::Text(Cow::Borrowed(namespace))),
            Attribute::ServiceAccount => self.account(mesh, Known::Account),
            Attribute::TrustDomain => match self.peer {
                Some(peer) => Known::Text(Cow::Borrowed(peer.domain())),
                None => Known::Missing,
            },
            Attribute::SourceIp => self.source.map_or(Known::Missing, |source| ip(source.ip())),
            Attribute::RemoteIp => match (self.remote, self.request(), self.source) {
                (Some(remote), ..) => ip(remote),
                (None, Some(_), Some(source)) => ip(source.ip()),
                _ => Known::Missing,
            },
            Attribute::DestinationIp => self.address.map_or(Known::Missing, ip),
            Attribute::Port => Known::Port(self.port),
            Attribute::Sni => match (self.sni, self.content) {
                (Some(sni), _) => Known::Text(Cow::Borrowed(sni)),
                (None, Content::Unread) => Known::Missing,
                (None, Content::Opaque | Content::Request(_)) => Known::Absent,
            },
            // No proxy of this mesh runs Envoy's filters.
            Attribute::Metadata(_) => Known::Missing,
            _ => self.request().map_or(Known::Missing, |request| request.value(attribute)),
        }
    }

    /// Identities that are no service account's of this mesh tell neither namespace nor account: those of another domain
    /// are named by somebody else.
    fn account(&self, mesh: &MeshConfig, known: impl Fn(&'a str, &'a str) -> Known<'a>) -> Known<'a> {
        let own = self.peer.filter(|peer| mesh.counts_as_own(peer.domain()));
        match own.and_then(SpiffeId::as_service_account) {
            None => Known::Missing,
            Some((namespace, account)) => known(namespace, account),
        }
    }
}

fn ip<'a>(address: IpAddr) -> Known<'a> {
    Known::Ip(address.to_canonical())
}

// === impl RequestFacts ===

impl<'a> RequestFacts<'a> {
    /// The value of a header, or of what HTTP/2 has as one (`:path`, with query); several of one name are
    /// joined by commas. What HTTP/1.1 says in `host`, HTTP/2 says in `:authority`: they are the same.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        match name {
            ":method" => return Some(Cow::Borrowed(self.method)),
            ":scheme" => return Some(Cow::Borrowed(self.scheme)),
            "host" if self.authority.is_empty() => return None,
            ":authority" | "host" => return Some(Cow::Borrowed(self.authority)),
            ":path" if self.query.is_empty() => return Some(Cow::Borrowed(self.path)),
            ":path" => return Some(Cow::Owned(format!("{}?{}", self.path, self.query))),
            _ => {}
        }
        let headers = self.headers;
        let mut values = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next()?;
        let mut joined: Cow<'a, str> = Cow::Borrowed(first);
        for value in values {
            let all = joined.to_mut();
            all.push(',');
            all.push_str(value);
        }
        Some(joined)
    }

    /// The first value of a query parameter, as it stands.
    pub fn query_parameter(&self, name: &str) -> Option<&'a str> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    fn value(&self, attribute: &Attribute) -> Known<'a> {
        match attribute {
            Attribute::Host => Known::Text(Cow::Borrowed(self.authority)),
            Attribute::Method => Known::Text(Cow::Borrowed(self.method)),
            Attribute::Path => Known::Text(Cow::Borrowed(self.path)),
            Attribute::Header(name) => self.header(name).map_or(Known::Absent, Known::Text),
            _ => match self.token {
                Token::Unchecked => Known::Missing,
                Token::Absent => Known::Absent,
                Token::Valid(claims) => claims.value(attribute),
            },
        }
    }
}

// === impl Claims ===

impl Claims {
    fn value(&self, attribute: &Attribute) -> Known<'_> {
        match attribute {
            Attribute::RequestPrincipal => Known::Principal(&self.issuer, &self.subject),
            Attribute::Audiences => Known::Texts(self.audiences.iter().map(String::as_str).collect()),
            Attribute::Presenter => {
                self.presenter.as_deref().map_or(Known::Absent, |presenter| Known::Text(Cow::Borrowed(presenter)))
            }
            Attribute::Claim(names) => self.claim(names).map_or(Known::Absent, Known::Texts),
            _ => Known::Absent,
        }
    }

    /// Texts of a claim, nested ones by several names; nothing: there is none.
    pub fn claim(&self, names: &[impl AsRef<str>]) -> Option<Vec<&str>> {
        let (first, rest) = names.split_first()?;
        if rest.is_empty() {
            match first.as_ref() {
                "iss" => return Some(vec![&self.issuer]),
                "sub" => return Some(vec![&self.subject]),
                "aud" if !self.audiences.is_empty() => {
                    return Some(self.audiences.iter().map(String::as_str).collect());
                }
                "azp" if self.presenter.is_some() => return self.presenter.as_deref().map(|text| vec![text]),
                _ => {}
            }
        }
        let mut claim = self.others.get(first.as_ref())?;
        for name in rest {
            let Claim::Nested(inner) = claim else { return None };
            claim = inner.get(name.as_ref())?;
        }
        match claim {
            Claim::Texts(texts) => Some(texts.iter().map(String::as_str).collect()),
            Claim::Nested(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::workload;

    #[test]
    fn namespace_and_account_are_those_of_the_mesh_and_its_aliases() {
        let destination = workload("shop", "web", 1);
        let mesh = MeshConfig {
            trust_domain_aliases: vec!["old.example".parse().unwrap()],
            federated_domains: vec!["partner.example".parse().unwrap()],
            ..MeshConfig::default()
        };
        for (domain, own) in [("cluster.local", true), ("old.example", true), ("partner.example", false)] {
            let peer: SpiffeId = format!("spiffe://{domain}/ns/bank/sa/teller").parse().unwrap();
            let facts = InboundFacts::connection(&destination, 80, Some(&peer), None);
            let (namespace, account) = if own {
                (Known::Text("bank".into()), Known::Account("bank", "teller"))
            } else {
                (Known::Missing, Known::Missing)
            };
            assert_eq!(facts.value(&Attribute::Namespace, &mesh), namespace, "{domain}");
            assert_eq!(facts.value(&Attribute::ServiceAccount, &mesh), account, "{domain}");
            let principal = format!("{domain}/ns/bank/sa/teller");
            assert_eq!(facts.value(&Attribute::Principal, &mesh), Known::Text(principal.into()));
            assert_eq!(facts.value(&Attribute::TrustDomain, &mesh), Known::Text(domain.into()));
        }
    }

    #[test]
    fn what_one_version_says_as_host_the_other_says_as_authority() {
        let headers = [("a".into(), "1".into()), ("a".into(), "2".into())];
        let facts = RequestFacts {
            method: "GET",
            scheme: "http",
            authority: "web.example",
            path: "/",
            query: "",
            headers: &headers,
            token: Token::Unchecked,
        };
        assert_eq!(facts.header("host").as_deref(), Some("web.example"));
        assert_eq!(facts.header(":authority"), facts.header("host"));
        assert_eq!((facts.header("a").as_deref(), facts.header("b")), (Some("1,2"), None));
        assert_eq!(RequestFacts { authority: "", ..facts }.header("host"), None);
    }
}
