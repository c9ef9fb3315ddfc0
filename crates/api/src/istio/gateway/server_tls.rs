//! What a table cannot say of TLS at a listener: which fields a mode needs, allows and ignores.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{ServerTls, ServerTlsMode, TlsVersion};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::TlsDefaults,
    names,
};

/// Most certificates of a server, one for each kind of key.
const CERTIFICATES: usize = 2;

/// Bytes of a SHA-256 hash.
const HASH: usize = 32;

/// Names of cipher suites that Istio takes.
const CIPHER_SUITES: [&str; 15] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// Names of groups of the key exchange that Istio takes.
const CURVES: [&str; 7] = ["P-224", "P-256", "P-384", "P-521", "X25519", "X25519Kyber768Draft00", "X25519MLKEM768"];

impl ServerTls {
    /// Those of `cipherSuites` that are not left out as unknown: names, `ALL`, and groups and operators of OpenSSL's lists.
    pub fn known_cipher_suites(&self) -> impl Iterator<Item = &str> {
        self.cipher_suites.iter().map(String::as_str).filter(|text| !text.is_empty() && is_cipher_suite(text))
    }
}

impl TlsDefaults {
    /// As [`ServerTls::known_cipher_suites`].
    pub fn known_cipher_suites(&self) -> impl Iterator<Item = &str> {
        self.cipher_suites.iter().map(String::as_str).filter(|text| !text.is_empty() && is_cipher_suite(text))
    }
}

impl TlsDefaults {
    /// Those of `ecdhCurves` that are not left out as unknown, each once.
    pub fn known_ecdh_curves(&self) -> impl Iterator<Item = &str> {
        let known = self.ecdh_curves.iter().enumerate().filter(|(_, text)| CURVES.contains(&text.as_str()));
        let first = known.filter(|(index, text)| !self.ecdh_curves[..*index].contains(text));
        first.map(|(_, text)| text.as_str())
    }
}

/// Whether Istio knows that, or lets it pass.
fn is_cipher_suite(text: &str) -> bool {
    let operator = text.starts_with(|c: char| !c.is_alphanumeric());
    text.is_empty() || text == "ALL" || operator || CIPHER_SUITES.contains(&text)
}

pub(super) fn check_tls(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_numbers(decoder, field);
    check_versions(tls, decoder, field);
    check_cipher_suites(decoder, field);
    check_hashes(decoder, field);
    if field.unreadable::<ServerTlsMode>("mode") {
        return;
    }
    match tls.mode {
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            let hint = "TLS is passed on: write `mode: SIMPLE` or `mode: MUTUAL` to terminate it";
            for name in own(tls).chain(clients(tls)) {
                decoder.not_acted_on(&field.at(name), hint);
            }
        }
        ServerTlsMode::IstioMutual => check_istio_mutual(tls, decoder, field),
        ServerTlsMode::Simple => {
            check_certificates(tls, decoder, field);
            for name in clients(tls).filter(|name| *name != "caCrl") {
                let hint = "clients show certificates with `mode: MUTUAL` and `mode: OPTIONAL_MUTUAL` only";
                decoder.not_acted_on(&field.at(name), hint);
            }
            if !tls.ca_crl.is_empty() && !has_credential(tls) {
                let hint = "clients show no certificates: remove it, or write `mode: MUTUAL`";
                decoder.report(code::CONFLICT, &field.at("caCrl"), "`mode: SIMPLE` excludes `caCrl`", hint);
            }
        }
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            check_certificates(tls, decoder, field);
            check_authority(tls, decoder, field);
        }
    }
    if !tls.ca_crl.is_empty() && has_credential(tls) && own_certificate(tls.mode) {
        decoder.not_acted_on(&field.at("caCrl"), "put the list into the `Secret`, as `ca.crl`");
    }
}

/// Whether a mode takes certificates that the object names.
fn own_certificate(mode: ServerTlsMode) -> bool {
    matches!(mode, ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual)
}

/// Whether certificates are in a `Secret`.
fn has_credential(tls: &ServerTls) -> bool {
    !tls.credential_name.is_empty() || !tls.credential_names.is_empty()
}

/// Fields that are given and say what the server shows.
fn own(tls: &ServerTls) -> impl Iterator<Item = &'static str> {
    let fields = [
        ("serverCertificate", !tls.server_certificate.is_empty()),
        ("privateKey", !tls.private_key.is_empty()),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
}

/// Fields that are given and say whom the server believes.
fn clients(tls: &ServerTls) -> impl Iterator<Item = &'static str> {
    let fields = [
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("caCertCredentialName", !tls.ca_cert_credential_name.is_empty()),
        ("caCrl", !tls.ca_crl.is_empty()),
        ("subjectAltNames", !tls.subject_alt_names.is_empty()),
        ("verifyCertificateSpki", !tls.verify_certificate_spki.is_empty()),
        ("verifyCertificateHash", !tls.verify_certificate_hash.is_empty()),
        ("insecureSkipVerify", tls.insecure_skip_verify == Some(true)),
    ];
    fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
}

fn check_istio_mutual(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for name in own(tls).chain(clients(tls).filter(|name| *name == "caCertificates")) {
        let message = format!("`mode: ISTIO_MUTUAL` excludes `{name}`");
        let hint = "the mesh's own certificates are used: remove it, or write `mode: MUTUAL`";
        decoder.report(code::CONFLICT, &field.at(name), message, hint);
    }
    for name in clients(tls).filter(|name| ["caCertCredentialName", "caCrl", "insecureSkipVerify"].contains(name)) {
        decoder.not_acted_on(&field.at(name), "the mesh's own certificates are used");
    }
}

/// The server's certificate comes from one place, and is complete.
fn check_certificates(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let whole_pair = !tls.server_certificate.is_empty() && !tls.private_key.is_empty();
    let sources: Vec<_> =
        own(tls).filter(|name| *name != "privateKey" && (*name != "serverCertificate" || whole_pair)).collect();
    if let [first, second, ..] = sources[..] {
        let message = format!("`{second}` excludes `{first}`");
        decoder.report(code::CONFLICT, &field.at(second), message, "the certificate comes from one of them");
    }
    if !field.lacks("credentialName") || field.child("credentialNames").is_some() {
        return;
    }
    if field.child("tlsCertificates").is_some() {
        for certificate in field.items("tlsCertificates") {
            check_pair(tls.mode, decoder, &certificate, "give `serverCertificate` and `privateKey`");
        }
    } else {
        check_pair(tls.mode, decoder, field, "give `credentialName`, or `serverCertificate` and `privateKey`");
    }
}

/// A certificate and its key.
fn check_pair(mode: ServerTlsMode, decoder: &mut Decoder<'_>, field: &Field<'_>, hint: &str) {
    let (field, message) = match (field.lacks("serverCertificate"), field.lacks("privateKey")) {
        (false, false) => return,
        (true, true) => (field.clone(), format!("`mode: {}` needs a certificate", mode.as_str())),
        (true, false) => (field.at("privateKey"), "`privateKey` needs `serverCertificate`".into()),
        (false, true) => (field.at("serverCertificate"), "`serverCertificate` needs `privateKey`".into()),
    };
    decoder.report(code::MISSING, &field, message, hint);
}

/// What clients' certificates are verified by.
fn check_authority(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let with_certificates = tls.tls_certificates.iter().any(|certificate| !certificate.ca_certificates.is_empty());
    if field.lacks("caCertificates")
        && field.lacks("caCertCredentialName")
        && field.lacks("credentialName")
        && field.child("credentialNames").is_none()
        && !with_certificates
        && tls.insecure_skip_verify != Some(true)
    {
        let message = format!("`mode: {}` needs `caCertificates`", tls.mode.as_str());
        let hint = "name what clients' certificates are verified by, or use `credentialName`";
        decoder.report(code::MISSING, field, message, hint);
    }
}

fn check_numbers(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for name in ["credentialNames", "tlsCertificates"] {
        let items = field.items(name).len();
        if items > CERTIFICATES {
            let message = format!("`{name}` has {items} items, at most {CERTIFICATES} are allowed");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "one for RSA, one for ECDSA");
        } else if field.child(name).is_some_and(|list| list.is_empty_list()) {
            decoder.report(
                code::MISSING,
                &field.at(name),
                format!("`{name}` is empty"),
                "name a certificate, or remove it",
            );
        }
    }
}

fn check_versions(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let (least, most) = (tls.min_protocol_version, tls.max_protocol_version);
    let old = |version| matches!(version, TlsVersion::V1_0 | TlsVersion::V1_1);
    if old(least) {
        decoder.not_acted_on(&field.at("minProtocolVersion"), "TLS begins at 1.2: write `TLSV1_2`");
    }
    if old(most) {
        let message = format!("`{}` is not served", most.as_str());
        decoder.report(code::UNSUPPORTED_VALUE, &field.at("maxProtocolVersion"), message, "TLS is 1.2 or 1.3");
    } else if most != TlsVersion::Auto && least > most {
        let message = format!("`{}` is less than `minProtocolVersion: {}`", most.as_str(), least.as_str());
        decoder.report(code::CONFLICT, &field.at("maxProtocolVersion"), message, "swap them, or remove one");
    }
}

/// Istio leaves out suites that it does not know and those that are given twice.
pub(crate) fn check_cipher_suites(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let mut seen = HashSet::new();
    for suite in field.items("cipherSuites") {
        let Some(text) = suite.node.text() else { continue };
        if !is_cipher_suite(text) {
            let near = names::nearest(text, CIPHER_SUITES).filter(|_| !text.starts_with("TLS_"));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "names are OpenSSL's, as `ECDHE-RSA-AES128-GCM-SHA256`; those of TLS 1.3 are always on".into(),
            };
            let message = format!("{} is no cipher suite that is known and is left out", quoted(text));
            decoder.report(code::NOT_ACTED_ON, &suite, message, hint);
        } else if !seen.insert(text) {
            let message = format!("{} is given twice and is left out", quoted(text));
            decoder.report(code::NOT_ACTED_ON, &suite, message, "");
        }
    }
}

/// Istio warns of curves that it does not know and of those that are given twice.
pub(crate) fn check_ecdh_curves(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let mut seen = HashSet::new();
    for curve in field.items("ecdhCurves") {
        let Some(text) = curve.node.text() else { continue };
        if !CURVES.contains(&text) {
            let hint = match names::nearest(text, CURVES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "names are BoringSSL's, as `X25519` and `P-256`".into(),
            };
            let message = format!("{} is no curve that is known and is left out", quoted(text));
            decoder.report(code::NOT_ACTED_ON, &curve, message, hint);
        } else if !seen.insert(text) {
            let message = format!("{} is given twice and is left out", quoted(text));
            decoder.report(code::NOT_ACTED_ON, &curve, message, "");
        }
    }
}

fn check_hashes(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for hash in field.items("verifyCertificateSpki") {
        if let Some(text) = hash.node.text()
            && STANDARD.decode(text).ok().is_none_or(|bytes| bytes.len() != HASH)
        {
            let message = format!("{} is not a SHA-256 hash in base64", quoted(text));
            decoder.report(code::BAD_VALUE, &hash, message, "it has 44 characters, the last is `=`");
        }
    }
    for hash in field.items("verifyCertificateHash") {
        if let Some(text) = hash.node.text()
            && !is_hex_hash(text)
        {
            let message = format!("{} is not a SHA-256 hash in hexadecimal", quoted(text));
            decoder.report(code::BAD_VALUE, &hash, message, "it has 64 digits, or 32 pairs of them with `:` between");
        }
    }
}

/// 64 digits, or 32 pairs of them with `:` between.
fn is_hex_hash(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.contains(':') {
        text.split(':').count() == HASH && text.split(':').all(|pair| pair.len() == 2 && digits(pair))
    } else {
        text.len() == 2 * HASH && digits(text)
    }
}
