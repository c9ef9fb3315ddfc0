//! Configuration of Envoy (v3 API).

use std::{net::Ipv4Addr, path::Path};

use serde_json::{Value, json};

use super::{
    Hop, Side, WORKERS,
    certificates::{Certificates, identity},
};

/// What is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passes {
    /// Whatever comes.
    Bytes,
    /// Requests, which are understood; the far side allows those of the near one and no others.
    Requests,
    /// The same over HTTP/2, to the end.
    Calls,
}

/// A listener and a cluster for each hop, with TLS on the side that looks at the other of the pair.
pub(super) fn configuration(side: Side, hops: &[(Passes, Hop)], certificates: &Certificates) -> Value {
    let (mut listeners, mut clusters) = (Vec::new(), Vec::new());
    for (passes, hop) in hops {
        let name = format!("port-{}", hop.listen.1);
        let filter = match passes {
            Passes::Bytes => tcp_proxy(&name),
            Passes::Requests | Passes::Calls => connection_manager(side, &name),
        };
        let mut chain = json!({ "filters": [filter] });
        let mut cluster = json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(hop.target) } }] }],
            },
        });
        if *passes == Passes::Calls {
            let kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
            cluster["typed_extension_protocol_options"][kind] = json!({
                "@type": format!("type.googleapis.com/{kind}"),
                "explicit_http_config": { "http2_protocol_options": {} },
            });
        }
        match side {
            Side::Near => cluster["transport_socket"] = tls(side, certificates),
            Side::Far => chain["transport_socket"] = tls(side, certificates),
        }
        listeners.push(json!({ "name": name, "address": address(hop.listen), "filter_chains": [chain] }));
        clusters.push(cluster);
    }
    json!({ "static_resources": { "listeners": listeners, "clusters": clusters } })
}

/// What starts it.
pub(super) fn command(path: &Path) -> String {
    format!("envoy --concurrency {WORKERS} --disable-hot-restart --log-level error -c {}", path.display())
}

fn tcp_proxy(cluster: &str) -> Value {
    let config = json!({ "stat_prefix": cluster, "cluster": cluster });
    typed("envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", config)
}

fn connection_manager(side: Side, cluster: &str) -> Value {
    let router = typed("envoy.filters.http.router", "filters.http.router.v3.Router", json!({}));
    let filters = match side {
        Side::Near => vec![router],
        Side::Far => vec![caller_check(), router],
    };
    let config = json!({
        "stat_prefix": cluster,
        "generate_request_id": false,
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": cluster, "timeout": "0s" } }],
            }],
        },
    });
    let kind = "filters.network.http_connection_manager.v3.HttpConnectionManager";
    typed("envoy.filters.network.http_connection_manager", kind, config)
}

fn caller_check() -> Value {
    let caller = json!({ "authenticated": { "principal_name": { "exact": identity(Side::Near) } } });
    let policy = json!({ "permissions": [{ "any": true }], "principals": [caller] });
    let config = json!({ "rules": { "action": "ALLOW", "policies": { "near": policy } } });
    typed("envoy.filters.http.rbac", "filters.http.rbac.v3.RBAC", config)
}

/// TLS 1.3 alone, our certificate, and the only name that the other may have.
fn tls(side: Side, certificates: &Certificates) -> Value {
    let file = json!({ "filename": certificates.chain_and_key(side) });
    let other = json!({ "san_type": "URI", "matcher": { "exact": identity(side.other()) } });
    let common = json!({
        "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
        "tls_certificates": [{ "certificate_chain": file, "private_key": file }],
        "validation_context": {
            "trusted_ca": { "filename": certificates.authority() },
            "match_typed_subject_alt_names": [other],
        },
    });
    let mut context = json!({ "common_tls_context": common });
    let kind = match side {
        Side::Near => "transport_sockets.tls.v3.UpstreamTlsContext",
        Side::Far => {
            context["require_client_certificate"] = true.into();
            "transport_sockets.tls.v3.DownstreamTlsContext"
        }
    };
    typed("envoy.transport_sockets.tls", kind, context)
}

fn address((address, port): (Ipv4Addr, u16)) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}

/// An extension with its configuration, a message of package `envoy.extensions`.
fn typed(name: &str, message: &str, mut config: Value) -> Value {
    config["@type"] = format!("type.googleapis.com/envoy.extensions.{message}").into();
    json!({ "name": name, "typed_config": config })
}
