//! What is asked.

use serde::{Deserialize, Serialize};

/// Who calls whom, with what. Texts are as a user writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Question {
    /// `[namespace/]name` of a workload or process, an identity (`spiffe://…`, or
    /// `<domain>/ns/<namespace>/sa/<account>`), an IP address; empty: somebody outside of the mesh.
    pub from: String,
    /// `host:port`, as the caller would write it; `:port` at a gateway.
    pub to: String,
    /// Where it is decided: `node` (the default, or `sidecar` for callers that ask for one), `sidecar`, `waypoint`, `gateway:NAMESPACE/NAME` (a gateway
    /// proxy by its name), `gateway:KEY=VALUE[,KEY=VALUE…]` (the one that has those labels; where none has,
    /// one in the root namespace whose identity is not known), `gateway` (label `istio=ingressgateway`).
    /// At a gateway `from` calls the gateway, and the gateway calls on; of a gateway whose identity is
    /// not known, `from` is that identity.
    pub via: String,
    /// The caller speaks plaintext, whatever it could do.
    pub plaintext: bool,
    /// `http`, `tcp` or `tls`; empty: HTTP if a method, path, header or claim is given or the port is
    /// declared as HTTP, TLS if a server name is, else TCP.
    pub protocol: String,
    /// Method (`GET`).
    pub method: String,
    /// Path with query (`/`).
    pub path: String,
    /// Scheme (`http`).
    pub scheme: String,
    /// Authority; empty: that of `to`.
    pub authority: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Claims of a valid JWT, nested ones with dots; `iss`, `sub`, `aud` and `azp` among them.
    pub claims: Vec<(String, String)>,
    /// Server name of TLS.
    pub sni: String,
    /// Address that the connection comes from; empty: that of `from`.
    pub source_ip: String,
    /// Address of the original client, as a trusted hop tells it.
    pub remote_ip: String,
}
