//! DestinationRules and Telemetry that do less than they seem to.

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::{self, ClientTls, ClientTlsMode, LoadBalancer},
};

use super::{Mesh, objects::destination_rules};
use crate::{
    declare::of_kind,
    finding::{Findings, info, warning},
};

const NO_OUTLIER_DETECTION: Code =
    info("RS03", "a DestinationRule has no outlierDetection: failing endpoints keep their traffic");
const UNVERIFIED: Code =
    warning("IST0128", "a DestinationRule asks for TLS and names no caCertificates to verify the server by");
const UNVERIFIED_PORT: Code =
    warning("IST0129", "a port of a DestinationRule asks for TLS and names no caCertificates to verify the server by");
const INERT_FAILOVER: Code =
    warning("RS221", "a DestinationRule fails over between localities, but never learns who fails");
const RESET_BLOCKS: Code = warning(
    "RS222",
    "portLevelSettings lack blocks that the level above sets: for the port they are the default again",
);
const CREDENTIAL_AT_GATEWAYS: Code = warning(
    "RS223",
    "a DestinationRule names a Secret for all callers, but workloads get it by a workloadSelector only",
);
const DEPRECATED: Code = warning("IST0002", "a feature is deprecated");

pub(crate) const CODES: &[Code] = &[
    DEPRECATED,
    NO_OUTLIER_DETECTION,
    UNVERIFIED,
    UNVERIFIED_PORT,
    INERT_FAILOVER,
    RESET_BLOCKS,
    CREDENTIAL_AT_GATEWAYS,
];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let ejects_by_default = mesh.output.traffic.defaults.outlier.is_some();
    let naming = &mesh.declarations.settings.naming;
    // A host's rules of one namespace are merged.
    let group = |object: &Object, rule: &istio::DestinationRule| {
        let namespace = object.id.namespace.clone();
        (naming.host(&rule.host, &namespace).to_string(), namespace)
    };
    let ejecting: std::collections::BTreeSet<_> = destination_rules(mesh)
        .filter(|(_, rule)| ejects(rule))
        .map(|(declared, rule)| group(&declared.object, rule))
        .collect();
    for (declared, rule) in destination_rules(mesh) {
        let object = &*declared.object;
        if !ejects_by_default && !ejecting.contains(&group(object, rule)) {
            let message = format!("failing endpoints of {} are never taken out of balancing", rule.host);
            let hint = "add outlierDetection to trafficPolicy, for example consecutiveGatewayErrors: 5, interval: 30s";
            findings.add(NO_OUTLIER_DETECTION, object, "spec.trafficPolicy", message, hint);
        }
        let top = rule.traffic_policy.as_ref().map(Blocks::of).unwrap_or_default();
        let policies =
            rule.traffic_policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy, Blocks::default()));
        let subsets = rule.subsets.iter().enumerate().filter_map(|(index, subset)| {
            Some((format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?, top))
        });
        for (path, policy, above) in policies.chain(subsets) {
            let at = At { object, rule, ejects_by_default };
            at.policy(&path, policy, above, findings);
        }
    }
    deprecated(mesh, findings);
}

fn ejects(rule: &istio::DestinationRule) -> bool {
    let subsets = rule.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
    rule.traffic_policy.iter().chain(subsets).any(|policy| {
        policy.outlier_detection.is_some()
            || policy.port_level_settings.iter().any(|port| port.outlier_detection.is_some())
    })
}

/// Which of the blocks that a port may replace are set.
#[derive(Clone, Copy, Default)]
struct Blocks([bool; 4]);

const BLOCKS: [&str; 4] = ["loadBalancer", "connectionPool", "outlierDetection", "tls"];

// === impl Blocks ===

impl Blocks {
    fn of(policy: &istio::TrafficPolicy) -> Self {
        Self([
            policy.load_balancer.is_some(),
            policy.connection_pool.is_some(),
            policy.outlier_detection.is_some(),
            policy.tls.is_some(),
        ])
    }

    fn of_port(policy: &istio::PortTrafficPolicy) -> Self {
        Self([
            policy.load_balancer.is_some(),
            policy.connection_pool.is_some(),
            policy.outlier_detection.is_some(),
            policy.tls.is_some(),
        ])
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] || other.0[at]))
    }

    fn ejects(self) -> bool {
        self.0[2]
    }

    /// Names of those that `other` lacks.
    fn without(self, other: Self) -> Vec<&'static str> {
        BLOCKS.into_iter().enumerate().filter(|(at, _)| self.0[*at] && !other.0[*at]).map(|(_, name)| name).collect()
    }
}

/// A rule that is looked at.
struct At<'a> {
    object: &'a Object,
    rule: &'a istio::DestinationRule,
    ejects_by_default: bool,
}

// === impl At ===

impl At<'_> {
    /// One `trafficPolicy`, with the blocks that it inherits.
    fn policy(&self, path: &str, policy: &istio::TrafficPolicy, above: Blocks, findings: &mut Findings) {
        let blocks = Blocks::of(policy).or(above);
        self.failover(path, policy.load_balancer.as_ref(), blocks.ejects(), findings);
        self.tls(path, policy.tls.as_ref(), UNVERIFIED, findings);
        for (index, port) in policy.port_level_settings.iter().enumerate() {
            let path = format!("{path}.portLevelSettings[{index}]");
            let own = Blocks::of_port(port);
            self.failover(&path, port.load_balancer.as_ref(), own.ejects(), findings);
            self.tls(&path, port.tls.as_ref(), UNVERIFIED_PORT, findings);
            let lost = blocks.without(own);
            if !lost.is_empty() {
                let number = port.port.as_ref().and_then(|port| port.number).unwrap_or_default();
                let message =
                    format!("for port {number} the level above does not count: {} is the default", lost.join(", "));
                let hint = "repeat here what is to hold for the port";
                findings.add(RESET_BLOCKS, self.object, &path, message, hint);
            }
        }
    }

    fn failover(&self, path: &str, balancer: Option<&LoadBalancer>, ejects: bool, findings: &mut Findings) {
        let Some(locality) = balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref()) else { return };
        let fails_over = !locality.failover.is_empty() || !locality.failover_priority.is_empty();
        if fails_over && locality.enabled != Some(false) && !ejects && !self.ejects_by_default {
            let field = if locality.failover.is_empty() { "failoverPriority" } else { "failover" };
            let path = format!("{path}.loadBalancer.localityLbSetting.{field}");
            let message =
                format!("traffic to {} fails over only with outlierDetection, which is not here", self.rule.host);
            findings.add(INERT_FAILOVER, self.object, &path, message, "add outlierDetection beside loadBalancer");
        }
    }

    fn tls(&self, path: &str, tls: Option<&ClientTls>, unverified: Code, findings: &mut Findings) {
        let Some(tls) = tls.filter(|tls| matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual)) else {
            return;
        };
        let credential = !tls.credential_name.is_empty();
        let selects = self.rule.workload_selector.is_some();
        if tls.ca_certificates.is_empty() && !credential {
            let mode = tls.mode.as_str();
            let message =
                format!("`mode: {mode}` names no caCertificates by which the server of {} is verified", self.rule.host);
            let hint = "name the file of its authorities in caCertificates";
            findings.add(unverified, self.object, &format!("{path}.tls"), message, hint);
        }
        if credential && !selects {
            let message = format!(
                "workloads that call {} do not get the Secret {}, and their calls fail",
                self.rule.host, tls.credential_name
            );
            let hint = "choose them by a workloadSelector, or name files by caCertificates, clientCertificate and privateKey, which proxies of nodes read";
            findings.add(CREDENTIAL_AT_GATEWAYS, self.object, &format!("{path}.tls.credentialName"), message, hint);
        }
    }
}

/// Tracing by Lightstep. The older spellings are told where they are read.
fn deprecated(mesh: &Mesh<'_>, findings: &mut Findings) {
    let kinds = [Kind::Mesh, Kind::ConfigMap, Kind::IstioOperator];
    let configs = kinds.into_iter().flat_map(|kind| of_kind(mesh.objects, kind)).filter_map(|declared| match &declared
        .object
        .spec
    {
        Spec::Mesh(written) => written.mesh_config.as_ref(),
        Spec::ConfigMap(written) => written.mesh.as_ref(),
        Spec::IstioOperator(written) => written.mesh_config.as_ref(),
        _ => None,
    });
    let providers =
        configs.flat_map(|config| &config.extension_providers).filter(|provider| provider.lightstep.is_some());
    let lightstep: Vec<&str> = providers.map(|provider| provider.name.as_str()).collect();
    if lightstep.is_empty() {
        return;
    }
    for declared in of_kind(mesh.objects, Kind::Telemetry) {
        let Spec::Telemetry(written) = &declared.object.spec else { continue };
        for (index, tracing) in written.tracing.iter().enumerate() {
            for (at, provider) in tracing.providers.iter().enumerate() {
                if !lightstep.iter().any(|name| name.eq_ignore_ascii_case(&provider.name)) {
                    continue;
                }
                let path = format!("spec.tracing[{index}].providers[{at}].name");
                let message =
                    format!("the provider {} is Lightstep, which is deprecated and not served", provider.name);
                findings.add(DEPRECATED, &declared.object, &path, message, "declare it as opentelemetry");
            }
        }
    }
}
