//! Which services other clusters see, and who sees a `ServiceEntry`.

use super::KubernetesSelector;
use crate::schema::{choice, message};

message! {
    /// One of `serviceScopeConfigs`; the first that matches counts.
    ServiceScope {
        /// Namespaces.
        namespace_selector: Option<KubernetesSelector> = "namespaceSelector";
        /// Services.
        services_selector: Option<KubernetesSelector> = "servicesSelector";
        /// Who sees them.
        scope: Scope = "scope";
    }
}

choice! {
    /// `scope`.
    Scope {
        /// This cluster.
        Local = 0 "LOCAL",
        /// All clusters.
        Global = 1 "GLOBAL",
    }
}

message! {
    /// `serviceEntryVisibility`.
    ServiceEntryVisibility {
        /// Where no policy matches; nothing: `PUBLIC`.
        default_visibility: Visibility = "defaultVisibility";
        /// The first that matches counts.
        policies: Vec<VisibilityPolicy> = "policies";
        /// Whether proxies of workloads and gateways obey too.
        apply_to_sidecars: bool = "applyToSidecars" => without_effect("proxies of every role obey");
    }
}

message! {
    /// One of `policies`.
    VisibilityPolicy {
        /// Who sees it.
        visibility: Visibility = "visibility";
        /// All of them must match; empty: it always does.
        matching_rules: Vec<VisibilityRule> = "matchingRules";
    }
}

message! {
    /// One of `matchingRules`.
    VisibilityRule {
        /// Namespace of the `ServiceEntry`; without it the rule matches none.
        namespace_selector: Option<KubernetesSelector> = "namespaceSelector";
    }
}

choice! {
    /// Who sees a `ServiceEntry`.
    Visibility {
        /// As `PUBLIC`.
        Unspecified = 0 "UNSPECIFIED",
        /// Nobody.
        None = 1 "NONE",
        /// Its namespace.
        Namespace = 2 "NAMESPACE",
        /// Everybody.
        Public = 3 "PUBLIC",
    }
}
