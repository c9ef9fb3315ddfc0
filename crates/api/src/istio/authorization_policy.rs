//! `AuthorizationPolicy` (`security.istio.io` v1, v1beta1).

mod check;
mod condition;
mod form;
mod path;

use super::{TargetRef, WorkloadSelector};
use crate::schema::{choice, message};

message! {
    /// Who may do what.
    AuthorizationPolicy {
        /// Workloads; nothing: all of the namespace (in the root namespace: of the mesh).
        selector: Option<WorkloadSelector> = "selector";
        /// Alternatives. None: nothing matches. One that is empty: everything matches.
        rules: Vec<AuthorizationRule> = "rules";
        /// What becomes of what matches.
        action: AuthorizationAction = "action";
        /// Who is asked by `CUSTOM`.
        provider: Option<AuthorizationProvider> = "provider";
        /// Attached to one thing.
        target_ref: Option<TargetRef> = "targetRef" => older("`targetRefs`");
        /// Attached to these.
        target_refs: Vec<TargetRef> = "targetRefs";
    }
    check check::policy
}

choice! {
    /// `action`.
    AuthorizationAction {
        /// Allowed; what matches no `ALLOW` is denied.
        Allow = 0 "ALLOW",
        /// Denied, before any `ALLOW`.
        Deny = 1 "DENY",
        /// Recorded.
        Audit = 2 "AUDIT",
        /// An external authorizer is asked, before all others.
        Custom = 3 "CUSTOM",
    }
}

message! {
    /// `provider`.
    AuthorizationProvider {
        /// Name of an extension provider of the mesh.
        name: String = "name" => required();
    }
    check check::named
}

message! {
    /// One of `rules`: any of `from`, any of `to`, all of `when`.
    AuthorizationRule {
        /// Alternatives; empty: anybody.
        from: Vec<AuthorizationFrom> = "from";
        /// Alternatives; empty: anything.
        to: Vec<AuthorizationTo> = "to";
        /// All must hold.
        when: Vec<AuthorizationCondition> = "when";
    }
    check check::rule
}

message! {
    /// One of `from`.
    AuthorizationFrom {
        /// The source.
        source: Option<AuthorizationSource> = "source" => required();
    }
}

message! {
    /// One of `to`.
    AuthorizationTo {
        /// The operation.
        operation: Option<AuthorizationOperation> = "operation" => required();
    }
}

message! {
    /// Fields that must all hold; of each, one value must match, and of each `not…`, none.
    AuthorizationSource {
        /// Identities, without `spiffe://`.
        principals: Vec<String> = "principals";
        /// See above.
        not_principals: Vec<String> = "notPrincipals";
        /// Issuer and subject of a JWT, `iss/sub`.
        request_principals: Vec<String> = "requestPrincipals";
        /// See above.
        not_request_principals: Vec<String> = "notRequestPrincipals";
        /// Namespaces of identities.
        namespaces: Vec<String> = "namespaces";
        /// See above.
        not_namespaces: Vec<String> = "notNamespaces";
        /// Service accounts, `[namespace/]name`, of any trust domain.
        service_accounts: Vec<String> = "serviceAccounts";
        /// See above.
        not_service_accounts: Vec<String> = "notServiceAccounts";
        /// Trust domains of identities.
        trust_domains: Vec<String> = "trustDomains";
        /// See above.
        not_trust_domains: Vec<String> = "notTrustDomains";
        /// Addresses of the peer.
        ip_blocks: Vec<String> = "ipBlocks";
        /// See above.
        not_ip_blocks: Vec<String> = "notIpBlocks";
        /// Addresses of the original client.
        remote_ip_blocks: Vec<String> = "remoteIpBlocks";
        /// See above.
        not_remote_ip_blocks: Vec<String> = "notRemoteIpBlocks";
    }
    check check::source
}

message! {
    /// Fields that must all hold; of each, one value must match, and of each `not…`, none.
    AuthorizationOperation {
        /// Hosts, without regard to case.
        hosts: Vec<String> = "hosts";
        /// See above.
        not_hosts: Vec<String> = "notHosts";
        /// Ports of the workload.
        ports: Vec<String> = "ports";
        /// See above.
        not_ports: Vec<String> = "notPorts";
        /// Methods.
        methods: Vec<String> = "methods";
        /// See above.
        not_methods: Vec<String> = "notMethods";
        /// Paths, or templates with `{*}` and `{**}`.
        paths: Vec<String> = "paths";
        /// See above.
        not_paths: Vec<String> = "notPaths";
    }
    check check::operation
}

message! {
    /// One of `when`.
    AuthorizationCondition {
        /// An attribute.
        key: String = "key" => required();
        /// One of them must match.
        values: Vec<String> = "values";
        /// None of them may match.
        not_values: Vec<String> = "notValues";
    }
    check condition::condition
}
