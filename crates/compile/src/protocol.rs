//! Which protocol a port speaks, as Istio reads Services.

use ripstop_model::AppProtocol;

/// Ports whose servers speak first: never sniffed, TCP unless declared otherwise.
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];

/// Protocol of a port by `appProtocol`, else by the port's name up to its first `-`, else by its
/// number; [`AppProtocol::Unknown`] is detected on the wire.
pub fn app_protocol(port: u16, name: &str, declared: Option<&str>) -> AppProtocol {
    let text = match declared {
        Some("kubernetes.io/h2c") => return AppProtocol::Http2,
        Some("kubernetes.io/ws") => return AppProtocol::Http11,
        Some("kubernetes.io/wss") => return AppProtocol::Tls,
        Some(declared) => declared,
        None => name,
    };
    let text = text.to_ascii_lowercase();
    if text.starts_with("grpc-web") {
        return AppProtocol::Grpc; // Its server speaks gRPC: gateways translate.
    }
    match text.split('-').next().unwrap_or_default() {
        "http" | "http_proxy" => AppProtocol::Http11,
        "http2" => AppProtocol::Http2,
        "grpc" => AppProtocol::Grpc,
        "https" | "tls" => AppProtocol::Tls,
        "tcp" | "mongo" | "mysql" | "redis" => AppProtocol::Tcp,
        _ if SERVER_FIRST.contains(&port) => AppProtocol::Tcp,
        _ => AppProtocol::Unknown,
    }
}

/// Protocol that is declared by its name, in any case; nothing: detected on the wire.
pub(crate) fn protocol_named(text: &str) -> AppProtocol {
    if text.is_empty() { AppProtocol::Unknown } else { app_protocol(0, "", Some(text)) }
}

#[cfg(test)]
mod tests;
