//! Which kinds exist: served ones, and those that the field knows and nothing here serves.

use crate::{Kind, names};

/// What an `apiVersion` and `kind` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A kind that is read.
    Served(Kind),
    /// A served kind in a version that is not.
    Version(Kind, &'static Served),
    /// A kind of the field.
    Elsewhere,
    /// No kind that anybody knows.
    Unknown {
        /// The served kind that was probably meant.
        near: Option<&'static Served>,
    },
}

/// A served kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    /// The first one is the one to write.
    pub(crate) versions: &'static [&'static str],
}

pub(crate) const SERVED: &[Served] = &[
    Served { kind: Kind::Namespace, name: "Namespace", group: "", versions: &["v1"] },
    Served { kind: Kind::ServiceAccount, name: "ServiceAccount", group: "", versions: &["v1"] },
    Served { kind: Kind::Service, name: "Service", group: "", versions: &["v1"] },
    Served { kind: Kind::Secret, name: "Secret", group: "", versions: &["v1"] },
    Served { kind: Kind::ConfigMap, name: "ConfigMap", group: "", versions: &["v1"] },
    Served {
        kind: Kind::PeerAuthentication,
        name: "PeerAuthentication",
        group: SECURITY,
        versions: &["v1", "v1beta1"],
    },
    Served {
        kind: Kind::RequestAuthentication,
        name: "RequestAuthentication",
        group: SECURITY,
        versions: &["v1", "v1beta1"],
    },
    Served {
        kind: Kind::AuthorizationPolicy,
        name: "AuthorizationPolicy",
        group: SECURITY,
        versions: &["v1", "v1beta1"],
    },
    Served {
        kind: Kind::VirtualService,
        name: "VirtualService",
        group: NETWORKING,
        versions: &["v1", "v1beta1", "v1alpha3"],
    },
    Served {
        kind: Kind::DestinationRule,
        name: "DestinationRule",
        group: NETWORKING,
        versions: &["v1", "v1beta1", "v1alpha3"],
    },
    Served { kind: Kind::Gateway, name: "Gateway", group: NETWORKING, versions: &["v1", "v1beta1", "v1alpha3"] },
    Served {
        kind: Kind::ServiceEntry,
        name: "ServiceEntry",
        group: NETWORKING,
        versions: &["v1", "v1beta1", "v1alpha3"],
    },
    Served {
        kind: Kind::WorkloadEntry,
        name: "WorkloadEntry",
        group: NETWORKING,
        versions: &["v1", "v1beta1", "v1alpha3"],
    },
    Served {
        kind: Kind::WorkloadGroup,
        name: "WorkloadGroup",
        group: NETWORKING,
        versions: &["v1", "v1beta1", "v1alpha3"],
    },
    Served { kind: Kind::Sidecar, name: "Sidecar", group: NETWORKING, versions: &["v1", "v1beta1", "v1alpha3"] },
    Served { kind: Kind::ProxyConfig, name: "ProxyConfig", group: NETWORKING, versions: &["v1beta1"] },
    Served { kind: Kind::Telemetry, name: "Telemetry", group: TELEMETRY, versions: &["v1", "v1alpha1"] },
    Served { kind: Kind::IstioOperator, name: "IstioOperator", group: INSTALL, versions: &["v1alpha1"] },
    Served { kind: Kind::Node, name: "Node", group: RIPSTOP, versions: &["v1alpha1"] },
    Served { kind: Kind::Process, name: "Process", group: RIPSTOP, versions: &["v1alpha1"] },
    Served { kind: Kind::Mesh, name: "Mesh", group: RIPSTOP, versions: &["v1alpha1"] },
    Served { kind: Kind::TrafficPolicy, name: "TrafficPolicy", group: RIPSTOP, versions: &["v1alpha1"] },
];

const RIPSTOP: &str = "ripstop.dev";
const SECURITY: &str = "security.istio.io";
const NETWORKING: &str = "networking.istio.io";
const TELEMETRY: &str = "telemetry.istio.io";
const INSTALL: &str = "install.istio.io";

/// Groups of the field with their kinds.
const ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Binding",
            "Endpoints",
            "Event",
            "LimitRange",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch", &["CronJob", "Job"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("policy", &["PodDisruptionBudget"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("networking.k8s.io", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["StorageClass"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    (
        "admissionregistration.k8s.io",
        &["MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration"],
    ),
    ("kustomize.config.k8s.io", &["Component", "Kustomization"]),
    (NETWORKING, &["EnvoyFilter"]),
    ("extensions.istio.io", &["TrafficExtension", "WasmPlugin"]),
    (
        "gateway.networking.k8s.io",
        &[
            "BackendTLSPolicy",
            "GRPCRoute",
            "Gateway",
            "GatewayClass",
            "HTTPRoute",
            "ListenerSet",
            "ReferenceGrant",
            "TCPRoute",
            "TLSRoute",
            "UDPRoute",
        ],
    ),
    ("flagger.app", &["AlertProvider", "Canary", "MetricTemplate"]),
    ("argoproj.io", &["AnalysisTemplate", "Rollout"]),
    ("linkerd.io", &["ServiceProfile"]),
    (
        "policy.linkerd.io",
        &[
            "AuthorizationPolicy",
            "EgressNetwork",
            "HTTPLocalRateLimitPolicy",
            "HTTPRoute",
            "MeshTLSAuthentication",
            "NetworkAuthentication",
            "Server",
            "ServerAuthorization",
        ],
    ),
    ("split.smi-spec.io", &["TrafficSplit"]),
    ("specs.smi-spec.io", &["HTTPRouteGroup", "TCPRoute", "UDPRoute"]),
    ("access.smi-spec.io", &["TrafficTarget"]),
    (
        "cilium.io",
        &[
            "CiliumClusterwideEnvoyConfig",
            "CiliumClusterwideNetworkPolicy",
            "CiliumEnvoyConfig",
            "CiliumLocalRedirectPolicy",
            "CiliumNetworkPolicy",
        ],
    ),
    (
        "kuma.io",
        &[
            "Dataplane",
            "Mesh",
            "MeshAccessLog",
            "MeshCircuitBreaker",
            "MeshExternalService",
            "MeshFaultInjection",
            "MeshGateway",
            "MeshGatewayRoute",
            "MeshHTTPRoute",
            "MeshHealthCheck",
            "MeshIdentity",
            "MeshLoadBalancingStrategy",
            "MeshMetric",
            "MeshMultiZoneService",
            "MeshPassthrough",
            "MeshProxyPatch",
            "MeshRateLimit",
            "MeshRetry",
            "MeshService",
            "MeshTCPRoute",
            "MeshTLS",
            "MeshTimeout",
            "MeshTrace",
            "MeshTrafficPermission",
            "MeshTrust",
        ],
    ),
    (
        "consul.hashicorp.com",
        &[
            "ExportedServices",
            "IngressGateway",
            "Mesh",
            "ProxyDefaults",
            "ServiceDefaults",
            "ServiceIntentions",
            "ServiceResolver",
            "ServiceRouter",
            "ServiceSplitter",
            "TerminatingGateway",
        ],
    ),
    ("monitoring.coreos.com", &["PodMonitor", "Probe", "PrometheusRule", "ServiceMonitor"]),
    ("cert-manager.io", &["Certificate", "ClusterIssuer", "Issuer"]),
    ("spire.spiffe.io", &["ClusterFederatedTrustDomain", "ClusterSPIFFEID", "ClusterStaticEntry"]),
];

/// Looks up an `apiVersion` (`group/version` or `version`) and `kind`.
pub(crate) fn look_up(api_version: &str, kind: &str) -> Known {
    let (group, version) = split_version(api_version);
    if let Some(served) = SERVED.iter().find(|served| served.name == kind && served.group == group) {
        return if served.versions.contains(&version) {
            Known::Served(served.kind)
        } else {
            Known::Version(served.kind, served)
        };
    }
    let elsewhere = ELSEWHERE.iter().filter(|(name, _)| *name == group).any(|(_, kinds)| kinds.contains(&kind));
    if elsewhere {
        return Known::Elsewhere;
    }
    let same_group = SERVED.iter().filter(|served| served.group == group);
    let near = names::nearest(kind, same_group.map(|served| served.name))
        .or_else(|| SERVED.iter().map(|served| served.name).find(|name| *name == kind))
        .and_then(|name| SERVED.iter().find(|served| served.name == name));
    Known::Unknown { near }
}

/// `group/version` into its parts; the core group is empty.
pub(crate) fn split_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

// === impl Served ===

impl Served {
    /// The `apiVersion` to write.
    pub(crate) fn api_version(&self) -> String {
        let version = self.versions.first().copied().unwrap_or_default();
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }
}
