//! Settings of proxies: the mesh's `defaultConfig`, and annotations of processes.

use std::collections::BTreeSet;

use ripstop_api::{Level, Object, ripstop::ProcessRole};
use ripstop_model::DataplaneMode;

use super::{IDLE, NOT_FOLLOWED, NOTHING};
use crate::{
    analyze::Mesh,
    enrolment::enrolment,
    finding::Findings,
    traffic::process_proxy::{self, ANNOTATION, BASE},
};

/// What nothing follows yet of settings of proxies. Of what nothing will follow reading tells.
const PENDING: &[&str] =
    &["caCertificatesPem", "fileFlushInterval", "fileFlushMinSizeKb", "tracing", "tracingServiceName"];

/// What is of no account in them: its path, and why.
const NO_MATTER: [(&str, &str); 2] = [
    (
        "connectionSettings.clusterPerConnectionBufferLimitBytes",
        "answers go on as they come: a connection to an endpoint buffers no more of them than it reads at once, 16 KiB, or \
         the window of a stream of HTTP/2",
    ),
    (
        "connectionSettings.httpDrainTimeout",
        "no time is needed between the two GOAWAYs: the answer to a PING says that the client has heard the first, and what \
         it asked before is answered",
    ),
];

/// The mesh's own.
pub(super) fn default_config(object: &Object, base: &str, findings: &mut Findings) {
    let base = format!("{base}.defaultConfig");
    for name in PENDING {
        let path = format!("{base}.{name}");
        if object.source.fields.contains_key(&path) {
            findings.add(NOT_FOLLOWED, object, &path, NOTHING, "");
        }
    }
    for (name, why) in NO_MATTER {
        let path = format!("{base}.{name}");
        if object.source.fields.contains_key(&path) {
            findings.add(IDLE, object, &path, why, "");
        }
    }
}

/// That of one process.
pub(super) fn annotation(mesh: &Mesh<'_>, object: &Object, role: ProcessRole, findings: &mut Findings) {
    let Some(text) = object.meta.annotations.get(ANNOTATION) else { return };
    let at = format!("metadata.annotations.{ANNOTATION}");
    let (read, said) = process_proxy::annotation(text);
    // What cannot be read is told of where values of annotations are.
    let Some(read) = read else { return };
    let written: BTreeSet<&str> = read.source.fields.keys().filter_map(|path| path.strip_prefix(BASE)).collect();
    for name in PENDING.iter().filter(|name| written.contains(**name)) {
        findings.add(NOT_FOLLOWED, object, &at, format!("{name}: {NOTHING}"), "");
    }
    for finding in said.iter().filter(|finding| finding.level == Level::Info && finding.path.starts_with(BASE)) {
        findings.add(IDLE, object, &at, finding.message.as_str(), &finding.hint);
    }
    let has_own_proxy = role != ProcessRole::Command || {
        enrolment(&object.meta, mesh.declarations.namespace(&object.id.namespace)).mode == DataplaneMode::Sidecar
    };
    for (name, why) in of_no_account(role, has_own_proxy).chain(NO_MATTER) {
        if written.contains(name) {
            findings.add(IDLE, object, &at, format!("{name}: {why}"), "");
        }
    }
}

/// What an annotation may say that is about proxies of other roles.
fn of_no_account(role: ProcessRole, has_own_proxy: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    const BEFORE: &str = "only gateways have something before them";
    const PROVEN: &str = "only gateways tell of certificates of their clients";
    const ALL: &str = "only gateways count the connections of all callers: those to a workload are limited by \
                       `inboundConnectionPool` of a Sidecar, or by a TrafficPolicy";
    const ENTERED: &str = "only at gateways and waypoints something drains that would not be let in any more";
    const OF_NODE: &str = "it has no proxy of its own: that of its node follows what is said for all of the mesh";
    let beside = [
        ("gatewayTopology", BEFORE),
        ("proxyHeaders.forwardedClientCert", PROVEN),
        ("proxyHeaders.setCurrentClientCertDetails", PROVEN),
        ("connectionSettings.globalDownstreamConnectionLimit", ALL),
    ];
    let entered = [("drainDuration", ENTERED)];
    let of_node = [("concurrency", OF_NODE), ("terminationDrainDuration", OF_NODE)];
    let beside = beside.into_iter().filter(move |_| role != ProcessRole::Gateway);
    let entered = entered.into_iter().filter(move |_| role == ProcessRole::Command);
    let of_node = of_node.into_iter().filter(move |_| !has_own_proxy);
    beside.chain(entered).chain(of_node)
}
