//! Rules for TCP and TLS connections.

use ripstop_api::istio;
use ripstop_model::{ConnectionMatch, ConnectionRule, HostPattern};

use super::{authorization::block, route::Context, rule_id};

/// One of `tls`.
pub(crate) fn tls(context: &Context<'_>, written: &istio::TlsRoute, index: usize) -> ConnectionRule {
    let path = format!("spec.tls[{index}]");
    let matches = written.matches.iter().enumerate().map(|(at, wanted)| ConnectionMatch {
        path: format!("{path}.match[{at}]").into(),
        sni: wanted.sni_hosts.iter().map(|host| HostPattern::new(host)).collect(),
        destinations: wanted.destination_subnets.iter().filter_map(|text| block(text)).collect(),
        port: wanted.port,
        source: context.source(&wanted.source_labels, &wanted.source_namespace, &wanted.gateways),
    });
    ConnectionRule {
        id: rule_id(context.declared, &path),
        matches: matches.collect(),
        backends: backends(context, &written.route, &path),
    }
}

/// One of `tcp`.
pub(crate) fn tcp(context: &Context<'_>, written: &istio::TcpRoute, index: usize) -> ConnectionRule {
    let path = format!("spec.tcp[{index}]");
    let matches = written.matches.iter().enumerate().map(|(at, wanted)| ConnectionMatch {
        path: format!("{path}.match[{at}]").into(),
        sni: Vec::new(),
        destinations: wanted.destination_subnets.iter().filter_map(|text| block(text)).collect(),
        port: wanted.port,
        source: context.source(&wanted.source_labels, &wanted.source_namespace, &wanted.gateways),
    });
    ConnectionRule {
        id: rule_id(context.declared, &path),
        matches: matches.collect(),
        backends: backends(context, &written.route, &path),
    }
}

fn backends(
    context: &Context<'_>,
    written: &[istio::RouteDestination],
    path: &str,
) -> Vec<ripstop_model::WeightedBackend> {
    let backend = |(at, written)| context.connection_backend(written, format!("{path}.route[{at}]"));
    written.iter().enumerate().map(backend).collect()
}
