use super::*;
use crate::testing::Sample;

pub(crate) fn topology(sample: &mut Sample) -> Topology {
    Topology {
        trusted_proxies: sample.maybe(Sample::number),
        proxy_protocol: sample.flag(),
        client_cert: sample.pick(&[
            None,
            Some(ForwardClientCert::Sanitize),
            Some(ForwardClientCert::ForwardOnly),
            Some(ForwardClientCert::AppendForward),
            Some(ForwardClientCert::SanitizeSet),
            Some(ForwardClientCert::AlwaysForwardOnly),
        ]),
        client_cert_parts: sample.pick(&[
            None,
            Some(CertificateParts::NONE),
            Some(CertificateParts::USUAL),
            Some(CertificateParts::NONE.with(CertificatePart::Chain)),
        ]),
    }
}
