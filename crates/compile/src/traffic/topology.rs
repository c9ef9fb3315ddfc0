//! What stands before gateways: `gatewayTopology` of the mesh's `defaultConfig`, and of the annotation
//! `proxy.istio.io/config` of a gateway's `Process`, which stands for the whole of it, as in Istio.

use ripstop_api::{Finding, Object, Spec, istio, parse_file};
use ripstop_model::{ForwardClientCert, GatewayTopology, Topology};

use super::{named, object_id};
use crate::Declared;

/// Annotation of a `Process` with settings of its own proxy.
pub(crate) const ANNOTATION: &str = "proxy.istio.io/config";

/// The annotation as part of an object of its own.
const AROUND: &str =
    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig:\n    defaultConfig:\n";
/// Where its content stands there.
pub(crate) const BASE: &str = "spec.meshConfig.defaultConfig.";

/// What the annotation of a gateway says; nothing: it has none, or nothing of this is in it.
pub(crate) fn of_gateway(declared: &Declared) -> Option<GatewayTopology> {
    let Spec::Process(process) = &declared.object.spec else { return None };
    let topology = of(process.gateway_topology.as_ref()?);
    let (namespace, name) = named(&declared.object);
    Some(GatewayTopology { id: object_id(declared), namespace, name, topology })
}

/// What settings of proxies say of what stands before them.
pub(crate) fn written(config: &istio::MeshProxyConfig) -> Topology {
    let topology = config.gateway_topology.as_ref().map_or_else(Topology::default, of);
    let said = config.proxy_headers.as_ref().and_then(|headers| client_cert(headers.forwarded_client_cert));
    Topology { client_cert: said.or(topology.client_cert), ..topology }
}

fn client_cert(written: istio::ForwardClientCert) -> Option<ForwardClientCert> {
    match written {
        istio::ForwardClientCert::Undefined => None,
        istio::ForwardClientCert::Sanitize => Some(ForwardClientCert::Sanitize),
        istio::ForwardClientCert::ForwardOnly => Some(ForwardClientCert::ForwardOnly),
        istio::ForwardClientCert::AppendForward => Some(ForwardClientCert::AppendForward),
        istio::ForwardClientCert::SanitizeSet => Some(ForwardClientCert::SanitizeSet),
        istio::ForwardClientCert::AlwaysForwardOnly => Some(ForwardClientCert::AlwaysForwardOnly),
    }
}

fn of(written: &istio::GatewayTopology) -> Topology {
    Topology {
        trusted_proxies: written.num_trusted_proxies,
        proxy_protocol: written.proxy_protocol.is_some(),
        client_cert: client_cert(written.forward_client_cert_details),
    }
}

/// What `defaultConfig` of the mesh may say, in YAML or JSON: read as part of an object, and what is to be said of it.
pub(crate) fn annotation(text: &str) -> (Option<Object>, Vec<Finding>) {
    let mut file = String::from(AROUND);
    for line in text.lines() {
        file += "      ";
        file += line;
        file.push('\n');
    }
    let parsed = parse_file("", &file);
    (parsed.objects.into_iter().next(), parsed.findings)
}

#[cfg(test)]
mod tests;
