//! The sample's configuration, as it lies in `examples/bookinfo`, and what chapters add to it.

/// Name and text of each file.
pub const BOOKINFO: [(&str, &str); 3] = [
    ("mesh.yaml", include_str!("../../../examples/bookinfo/mesh.yaml")),
    ("bookinfo.yaml", include_str!("../../../examples/bookinfo/bookinfo.yaml")),
    ("backend.yaml", include_str!("../../../examples/bookinfo/backend.yaml")),
];

/// Processes that these files declare.
pub const WORKLOADS: usize = 7;

/// A file that a chapter writes.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    /// Its name. Those of one name take the place of one another.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

pub const SUBSETS: Addition = Addition { name: "reviews-subsets.yaml", text: include_str!("files/subsets.yaml") };
pub const CANARY: Addition = Addition { name: "reviews-routes.yaml", text: include_str!("files/canary.yaml") };
pub const HEADER: Addition = Addition { name: "reviews-routes.yaml", text: include_str!("files/header.yaml") };
pub const MIRROR: Addition = Addition { name: "reviews-routes.yaml", text: include_str!("files/mirror.yaml") };
pub const FAILING: Addition = Addition { name: "ratings-v2.yaml", text: include_str!("files/failing.yaml") };
pub const RETRY: Addition = Addition { name: "ratings.yaml", text: include_str!("files/retry.yaml") };
pub const EJECTION: Addition = Addition { name: "ratings.yaml", text: include_str!("files/ejection.yaml") };
pub const TIMEOUT: Addition = Addition { name: "details.yaml", text: include_str!("files/timeout.yaml") };
pub const FAULT: Addition = Addition { name: "details.yaml", text: include_str!("files/fault.yaml") };
pub const BREAKER: Addition = Addition { name: "details.yaml", text: include_str!("files/breaker.yaml") };
pub const STRICT: Addition = Addition { name: "strict.yaml", text: include_str!("files/strict.yaml") };
pub const MESH_STRICT: Addition = Addition { name: "mesh-strict.yaml", text: include_str!("files/mesh-strict.yaml") };
pub const ALLOWED: Addition = Addition { name: "allowed.yaml", text: include_str!("files/allowed.yaml") };
pub const ACCESS: Addition = Addition { name: "access.yaml", text: include_str!("files/access.yaml") };
pub const INGRESS: Addition = Addition { name: "ingress.yaml", text: include_str!("files/ingress.yaml") };

#[cfg(test)]
mod tests {
    /// `ripstop label` writes into the files of a mesh, also of one that runs on the sample itself.
    #[test]
    fn the_sample_is_plain_as_it_comes() {
        for (name, text) in super::BOOKINFO {
            let set = text.lines().find(|line| line.contains("dataplane-mode") && !line.starts_with('#'));
            assert!(set.is_none(), "{name}: {set:?}");
        }
    }
}
