//! `WorkloadEntry` (`networking.istio.io` v1, v1beta1, v1alpha3).

use std::collections::BTreeMap;

use super::Labels;
use crate::schema::message;

message! {
    /// An endpoint that no pod stands for.
    WorkloadEntry {
        /// IP address, DNS name or `unix:///path`.
        address: String = "address";
        /// Port name → number.
        ports: BTreeMap<String, u16> = "ports";
        /// Labels.
        labels: Labels = "labels";
        /// Network.
        network: String = "network";
        /// `region/zone/subzone`.
        locality: String = "locality";
        /// Share; 0 or nothing: 1.
        weight: Option<u32> = "weight";
        /// Service account: its identity.
        service_account: String = "serviceAccount";
    }
}
