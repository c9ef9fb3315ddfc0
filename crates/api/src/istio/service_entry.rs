//! `ServiceEntry` (`networking.istio.io` v1, v1beta1, v1alpha3).

mod check;
pub(crate) mod port;

use super::{LabelSelector, WorkloadEntry};
use crate::schema::{choice, message};

message! {
    /// A service that no `Service` declares.
    ServiceEntry {
        /// Names, 1 to 256; `*.suffix` allowed, `*` not.
        hosts: Vec<String> = "hosts" => required();
        /// Virtual addresses or CIDR blocks.
        addresses: Vec<String> = "addresses";
        /// Ports.
        ports: Vec<ServiceEntryPort> = "ports";
        /// Inside or outside of the mesh.
        location: Location = "location";
        /// How endpoints are found.
        resolution: Resolution = "resolution";
        /// Endpoints.
        endpoints: Vec<WorkloadEntry> = "endpoints";
        /// Endpoints by labels.
        workload_selector: Option<LabelSelector> = "workloadSelector";
        /// Namespaces that see it.
        export_to: Vec<String> = "exportTo";
        /// Names that endpoints may prove.
        subject_alt_names: Vec<String> = "subjectAltNames";
    }
    check check::service_entry
}

message! {
    /// One of `ports`.
    ServiceEntryPort {
        /// Number.
        number: Option<u16> = "number" => required();
        /// Protocol, any case; empty: found out from the first bytes.
        protocol: String = "protocol";
        /// Name.
        name: String = "name" => required();
        /// Port of the endpoints; nothing: the same.
        target_port: Option<u16> = "targetPort";
    }
    check check::port
}

choice! {
    /// `location`.
    Location {
        /// Outside: no identity, no mutual TLS.
        External = 0 "MESH_EXTERNAL",
        /// Inside.
        Internal = 1 "MESH_INTERNAL",
    }
}

choice! {
    /// `resolution`.
    Resolution {
        /// Where the caller says.
        None = 0 "NONE",
        /// The endpoints' addresses.
        Static = 1 "STATIC",
        /// Every address of the name.
        Dns = 2 "DNS",
        /// One address of the name at a time.
        DnsRoundRobin = 3 "DNS_ROUND_ROBIN",
        /// The name of each request.
        DynamicDns = 4 "DYNAMIC_DNS",
    }
}
