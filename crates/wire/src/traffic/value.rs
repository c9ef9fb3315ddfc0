//! Values that several kinds have.

use std::{sync::Arc, time::Duration};

use ripstop_model::{AppProtocol, HostPattern, OutboundPolicy, Selector, Share, Visibility};

use crate::{
    DecodeError, field,
    place::Place,
    ripstop::{self, PortProtocol},
};

pub(super) fn duration_to_wire(duration: Duration) -> ripstop::Duration {
    ripstop::Duration { seconds: duration.as_secs(), nanos: duration.subsec_nanos() }
}

pub(super) fn duration_from_wire(place: &Place<'_>, duration: ripstop::Duration) -> Result<Duration, DecodeError> {
    let ripstop::Duration { seconds, nanos } = duration;
    if nanos < 1_000_000_000 {
        Ok(Duration::new(seconds, nanos))
    } else {
        Err(place.error(format!("{nanos} nanoseconds are a second or more")))
    }
}

/// A duration that need not be set.
pub(super) fn maybe_duration(
    place: &Place<'_>,
    duration: Option<ripstop::Duration>,
) -> Result<Option<Duration>, DecodeError> {
    duration.map(|duration| duration_from_wire(place, duration)).transpose()
}

/// A duration that must be set.
pub(super) fn set_duration(place: &Place<'_>, duration: Option<ripstop::Duration>) -> Result<Duration, DecodeError> {
    duration_from_wire(place, place.set(duration)?)
}

pub(super) fn share_from_wire(place: &Place<'_>, millionths: u32) -> Result<Share, DecodeError> {
    Share::from_millionths(millionths).ok_or_else(|| place.error(format!("{millionths} millionths are more than all")))
}

/// A host as the model has it: in lower case, without a dot at its end.
pub(super) fn host_from_wire(place: &Place<'_>, text: &str) -> Result<HostPattern, DecodeError> {
    let host = HostPattern::new(text);
    if host.to_string() == *text { Ok(host) } else { Err(place.error(format!("{text:?} is not written like {host}"))) }
}

pub(super) fn hosts_to_wire(hosts: &[HostPattern]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

pub(super) fn hosts_from_wire(place: &Place<'_>, hosts: Vec<String>) -> Result<Vec<HostPattern>, DecodeError> {
    place.all(hosts, |place, host| host_from_wire(place, &host))
}

/// A host of some namespaces.
pub(super) fn scoped_to_wire(namespace: Option<&Arc<str>>, host: &HostPattern) -> ripstop::ScopedHost {
    ripstop::ScopedHost { namespace: namespace.map(ToString::to_string), host: host.to_string() }
}

pub(super) fn scoped_from_wire(
    place: &Place<'_>,
    host: ripstop::ScopedHost,
) -> Result<(Option<Arc<str>>, HostPattern), DecodeError> {
    Ok((text_from_wire(host.namespace), host_from_wire(&place.field("host"), &host.host)?))
}

pub(crate) fn visibility_to_wire(visibility: &Visibility) -> Option<ripstop::Visibility> {
    match visibility {
        Visibility::Everybody => None,
        Visibility::Namespaces(namespaces) => Some(ripstop::Visibility {
            nobody: false,
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
        }),
        Visibility::Nobody => Some(ripstop::Visibility { nobody: true, namespaces: Vec::new() }),
    }
}

pub(crate) fn visibility_from_wire(
    place: &Place<'_>,
    visibility: Option<ripstop::Visibility>,
) -> Result<Visibility, DecodeError> {
    Ok(match visibility {
        None => Visibility::Everybody,
        Some(visibility) if !visibility.nobody => {
            Visibility::Namespaces(visibility.namespaces.into_iter().map(Arc::from).collect())
        }
        Some(visibility) if visibility.namespaces.is_empty() => Visibility::Nobody,
        Some(_) => return Err(place.error("nobody and some namespaces see it")),
    })
}

pub(crate) fn selector_to_wire(selector: &Selector) -> ripstop::Selector {
    ripstop::Selector { labels: field::labels_to_wire(&selector.0) }
}

pub(crate) fn selector_from_wire(selector: ripstop::Selector) -> Selector {
    Selector(field::labels_from_wire(selector.labels))
}

pub(super) fn text_to_wire(text: Option<&Arc<str>>) -> Option<String> {
    text.map(ToString::to_string)
}

pub(super) fn text_from_wire(text: Option<String>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

pub(super) fn pairs_to_wire(pairs: &[(Arc<str>, Arc<str>)]) -> Vec<ripstop::Pair> {
    pairs.iter().map(pair_to_wire).collect()
}

pub(super) fn pair_to_wire((name, value): &(Arc<str>, Arc<str>)) -> ripstop::Pair {
    ripstop::Pair { name: name.to_string(), value: value.to_string() }
}

pub(super) fn pairs_from_wire(pairs: Vec<ripstop::Pair>) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.into_iter().map(pair_from_wire).collect()
}

pub(super) fn pair_from_wire(pair: ripstop::Pair) -> (Arc<str>, Arc<str>) {
    (pair.name.into(), pair.value.into())
}

pub(super) fn protocol_to_wire(protocol: AppProtocol) -> PortProtocol {
    match protocol {
        AppProtocol::Unknown => PortProtocol::Undeclared,
        AppProtocol::Http11 => PortProtocol::Http11,
        AppProtocol::Http2 => PortProtocol::Http2,
        AppProtocol::Grpc => PortProtocol::Grpc,
        AppProtocol::Tcp => PortProtocol::Tcp,
        AppProtocol::Tls => PortProtocol::Tls,
    }
}

pub(super) fn protocol_from_wire(place: &Place<'_>, protocol: i32) -> Result<AppProtocol, DecodeError> {
    Ok(match place.enumerated(protocol)? {
        PortProtocol::Undeclared => AppProtocol::Unknown,
        PortProtocol::Http11 => AppProtocol::Http11,
        PortProtocol::Http2 => AppProtocol::Http2,
        PortProtocol::Grpc => AppProtocol::Grpc,
        PortProtocol::Tcp => AppProtocol::Tcp,
        PortProtocol::Tls => AppProtocol::Tls,
    })
}

pub(super) fn outbound_to_wire(policy: OutboundPolicy) -> ripstop::OutboundPolicy {
    match policy {
        OutboundPolicy::AllowAny => ripstop::OutboundPolicy::AllowAny,
        OutboundPolicy::RegistryOnly => ripstop::OutboundPolicy::RegistryOnly,
        OutboundPolicy::AllowAnyDynamicDns => ripstop::OutboundPolicy::AllowAnyDynamicDns,
    }
}

pub(super) fn outbound_from_wire(place: &Place<'_>, policy: i32) -> Result<OutboundPolicy, DecodeError> {
    Ok(match place.enumerated(policy)? {
        ripstop::OutboundPolicy::AllowAny => OutboundPolicy::AllowAny,
        ripstop::OutboundPolicy::RegistryOnly => OutboundPolicy::RegistryOnly,
        ripstop::OutboundPolicy::AllowAnyDynamicDns => OutboundPolicy::AllowAnyDynamicDns,
    })
}
