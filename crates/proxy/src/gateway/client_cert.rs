//! What a gateway tells of a client's certificate in `x-forwarded-client-cert`, as Envoy does: to whom it was shown, its
//! hash, and what else is to be told of it, by Istio's settings for gateways itself, its subject and its names.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_model::{CertificatePart, ForwardClientCert, SpiffeId};
use rustls::pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{AttributeTypeAndValue, FromDer, X509Certificate, X509Name},
};

use crate::http::standpoint::Before;

/// Bytes of base64 in a line of PEM (RFC 7468 2).
const LINE: usize = 64;

/// What is told of the certificate that `chain` begins with, shown to a gateway that has proven to be `own`, if an identity
/// of the mesh was asked for; empty where nothing has to be told. Nothing: no certificate was shown.
pub(super) fn told(chain: &[CertificateDer<'_>], before: &Before, own: Option<&SpiffeId>) -> Option<Box<str>> {
    let leaf = chain.first()?;
    if !matches!(before.client_cert(), ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet) {
        return Some(Box::default());
    }
    let parts = before.client_cert_parts();
    let mut told = own.map_or_else(String::new, |own| format!("By={};", own.as_str()));
    told.push_str("Hash=");
    for byte in digest(&SHA256, leaf).as_ref() {
        push(&mut told, format_args!("{byte:02x}"));
    }
    if parts.has(CertificatePart::Whole) {
        push(&mut told, format_args!(";Cert=\"{}\"", pem(leaf)));
    }
    if parts.has(CertificatePart::Chain) {
        let chain: String = chain.iter().map(pem).collect();
        push(&mut told, format_args!(";Chain=\"{chain}\""));
    }
    // It was verified; what can't be read of it is not told.
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return Some(told.into()) };
    if parts.has(CertificatePart::Subject) {
        push(&mut told, format_args!(";Subject=\"{}\"", subject(certificate.subject())));
    }
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = || names.iter().flat_map(|extension| &extension.value.general_names);
    if parts.has(CertificatePart::Uris) {
        let mut is_there = false;
        for name in names() {
            if let GeneralName::URI(uri) = name {
                is_there = true;
                name_as(&mut told, "URI", uri);
            }
        }
        if !is_there {
            told.push_str(";URI=");
        }
    }
    if parts.has(CertificatePart::Hosts) {
        for name in names() {
            if let GeneralName::DNSName(host) = name {
                name_as(&mut told, "DNS", host);
            }
        }
    }
    Some(told.into())
}

fn push(told: &mut String, text: std::fmt::Arguments<'_>) {
    // A text can always be written.
    let _ = told.write_fmt(text);
}

/// In PEM, encoded for URLs.
fn pem(leaf: &CertificateDer<'_>) -> String {
    let base64 = STANDARD.encode(leaf);
    let mut pem = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for (at, char) in base64.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            pem.push_str("%0A");
        }
        match char {
            '+' => pem.push_str("%2B"),
            '/' => pem.push_str("%2F"),
            '=' => pem.push_str("%3D"),
            char => pem.push(char),
        }
    }
    pem + "%0A-----END%20CERTIFICATE-----%0A"
}

/// As RFC 2253 writes it, the last part first.
fn subject(name: &X509Name<'_>) -> String {
    let parts: Vec<String> =
        name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let name = match &*id {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => &id,
    };
    if let Ok(text) = attribute.as_str() {
        return format!("{name}={}", escaped(text));
    }
    let mut hex = format!("{name}=#");
    for byte in attribute.as_slice() {
        push(&mut hex, format_args!("{byte:02X}"));
    }
    hex
}

/// A value as RFC 2253 2.4 has it, in ASCII.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => escaped.extend(['\\', char::from(byte)]),
            b' ' if at == 0 || at == last => escaped.push_str("\\ "),
            b'#' if at == 0 => escaped.push_str("\\#"),
            b' '..=b'~' => escaped.push(char::from(byte)),
            byte => push(&mut escaped, format_args!("\\{byte:02X}")),
        }
    }
    escaped
}

/// A name, in quotes if it could be read as more than one. What cannot be told as it is, is not told.
fn name_as(told: &mut String, key: &str, text: &str) {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return;
    }
    if text.contains([',', ';', '=', '"', '\\']) {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        push(told, format_args!(";{key}=\"{text}\""));
    } else {
        push(told, format_args!(";{key}={text}"));
    }
}

#[cfg(test)]
mod tests;
