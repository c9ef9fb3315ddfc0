//! Sockets of the file system.

use ripstop_api::{
    Object,
    finding::Code,
    istio::{Sidecar, WorkloadEntry},
};

use crate::finding::{Findings, warning};

pub(super) const UNSUPPORTED: Code = warning("RS262", "a socket of the file system, which proxies do not reach");

const WHY: &str = "sockets of the file system are not supported, because proxies live outside of the file systems of \
                   workloads, where a path would lead elsewhere";

/// Whether an endpoint is one.
fn is_socket(endpoint: &WorkloadEntry) -> bool {
    endpoint.address.starts_with("unix://")
}

/// Endpoints of a host.
pub(super) fn endpoints(object: &Object, endpoints: &[WorkloadEntry], findings: &mut Findings) {
    for (index, endpoint) in endpoints.iter().enumerate() {
        entry(object, &format!("spec.endpoints[{index}].address"), endpoint, findings);
    }
}

/// An endpoint, whose address is at `path`.
pub(super) fn entry(object: &Object, path: &str, endpoint: &WorkloadEntry, findings: &mut Findings) {
    if is_socket(endpoint) {
        let message = format!("{} is not called: {WHY}", endpoint.address);
        findings.add(UNSUPPORTED, object, path, message, "let it listen at an address, and write that and its port");
    }
}

/// Where an application would listen, or its proxy.
pub(super) fn sidecar(object: &Object, written: &Sidecar, findings: &mut Findings) {
    for (index, listener) in written.ingress.iter().enumerate() {
        if listener.default_endpoint.starts_with("unix://") {
            let path = format!("spec.ingress[{index}].defaultEndpoint");
            let message = format!("applications get it at the port that was called: {WHY}");
            findings.add(UNSUPPORTED, object, &path, message, "let it listen at the loopback: `127.0.0.1:PORT`");
        }
    }
    for (index, listener) in written.egress.iter().enumerate() {
        if listener.bind.starts_with("unix://") {
            let message = format!("nobody listens there, and its hosts are not known by it: {WHY}");
            let hint = "write an IP address and a port: `bind: 127.0.0.1`";
            findings.add(UNSUPPORTED, object, &format!("spec.egress[{index}].bind"), &message, hint);
        }
    }
}
