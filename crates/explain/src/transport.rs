//! How an endpoint is reached.

use std::fmt::Write as _;

use ripstop_decide::peer_authentication;
use ripstop_model::{ClientTlsMode, MtlsMode, ProxyProtocolVersion, SpiffeId, TunnelProtocol, Workload};

use crate::{World, parties::Caller};

/// How an endpoint is reached.
pub(crate) struct Transport {
    /// The identity that the caller proves; nothing: plaintext, or TLS that is not the mesh's.
    pub(crate) peer: Option<SpiffeId>,
    /// In words.
    pub(crate) told: String,
    /// What the endpoint's proxy can read of it.
    pub(crate) content: Content,
}

/// What can be read of what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// All of it.
    Plain,
    /// Nothing: it is TLS that the application itself ends, or begins with what the application alone expects.
    Sealed,
}

/// How whoever carries it out does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// In the mesh's tunnel, inside of which there is TLS of a rule: a node's proxy, a gateway, or a waypoint.
    Own,
    /// By connections of its own, of whose TLS there is one only: a sidecar.
    Sidecar,
}

/// What a DestinationRule wants of connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ruled {
    /// TLS.
    pub(crate) tls: Option<ClientTlsMode>,
    /// The PROXY protocol.
    pub(crate) begins: Option<ProxyProtocolVersion>,
}

/// How `caller` reaches `workload` at `port`.
pub(crate) fn transport(
    world: &World,
    caller: &Caller,
    workload: &Workload,
    port: u16,
    plaintext: bool,
    carrier: Carrier,
    ruled: Ruled,
) -> Transport {
    let mut transport = secured(world, caller, workload, port, plaintext, carrier, ruled.tls);
    if let Some(version) = ruled.begins.filter(|_| !plaintext) {
        let _ = write!(transport.told, ", begun by {}", preamble(version));
        transport.content = Content::Sealed;
    }
    transport
}

/// What a connection begins with, by a rule.
pub(crate) fn preamble(version: ProxyProtocolVersion) -> &'static str {
    match version {
        ProxyProtocolVersion::V1 => "the PROXY protocol (V1), which names the client",
        ProxyProtocolVersion::V2 => "the PROXY protocol (V2), which names the client",
    }
}

fn secured(
    world: &World,
    caller: &Caller,
    workload: &Workload,
    port: u16,
    plaintext: bool,
    carrier: Carrier,
    tls: Option<ClientTlsMode>,
) -> Transport {
    // Whoever has a tunnel uses it, whatever a rule says of plaintext.
    let disabled = tls.filter(|mode| *mode == ClientTlsMode::Disable && carrier == Carrier::Sidecar);
    let mut transport = of_mesh(world, caller, workload, port, plaintext, disabled);
    let Some(upstream) = tls.and_then(upstream).filter(|_| !plaintext) else { return transport };
    transport.content = Content::Sealed;
    if transport.peer.is_some() {
        match carrier {
            Carrier::Own => {
                let _ =
                    write!(transport.told, ", and inside of it {upstream} by a DestinationRule, for the application");
                return transport;
            }
            Carrier::Sidecar => {}
        }
    }
    transport.peer = None;
    transport.told = format!("{upstream} by a DestinationRule, which proves no identity of the mesh");
    if workload.tunnel != TunnelProtocol::Hbone {
        transport.told = format!("{}: the workload is not in the mesh, nobody authorizes there", transport.told);
    }
    transport
}

/// TLS that is not the mesh's.
pub(crate) fn upstream(mode: ClientTlsMode) -> Option<&'static str> {
    match mode {
        ClientTlsMode::Simple => Some("TLS (SIMPLE)"),
        ClientTlsMode::Mutual => Some("TLS with a certificate of its own (MUTUAL)"),
        ClientTlsMode::Disable | ClientTlsMode::Mesh => None,
    }
}

fn of_mesh(
    world: &World,
    caller: &Caller,
    workload: &Workload,
    port: u16,
    plaintext: bool,
    tls: Option<ClientTlsMode>,
) -> Transport {
    let plain = |told: String| Transport { peer: None, told, content: Content::Plain };
    if plaintext {
        return plain("plaintext, as asked".into());
    }
    if workload.tunnel != TunnelProtocol::Hbone {
        return plain("plaintext: the workload is not in the mesh, nobody authorizes there".into());
    }
    if tls == Some(ClientTlsMode::Disable) {
        return plain("plaintext: a DestinationRule sets tls.mode DISABLE".into());
    }
    let mode = peer_authentication(&world.program, workload, port);
    if mode.mode == MtlsMode::Disable {
        return plain(format!("plaintext: mutual TLS is DISABLE on port {port} ({})", mode.trace));
    }
    let proven = |identity: SpiffeId| Transport {
        told: format!("mutual TLS as {identity}"),
        peer: Some(identity),
        content: Content::Plain,
    };
    match caller {
        Caller::Identity(identity) => proven(identity.clone()),
        Caller::Workload(caller) if caller.uid == workload.uid => {
            plain("plaintext: the workload calls itself, inside of its own namespace".into())
        }
        Caller::Workload(caller) if caller.tunnel == TunnelProtocol::Hbone => match caller.identity() {
            Ok(identity) => proven(identity),
            Err(error) => plain(format!("plaintext: the caller has no identity ({error})")),
        },
        Caller::Workload(_) => plain("plaintext: the caller is not in the mesh".into()),
        Caller::Address(_) | Caller::Outside => {
            plain("plaintext: nothing is known of the caller but its address".into())
        }
    }
}
