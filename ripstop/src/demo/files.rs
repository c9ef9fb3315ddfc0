//! The sample's configuration, as it lies in `examples/bookinfo`.

/// Name and text of each file.
pub const BOOKINFO: [(&str, &str); 3] = [
    ("mesh.yaml", include_str!("../../../examples/bookinfo/mesh.yaml")),
    ("bookinfo.yaml", include_str!("../../../examples/bookinfo/bookinfo.yaml")),
    ("backend.yaml", include_str!("../../../examples/bookinfo/backend.yaml")),
];

/// Processes that these files declare.
pub const WORKLOADS: usize = 7;

/// What turns a namespace STRICT.
pub const STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: bookinfo
spec:
  mtls:
    mode: STRICT
";

/// What makes it PERMISSIVE again.
pub const PERMISSIVE: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: bookinfo
spec:
  mtls:
    mode: PERMISSIVE
";

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
