//! rustls configurations.

use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
};

use ripstop_model::{SpiffeId, TrustDomain};
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{cipher_suite, default_provider, kx_group},
    },
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
    version::TLS13,
};
use rustls_pki_types::ServerName;

use crate::{
    Bundles, Roots, Svid,
    verify::{ClientVerifier, ServerVerifier, Trust},
};

/// Whether a server insists on the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate, no connection.
    Required,
    /// A client without a certificate is let in without an identity (joining with a token); one with a bad
    /// certificate is refused.
    Optional,
}

/// The configuration of a client that proves `svid` and accepts a server whose identity is in `expected`, which must
/// lie in a trust domain that `roots` believe. An empty `expected` accepts nobody.
///
/// Build it once for a set of expected identities and keep it: it holds parsed keys and roots.
pub fn client_config(
    svid: &Svid,
    roots: impl Into<Bundles>,
    expected: impl Into<Arc<[SpiffeId]>>,
    alpn: &[&[u8]],
) -> Arc<ClientConfig> {
    let trust = Trust { own: Some(svid.id.clone()), domain: svid.id.trust_domain(), bundles: roots.into() };
    let verifier = ServerVerifier { trust, expected: expected.into() };
    let mut config =
        client_builder(verifier).with_client_cert_resolver(Arc::new(SingleCertAndKey::from(svid.certified_key())));
    // Tunnels make their records themselves, with the secrets of rustls' handshake.
    config.enable_secret_extraction = true;
    finish_client(config, alpn)
}

/// The configuration of a client that has no certificate yet (it joins with a token) and accepts a server of `domain`
/// whose identity is in `expected`.
pub fn bootstrap_config(
    roots: &Roots,
    domain: &TrustDomain,
    expected: impl Into<Arc<[SpiffeId]>>,
    alpn: &[&[u8]],
) -> Arc<ClientConfig> {
    let trust = Trust { own: None, domain: domain.clone(), bundles: roots.into() };
    let verifier = ServerVerifier { trust, expected: expected.into() };
    finish_client(client_builder(verifier).with_no_client_auth(), alpn)
}

/// The configuration of a server that proves `svid` and accepts clients of trust domains that `roots` believe.
///
/// Build it once and keep it: it holds parsed keys and roots.
pub fn server_config(svid: &Svid, roots: impl Into<Bundles>, auth: ClientAuth, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = finish_server(Arc::new(client_verifier(svid, roots.into(), auth)), svid, alpn);
    // As above: for tunnels.
    config.enable_secret_extraction = true;
    Arc::new(config)
}

/// As [`server_config`] with [`ClientAuth::Required`], for others than tunnels: what verifies clients is passed through
/// `narrowed`, which may ask for more.
///
/// # Errors
///
/// Those of `narrowed`.
pub fn edge_config<E>(
    svid: &Svid,
    roots: impl Into<Bundles>,
    alpn: &[&[u8]],
    narrowed: impl FnOnce(Arc<dyn ClientCertVerifier>) -> Result<Arc<dyn ClientCertVerifier>, E>,
) -> Result<Arc<ServerConfig>, E> {
    let verifier = narrowed(Arc::new(client_verifier(svid, roots.into(), ClientAuth::Required)))?;
    Ok(Arc::new(finish_server(verifier, svid, alpn)))
}

/// A server name for rustls' connectors, which insist on one. It is neither sent nor checked.
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into())
}

/// aws-lc-rs with the suites and key exchanges of the mesh, AES-128-GCM first: both ends have AES instructions and
/// the shorter key costs less.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_AES_256_GCM_SHA384],
            kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
            ..default_provider()
        })
    });
    &PROVIDER
}

fn client_builder(verifier: ServerVerifier) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites and key exchanges")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
}

fn server_builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites and key exchanges")
}

fn client_verifier(svid: &Svid, bundles: Bundles, auth: ClientAuth) -> ClientVerifier {
    let trust = Trust { own: Some(svid.id.clone()), domain: svid.id.trust_domain(), bundles };
    ClientVerifier { trust, mandatory: auth == ClientAuth::Required }
}

fn finish_server(verifier: Arc<dyn ClientCertVerifier>, svid: &Svid, alpn: &[&[u8]]) -> ServerConfig {
    let mut config = server_builder()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(svid.certified_key())));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn finish_client(mut config: ClientConfig, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

#[cfg(test)]
mod tests;
