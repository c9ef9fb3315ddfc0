//! Probes that ask somebody else than the workload.

use std::net::IpAddr;

use ripstop_api::{Kind, Object, Spec, finding::Code, ripstop::ProbeAction};

use super::Mesh;
use crate::{
    declare::of_kind,
    finding::{Findings, warning},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[ELSEWHERE];

const ELSEWHERE: Code = warning(
    "RS275",
    "a probe names a host, and asks nobody but the workload: it fails where that is not its own address",
);

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for declared in of_kind(mesh.objects, Kind::WorkloadGroup) {
        let Spec::WorkloadGroup(group) = &declared.object.spec else { continue };
        let Some(probe) = &group.probe else { continue };
        if let Some(get) = &probe.http_get {
            told(&declared.object, "spec.probe.httpGet.host", &get.host, findings);
        }
        if let Some(socket) = &probe.tcp_socket {
            told(&declared.object, "spec.probe.tcpSocket.host", &socket.host, findings);
        }
    }
    for declared in of_kind(mesh.objects, Kind::Process) {
        let Spec::Process(process) = &declared.object.spec else { continue };
        let action = process.readiness.as_ref().map(|probe| &probe.action);
        if let Some(ProbeAction::HttpGet { host: Some(host), .. }) = action {
            told(&declared.object, "spec.readinessProbe.httpGet.host", &host.to_string(), findings);
        }
    }
}

/// Addresses that are the own ones of whoever asks are no matter; others may be those of one of several at most.
fn told(object: &Object, path: &str, host: &str, findings: &mut Findings) {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let Ok(address) = address.map(|address| address.to_canonical()) else { return };
    if address.is_loopback() {
        return;
    }
    let message = format!("the probe fails at whoever has not the address {host} itself: nobody else is asked");
    findings.add(
        ELSEWHERE,
        object,
        path,
        message,
        "leave it out: each is asked at its own address; or write localhost",
    );
}

#[cfg(test)]
mod tests;
