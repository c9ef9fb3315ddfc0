//! What stands before gateways.

/// What stands before a gateway (Istio's `gatewayTopology`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topology {
    /// Proxies before it whose word in `x-forwarded-for` and `x-forwarded-proto` counts; nothing: none.
    pub trusted_proxies: Option<u32>,
    /// Whether whoever connects says by the PROXY protocol whom it speaks for.
    pub proxy_protocol: bool,
    /// What becomes of `x-forwarded-client-cert`; nothing: [`ForwardClientCert::SanitizeSet`].
    pub client_cert: Option<ForwardClientCert>,
    /// What it tells of the client's certificate; nothing: [`CertificateParts::USUAL`].
    pub client_cert_parts: Option<CertificateParts>,
}

/// What becomes of `x-forwarded-client-cert`, by which a proxy tells of its client's certificate. Of clients without one
/// it is taken away, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardClientCert {
    /// It is taken away.
    Sanitize,
    /// It passes.
    ForwardOnly,
    /// The client's certificate is added.
    AppendForward,
    /// The client's certificate stands there, and nothing else.
    SanitizeSet,
    /// It passes, whoever sends it.
    AlwaysForwardOnly,
}

/// What `x-forwarded-client-cert` tells of a certificate, beside its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CertificateParts(u8);

/// A part of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// Itself.
    Whole,
    /// It, and those that its client has shown with it.
    Chain,
    /// Its subject.
    Subject,
    /// Its URIs.
    Uris,
    /// Its DNS names.
    Hosts,
}

// === impl CertificateParts ===

impl CertificateParts {
    /// What gateways tell where nobody says otherwise (Istio's).
    pub const USUAL: Self = Self::NONE
        .with(CertificatePart::Whole)
        .with(CertificatePart::Subject)
        .with(CertificatePart::Uris)
        .with(CertificatePart::Hosts);

    /// None.
    pub const NONE: Self = Self(0);

    /// And that.
    #[must_use]
    pub const fn with(self, part: CertificatePart) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether it is among them.
    pub const fn has(self, part: CertificatePart) -> bool {
        self.0 & 1 << part as u8 != 0
    }
}
