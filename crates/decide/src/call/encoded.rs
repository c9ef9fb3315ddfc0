//! Server names that say where a connection of TLS goes, as Istio's sidecars write them for `AUTO_PASSTHROUGH`.

use ripstop_model::{Server, ServerTlsMode};

/// What `outbound_.<port>_.<subset>_.<host>` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoded<'n> {
    pub(crate) port: u16,
    /// Subset; nothing: none is asked for.
    pub(crate) subset: Option<&'n str>,
    pub(crate) host: &'n str,
}

/// Most bytes of a host.
const LONGEST: usize = 253;

// === impl Encoded ===

impl<'n> Encoded<'n> {
    /// Reads a server name, in lower case. What can be written in another way, too, is none.
    pub(crate) fn read(name: &'n str) -> Option<Self> {
        let mut parts = name.strip_prefix("outbound_.")?.splitn(3, "_.");
        let (port, subset, host) = (parts.next()?, parts.next()?, parts.next()?);
        if port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = port.parse().ok()?;
        if !(subset.is_empty() || is_label(subset)) || host.len() > LONGEST || !host.split('.').all(is_label) {
            return None;
        }
        Some(Self { port, subset: Some(subset).filter(|subset| !subset.is_empty()), host })
    }
}

/// The host by which a listener is found for a server name; nothing: it takes no such name.
pub(crate) fn looked_for<'n>(server: &Server, name: &'n str) -> Option<&'n str> {
    if goes_by_name(server) { Encoded::read(name).map(|encoded| encoded.host) } else { Some(name) }
}

/// Whether the server name alone says where connections to a listener go.
pub(crate) fn goes_by_name(server: &Server) -> bool {
    server.tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::AutoPassthrough)
}

/// A label of DNS.
fn is_label(text: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(is_inside) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests;
