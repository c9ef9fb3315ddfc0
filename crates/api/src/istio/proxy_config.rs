//! `ProxyConfig` (`networking.istio.io` v1beta1), and the mesh's own in `defaultConfig`.

mod connection;
mod headers;
mod mesh;
mod tracing;

use std::collections::BTreeMap;

pub use connection::*;
pub use headers::*;
pub use mesh::*;
pub use tracing::*;

use super::WorkloadSelector;
use crate::schema::message;

message! {
    /// Settings of the proxies of workloads.
    ProxyConfig {
        /// Workloads; nothing: all of the namespace, or of the mesh if it is the root namespace.
        selector: Option<WorkloadSelector> = "selector";
        /// Threads; nothing: as many as the workload may use; 0: as many as the machine has.
        concurrency: Option<u32> = "concurrency";
        /// Environment of the proxy.
        environment_variables: BTreeMap<String, String> = "environmentVariables" => without_effect("it is for proxies that are injected beside a workload");
        /// Image of the proxy.
        image: Option<ProxyImage> = "image" => without_effect("proxies run without images");
    }
}

message! {
    /// `image`.
    ProxyImage {
        /// End of the tag, for example `distroless`.
        image_type: String = "imageType";
    }
}
