//! What a table cannot say of TLS towards endpoints: which fields a mode needs, allows and ignores.

use super::{ClientTls, ClientTlsMode};
use crate::{
    decode::{Decoder, Field},
    finding::code,
};

pub(super) fn check_tls(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if field.unreadable::<ClientTlsMode>("mode") {
        return;
    }
    match tls.mode {
        ClientTlsMode::Disable => check_plaintext(tls, decoder, field),
        ClientTlsMode::Simple => check_simple(tls, decoder, field),
        ClientTlsMode::Mutual => check_mutual(tls, decoder, field),
        ClientTlsMode::IstioMutual => check_istio_mutual(tls, decoder, field),
    }
}

/// Which fields name files.
fn files(tls: &ClientTls) -> impl Iterator<Item = &'static str> {
    let files = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("caCrl", &tls.ca_crl),
    ];
    files.into_iter().filter(|(_, file)| !file.is_empty()).map(|(name, _)| name)
}

fn check_plaintext(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let others = [
        ("credentialName", !tls.credential_name.is_empty()),
        ("subjectAltNames", !tls.subject_alt_names.is_empty()),
        ("sni", !tls.sni.is_empty()),
        ("insecureSkipVerify", tls.insecure_skip_verify == Some(true)),
    ];
    for name in files(tls).chain(others.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)) {
        decoder.not_acted_on(&field.at(name), "`mode` is `DISABLE`, which is plaintext: write `mode: SIMPLE` for TLS");
    }
}

fn check_simple(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_credential(tls, decoder, field);
    if tls.credential_name.is_empty() {
        for name in files(tls).filter(|name| ["clientCertificate", "privateKey"].contains(name)) {
            decoder.not_acted_on(&field.at(name), "a client certificate is shown with `mode: MUTUAL` only");
        }
    }
    if tls.insecure_skip_verify == Some(true) {
        check_skip(tls, decoder, field, !tls.credential_name.is_empty());
    }
}

fn check_mutual(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_credential(tls, decoder, field);
    if field.lacks("credentialName") {
        let hint = "give `credentialName`, or `clientCertificate` and `privateKey`";
        match (field.lacks("clientCertificate"), field.lacks("privateKey")) {
            (false, false) => {}
            (true, true) => {
                decoder.report(code::MISSING, field, "`mode: MUTUAL` needs a client certificate", hint);
            }
            (true, false) => {
                decoder.report(code::MISSING, &field.at("privateKey"), "`privateKey` needs `clientCertificate`", hint);
            }
            (false, true) => {
                let certificate = field.at("clientCertificate");
                decoder.report(code::MISSING, &certificate, "`clientCertificate` needs `privateKey`", hint);
            }
        }
    }
    if tls.insecure_skip_verify == Some(true) {
        check_skip(tls, decoder, field, false);
    }
}

/// Istio takes the server name and the names of the endpoint with this mode too, though its API says that all other
/// fields should be empty; its own guide to egress gateways gives `sni`.
fn check_istio_mutual(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let others = [
        ("credentialName", !tls.credential_name.is_empty()),
        ("insecureSkipVerify", tls.insecure_skip_verify == Some(true)),
    ];
    for name in files(tls).chain(others.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)) {
        let message = format!("`mode: ISTIO_MUTUAL` excludes `{name}`");
        let hint = "the mesh's own certificates are used: remove it, or write `mode: MUTUAL`";
        decoder.report(code::CONFLICT, &field.at(name), message, hint);
    }
}

/// A `Secret` has the certificates that files would have.
fn check_credential(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if tls.credential_name.is_empty() {
        return;
    }
    for name in files(tls) {
        let message = format!("`credentialName` excludes `{name}`");
        decoder.report(code::CONFLICT, &field.at(name), message, "keep the `Secret` or the files");
    }
}

/// What is not verified needs nothing to verify it by.
fn check_skip(tls: &ClientTls, decoder: &mut Decoder<'_>, field: &Field<'_>, credential: bool) {
    let given = [
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("credentialName", credential),
        ("subjectAltNames", !tls.subject_alt_names.is_empty()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = format!("`insecureSkipVerify` excludes `{name}`");
        let hint = "with `insecureSkipVerify` the endpoint is not verified: keep one of them";
        decoder.report(code::CONFLICT, &field.at(name), message, hint);
    }
}
