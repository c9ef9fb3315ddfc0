//! `Gateway` (`networking.istio.io` v1, v1beta1, v1alpha3).

use super::Labels;
use crate::schema::{choice, message};

mod check;
mod server_protocol;
pub(super) mod server_tls;

pub use server_protocol::ServerProtocol;

message! {
    /// Listeners at the edge of the mesh.
    Gateway {
        /// Listeners.
        servers: Vec<Server> = "servers" => required();
        /// Labels of the gateway proxies it acts at, in all namespaces; empty: all.
        selector: Labels = "selector";
    }
    check check::check_gateway
}

message! {
    /// One of `servers`.
    Server {
        /// Name; no two servers of a gateway have the same.
        name: String = "name";
        /// Port.
        port: Option<ServerPort> = "port" => required();
        /// Address.
        bind: String = "bind";
        /// Hosts, `[namespace/]name`.
        hosts: Vec<String> = "hosts" => required();
        /// TLS.
        tls: Option<ServerTls> = "tls";
        /// Never served by Istio either.
        default_endpoint: String = "defaultEndpoint" => without_effect("");
    }
    check check::check_server
}

message! {
    /// `port` of a server.
    ServerPort {
        /// Number.
        number: Option<u16> = "number" => required();
        /// Protocol, any case.
        protocol: String = "protocol" => required();
        /// Name; no two ports of a gateway have the same.
        name: String = "name" => required();
        /// Not served.
        target_port: Option<u16> = "targetPort" => without_effect("the Service of the gateway says it");
    }
    check check::check_port
}

message! {
    /// `tls` of a server or ingress listener.
    ServerTls {
        /// Answers 301 to plaintext.
        https_redirect: Option<bool> = "httpsRedirect";
        /// How.
        mode: ServerTlsMode = "mode";
        /// File.
        server_certificate: String = "serverCertificate";
        /// File.
        private_key: String = "privateKey";
        /// File.
        ca_certificates: String = "caCertificates";
        /// File.
        ca_crl: String = "caCrl";
        /// Name of a `Secret`.
        credential_name: String = "credentialName";
        /// Several of them.
        credential_names: Vec<String> = "credentialNames";
        /// Name of a `Secret` with the CA only.
        ca_cert_credential_name: String = "caCertCredentialName";
        /// Certificates in files.
        tls_certificates: Vec<TlsCertificate> = "tlsCertificates";
        /// Names that the client may prove.
        subject_alt_names: Vec<String> = "subjectAltNames";
        /// Hashes of client keys.
        verify_certificate_spki: Vec<String> = "verifyCertificateSpki";
        /// Hashes of client certificates.
        verify_certificate_hash: Vec<String> = "verifyCertificateHash";
        /// Least version.
        min_protocol_version: TlsVersion = "minProtocolVersion";
        /// Greatest version.
        max_protocol_version: TlsVersion = "maxProtocolVersion";
        /// Cipher suites.
        cipher_suites: Vec<String> = "cipherSuites";
        /// Client certificates prove nothing.
        insecure_skip_verify: Option<bool> = "insecureSkipVerify";
    }
    check server_tls::check_tls
}

message! {
    /// One of `tlsCertificates`.
    TlsCertificate {
        /// File.
        server_certificate: String = "serverCertificate";
        /// File.
        private_key: String = "privateKey";
        /// File.
        ca_certificates: String = "caCertificates";
    }
}

choice! {
    /// `tls.mode` of a server.
    ServerTlsMode {
        /// Passed on by its server name.
        Passthrough = 0 "PASSTHROUGH",
        /// Terminated.
        Simple = 1 "SIMPLE",
        /// Terminated, with a client certificate.
        Mutual = 2 "MUTUAL",
        /// Passed on by the encoded cluster name.
        AutoPassthrough = 3 "AUTO_PASSTHROUGH",
        /// Terminated with the mesh's identities.
        IstioMutual = 4 "ISTIO_MUTUAL",
        /// Terminated, with a client certificate if there is one.
        OptionalMutual = 5 "OPTIONAL_MUTUAL",
    }
}

choice! {
    /// A version of TLS.
    TlsVersion {
        /// 1.2 to 1.3.
        Auto = 0 "TLS_AUTO",
        /// 1.0.
        V1_0 = 1 "TLSV1_0",
        /// 1.1.
        V1_1 = 2 "TLSV1_1",
        /// 1.2.
        V1_2 = 3 "TLSV1_2",
        /// 1.3.
        V1_3 = 4 "TLSV1_3",
    }
}
