//! Every annotation of Istio's (istio.io/api, `annotation`).

use super::value;

/// One annotation.
pub(super) struct Annotation {
    pub(super) name: &'static str,
    /// Kinds that have it; `Process` where Istio says Pod.
    pub(super) on: &'static [&'static str],
    /// What to write instead, if it is deprecated.
    pub(super) deprecated: Option<&'static str>,
    /// What its value must be.
    pub(super) check: Option<Check>,
}

type Check = fn(&str) -> Result<(), String>;

/// All kinds.
pub(super) const ANY: &str = "Any";

/// Enrols a workload; tolerated beside the label of the same name.
pub(super) const INJECT: &str = "sidecar.istio.io/inject";

/// The annotation of that name.
pub(super) fn annotation(name: &str) -> Option<&'static Annotation> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Whether it is a label of that name.
pub(super) fn is_label(name: &str) -> bool {
    LABELS.contains(&name)
}

const KNOWN: &[Annotation] = &[
    on("alpha.istio.io/canonical-serviceaccounts", &["Service"]).deprecated("write subjectAltNames"),
    on("alpha.istio.io/kubernetes-serviceaccounts", &["Service"]),
    pod("ambient.istio.io/bypass-inbound-capture"),
    pod("ambient.istio.io/dns-capture"),
    pod("ambient.istio.io/redirection"),
    on("ambient.istio.io/waypoint-inbound-binding", &["Gateway", "GatewayClass"]),
    on("galley.istio.io/analyze-suppress", &[ANY]),
    on("gateway.istio.io/controller-version", &["Gateway"]),
    on("gateway.istio.io/name-override", &["Gateway"]),
    on("gateway.istio.io/service-account", &["Gateway"]),
    pod("inject.istio.io/templates"),
    on("istio.io/autoRegistrationGroup", &["WorkloadEntry"]),
    on("istio.io/connectedAt", &["WorkloadEntry"]),
    on("istio.io/disconnectedAt", &["WorkloadEntry"]),
    on("istio.io/dry-run", &["AuthorizationPolicy"]).checked(value::trial),
    pod("istio.io/reroute-virtual-interfaces").checked(value::interfaces),
    pod("istio.io/rev"),
    on("istio.io/use-waypoint-canary-weight", &["Service", "ServiceEntry", "Namespace"]),
    on("istio.io/workloadController", &["WorkloadEntry"]),
    on("networking.istio.io/exportTo", &["Service"]),
    on("networking.istio.io/service-type", &["Gateway"]),
    on("networking.istio.io/traffic-distribution", &["Service", "Namespace", "ServiceEntry"]),
    pod("prometheus.istio.io/merge-metrics").checked(value::boolean),
    pod("proxy.istio.io/config"),
    pod("proxy.istio.io/overrides"),
    pod("readiness.status.sidecar.istio.io/applicationPorts"),
    pod("readiness.status.sidecar.istio.io/failureThreshold").checked(value::count),
    pod("readiness.status.sidecar.istio.io/initialDelaySeconds").checked(value::count),
    pod("readiness.status.sidecar.istio.io/periodSeconds").checked(value::count),
    pod("sidecar.istio.io/agentLogLevel"),
    pod("sidecar.istio.io/bootstrapOverride"),
    pod("sidecar.istio.io/capNetBindService"),
    pod("sidecar.istio.io/componentLogLevel"),
    pod("sidecar.istio.io/discoveryAddress").deprecated("write discoveryAddress in proxy.istio.io/config"),
    pod("sidecar.istio.io/extraStatTags").deprecated("write a Telemetry"),
    pod(INJECT).deprecated("write it as a label"),
    pod("sidecar.istio.io/interceptionMode").checked(value::interception),
    pod("sidecar.istio.io/logLevel"),
    pod("sidecar.istio.io/nativeSidecar"),
    pod("sidecar.istio.io/proxyCPU").checked(value::quantity),
    pod("sidecar.istio.io/proxyCPULimit").checked(value::quantity),
    pod("sidecar.istio.io/proxyImage"),
    pod("sidecar.istio.io/proxyImageType"),
    pod("sidecar.istio.io/proxyMemory").checked(value::quantity),
    pod("sidecar.istio.io/proxyMemoryLimit").checked(value::quantity),
    pod("sidecar.istio.io/rewriteAppHTTPProbers"),
    pod("sidecar.istio.io/statsCompression").deprecated("write statsCompression in proxy.istio.io/config"),
    pod("sidecar.istio.io/statsEvictionInterval"),
    pod("sidecar.istio.io/statsFlushInterval"),
    pod("sidecar.istio.io/statsHistogramBins"),
    pod("sidecar.istio.io/statsHistogramBuckets"),
    pod("sidecar.istio.io/statsInclusionPrefixes").deprecated(MATCHER),
    pod("sidecar.istio.io/statsInclusionRegexps").deprecated(MATCHER),
    pod("sidecar.istio.io/statsInclusionSuffixes").deprecated(MATCHER),
    pod("sidecar.istio.io/status"),
    pod("sidecar.istio.io/userVolume"),
    pod("sidecar.istio.io/userVolumeMount"),
    pod("status.sidecar.istio.io/port").checked(value::port),
    on("topology.istio.io/controlPlaneClusters", &["Namespace"]),
    on("traffic.istio.io/nodeSelector", &["Service"]),
    pod("traffic.sidecar.istio.io/excludeInboundPorts").checked(value::ports),
    pod("traffic.sidecar.istio.io/excludeInterfaces").checked(value::interfaces),
    pod("traffic.sidecar.istio.io/excludeOutboundIPRanges").checked(value::blocks),
    pod("traffic.sidecar.istio.io/excludeOutboundPorts").checked(value::ports),
    pod("traffic.sidecar.istio.io/includeInboundPorts").checked(value::all_or_ports),
    pod("traffic.sidecar.istio.io/includeOutboundIPRanges").checked(value::all_or_blocks),
    pod("traffic.sidecar.istio.io/includeOutboundPorts"),
    pod("traffic.sidecar.istio.io/kubevirtInterfaces")
        .checked(value::interfaces)
        .deprecated("write istio.io/reroute-virtual-interfaces"),
];

const MATCHER: &str = "write proxyStatsMatcher in proxy.istio.io/config";

const LABELS: &[&str] = &[
    "gateway.istio.io/managed",
    "istio.io/dataplane-mode",
    "istio.io/ingress-use-waypoint",
    "istio.io/tag",
    "istio.io/use-waypoint",
    "istio.io/use-waypoint-canary",
    "istio.io/use-waypoint-canary-namespace",
    "istio.io/use-waypoint-namespace",
    "istio.io/waypoint-for",
    "networking.istio.io/enable-autoallocate-ip",
    "networking.istio.io/gatewayPort",
    "networking.istio.io/tunnel",
    "security.istio.io/tlsMode",
    "service.istio.io/canonical-name",
    "service.istio.io/canonical-revision",
    "service.istio.io/workload-name",
    "topology.istio.io/cluster",
    "topology.istio.io/locality",
    "topology.istio.io/network",
    "topology.istio.io/subzone",
];

const fn on(name: &'static str, on: &'static [&'static str]) -> Annotation {
    Annotation { name, on, deprecated: None, check: None }
}

const fn pod(name: &'static str) -> Annotation {
    on(name, &["Process"])
}

// === impl Annotation ===

impl Annotation {
    const fn deprecated(self, instead: &'static str) -> Self {
        Self { deprecated: Some(instead), ..self }
    }

    const fn checked(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }
}

/// All names, in order.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|known| known.name).collect()
}
