//! Roots of trust, TLS versions, foreign CAs.

use std::time::Duration;

use crate::{
    istio::ClientTls,
    schema::{choice, message},
};

message! {
    /// One of `caCertificates`: one of `pem` and `spiffeBundleUrl`.
    CertificateData {
        /// Certificates.
        pem: Option<String> = "pem";
        /// HTTPS address of a SPIFFE bundle.
        spiffe_bundle_url: Option<String> = "spiffeBundleUrl";
        /// Signers that it is for; empty: all.
        cert_signers: Vec<String> = "certSigners";
        /// Trust domains that it is for; empty: all.
        trust_domains: Vec<String> = "trustDomains";
    }
    check super::check::certificate_data
}

message! {
    /// `meshMTLS` or `tlsDefaults`.
    TlsDefaults {
        /// Oldest version that is spoken.
        min_protocol_version: MeshTlsVersion = "minProtocolVersion";
        /// Curves of the key exchange; not for `meshMTLS`.
        ecdh_curves: Vec<String> = "ecdhCurves";
        /// Cipher suites up to TLS 1.2.
        cipher_suites: Vec<String> = "cipherSuites";
    }
}

choice! {
    /// `minProtocolVersion` of the mesh.
    MeshTlsVersion {
        /// TLS 1.2.
        Auto = 0 "TLS_AUTO",
        /// TLS 1.2.
        V1_2 = 1 "TLSV1_2",
        /// TLS 1.3.
        V1_3 = 2 "TLSV1_3",
    }
}

message! {
    /// One of `certificates`.
    DnsCertificate {
        /// Secret that it is written to.
        secret_name: String = "secretName";
        /// Names that it proves.
        dns_names: Vec<String> = "dnsNames";
    }
}

message! {
    /// `ca`.
    ForeignCa {
        /// `host:port`.
        address: String = "address" => required();
        /// TLS to it.
        tls_settings: Option<ClientTls> = "tlsSettings";
        /// For its answer; nothing: 10 s.
        request_timeout: Option<Duration> = "requestTimeout";
        /// Whether the control plane calls it, and not each workload.
        istiod_side: Option<bool> = "istiodSide";
    }
}
